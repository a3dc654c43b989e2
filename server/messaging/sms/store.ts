/** All SQL of SMS providers. */
import type { Limits } from '../../deliveries/deliveries.ts';
import { json, type Queryable, sql } from '../../db/db.ts';

export interface ProviderRow {
  id: number;
  type: string;
  name: string;
  settings: Record<string, unknown>;
  limits: Limits;
  secret: Buffer | null;
  /** In the address of callbacks. */
  callbackToken: string;
  /** The one before; good until then. */
  previousCallbackToken: string | null;
  previousCallbackUntil: Date | null;
  isDefault: boolean;
  createdAt: Date;
}

const columns = sql`id, type, name, settings, limits, secret, callback_token, previous_callback_token, previous_callback_until, is_default, created_at`;

export const list = (q: Queryable): Promise<ProviderRow[]> => q.rows(sql`select ${columns} from sms_providers where deleted_at is null order by lower(name), id`);
export const find = (q: Queryable, id: number): Promise<ProviderRow | undefined> =>
  q.first(sql`select ${columns} from sms_providers where id = ${id} and deleted_at is null`);

type Written = Pick<ProviderRow, 'type' | 'name' | 'limits' | 'secret' | 'isDefault'> & { settings: unknown };

/** The first one is the default, whatever was asked for. */
export async function insert(q: Queryable, provider: Written, callbackToken: string, at: Date): Promise<number> {
  const made = await q.first<{ id: number }>(sql`insert into sms_providers (type, name, settings, limits, secret, callback_token, is_default, created_at)
    values (${provider.type}, ${provider.name}, ${json(provider.settings)}, ${json(provider.limits)}, ${provider.secret}, ${callbackToken},
      ${provider.isDefault} or not exists (select from sms_providers where is_default and deleted_at is null), ${at}) returning id`);
  if (!made) throw new Error('The provider was not inserted.');
  return made.id;
}

/** false: somebody changed it since `seen` was read, and nothing was written. */
export const update = async (q: Queryable, id: number, provider: Written, seen: Pick<ProviderRow, 'settings' | 'secret'>): Promise<boolean> =>
  (await q.run(sql`update sms_providers set name = ${provider.name}, settings = ${json(provider.settings)}, limits = ${json(provider.limits)}, secret = ${provider.secret},
    is_default = ${provider.isDefault} where id = ${id} and deleted_at is null and settings = ${json(seen.settings)}::jsonb and secret is not distinct from ${seen.secret}::bytea`)) === 1;

export const replaceCallbackToken = (q: Queryable, id: number, token: string, previousUntil: Date): Promise<number> =>
  q.run(sql`update sms_providers set previous_callback_token = callback_token, previous_callback_until = ${previousUntil}, callback_token = ${token}
    where id = ${id} and deleted_at is null`);

export const keepOneDefault = (q: Queryable, id: number): Promise<number> =>
  q.run(sql`update sms_providers set is_default = false where id <> ${id} and is_default`);

export const remove = (q: Queryable, id: number, at: Date): Promise<number> =>
  q.run(sql`update sms_providers set deleted_at = ${at}, is_default = false, secret = null where id = ${id} and deleted_at is null`);

export const limitsOf = (q: Queryable, ids: readonly number[]): Promise<{ id: number; type: string; limits: Limits }[]> =>
  q.rows(sql`select id, type, limits from sms_providers where id = any(${ids}::bigint[]) and deleted_at is null`);
