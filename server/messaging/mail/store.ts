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
  mayUseEmployeeAddresses: boolean;
  bounceAddress: string | null;
  lettersPerMinute: number | null;
  attachmentLimitMb: number;
  dkimDomain: string;
  dkimSelector: string;
  createdAt: Date;
}

const columns = sql`id, name, address, host, port, security, username, secret, is_default, may_use_employee_addresses, bounce_address, letters_per_minute,
  attachment_limit_mb, dkim_domain, dkim_selector, created_at`;

export const list = (q: Queryable): Promise<SenderRow[]> => q.rows(sql`select ${columns} from mail_senders where deleted_at is null order by lower(name), id`);
export const find = (q: Queryable, id: number): Promise<SenderRow | undefined> =>
  q.first(sql`select ${columns} from mail_senders where id = ${id} and deleted_at is null`);

type Written = Omit<SenderRow, 'id' | 'createdAt'>;

/** The first one is the default, whatever was asked for. */
export async function insert(q: Queryable, sender: Written, at: Date): Promise<number> {
  const made = await q.first<{ id: number }>(sql`insert into mail_senders (name, address, host, port, security, username, secret, may_use_employee_addresses, bounce_address,
      letters_per_minute, attachment_limit_mb, dkim_domain, dkim_selector, is_default, created_at)
    values (${sender.name}, ${sender.address}, ${sender.host}, ${sender.port}, ${sender.security}, ${sender.username}, ${sender.secret},
      ${sender.mayUseEmployeeAddresses}, ${sender.bounceAddress}, ${sender.lettersPerMinute}, ${sender.attachmentLimitMb}, ${sender.dkimDomain}, ${sender.dkimSelector},
      ${sender.isDefault} or not exists (select from mail_senders where is_default and deleted_at is null), ${at}) returning id`);
  if (!made) throw new Error('The sender was not inserted.');
  return made.id;
}

export const update = (q: Queryable, id: number, sender: Written): Promise<number> =>
  q.run(sql`update mail_senders set name = ${sender.name}, address = ${sender.address}, host = ${sender.host}, port = ${sender.port},
    security = ${sender.security}, username = ${sender.username}, secret = ${sender.secret}, is_default = ${sender.isDefault},
    may_use_employee_addresses = ${sender.mayUseEmployeeAddresses}, bounce_address = ${sender.bounceAddress}, letters_per_minute = ${sender.lettersPerMinute},
    attachment_limit_mb = ${sender.attachmentLimitMb}, dkim_domain = ${sender.dkimDomain}, dkim_selector = ${sender.dkimSelector} where id = ${id}`);

export const keepOneDefault = (q: Queryable, id: number): Promise<number> =>
  q.run(sql`update mail_senders set is_default = false where id <> ${id} and is_default`);

export const remove = (q: Queryable, id: number, at: Date): Promise<number> =>
  q.run(sql`update mail_senders set deleted_at = ${at}, is_default = false, secret = null where id = ${id} and deleted_at is null`);

/** Moments for `count` letters, one after another; answers with the first of them. */
export async function reserve(q: Queryable, id: number, { count, intervalMs, at }: { count: number; intervalMs: number; at: Date }): Promise<Date> {
  const taken = await q.first<{ first: Date }>(sql`update mail_senders
    set paced_until = greatest(paced_until, ${at}::timestamptz) + ${count * intervalMs}::double precision * interval '1 millisecond'
    where id = ${id} returning paced_until - ${count * intervalMs}::double precision * interval '1 millisecond' as first`);
  return taken?.first ?? at;
}
