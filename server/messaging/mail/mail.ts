/**
 * Mail: from whom the product writes e-mails, and their sending.
 *
 * Owns the senders (an address with its SMTP account; administrators only, the password sealed and
 * never shown again) and the loop that turns deliveries of the channel 'email' into letters.
 *
 * Invariants: a sender is saved only after a real connection and sign-in; a letter is built from
 * structures, and a line break in anything that becomes a header fails it; its Message-ID is the one
 * fixed when it was queued; attachments stream from the Drive.
 *
 * Does not do: receive mail, write to the timeline (letters to employees are not shown there).
 */
import { z } from 'zod';
import { bbcodeToHtml, bbcodeToText, escapeHtml } from '../../../shared/bbcode.ts';
import { UserError } from '../../../shared/errors.ts';
import { text } from '../../../shared/messages.ts';
import { bumpConfig, type Db, type Queryable } from '../../db/db.ts';
import type { Claimed, Deliveries, Outcome } from '../../deliveries/deliveries.ts';
import type { Drive } from '../../drive/drive.ts';
import { type Actor, requireAdmin } from '../../people/people.ts';
import { type Account, checkAccount, isMailAddress, type Mailbox, openMailbox } from './smtp.ts';
import * as store from './store.ts';

export interface SenderInput {
  name: string;
  address: string;
  host: string;
  port: number;
  security: 'tls' | 'starttls' | 'none';
  username: string;
  password: string;
  isDefault: boolean;
}
export type Sender = Omit<store.SenderRow, 'secret'> & { hasPassword: boolean };

export interface MailOptions {
  db: Db;
  drive: Pick<Drive, 'open'>;
  deliveries: Deliveries;
  now: () => Date;
  /** Where relative links of letters lead. */
  publicUrl: string;
  /** How long a mail server may be silent; a minute by default. */
  patienceMs?: number;
}

const purpose = 'mail_senders';
const emailContent = z.object({
  subject: z.string(),
  body: z.string(),
  fromName: z.string().optional(),
  replyTo: z.object({ name: z.string(), address: z.string() }).optional(),
  fileIds: z.array(z.number()).default([]),
  itemLink: z.string().optional(),
});

