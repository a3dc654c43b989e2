/** An SMSC to test against: the server side of the npm package, with what it was sent and what it should answer. */
import type { AddressInfo } from 'node:net';
import { createServer, PDU, type Session } from 'smpp';

export interface Submitted {
  id: string;
  phone: string;
  /** Decoded by the package, not by us. */
  text: string;
  /** Reference, total, number. */
  part: readonly [number, number, number] | null;
  pdu: PDU;
}

export interface SmscOptions {
  password?: string;
  key?: string;
  cert?: string;
  /** What to answer a submit_sm; null: nothing at all. ESME_ROK by default. */
  answer?: (pdu: PDU, id: string) => number | null | Promise<number | null>;
  /** How an id looks in submit_sm_resp. */
  idFor?: (number: number) => string;
}

export async function startSmsc(options: SmscOptions = {}) {
  const submitted: Submitted[] = [];
  const binds: PDU[] = [];
  const sessions = new Set<Session>();
  /** Of PDUs by command. */
  const heard: string[] = [];
  const acknowledged: PDU[] = [];
  let last = 0;
  let unanswered = 0;
  const state = { most: 0, isDeaf: false };

  const server = createServer(options.key ? { key: options.key, cert: options.cert } : {}, (session) => {
    sessions.add(session);
    let bound: string | null = null;
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    session.on('pdu', (pdu) => {
      heard.push(pdu.command);
      if (state.isDeaf) return;
      if (/^bind_\w+r$/.test(pdu.command)) {
        binds.push(pdu);
        const isRight = options.password === undefined || pdu.password === options.password;
        session.send(pdu.response(isRight ? { system_id: 'smsc' } : { command_status: 0x0e }));
        if (isRight) bound = pdu.command;
      } else if (pdu.command === 'submit_sm' && bound && bound !== 'bind_receiver') void submit(session, pdu);
      else if (pdu.command === 'deliver_sm_resp') acknowledged.push(pdu);
      else if (pdu.command === 'unbind') {
        session.send(pdu.response());
        session.close();
      } else if (!pdu.isResponse()) session.send(pdu.response());
    });
  });

  async function submit(session: Session, pdu: PDU): Promise<void> {
    state.most = Math.max(state.most, ++unanswered);
    const number = ++last;
    const id = options.idFor?.(number) ?? `id-${number}`;
    const status = options.answer ? await options.answer(pdu, id) : 0;
    if (status === 0 || status === null) {
      const { text, udh } = decoded(pdu.short_message, pdu.message_payload);
      submitted.push({ id, phone: String(pdu.destination_addr), text, part: udh ? [udh[2] ?? 0, udh[3] ?? 0, udh[4] ?? 0] : null, pdu });
    }
    unanswered--;
    if (status !== null) session.send(pdu.response(status === 0 ? { message_id: id } : { command_status: status }));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server.address()),
    submitted, binds, sessions, heard, acknowledged, state,
    /** Says to every link: a receipt, or whatever the fields make of it. */
    deliver(fields: Readonly<Record<string, unknown>>): void {
      for (const session of sessions) session.send(new PDU('deliver_sm', { esm_class: 0x04, source_addr: '79161234567', destination_addr: 'Vestnik', ...fields }));
    },
    cut(): void {
      for (const session of sessions) session.destroy();
    },
    async close(): Promise<void> {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Smsc = Awaited<ReturnType<typeof startSmsc>>;

/** As appendix B of the specification writes it. */
export function receiptText(id: string, stat: string, err = '000'): { short_message: Buffer } {
  return { short_message: Buffer.from(`id:${id} sub:001 dlvrd:001 submit date:2603021000 done date:2603021001 stat:${stat} err:${err} text:`, 'latin1') };
}

function decoded(...fields: readonly unknown[]): { text: string; udh: Buffer | null } {
  for (const field of fields) {
    if (typeof field !== 'object' || field === null || !('message' in field) || typeof field.message !== 'string' || field.message === '') continue;
    const udh: unknown = 'udh' in field && Array.isArray(field.udh) ? field.udh[0] : null;
    return { text: field.message, udh: Buffer.isBuffer(udh) ? udh : null };
  }
  return { text: '', udh: null };
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== 'object' || address === null) throw new Error('The SMSC does not listen.');
  return address.port;
}
