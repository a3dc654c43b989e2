/**
 * `batch`: up to 50 commands in one request, in order, later ones speaking of what earlier ones answered:
 * `$result[deal][ID]`, whole or inside a text. What cannot be resolved is an empty text, not an error.
 */
import { entriesOf, parseForm, phpArray, type Params } from './encoding.ts';
import { RestError } from './errors.ts';
import type { Answer } from './method.ts';
import { toFlag, toText } from './parameter.ts';

export const maxCommands = 50;

export interface Command {
  key: string;
  method: string;
  params: Params;
}

export interface Outcome {
  answer?: Answer;
  error?: RestError;
  time?: unknown;
}

export function readCommands(cmd: unknown): { key: string; text: string }[] {
  const entries = entriesOf(typeof cmd === 'string' ? [cmd] : cmd);
  if (!entries) throw new RestError('100', 'Could not find value for parameter {cmd}');
  return entries.map(([key, text]) => ({ key, text: toText(text) ?? '' }));
}

/** `method?a=1&b[]=2`; the part before the question mark may be an address ending in the method. */
function readCommand(text: string): { method: string; params: Params } {
  const mark = text.indexOf('?');
  return { method: mark < 0 ? text : text.slice(0, mark), params: mark < 0 ? {} : parseForm(text.slice(mark + 1)) };
}

const reference = /\$result((?:\[[^\]]*\])+)/g;

function resolved(path: string, results: ReadonlyMap<string, unknown>): unknown {
  const [key = '', ...rest] = path.slice(1, -1).split('][');
  let value = results.get(key);
  for (const part of rest) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

function asText(value: unknown): string {
  if (value === true) return '1';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Texts with their references filled in; a reference that is the whole text brings what it points at, lists and maps included. */
export function fillIn(value: unknown, results: ReadonlyMap<string, unknown>): unknown {
  if (typeof value === 'string') {
    if (!value.includes('$result[')) return value;
    const whole = /^\$result((?:\[[^\]]*\])+)$/.exec(value)?.[1];
    const found = whole === undefined ? undefined : resolved(whole, results);
    if (typeof found === 'object' && found !== null) return found;
    return value.replaceAll(reference, (_, path: string) => asText(resolved(path, results)));
  }
  if (Array.isArray(value)) return value.map((one) => fillIn(one, results));
  const entries = entriesOf(value);
  if (!entries) return value;
  const filled: Record<string, unknown> = Object.create(null);
  for (const [key, inner] of entries) filled[asText(fillIn(key, results))] = fillIn(inner, results);
  return filled;
}

/**
 * Clients miss an error without a code inside a batch: the row would simply not be there. So an empty code becomes
 * ERROR_CORE here.
 */
function told(error: RestError): { error: string; error_description: string } {
  return { error: error.code === '' ? 'ERROR_CORE' : error.code, error_description: error.message };
}

export async function runBatch(params: Params, run: (command: Command) => Promise<Outcome>): Promise<unknown> {
  const commands = readCommands(params.cmd);
  const halt = toFlag(params.halt);
  const results = new Map<string, unknown>();
  const result: [string, unknown][] = [];
  const errors: [string, unknown][] = [];
  const totals: [string, unknown][] = [];
  const nexts: [string, unknown][] = [];
  const times: [string, unknown][] = [];
  for (const [index, { key, text }] of commands.entries()) {
    let outcome: Outcome;
    if (index >= maxCommands) outcome = { error: new RestError('ERROR_BATCH_LENGTH_EXCEEDED', 'Max batch length exceeded') };
    else {
      try {
        const { method, params: raw } = readCommand(text);
        const filled = text.includes('result') ? fillIn(raw, results) : raw;
        outcome = await run({ key, method, params: Object.fromEntries(entriesOf(filled) ?? []) });
      } catch (error) {
        if (!(error instanceof RestError)) throw error;
        outcome = { error };
      }
    }
    if (outcome.time !== undefined) times.push([key, outcome.time]);
    if (outcome.error) {
      errors.push([key, told(outcome.error)]);
      if (halt) break;
      continue;
    }
    const { answer } = outcome;
    results.set(key, answer?.result);
    result.push([key, answer?.result ?? null]);
    if (answer?.total !== undefined) totals.push([key, answer.total]);
    if (answer?.next !== undefined) nexts.push([key, answer.next]);
  }
  return { result: phpArray(result), result_error: phpArray(errors), result_total: phpArray(totals), result_next: phpArray(nexts), result_time: phpArray(times) };
}