export function createMail({ db, drive, deliveries, now, publicUrl, patienceMs }: MailOptions) {
  /** Open connections by sender; another account under the same id gets a new mailbox. */
  const mailboxes = new Map<number, { key: string; mailbox: Mailbox }>();

  function accountOf(row: store.SenderRow): Account | undefined {
    const opened = row.secret ? deliveries.secrets.open(purpose, row.secret) : {};
    if (!opened) return undefined;
    return { host: row.host, port: row.port, security: row.security, username: row.username, password: opened.password ?? '' };
  }

  function mailboxFor(senderId: number, account: Account): Mailbox {
    const key = JSON.stringify(account);
    const known = mailboxes.get(senderId);
    if (known?.key === key) return known.mailbox;
    known?.mailbox.close();
    const mailbox = openMailbox(account, patienceMs);
    mailboxes.set(senderId, { key, mailbox });
    return mailbox;
  }

  async function send(delivery: Claimed): Promise<Outcome> {
    const sender = await store.find(db, delivery.senderId);
    if (!sender) return { kind: 'permanent', error: { code: 'mail.sender_missing', params: {} } };
    const account = accountOf(sender);
    if (!account) return { kind: 'permanent', error: { code: 'mail.secret_unreadable', params: { name: sender.name } } };
    const { subject, body, fromName, replyTo, fileIds, itemLink } = emailContent.parse(delivery.content);
    const attachments = [];
    for (const fileId of fileIds) {
      try {
        const { file, stream } = await drive.open(db, fileId);
        attachments.push({ name: file.name, mediaType: file.mediaType, open: () => stream() });
      } catch (error) {
        if (error instanceof UserError) return { kind: 'permanent', error: { code: 'mail.attachment_gone', params: {} } };
        throw error;
      }
    }
    const link = itemLink === undefined ? undefined : (URL.parse(itemLink, publicUrl)?.href ?? undefined);
    const options = { baseUrl: publicUrl };
    return mailboxFor(sender.id, account).send({
      from: { name: fromName ?? sender.name, address: sender.address },
      replyTo,
      to: delivery.address,
      subject,
      text: `${bbcodeToText(body, options)}${link ? `\n\n${link}` : ''}\n`,
      html: `<!doctype html><html><head><meta charset="utf-8"></head><body><div>${bbcodeToHtml(body, options)}</div>${
        link ? `<p><a href="${escapeHtml(link)}">${escapeHtml(link)}</a></p>` : ''
      }</body></html>`,
      messageId: delivery.messageId ?? `<delivery-${delivery.id}@vestnik.invalid>`,
      date: now(),
      attachments,
    });
  }

  async function found(q: Queryable, id: number): Promise<store.SenderRow> {
    const row = await store.find(q, id);
    if (!row) throw new UserError('request.not_found', { kind: 'mail_sender', id });
    return row;
  }

  async function save(id: number | null, input: SenderInput): Promise<Sender> {
    if (!isMailAddress(input.address)) throw new UserError('mail.address_invalid', { address: input.address }, 'address');
    await checkAccount(input, patienceMs);
    const { password, ...fields } = input;
    const row = { ...fields, secret: password ? deliveries.secrets.seal(purpose, { password }) : null };
    return db.transaction(async (tx) => {
      const savedId = id ?? (await store.insert(tx, row, now()));
      if (id !== null) await store.update(tx, id, row);
      if (input.isDefault) await store.keepOneDefault(tx, savedId);
      await bumpConfig(tx, 'channels');
      return toSender(await found(tx, savedId));
    });
  }

  return {
    /** Starts sending: registers the loop of the channel. Two rounds side by side, so that one slow server does not hold up all. */
    startSending(): void {
      deliveries.addSender({ channel: 'email', lanes: 2, send });
    },

    /** Closes idle connections, so that the process can end. */
    close(): void {
      for (const { mailbox } of mailboxes.values()) mailbox.close();
      mailboxes.clear();
    },

    async senders(actor: Actor): Promise<Sender[]> {
      requireAdmin(actor);
      return (await store.list(db)).map(toSender);
    },

    /** For whoever configures robots: what there is to choose from, and nothing about accounts. */
    async choices(q: Queryable): Promise<{ id: number; name: string; address: string; isDefault: boolean }[]> {
      return (await store.list(q)).map(({ id, name, address, isDefault }) => ({ id, name, address, isDefault }));
    },

    async createSender(actor: Actor, input: SenderInput): Promise<Sender> {
      requireAdmin(actor);
      return save(null, input);
    },

    /** An absent password keeps the one there is, as long as the account stays on the same host. */
    async changeSender(actor: Actor, id: number, change: Partial<SenderInput>): Promise<Sender> {
      requireAdmin(actor);
      const row = await found(db, id);
      // Otherwise a password nobody may read could be had by pointing the account at a server of one's own.
      const isElsewhere = (change.host !== undefined && change.host !== row.host) || (change.port !== undefined && change.port !== row.port) || (change.security !== undefined && change.security !== row.security);
      const kept = isElsewhere ? '' : (accountOf(row)?.password ?? '');
      return save(id, {
        name: row.name, address: row.address, host: row.host, port: row.port, security: row.security, username: row.username, isDefault: row.isDefault,
        ...change, password: change.password ?? kept,
      });
    },

    async deleteSender(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => {
        await found(tx, id);
        await store.remove(tx, id, now());
        await bumpConfig(tx, 'channels');
      });
      mailboxes.get(id)?.mailbox.close();
      mailboxes.delete(id);
    },

    /** Sends a real letter through the queue; its fate is in the journal. */
    async testSender(actor: Actor, id: number, address: string): Promise<number> {
      requireAdmin(actor);
      const row = await found(db, id);
      if (!isMailAddress(address)) throw new UserError('mail.address_invalid', { address }, 'address');
      const content = { subject: text(actor.language, 'mail.test.subject'), body: text(actor.language, 'mail.test.body', { name: row.name }), fileIds: [] };
      return db.transaction(async (tx) => {
        const [deliveryId] = await deliveries.queue(tx, [{ channel: 'email', senderId: id, employeeId: actor.employeeId, address, itemId: null, runId: null, content }]);
        if (deliveryId === undefined) throw new Error('The test letter was not queued.');
        return deliveryId;
      });
    },
  };
}

export type Mail = ReturnType<typeof createMail>;

function toSender({ secret, ...row }: store.SenderRow): Sender {
  return { ...row, hasPassword: secret !== null };
}
