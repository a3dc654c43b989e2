/** The list of SMS providers we can talk to, and their texts: `providers/<id>/{ru,en}.json`, read once when the process starts. */
import { readFileSync } from 'node:fs';
import type { Language } from '../../../shared/messages.ts';
import type { SmsFormField, SmsProviderType } from './provider.ts';
import { exolve } from './providers/exolve/provider.ts';
import { httpProvider } from './providers/http/provider.ts';
import { smppProvider } from './providers/smpp/provider.ts';
import { smsAero } from './providers/sms-aero/provider.ts';
import { smsRu } from './providers/sms-ru/provider.ts';
import { smsc } from './providers/smsc/provider.ts';
import { twilio } from './providers/twilio/provider.ts';
import { vonage } from './providers/vonage/provider.ts';

/** In the order of the picker. */
export const smsProviderTypes: readonly SmsProviderType[] = [
  smsRu,
  smsc,
  smsAero,
  exolve,
  twilio,
  vonage,
  httpProvider,
  smppProvider,
];

/** Shown as they are, not as ICU messages: `{phone}` in a description stays. */
const raw = new Map(smsProviderTypes.map(({ id }) => [id, { ru: read(id, 'ru'), en: read(id, 'en') }]));

function read(id: string, language: Language): Record<string, string> {
  const entries: unknown = JSON.parse(readFileSync(new URL(`./providers/${id}/${language}.json`, import.meta.url), 'utf8'));
  if (typeof entries !== 'object' || entries === null) throw new Error(`server/messaging/sms/providers/${id}/${language}.json is not an object of texts.`);
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => {
    if (typeof value !== 'string') throw new Error(`server/messaging/sms/providers/${id}/${language}.json: "${key}" is not a text.`);
    return [key, value];
  }));
}

export interface SmsProviderTypeDescription {
  id: string;
  title: string;
  description: string;
  form: (Omit<SmsFormField, 'options'> & { label: string; hint: string | null; options?: { value: string; name: string }[] })[];
  /** null: the administrator names them. */
  secrets: { name: string; isRequired: boolean; label: string; hint: string | null }[] | null;
  can: SmsProviderType['can'];
}

/** Every kind in a language, for the settings panel. */
export function describeProviderTypes(language: Language): SmsProviderTypeDescription[] {
  return smsProviderTypes.map((type) => {
    const say = (key: string) => raw.get(type.id)?.[language][key] ?? key;
    const hint = (key: string) => raw.get(type.id)?.[language][key] ?? null;
    return {
      id: type.id,
      title: say('title'),
      description: say('description'),
      form: type.form.map(({ options, ...field }) => ({
        ...field,
        label: say(`settings.${field.name}.label`),
        hint: hint(`settings.${field.name}.hint`),
        ...(options ? { options: options.map((value) => ({ value, name: say(`settings.${field.name}.options.${value}`) })) } : {}),
      })),
      secrets: type.secrets === 'any' ? null : type.secrets.map((secret) => ({ ...secret, label: say(`secrets.${secret.name}.label`), hint: hint(`secrets.${secret.name}.hint`) })),
      can: type.can,
    };
  });
}

export function secretLabel(language: Language, id: string, name: string): string {
  return raw.get(id)?.[language][`secrets.${name}.label`] ?? name;
}

/** 'Заголовки (0.name)' for 'headers.0.name'. */
export function settingLabel(language: Language, id: string, path: string): string {
  const [root = '', ...rest] = path.split('.');
  const label = raw.get(id)?.[language][`settings.${root}.label`];
  return `${label ?? root}${rest.length > 0 ? ` (${rest.join('.')})` : ''}`;
}
