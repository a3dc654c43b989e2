/** All SQL of the REST gateway. */
import { json, type Queryable, sql } from '../db/db.ts';

export interface WebhookRow {
  id: number;
  employeeId: number;
  name: string;
  scopes: string[];
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

export interface AppRow {
  id: number;
  clientId: string;
  name: string;
  scopes: string[];
  createdBy: number | null;
  createdAt: Date;
}

export interface TokenRow {
  id: number;
  appId: number;
  employeeId: number;
  accessExpiresAt: Date;
  refreshExpiresAt: Date;
}

const webhookColumns = sql`id, employee_id, name, scopes, created_at, last_used_at, revoked_at`;
const appColumns = sql`id, client_id, name, scopes, created_by, created_at`;

export async function insertWebhook(q: Queryable, row: { employeeId: number; secretHash: Buffer; name: string; scopes: readonly string[]; createdBy: number | null; at: Date }): Promise<WebhookRow> {
  const made = await q.first<WebhookRow>(sql`
    insert into rest_webhooks (employee_id, secret_hash, name, scopes, created_by, created_at)
    values (${row.employeeId}, ${row.secretHash}, ${row.name}, ${row.scopes}::text[], ${row.createdBy}, ${row.at}) returning ${webhookColumns}`);
  if (!made) throw new Error('The webhook was not written.');
  return made;
}

export function webhookBySecret(q: Queryable, secretHash: Buffer): Promise<WebhookRow | undefined> {
  return q.first(sql`select ${webhookColumns} from rest_webhooks where secret_hash = ${secretHash} and revoked_at is null`);
}

/** Of one employee, or of all; newest first. */
export function webhooks(q: Queryable, employeeId: number | null): Promise<WebhookRow[]> {
  return q.rows(sql`
    select ${webhookColumns} from rest_webhooks where ${employeeId}::bigint is null or employee_id = ${employeeId} order by id desc limit 1000`);
}

/** `employeeId` null: of anybody. Returns whether there was one. */
export async function revokeWebhook(q: Queryable, id: number, employeeId: number | null, at: Date): Promise<boolean> {
  return (await q.run(sql`
    update rest_webhooks set revoked_at = ${at}
    where id = ${id} and revoked_at is null and (${employeeId}::bigint is null or employee_id = ${employeeId})`)) > 0;
}

export async function touchWebhook(q: Queryable, id: number, at: Date): Promise<void> {
  await q.run(sql`update rest_webhooks set last_used_at = ${at} where id = ${id}`);
}

export async function insertApp(q: Queryable, row: { clientId: string; clientSecretHash: Buffer; name: string; scopes: readonly string[]; createdBy: number | null; at: Date }): Promise<AppRow> {
  const made = await q.first<AppRow>(sql`
    insert into rest_apps (client_id, client_secret_hash, name, scopes, created_by, created_at)
    values (${row.clientId}, ${row.clientSecretHash}, ${row.name}, ${row.scopes}::text[], ${row.createdBy}, ${row.at}) returning ${appColumns}`);
  if (!made) throw new Error('The application was not written.');
  return made;
}

export function app(q: Queryable, id: number): Promise<AppRow | undefined> {
  return q.first(sql`select ${appColumns} from rest_apps where id = ${id} and deleted_at is null`);
}

export function appByClient(q: Queryable, clientId: string): Promise<(AppRow & { clientSecretHash: Buffer }) | undefined> {
  return q.first(sql`select ${appColumns}, client_secret_hash from rest_apps where client_id = ${clientId} and deleted_at is null`);
}

export function apps(q: Queryable): Promise<AppRow[]> {
  return q.rows(sql`select ${appColumns} from rest_apps where deleted_at is null order by id desc limit 1000`);
}

/** Its tokens end with it. */
export async function deleteApp(q: Queryable, id: number, at: Date): Promise<boolean> {
  return (await q.run(sql`update rest_apps set deleted_at = ${at} where id = ${id} and deleted_at is null`)) > 0;
}

export async function insertToken(q: Queryable, row: { appId: number; employeeId: number; accessHash: Buffer; refreshHash: Buffer; accessExpiresAt: Date; refreshExpiresAt: Date; at: Date }): Promise<void> {
  await q.run(sql`
    insert into rest_tokens (app_id, employee_id, access_hash, refresh_hash, access_expires_at, refresh_expires_at, created_at)
    values (${row.appId}, ${row.employeeId}, ${row.accessHash}, ${row.refreshHash}, ${row.accessExpiresAt}, ${row.refreshExpiresAt}, ${row.at})`);
}

export async function deleteExpiredTokens(q: Queryable, at: Date): Promise<void> {
  await q.run(sql`delete from rest_tokens where refresh_expires_at < ${at}`);
}

export function tokenByAccess(q: Queryable, accessHash: Buffer): Promise<TokenRow | undefined> {
  return q.first(sql`
    select t.id, t.app_id, t.employee_id, t.access_expires_at, t.refresh_expires_at
    from rest_tokens t join rest_apps a on a.id = t.app_id and a.deleted_at is null where t.access_hash = ${accessHash}`);
}

/** Takes the token away: a refresh token is good for one refresh. */
export function takeTokenByRefresh(q: Queryable, refreshHash: Buffer, appId: number): Promise<TokenRow | undefined> {
  return q.first(sql`
    delete from rest_tokens where refresh_hash = ${refreshHash} and app_id = ${appId}
    returning id, app_id, employee_id, access_expires_at, refresh_expires_at`);
}

export async function options(q: Queryable, appId: number, employeeId: number): Promise<Map<string, unknown>> {
  const rows = await q.rows<{ name: string; value: unknown }>(sql`
    select name, value from rest_options where app_id = ${appId} and employee_id = ${employeeId} order by name`);
  return new Map(rows.map((row) => [row.name, row.value]));
}

export async function setOptions(q: Queryable, appId: number, employeeId: number, values: readonly (readonly [string, unknown])[]): Promise<void> {
  await q.run(sql`
    insert into rest_options (app_id, employee_id, name, value)
    select ${appId}, ${employeeId}, name, value from unnest(${values.map(([name]) => name)}::text[], ${values.map(([, value]) => json(value))}::jsonb[]) as v(name, value)
    on conflict (app_id, employee_id, name) do update set value = excluded.value`);
}

export interface StatusRow {
  id: number;
  entityId: string;
  statusId: string;
  name: string;
  sort: number;
  isSystem: boolean;
}

export function statuses(q: Queryable): Promise<StatusRow[]> {
  return q.rows(sql`select id, entity_id, status_id, name, sort, is_system from rest_statuses order by entity_id, sort, id`);
}

/** Those that are there already stay as they are. */
export async function insertStatuses(q: Queryable, rows: readonly Omit<StatusRow, 'id'>[]): Promise<number[]> {
  const made = await q.rows<{ id: number }>(sql`
    insert into rest_statuses (entity_id, status_id, name, sort, is_system)
    select * from unnest(${rows.map((r) => r.entityId)}::text[], ${rows.map((r) => r.statusId)}::text[], ${rows.map((r) => r.name)}::text[],
      ${rows.map((r) => r.sort)}::int[], ${rows.map((r) => r.isSystem)}::boolean[])
    on conflict do nothing returning id`);
  return made.map((row) => row.id);
}

export async function updateStatus(q: Queryable, id: number, change: { name: string; sort: number }): Promise<void> {
  await q.run(sql`update rest_statuses set name = ${change.name}, sort = ${change.sort} where id = ${id}`);
}

export async function deleteStatus(q: Queryable, id: number): Promise<void> {
  await q.run(sql`delete from rest_statuses where id = ${id}`);
}
