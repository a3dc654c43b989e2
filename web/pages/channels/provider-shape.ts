/** What the JSON Schema of a provider's settings tells the form: first values, and the parts of a group. */
import type { SmsProviderType } from './channels.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const propertiesOf = (schema: unknown): Record<string, unknown> => (isObject(schema) && isObject(schema.properties) ? schema.properties : {});

export function defaultsOf(schema: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(propertiesOf(schema)).flatMap(([name, of]) => (isObject(of) && 'default' in of ? [[name, of.default]] : [])));
}

export function partsOf(type: SmsProviderType, field: string): string[] {
  return Object.keys(propertiesOf(propertiesOf(type.settings)[field]));
}

/** Rows of pairs that problems are told of one by one. */
const maxPairs = 50;

/** Every path a problem of these settings may name. */
export function pathsOf(type: SmsProviderType): string[] {
  return type.form.flatMap(({ name, widget }) => {
    const root = `settings.${name}`;
    if (widget === 'group') return [root, ...partsOf(type, name).map((part) => `${root}.${part}`)];
    if (widget === 'pairs') return [root, ...Array.from({ length: maxPairs }, (_, index) => [`${root}.${index}.name`, `${root}.${index}.value`]).flat()];
    return [root];
  });
}

/** «Как подключить: 1) … 2) …» as lines. */
export function stepsOf(description: string): string[] {
  return description.split(/\s(?=\d\)\s)/);
}
