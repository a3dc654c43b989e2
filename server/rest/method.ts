/**
 * A method: its name, what it takes, and what it does. The lists `methods`, `method.get`, `scope` and docs/rest.md are
 * made from these declarations, so that a method is there when it is in the catalogue, and nowhere else to be entered.
 */
import type { Actor } from '../people/people.ts';
import type { RestApp } from './credentials.ts';
import type { Params } from './encoding.ts';
import { accessDenied, applicationRequired, type RestError, type Translate } from './errors.ts';
import { pageSize, type Parameters, type ValuesOf } from './parameter.ts';

/** Who calls, and with what. */
export interface Call {
  actor: Actor;
  scopes: ReadonlySet<string>;
  /** null: an incoming webhook. */
  app: RestApp | null;
  now: Date;
}

export interface Answer {
  result: unknown;
  total?: number;
  /** Only when there is more. */
  next?: number;
}

interface Declaration<P extends Parameters> {
  /** As the documentation spells it: `disk.storage.getList`. Callers may spell it in any letter case. */
  name: string;
  /** 'basic': every caller has it. Several: any of them will do. */
  scope: string | readonly string[];
  /** A sentence for the list of methods. */
  about: string;
  params: P;
  /** 'app': an incoming webhook is refused. */
  context?: 'any' | 'app';
  /** Refused to others before anything is read. */
  adminsOnly?: boolean | ((description?: string) => RestError);
  /** What is otherwise than documented: a sentence. */
  differs?: string;
  /** Files travel in no batch. */
  notInBatch?: boolean;
  errors?: Translate;
  run(call: Call, params: ValuesOf<P>): Promise<Answer> | Answer;
}

export interface Method extends Omit<Declaration<Parameters>, 'run' | 'scope' | 'adminsOnly'> {
  scopes: readonly string[];
  key: string;
  call(call: Call, raw: Params): Promise<Answer>;
}

export function defineMethod<const P extends Parameters>({ run, scope, adminsOnly, ...declared }: Declaration<P>): Method {
  const names = Object.keys(declared.params);
  return {
    ...declared,
    scopes: typeof scope === 'string' ? [scope] : scope,
    key: declared.name.toLowerCase(),
    async call(call, raw) {
      if (declared.context === 'app' && !call.app) throw applicationRequired();
      if (adminsOnly && !call.actor.isAdmin) throw typeof adminsOnly === 'function' ? adminsOnly() : accessDenied();
      return run(call, readParams(declared.params, names, raw));
    },
  };
}

function readParams<P extends Parameters>(params: P, names: readonly string[], raw: Params): ValuesOf<P>;
function readParams(params: Parameters, names: readonly string[], raw: Params): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, params[name]?.read(raw[name.toLowerCase()], name)]));
}

/** A page of a list that was counted, or was not (`start` -1). */
export function page(result: unknown, rows: number, start: number, total: number): Answer {
  if (start < 0) return { result, total: 0 };
  return start + rows < total ? { result, total, next: start + pageSize } : { result, total };
}

/** A page cut out of a list that is at hand whole. */
export function cut<Row>(rows: readonly Row[], start: number, shape: (rows: readonly Row[]) => unknown = (some) => some): Answer {
  const from = Math.max(0, start);
  const some = rows.slice(from, from + pageSize);
  return page(shape(some), some.length, start, rows.length);
}
