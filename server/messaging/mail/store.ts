/** All SQL of mail senders. */
import { type Queryable, sql } from '../../db/db.ts';

export interface SenderRow {
  id: number;
  name: string;
  address: string;
  host: string;
  port: number;
  security: 'tls' | 'starttls' | 'none';
  username: string;
  secret: Buffer | null;
  isDefault: boolean;
  createdAt: Date;
}

const columns = sql`id, name, address, host, port, security, username, secret, is_default, created_at`;

export const list = (q: Queryable): Promise<SenderRow[]> => q.rows(sql`select ${columns} from mail_senders where deleted_at is null order by lower(name), id`);
export const find = (q: Queryable, id: number): Promise<SenderRow | undefined> =>
  q.first(sql`select ${columns} from mail_senders where id = ${id} and deleted_at is null`);

type Written = Omit<SenderRow, 'id' | 'createdAt'>;

/** The first one is the default, whatever was asked for. */
export async function insert(q: Queryable, sender: Written, at: Date): Promise<number> {
  const made = await q.first<{ id: number }>(sql`insert into mail_senders (name, address, host, port, security, username, secret, is_default, created_at)
    values (${sender.name}, ${sender.address}, ${sender.host}, ${sender.port}, ${sender.security}, ${sender.username}, ${sender.secret},
      ${sender.isDefault} or not exists (select from mail_senders where is_default and deleted_at is null), ${at}) returning id`);
  if (!made) throw new Error('The sender was not inserted.');
  return made.id;
}

export const update = (q: Queryable, id: number, sender: Written): Promise<number> =>
  q.run(sql`update mail_senders set name = ${sender.name}, address = ${sender.address}, host = ${sender.host}, port = ${sender.port},
    security = ${sender.security}, username = ${sender.username}, secret = ${sender.secret}, is_default = ${sender.isDefault} where id = ${id}`);

export const keepOneDefault = (q: Queryable, id: number): Promise<number> =>
  q.run(sql`update mail_senders set is_default = false where id <> ${id} and is_default`);

export const remove = (q: Queryable, id: number, at: Date): Promise<number> =>
  q.run(sql`update mail_senders set deleted_at = ${at}, is_default = false, secret = null where id = ${id} and deleted_at is null`);
