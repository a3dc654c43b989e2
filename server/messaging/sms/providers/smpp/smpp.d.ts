/** What we use of the npm package `smpp`, which comes without types: coding and decoding of PDUs, and for tests its server. */
declare module 'smpp' {
  import type { Server } from 'node:net';

  export class PDU {
    constructor(command: string, fields?: Readonly<Record<string, unknown>>);
    /** false: it is not whole. Throws on what is not a PDU. */
    static fromBuffer(buffer: Buffer): PDU | false;
    command: string;
    command_status: number;
    sequence_number: number;
    isResponse(): boolean;
    response(fields?: Readonly<Record<string, unknown>>): PDU;
    toBuffer(): Buffer;
    /** Fields and TLVs by their names in the specification. */
    readonly [field: string]: unknown;
  }

  export interface Session {
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'close' | 'connect', listener: () => void): this;
    on(command: string, listener: (pdu: PDU) => void): this;
    send(pdu: PDU, answered?: (answer: PDU) => void): boolean;
    close(done?: () => void): void;
    destroy(done?: () => void): void;
  }
  export function connect(options: { host: string; port: number }): Session;
  export function createServer(options: { key?: string; cert?: string }, listener: (session: Session) => void): Server;
}

/** Tables; Node finds these names only here. */
declare module 'smpp/lib/defs.js' {
  export const encodings: { ASCII: { encode(text: string): Buffer; decode(octets: Buffer): string } };
  /** ESME_ROK: 0 and so on. */
  export const errors: Readonly<Record<string, number>>;
}
