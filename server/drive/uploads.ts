/**
 * Uploads in pieces: begun → pieces, one after the other → finished (a file) | given up | forgotten after a day without a piece.
 *
 * What has arrived stays when the line breaks or a process dies: the sender asks how far it got and goes on from there.
 *
 * Invariants: `received_bytes` counts only what is on the disk (flushed before the count is committed); two pieces of one
 * upload never interleave, because whoever writes holds its row; bytes beyond the count are overwritten by the next piece.
 * Only who began an upload sees it.
 */
import type { Readable } from 'node:stream';
import { UserError } from '../../shared/errors.ts';
import type { Db, Queryable, Tx } from '../db/db.ts';
import type { Actor } from '../people/people.ts';
import type { Blobs, WrittenBlob } from './blobs.ts';
import * as store from './upload-store.ts';

/** A piece is held in memory until it is whole. */
export const pieceBytes = 8 * 1024 * 1024;
const perPerson = 200;

export interface DriveUpload {
  id: number;
  folderId: number | null;
  name: string;
  sizeBytes: number;
  receivedBytes: number;
  pieceBytes: number;
  createdAt: Date;
  updatedAt: Date;
}

interface UploadsDeps<File> {
  db: Db;
  blobs: Blobs;
  now: () => Date;
  maxFileBytes: number;
  checkName(raw: string): string;
  tooLarge(name: string): UserError;
  /** Throws when nothing can be put into the folder. */
  checkFolder(q: Queryable, actor: Actor, folderId: number): Promise<unknown>;
  checkFree(q: Queryable, actor: Actor, place: { folderId: number; name: string; onConflict: store.OnConflict }): Promise<void>;
  /** The rows of the finished file. */
  place(tx: Tx, actor: Actor, file: { folderId: number | null; name: string; blob: WrittenBlob; onConflict: store.OnConflict }): Promise<File>;
}

export function createUploads<File>({ db, blobs, now, maxFileBytes, checkName, tooLarge, checkFolder, checkFree, place }: UploadsDeps<File>) {
  const toUpload = ({ id, folderId, name, sizeBytes, receivedBytes, createdAt, updatedAt }: store.UploadRow): DriveUpload =>
    ({ id, folderId, name, sizeBytes, receivedBytes, pieceBytes, createdAt, updatedAt });

  async function own(q: Queryable, actor: Actor, id: number, isLocked = false): Promise<store.UploadRow> {
    const found = await store.find(q, id, actor.employeeId, isLocked);
    if (!found) throw new UserError('request.not_found', { kind: 'upload', id });
    return found;
  }

  return {
    /** Says no before a byte is sent: too large, no such folder, the name is taken. */
    async begin(actor: Actor, { folderId, name: raw, sizeBytes, onConflict = 'refuse' }: { folderId: number | null; name: string; sizeBytes: number; onConflict?: store.OnConflict }): Promise<DriveUpload> {
      const name = checkName(raw);
      if (sizeBytes > maxFileBytes) throw tooLarge(name);
      return db.transaction(async (tx) => {
        if (folderId !== null) {
          await checkFolder(tx, actor, folderId);
          await checkFree(tx, actor, { folderId, name, onConflict });
        }
        if ((await store.count(tx, actor.employeeId)) >= perPerson) throw new UserError('drive.too_many_uploads', { limit: perPerson });
        return toUpload(await store.insert(tx, { folderId, name, onConflict, sizeBytes, blobKey: blobs.newKey(), createdBy: actor.employeeId, at: now() }));
      });
    },

    /** What this person has not finished, newest first. */
    async list(actor: Actor): Promise<DriveUpload[]> {
      return (await store.list(db, actor.employeeId)).map(toUpload);
    },

    async get(actor: Actor, id: number): Promise<DriveUpload> {
      return toUpload(await own(db, actor, id));
    },

    /** `offset` must be what has arrived so far; a piece that is sent again after a lost answer is refused with the count to go on from. */
    async append(actor: Actor, id: number, { offset, source }: { offset: number; source: Readable }): Promise<DriveUpload> {
      const before = await own(db, actor, id);
      // Read first: a slow sender holds no transaction.
      const piece = await readPiece(source, Math.min(pieceBytes, before.sizeBytes - offset), before.name);
      return db.transaction(async (tx) => {
        const upload = await own(tx, actor, id, true);
        if (offset !== upload.receivedBytes) throw new UserError('drive.upload_offset', { name: upload.name, receivedBytes: upload.receivedBytes });
        await blobs.writeAt(upload.blobKey, offset, piece);
        const receivedBytes = offset + piece.length;
        await store.setReceived(tx, id, receivedBytes, now());
        return toUpload({ ...upload, receivedBytes });
      });
    },

    async finish(actor: Actor, id: number): Promise<File> {
      const upload = await own(db, actor, id);
      if (upload.receivedBytes !== upload.sizeBytes) throw new UserError('drive.upload_offset', { name: upload.name, receivedBytes: upload.receivedBytes });
      // A file of nothing has had no piece.
      if (upload.sizeBytes === 0) await blobs.writeAt(upload.blobKey, 0, Buffer.alloc(0));
      const blob = await blobs.adopt(upload.blobKey);
      return db.transaction(async (tx) => {
        // Two who finish at once: the second finds nothing any more.
        await own(tx, actor, id, true);
        const file = await place(tx, actor, { folderId: upload.folderId, name: upload.name, blob, onConflict: upload.onConflict });
        await store.remove(tx, [id]);
        return file;
      });
    },

    async giveUp(actor: Actor, id: number): Promise<void> {
      const upload = await own(db, actor, id);
      await store.remove(db, [id]);
      await blobs.removeUnfinished(upload.blobKey);
    },

    /** Forgets those without a piece since `before`; their bytes go with the sweep of temporary files. */
    forget: (before: Date): Promise<number> => store.removeOlder(db, before),
  };

  async function readPiece(source: Readable, most: number, name: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of source.iterator({ destroyOnReturn: false })) {
        const bytes: Buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
        length += bytes.length;
        if (length > most) break;
        chunks.push(bytes);
      }
    } catch {
      throw new UserError('drive.upload_broken', { name });
    }
    if (length > most) {
      if (!source.destroyed) source.resume();
      throw new UserError('drive.piece_too_large', { name, maxMegabytes: pieceBytes / 1024 ** 2 });
    }
    return Buffer.concat(chunks);
  }
}
