/**
 * Mail: from whom the product writes e-mails, and their sending.
 *
 * Owns the senders (an address with its SMTP account; administrators only, the password sealed and
 * never shown again), the loop that turns deliveries of the channel 'email' into letters, and what
 * becomes of letters that come back.
 *
 * Invariants: a sender is saved only after a real connection and sign-in; a letter is built from
 * structures, and a line break in anything that becomes a header fails it; its Message-ID is the one
 * fixed when it was queued; attachments stream from the Drive; a rate delays letters, and never drops one.
 *
 * Does not do: receive mail (returned letters are handed in over HTTP), write to the timeline (letters to employees are not shown there).
 */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { bbcodeToHtml, bbcodeToText, escapeHtml } from '../../../shared/bbcode.ts';
import { UserError } from '../../../shared/errors.ts';
import { text } from '../../../shared/messages.ts';
import type { Db, Queryable, Tx } from '../../db/db.ts';
import type { Claimed, Deliveries, Outcome } from '../../deliveries/deliveries.ts';
import type { Drive } from '../../drive/drive.ts';
import { type Actor, requireAdmin } from '../../people/people.ts';
import { readBounce } from './bounce.ts';
import { type Account, checkAccount, checkDkim, type Dkim, dkimRecord, isMailAddress, type Mailbox, openMailbox } from './smtp.ts';
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
  mayUseEmployeeAddresses?: boolean;
  bounceAddress?: string | null;
  lettersPerMinute?: number | null;
  attachmentLimitMb?: number;
  dkimDomain?: string;
  dkimSelector?: string;
  dkimPrivateKey?: string;
}
export type Sender = Omit<store.SenderRow, 'secret'> & {
  hasPassword: boolean;
  /** What the domain has to publish so that signatures can be checked; null: letters are not signed. */
  dkimRecord: { name: string; value: string } | null;
};

export interface MailOptions {
  db: Db;
  drive: Pick<Drive, 'open' | 'nameOf'>;
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

const megabyte = 1024 * 1024;
/** Small pieces: their garbage is collected before it piles up. 20 MB cost 34 MB of memory with these, 45 with the usual 64 KB. */
const pieceBytes = 6 * 1024;
const defaultAttachmentLimitMb = 20;

export function createMail({ db, drive, deliveries, now, publicUrl, patienceMs }: MailOptions) {
  /** Open connections by sender; another account under the same id gets a new mailbox. */
  const mailboxes = new Map<number, { key: string; mailbox: Mailbox }>();
  /** Letters that begin together ask for their sender together. */
  const asked = new Map<number, Promise<ReadySender | undefined>>();
  /** Letters of a sender with a rate that begin together take their moments together. */
  const pacing = new Map<number, { count: number; first: Promise<Date> }>();

  function readyOf(row: store.SenderRow): ReadySender {
    const secrets = row.secret ? deliveries.secrets.open(purpose, row.secret) : {};
    if (!secrets) return { row };
    const account = { host: row.host, port: row.port, security: row.security, username: row.username, password: secrets.password ?? '' };
    const privateKey = secrets.dkimPrivateKey ?? '';
    return { row, account, ...(privateKey ? { dkim: { domain: row.dkimDomain, selector: row.dkimSelector, privateKey } } : {}) };
  }

  function senderOf(id: number): Promise<ReadySender | undefined> {
    let answer = asked.get(id);
    if (!answer) {
      answer = store.find(db, id).then((row) => row && readyOf(row));
      asked.set(id, answer);
      setImmediate(() => asked.delete(id));
    }
    return answer;
  }

  function mailboxFor({ row, dkim }: ReadySender, account: Account): Mailbox {
    const key = JSON.stringify([account, dkim]);
    const known = mailboxes.get(row.id);
    if (known?.key === key) return known.mailbox;
    known?.mailbox.close();
    const mailbox = openMailbox(account, { dkim, patienceMs });
    mailboxes.set(row.id, { key, mailbox });
    return mailbox;
  }

  /** The moment at which a sender with a rate may send one more letter. */
  async function momentFor(senderId: number, perMinute: number): Promise<Date> {
    const intervalMs = 60_000 / perMinute;
    let group = pacing.get(senderId);
    if (!group) {
      const made = { count: 0, first: Promise.resolve(now()) };
      made.first = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        pacing.delete(senderId);
        return store.reserve(db, senderId, { count: made.count, intervalMs, at: now() });
      });
      pacing.set(senderId, made);
      group = made;
    }
    const place = group.count++;
    return new Date((await group.first).getTime() + place * intervalMs);
  }

  async function attachmentOf(fileId: number) {
    try {
      const { file, path } = await drive.open(db, fileId);
      return { name: file.name, mediaType: file.mediaType, sizeBytes: file.sizeBytes, open: () => createReadStream(path, { highWaterMark: pieceBytes }) };
    } catch (error) {
      if (error instanceof UserError) return { goneName: (await drive.nameOf(db, fileId)) ?? `№ ${fileId}` };
      throw error;
    }
  }

  async function send(delivery: Claimed): Promise<Outcome> {
    const ready = await senderOf(delivery.senderId);
    if (!ready) return { kind: 'permanent', error: { code: 'mail.sender_missing', params: {} } };
    const { row: sender, account } = ready;
    if (!account) return { kind: 'permanent', error: { code: 'mail.secret_unreadable', params: { name: sender.name } } };
    const { subject, body, fromName, replyTo, fileIds, itemLink } = emailContent.parse(delivery.content);
    const attachments = [];
    let attachedBytes = 0;
    for (const file of await Promise.all(fileIds.map(attachmentOf))) {
      if (file.goneName !== undefined) return { kind: 'permanent', error: { code: 'mail.attachment_gone', params: { name: file.goneName } } };
      attachments.push(file);
      attachedBytes += file.sizeBytes;
    }
    if (attachedBytes > sender.attachmentLimitMb * megabyte) {
      return { kind: 'permanent', error: { code: 'mail.too_large', params: { size: Math.ceil(attachedBytes / megabyte), limit: sender.attachmentLimitMb, name: sender.name } } };
    }
    // Who has waited for his moment goes when it comes; he is not sent to the end of the line again.
    if (sender.lettersPerMinute !== null && delivery.error?.code !== 'mail.paced') {
      const retryAt = await momentFor(sender.id, sender.lettersPerMinute);
      if (retryAt > now()) return { kind: 'transient', retryAt, error: { code: 'mail.paced', params: { name: sender.name, limit: sender.lettersPerMinute } } };
    }
    const link = itemLink === undefined ? undefined : (URL.parse(itemLink, publicUrl)?.href ?? undefined);
    const options = { baseUrl: publicUrl };
    // Another domain's mail servers would call such a letter forged (DMARC): there, the name and Reply-To must do.
    const isOwnAddress = sender.mayUseEmployeeAddresses && replyTo !== undefined && domainOf(replyTo.address) === domainOf(sender.address);
    return mailboxFor(ready, account).send({
      from: { name: fromName ?? sender.name, address: isOwnAddress ? replyTo.address : sender.address },
      envelopeFrom: sender.bounceAddress ?? sender.address,
      replyTo,
      to: delivery.address,
      subject,
      text: `${bbcodeToText(body, options)}${link ? `\n\n${link}` : ''}\n`,
      html: `<!doctype html><html><head><meta charset="utf-8"></head><body><div dir="auto">${bbcodeToHtml(body, options)}</div>${
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
    for (const [path, value] of [['address', input.address], ['bounceAddress', input.bounceAddress ?? input.address]] as const) {
      if (!isMailAddress(value)) throw new UserError('mail.address_invalid', { address: value }, path);
    }
    const { password, dkimPrivateKey = '', ...fields } = input;
    const { dkimDomain = '', dkimSelector = '' } = input;
    if (dkimPrivateKey) checkDkim({ domain: dkimDomain, selector: dkimSelector, privateKey: dkimPrivateKey });
    else if (dkimDomain || dkimSelector) throw new UserError('mail.dkim_incomplete', {}, 'dkimPrivateKey');
    await checkAccount(input, patienceMs);
    const secrets = { ...(password ? { password } : {}), ...(dkimPrivateKey ? { dkimPrivateKey } : {}) };
    const row = {
      mayUseEmployeeAddresses: false, bounceAddress: null, lettersPerMinute: null, attachmentLimitMb: defaultAttachmentLimitMb,
      ...fields, dkimDomain, dkimSelector, secret: Object.keys(secrets).length > 0 ? deliveries.secrets.seal(purpose, secrets) : null,
    };
    return db.transaction(async (tx) => {
      const savedId = id ?? (await store.insert(tx, row, now()));
      if (id !== null) await store.update(tx, id, row);
      if (input.isDefault) await store.keepOneDefault(tx, savedId);
      await deliveries.sendersChanged(tx);
      return toSender(await found(tx, savedId));
    });
  }

  function toSender(row: store.SenderRow): Sender {
    const { secret, ...shown } = row;
    const { account, dkim } = readyOf(row);
    // A secret that cannot be read was a password most likely; saying there is none would hide why letters fail.
    return { ...shown, hasPassword: secret !== null && account?.password !== '', dkimRecord: dkim ? dkimRecord(dkim) : null };
  }

  return {
    /** Starts sending: registers the loop of the channel. Rounds side by side, so that one slow server does not hold up all, and connections have letters while another round is claimed. */
    startSending(): void {
      deliveries.addSender({ channel: 'email', lanes: 3, roundSize: 100, send });
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

    /** A letter of the product itself, from the default sender. False: there is no sender, nothing goes out. */
    async queueLetter(tx: Tx, { employeeId, address, subject, body }: { employeeId: number | null; address: string; subject: string; body: string }): Promise<boolean> {
      const sender = (await store.list(tx)).find((row) => row.isDefault);
      if (!sender) return false;
      const content = { subject, body, fileIds: [] };
      await deliveries.queue(tx, [{ channel: 'email', senderId: sender.id, employeeId, address, itemId: null, runId: null, content }]);
      return true;
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
      const { account, dkim } = readyOf(row);
      const { id: _id, createdAt: _createdAt, secret: _secret, ...fields } = row;
      return save(id, {
        ...fields, ...change,
        password: change.password ?? (isElsewhere ? '' : (account?.password ?? '')),
        dkimPrivateKey: change.dkimPrivateKey ?? dkim?.privateKey ?? '',
      });
    },

    async deleteSender(actor: Actor, id: number): Promise<void> {
      requireAdmin(actor);
      await db.transaction(async (tx) => {
        await found(tx, id);
        await store.remove(tx, id, now());
        await deliveries.sendersChanged(tx);
      });
      mailboxes.get(id)?.mailbox.close();
      mailboxes.delete(id);
    },

    /**
     * A letter that came back, as the mail server sent it to the bounce address (RFC 3464). Answers with
     * the deliveries that have failed by it: none when it is a mere delay, or about a letter not ours.
     */
    async takeBounce(actor: Actor, message: string): Promise<{ deliveryIds: number[] }> {
      requireAdmin(actor);
      const bounce = await readBounce(message);
      if (!bounce) throw new UserError('mail.bounce_unreadable', {}, 'message');
      const { isFinal, messageId, recipient, detail } = bounce;
      if (!isFinal) return { deliveryIds: [] };
      const error = { code: 'mail.bounced' as const, params: { address: recipient, detail }, detail };
      return { deliveryIds: await db.transaction((tx) => deliveries.markBounced(tx, { messageId, error })) };
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

interface ReadySender {
  row: store.SenderRow;
  /** Absent: its secret cannot be read. */
  account?: Account;
  dkim?: Dkim;
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}
