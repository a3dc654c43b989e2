/**
 * Drive: files and folders. Bytes lie on disk (blobs.ts), everything else in the database.
 *
 * Three storages. 'company': everyone reads and adds; administrators and who uploaded a thing change
 * it. 'employee': the owner alone, not even administrators. Attachments lie in no folder: who
 * uploaded one reads it, and everyone who may read a thing it hangs on (an item, a post, a message;
 * those modules say who may, through registerTarget). A file of a folder may hang on things too.
 *
 * A file or folder: there → in the trash → there again, or gone for good. What lies below a folder
 * in the trash is gone with it. In the trash, only those who may change a thing see it, also when it
 * is attached somewhere.
 *
 * Invariants: a row is written only after its bytes are safe on disk, so a crash leaves at most
 * bytes without a row, which sweep() removes a day later. Names are data and never part of a path.
 * In a folder two files, or two folders, never bear the same name, whatever the letter case.
 * Old versions are seen only by who may open the file's folder: through an attachment one reads the
 * newest version, and nothing that was taken out of it.
 *
 * Does not do: sharing links for outsiders, quotas, thumbnails.
 */
import { lookup as mediaTypeByName } from 'mime-types';
import { Readable } from 'node:stream';
import { UserError } from '../../shared/errors.ts';
import { text } from '../../shared/messages.ts';
import { constraintOf, type Db, type Queryable, type Tx } from '../db/db.ts';
import type { Loop } from '../jobs/jobs.ts';
import type { Hint, Live } from '../live/live.ts';
import type { Actor } from '../people/people.ts';
import { BlobBroken, BlobTooLarge, createBlobs, type WrittenBlob } from './blobs.ts';
import * as store from './store.ts';
import { createUploads } from './uploads.ts';

export { type Asked, type Download, downloadOf } from './download.ts';

export interface DriveFolder {
  id: number;
  parentId: number | null;
  storage: 'company' | 'employee';
  ownerId: number | null;
  name: string;
  createdBy: number | null;
  createdAt: Date;
  trashedAt: Date | null;
}

export interface DriveFile {
  id: number;
  /** null: an attachment. */
  folderId: number | null;
  name: string;
  version: number;
  sizeBytes: number;
  /** Made from the name's ending, never from what a client claims. */
  mediaType: string;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
  trashedAt: Date | null;
}

export interface OpenFile {
  file: DriveFile;
  sha256: Buffer;
  /** Where the bytes lie on this machine. */
  path: string;
  /** `end` is the last byte, as in HTTP. */
  stream(range?: { start: number; end: number }): Readable;
}

export type TargetKind = 'item' | 'comment' | 'post' | 'message' | 'delivery' | 'contact' | 'company' | 'employee';
export type OnConflict = 'refuse' | 'rename' | 'version';
export type DriveEntry = { kind: 'folder'; folder: DriveFolder } | { kind: 'file'; file: DriveFile };

export interface DriveOptions {
  db: Db;
  live: Pick<Live, 'publish'>;
  now: () => Date;
  /** Made when the first file comes. */
  directory: string;
  /** 1 GB by default: a file is never held in memory, but an upload holds a connection and the disk. */
  maxFileBytes?: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const defaultMaxFileBytes = 1024 ** 3;

export function createDrive({ db, live, now, directory, maxFileBytes = defaultMaxFileBytes }: DriveOptions) {
  const blobs = createBlobs(directory);
  const mayReadTarget = new Map<string, (actor: Actor, targetId: number) => Promise<boolean>>();

  const notFound = (kind: 'file' | 'folder', id: number) => new UserError('request.not_found', { kind, id });

  function hintFor(place: { storage: 'company' | 'employee' | null; ownerId: number | null }, folderId: number | null): Hint[] {
    if (place.storage === null || folderId === null) return [];
    return [{ topic: place.storage === 'company' ? 'company' : `employee:${place.ownerId}`, what: 'drive', id: folderId }];
  }

  // Who may what

  function seesFolder(actor: Actor, folder: store.FolderRow): boolean {
    if (folder.storage === 'employee') return folder.ownerId === actor.employeeId;
    return true;
  }
  function changesFolder(actor: Actor, folder: store.FolderRow): boolean {
    if (folder.storage === 'employee') return folder.ownerId === actor.employeeId;
    return actor.isAdmin || folder.createdBy === actor.employeeId;
  }
  function changesFile(actor: Actor, file: store.FileRow): boolean {
    if (file.storage === 'employee') return file.ownerId === actor.employeeId;
    if (file.storage === 'company') return actor.isAdmin || file.createdBy === actor.employeeId;
    return file.createdBy === actor.employeeId;
  }
  /** Through its folder, or as who uploaded it. */
  function readsDirectly(actor: Actor, file: store.FileRow): boolean {
    if (file.storage === 'company') return true;
    return changesFile(actor, file);
  }

  async function readsThroughTarget(actor: Actor, fileId: number): Promise<boolean> {
    for (const { targetKind, targetId } of await store.targets(db, fileId)) {
      if (await mayReadTarget.get(targetKind)?.(actor, targetId)) return true;
    }
    return false;
  }

  async function readable(actor: Actor, file: store.FileRow): Promise<boolean> {
    if (file.trashedAt || file.isUnderTrashed) return changesFile(actor, file);
    return readsDirectly(actor, file) || (await readsThroughTarget(actor, file.id));
  }

  async function seenFolder(q: Queryable, actor: Actor, folderId: number): Promise<store.FolderRow> {
    const [folder] = await store.folders(q, [folderId]);
    if (!folder || !seesFolder(actor, folder)) throw notFound('folder', folderId);
    if ((folder.trashedAt || folder.isUnderTrashed) && !changesFolder(actor, folder)) throw notFound('folder', folderId);
    return folder;
  }
  /** A folder that things can be put into. */
  async function openFolder(q: Queryable, actor: Actor, folderId: number): Promise<store.FolderRow> {
    const folder = await seenFolder(q, actor, folderId);
    if (folder.trashedAt || folder.isUnderTrashed) throw notFound('folder', folderId);
    return folder;
  }
  async function changedFolder(q: Queryable, actor: Actor, folderId: number): Promise<store.FolderRow & { parentId: number }> {
    const folder = await seenFolder(q, actor, folderId);
    const { parentId } = folder;
    if (parentId === null) throw new UserError('drive.folder_is_root');
    if (!changesFolder(actor, folder)) throw new UserError('drive.not_yours', { name: folder.name });
    if (!actor.isAdmin && folder.storage === 'company' && (await store.holdsOthers(q, folderId, actor.employeeId))) {
      throw new UserError('drive.folder_holds_others', { name: folder.name });
    }
    return { ...folder, parentId };
  }
  async function changedFile(q: Queryable, actor: Actor, fileId: number): Promise<store.FileRow> {
    const [file] = await store.files(q, [fileId]);
    if (!file || !(await readable(actor, file))) throw notFound('file', fileId);
    if (!changesFile(actor, file)) throw new UserError('drive.not_yours', { name: file.name });
    return file;
  }

  // Names

  /** Changes that may run into the unique name: the transaction is over by the time we say so. */
  async function naming<Result>(name: string, work: (tx: Tx) => Promise<Result>): Promise<Result> {
    try {
      return await db.transaction(work);
    } catch (error) {
      const constraint = constraintOf(error);
      if (constraint === 'drive_files_name_key' || constraint === 'drive_folders_name_key') throw new UserError('drive.name_taken', { name });
      throw error;
    }
  }

  async function freeName(q: Queryable, folderId: number, name: string): Promise<string> {
    const { stem, ending } = splitName(name);
    const taken = new Set((await store.namesLike(q, folderId, stem)).map((row) => row.name));
    for (let number = 2; ; number++) {
      // The suffix must fit into the 255 characters of a name.
      const candidate = `${[...stem].slice(0, 240 - ending.length).join('')} (${number})${ending}`;
      if (!taken.has(candidate.toLowerCase())) return candidate;
    }
  }

  // Bytes

  async function write(source: Readable, name: string): Promise<WrittenBlob> {
    try {
      return await blobs.write(source, maxFileBytes);
    } catch (error) {
      if (error instanceof BlobTooLarge) throw tooLarge(name);
      if (error instanceof BlobBroken) throw new UserError('drive.upload_broken', { name });
      throw error;
    }
  }
  const tooLarge = (name: string) =>
    new UserError('drive.file_too_large', { name, maxMegabytes: Math.max(1, Math.floor(maxFileBytes / 1024 ** 2)) });

  /** Runs the rows' part of an upload; bytes whose rows did not come about are removed at once. */
  async function keeping<Result>(blob: WrittenBlob, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      // After a lost commit answer the row may exist all the same: those bytes are left to sweep().
      if (error instanceof UserError) await blobs.remove(blob.key);
      throw error;
    }
  }

  const bytesOf = (blob: WrittenBlob, name: string) => ({
    sizeBytes: blob.sizeBytes,
    mediaType: mediaTypeOf(name),
    blobKey: blob.key,
    sha256: blob.sha256,
  });

  async function insertFile(
    tx: Tx,
    { folder, name, blob, createdBy, onConflict }: {
      folder: store.FolderRow | null; name: string; blob: WrittenBlob; createdBy: number | null; onConflict: 'refuse' | 'rename';
    },
  ): Promise<number> {
    for (let tries = 0, freed = name; ; tries++) {
      const id = await store.insertFile(tx, { ...bytesOf(blob, name), folderId: folder?.id ?? null, name: freed, createdBy, at: now() });
      if (id !== undefined) {
        await live.publish(tx, hintFor(folder ?? { storage: null, ownerId: null }, folder?.id ?? null));
        return id;
      }
      // Somebody may take the free name before us; not twenty times in a row.
      if (onConflict === 'refuse' || tries === 20 || !folder) throw new UserError('drive.name_taken', { name });
      freed = await freeName(tx, folder.id, name);
    }
  }

  async function insertVersion(tx: Tx, file: { id: number; name: string; storage: 'company' | 'employee' | null; ownerId: number | null; folderId: number | null }, blob: WrittenBlob, createdBy: number | null): Promise<void> {
    const number = await store.insertVersion(tx, file.id, { ...bytesOf(blob, file.name), createdBy, at: now() });
    if (number === undefined) throw notFound('file', file.id);
    await live.publish(tx, hintFor(file, file.folderId));
  }

  /** The rows of bytes that came from a person; without a folder an attachment. */
  async function placeFile(
    tx: Tx, actor: Actor,
    { folderId, name, blob, onConflict }: { folderId: number | null; name: string; blob: WrittenBlob; onConflict: OnConflict },
  ): Promise<DriveFile> {
    // Looked at again: an upload takes its time, and the folder may be gone by now.
    const folder = folderId === null ? null : await openFolder(tx, actor, folderId);
    const namesake = folder && onConflict === 'version' ? await store.fileNamed(tx, folder.id, name) : undefined;
    if (namesake) {
      const file = await changedFile(tx, actor, namesake.id);
      await insertVersion(tx, file, blob, actor.employeeId);
      return fileOf(tx, file.id);
    }
    return fileOf(tx, await insertFile(tx, { folder, name, blob, createdBy: actor.employeeId, onConflict: onConflict === 'rename' ? 'rename' : 'refuse' }));
  }

  const uploads = createUploads({
    db, blobs, now, maxFileBytes, checkName, tooLarge,
    checkFolder: openFolder,
    async checkFree(q, actor, { folderId, name, onConflict }) {
      const namesake = onConflict === 'rename' ? undefined : await store.fileNamed(q, folderId, name);
      if (!namesake) return;
      if (onConflict === 'refuse') throw new UserError('drive.name_taken', { name });
      await changedFile(q, actor, namesake.id);
    },
    place: placeFile,
  });

  async function fileOf(q: Queryable, fileId: number): Promise<DriveFile> {
    const [file] = await store.files(q, [fileId]);
    if (!file) throw notFound('file', fileId);
    return toFile(file);
  }

  async function opened(file: store.FileRow, version?: store.VersionRow): Promise<OpenFile> {
    const bytes = version ?? file;
    if (!(await blobs.has(bytes.blobKey))) throw new UserError('drive.bytes_gone', { name: file.name });
    return {
      file: { ...toFile(file), version: bytes.version, sizeBytes: bytes.sizeBytes, mediaType: bytes.mediaType },
      sha256: bytes.sha256,
      path: blobs.path(bytes.blobKey),
      stream: (range) => blobs.read(bytes.blobKey, range),
    };
  }

  async function toEntries(rows: readonly store.EntryRow[]): Promise<DriveEntry[]> {
    const ids = (kind: store.EntryRow['kind']) => rows.filter((row) => row.kind === kind).map((row) => row.id);
    const [folders, files] = await Promise.all([store.folders(db, ids('folder')), store.files(db, ids('file'))]);
    const folderById = new Map(folders.map((folder) => [folder.id, folder]));
    const fileById = new Map(files.map((file) => [file.id, file]));
    return rows.flatMap(({ kind, id }): DriveEntry[] => {
      if (kind === 'folder') {
        const folder = folderById.get(id);
        return folder ? [{ kind, folder: toFolder(folder) }] : [];
      }
      const file = fileById.get(id);
      return file ? [{ kind, file: toFile(file) }] : [];
    });
  }

  async function page(rows: readonly store.EntryRow[], limit: number): Promise<{ items: DriveEntry[]; nextCursor: string | null }> {
    const last = rows.length > limit ? rows[limit - 1] : undefined;
    return { items: await toEntries(rows.slice(0, limit)), nextCursor: last ? encodeCursor(last) : null };
  }

  async function sweep(): Promise<{ temporary: number; blobs: number }> {
    const before = new Date(now().getTime() - dayMs);
    await uploads.forget(before);
    const temporary = await blobs.sweepTemporary(before);
    let removed = 0;
    for await (const keys of blobs.listOlder(before)) {
      const used = await store.usedKeys(db, keys);
      for (const key of keys) {
        if (used.has(key)) continue;
        await blobs.remove(key);
        removed++;
      }
    }
    return { temporary, blobs: removed };
  }
  let nextSweepAt = 0;

  return {
    maxFileBytes,

    /** Files that come in pieces and may be broken off. */
    uploads,

    /** How much there is, and how much room is left: for the report on the system's health. null: the disk does not say. */
    async usage(): Promise<{ files: number; bytes: number; freeBytes: number | null; diskBytes: number | null }> {
      const [used, disk] = await Promise.all([store.usage(db), blobs.room()]);
      return { ...used, freeBytes: disk?.free ?? null, diskBytes: disk?.size ?? null };
    },

    /** The roots this person sees; made on the first look. */
    async storages(actor: Actor): Promise<{ company: DriveFolder; own: DriveFolder }> {
      const [company, own] = await Promise.all([
        store.root(db, 'company', null, 'Company', now()),
        store.root(db, 'employee', actor.employeeId, 'Own', now()),
      ]);
      return { company: named(actor, toFolder(company)), own: named(actor, toFolder(own)) };
    },

    async folder(actor: Actor, folderId: number): Promise<{ folder: DriveFolder; path: { id: number; name: string }[]; mayChange: boolean }> {
      const folder = await seenFolder(db, actor, folderId);
      const path = await store.pathTo(db, folderId);
      // Roots are called as in the reader's language.
      if (path[0]) path[0].name = text(actor.language, `drive.storages.${folder.storage}`);
      return { folder: named(actor, toFolder(folder)), path, mayChange: folder.parentId !== null && changesFolder(actor, folder) };
    },

    async entries(actor: Actor, folderId: number, { cursor, limit }: { cursor?: string; limit: number }) {
      await openFolder(db, actor, folderId);
      return page(await store.entries(db, folderId, decodeCursor(cursor), limit + 1), limit);
    },

    async trash(actor: Actor, { cursor, limit }: { cursor?: string; limit: number }) {
      const before = decodeCursor(cursor);
      // Here the key is a moment, which the database must be able to read.
      if (before) before.sortKey = momentOf(before.sortKey);
      return page(await store.trash(db, { employeeId: actor.employeeId, isAdmin: actor.isAdmin, before, limit: limit + 1 }), limit);
    },

    async createFolder(actor: Actor, { parentId, name: raw }: { parentId: number; name: string }): Promise<DriveFolder> {
      const name = checkName(raw);
      return db.transaction(async (tx) => {
        const parent = await openFolder(tx, actor, parentId);
        const made = await store.insertFolder(tx, {
          parentId, storage: parent.storage, ownerId: parent.ownerId, name, createdBy: actor.employeeId, at: now(),
        });
        if (!made) throw new UserError('drive.name_taken', { name });
        await live.publish(tx, hintFor(parent, parentId));
        const [folder] = await store.folders(tx, [made.id]);
        if (!folder) throw notFound('folder', made.id);
        return toFolder(folder);
      });
    },

    /** Renames, moves, or both. */
    async changeFolder(actor: Actor, folderId: number, change: { name?: string; parentId?: number }): Promise<DriveFolder> {
      const wanted = change.name === undefined ? undefined : checkName(change.name);
      return naming(wanted ?? `#${folderId}`, async (tx) => {
        await store.lockTree(tx);
        const folder = await changedFolder(tx, actor, folderId);
        if (folder.trashedAt || folder.isUnderTrashed) throw notFound('folder', folderId);
        const parent = await openFolder(tx, actor, change.parentId ?? folder.parentId);
        if (await store.isBelow(tx, parent.id, folderId)) throw new UserError('drive.folder_into_itself', { name: folder.name });
        const name = wanted ?? folder.name;
        const namesake = await store.folderNamed(tx, parent.id, name);
        if (namesake && namesake.id !== folderId) throw new UserError('drive.name_taken', { name });
        await store.changeFolder(tx, folderId, { name, parentId: parent.id, storage: parent.storage, ownerId: parent.ownerId });
        await live.publish(tx, [...hintFor(folder, folder.parentId), ...hintFor(parent, parent.id)]);
        return toFolder({ ...folder, name, parentId: parent.id, storage: parent.storage, ownerId: parent.ownerId });
      });
    },

    async trashFolder(actor: Actor, folderId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const folder = await changedFolder(tx, actor, folderId);
        if (folder.trashedAt) return;
        await store.setFolderTrash(tx, folderId, now());
        await live.publish(tx, hintFor(folder, folder.parentId));
      });
    },

    /** Back to where it was, or to the root of its storage when that place is gone. */
    async restoreFolder(actor: Actor, folderId: number, rename?: string): Promise<DriveFolder> {
      const wanted = rename === undefined ? undefined : checkName(rename);
      return naming(wanted ?? `#${folderId}`, async (tx) => {
        await store.lockTree(tx);
        const folder = await changedFolder(tx, actor, folderId);
        if (!folder.trashedAt) throw new UserError('drive.not_in_trash', { name: folder.name });
        const parent = folder.isUnderTrashed ? await store.root(tx, folder.storage, folder.ownerId, '', now()) : folder;
        const parentId = folder.isUnderTrashed ? parent.id : folder.parentId;
        const name = wanted ?? folder.name;
        if (await store.folderNamed(tx, parentId, name)) throw new UserError('drive.name_taken', { name });
        await store.changeFolder(tx, folderId, { name, parentId, storage: folder.storage, ownerId: folder.ownerId });
        await store.setFolderTrash(tx, folderId, null);
        await live.publish(tx, hintFor(folder, parentId));
        return toFolder({ ...folder, name, parentId, trashedAt: null });
      });
    },

    /** For good, with all that lies in it. Only from the trash. The bytes go with a later sweep(). */
    async deleteFolder(actor: Actor, folderId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const folder = await changedFolder(tx, actor, folderId);
        if (!folder.trashedAt && !folder.isUnderTrashed) throw new UserError('drive.not_in_trash', { name: folder.name });
        await store.deleteFolder(tx, folderId);
      });
    },

    /**
     * Takes a file in. `declaredBytes` (Content-Length) only serves to refuse early what is too large.
     * 'version' on a name that is there adds a version to that file, if this person may change it.
     */
    async upload(
      actor: Actor,
      { folderId, name: raw, source, onConflict = 'refuse', declaredBytes }: {
        folderId: number; name: string; source: Readable; onConflict?: OnConflict; declaredBytes?: number;
      },
    ): Promise<DriveFile> {
      const name = checkName(raw);
      await openFolder(db, actor, folderId);
      if (declaredBytes !== undefined && declaredBytes > maxFileBytes) throw tooLarge(name);
      if (onConflict === 'refuse' && (await store.fileNamed(db, folderId, name))) throw new UserError('drive.name_taken', { name });
      const blob = await write(source, name);
      return keeping(blob, () => db.transaction((tx) => placeFile(tx, actor, { folderId, name, blob, onConflict })));
    },

    /** Takes in a file that will hang on something; until attach() only this person reads it. */
    async uploadAttachment(
      actor: Actor,
      { name: raw, source, declaredBytes }: { name: string; source: Readable; declaredBytes?: number },
    ): Promise<DriveFile> {
      const name = checkName(raw);
      if (declaredBytes !== undefined && declaredBytes > maxFileBytes) throw tooLarge(name);
      const blob = await write(source, name);
      return keeping(blob, () =>
        db.transaction(async (tx) => fileOf(tx, await insertFile(tx, { folder: null, name, blob, createdBy: actor.employeeId, onConflict: 'refuse' }))),
      );
    },

    async uploadVersion(actor: Actor, fileId: number, { source, declaredBytes }: { source: Readable; declaredBytes?: number }): Promise<DriveFile> {
      const before = await changedFile(db, actor, fileId);
      if (before.trashedAt || before.isUnderTrashed) throw notFound('file', fileId);
      if (declaredBytes !== undefined && declaredBytes > maxFileBytes) throw tooLarge(before.name);
      const blob = await write(source, before.name);
      return keeping(blob, () =>
        db.transaction(async (tx) => {
          const file = await changedFile(tx, actor, fileId);
          await insertVersion(tx, file, blob, actor.employeeId);
          return fileOf(tx, fileId);
        }),
      );
    },

    async file(actor: Actor, fileId: number): Promise<DriveFile> {
      const [file] = await store.files(db, [fileId]);
      if (!file || !(await readable(actor, file))) throw notFound('file', fileId);
      return toFile(file);
    },

    /** Those of the files that this person may read, in the order asked for. */
    async readableFiles(actor: Actor, fileIds: readonly number[]): Promise<DriveFile[]> {
      const found = new Map((await store.files(db, fileIds)).map((file) => [file.id, file]));
      const seen = await Promise.all(fileIds.map(async (id) => {
        const file = found.get(id);
        return file && (await readable(actor, file)) ? [toFile(file)] : [];
      }));
      return seen.flat();
    },

    /** Newest first. Only for those who reach the file through its folder. */
    async versions(actor: Actor, fileId: number): Promise<store.VersionRow[]> {
      const [file] = await store.files(db, [fileId]);
      if (!file || !(await readable(actor, file)) || !readsDirectly(actor, file)) throw notFound('file', fileId);
      return store.versions(db, fileId);
    },

    /** The bytes of an old version become the newest one; what is between stays. */
    async restoreVersion(actor: Actor, fileId: number, version: number): Promise<DriveFile> {
      return db.transaction(async (tx) => {
        const file = await changedFile(tx, actor, fileId);
        if (file.trashedAt || file.isUnderTrashed) throw notFound('file', fileId);
        const old = await store.version(tx, fileId, version);
        if (!old) throw notFound('file', fileId);
        if (version !== file.version) await insertVersion(tx, file, { key: old.blobKey, sizeBytes: old.sizeBytes, sha256: old.sha256 }, actor.employeeId);
        return fileOf(tx, fileId);
      });
    },

    /** Renames, moves, or both. An attachment moved into a folder becomes an ordinary file. */
    async changeFile(actor: Actor, fileId: number, change: { name?: string; folderId?: number }): Promise<DriveFile> {
      const wanted = change.name === undefined ? undefined : checkName(change.name);
      return naming(wanted ?? `#${fileId}`, async (tx) => {
        const file = await changedFile(tx, actor, fileId);
        if (file.trashedAt || file.isUnderTrashed) throw notFound('file', fileId);
        const folderId = change.folderId ?? file.folderId;
        const folder = folderId === null ? null : await openFolder(tx, actor, folderId);
        const name = wanted ?? file.name;
        const namesake = folder && (await store.fileNamed(tx, folder.id, name));
        if (namesake && namesake.id !== fileId) throw new UserError('drive.name_taken', { name });
        await store.changeFile(tx, fileId, { name, folderId, mediaType: mediaTypeOf(name), at: now() });
        await live.publish(tx, [...hintFor(file, file.folderId), ...(folder ? hintFor(folder, folder.id) : [])]);
        return fileOf(tx, fileId);
      });
    },

    async trashFile(actor: Actor, fileId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const file = await changedFile(tx, actor, fileId);
        if (file.trashedAt) return;
        await store.setFileTrash(tx, fileId, { trashedAt: now(), name: file.name, folderId: file.folderId });
        await live.publish(tx, hintFor(file, file.folderId));
      });
    },

    /** Back to where it was, or to the root of its storage when that folder is gone. */
    async restoreFile(actor: Actor, fileId: number, rename?: string): Promise<DriveFile> {
      const wanted = rename === undefined ? undefined : checkName(rename);
      return naming(wanted ?? `#${fileId}`, async (tx) => {
        const file = await changedFile(tx, actor, fileId);
        if (!file.trashedAt) throw new UserError('drive.not_in_trash', { name: file.name });
        const isHomeless = file.isUnderTrashed && file.storage !== null;
        const folderId = isHomeless && file.storage ? (await store.root(tx, file.storage, file.ownerId, '', now())).id : file.folderId;
        const name = wanted ?? file.name;
        if (folderId !== null && (await store.fileNamed(tx, folderId, name))) throw new UserError('drive.name_taken', { name });
        await store.setFileTrash(tx, fileId, { trashedAt: null, name, folderId });
        await live.publish(tx, hintFor(file, folderId));
        return fileOf(tx, fileId);
      });
    },

    /** For good. Only from the trash. The bytes go with a later sweep(). */
    async deleteFile(actor: Actor, fileId: number): Promise<void> {
      await db.transaction(async (tx) => {
        const file = await changedFile(tx, actor, fileId);
        if (!file.trashedAt && !file.isUnderTrashed) throw new UserError('drive.not_in_trash', { name: file.name });
        await store.deleteFile(tx, fileId);
      });
    },

    /** With the check of access; an old version only for those who may list versions. */
    async readFor(actor: Actor, fileId: number, version?: number): Promise<OpenFile> {
      const [file] = await store.files(db, [fileId]);
      if (!file || !(await readable(actor, file))) throw notFound('file', fileId);
      if (version === undefined || version === file.version) return opened(file);
      const old = readsDirectly(actor, file) ? await store.version(db, fileId, version) : undefined;
      if (!old) throw notFound('file', fileId);
      return opened(file, old);
    },

    /** Without a check of access: for modules that checked already. What is in the trash is gone here. */
    async open(q: Queryable, fileId: number): Promise<OpenFile> {
      const [file] = await store.files(q, [fileId]);
      if (!file || file.trashedAt || file.isUnderTrashed) throw notFound('file', fileId);
      return opened(file);
    },

    /** What a file is called, also in the trash; undefined: it is gone for good. Without a check of access, for sentences about files that were there. */
    async nameOf(q: Queryable, fileId: number): Promise<string | undefined> {
      return (await store.files(q, [fileId]))[0]?.name;
    },

    /** Without a check of access; unknown ids and what is in the trash are left out, the order is that of `ids`. */
    async filesByIds(q: Queryable, ids: readonly number[]): Promise<DriveFile[]> {
      if (ids.length === 0) return [];
      const found = new Map((await store.files(q, ids)).map((file) => [file.id, file]));
      return ids.flatMap((id) => {
        const file = found.get(id);
        return file && !file.trashedAt && !file.isUnderTrashed ? [toFile(file)] : [];
      });
    },

    /** Says who may read what hangs on things of this kind. Once per kind, when the modules are wired. */
    registerTarget(kind: TargetKind, mayRead: (actor: Actor, targetId: number) => Promise<boolean>): void {
      mayReadTarget.set(kind, mayRead);
    },

    /**
     * Hangs files on something. With an actor, each must be one he may read; without one the caller
     * vouches for that. Doing it twice changes nothing.
     */
    async attach(
      tx: Tx,
      { fileIds, targetKind, targetId, actor }: { fileIds: readonly number[]; targetKind: TargetKind; targetId: number; actor?: Actor },
    ): Promise<void> {
      if (fileIds.length === 0) return;
      const found = new Map((await store.files(tx, fileIds)).map((file) => [file.id, file]));
      for (const id of fileIds) {
        const file = found.get(id);
        if (!file || file.trashedAt || file.isUnderTrashed || (actor && !(await readable(actor, file)))) throw notFound('file', id);
      }
      await store.attach(tx, [...new Set(fileIds)], targetKind, targetId);
    },

    /** Many at once, without checks: for robots' unit of work. Files that are gone are left out. */
    async attachMany(tx: Tx, rows: readonly { fileId: number; targetKind: TargetKind; targetId: number }[]): Promise<void> {
      if (rows.length > 0) await store.attachMany(tx, rows);
    },

    /** Takes files off something; without fileIds all of them. */
    async detach(tx: Tx, { fileIds, targetKind, targetId }: { fileIds?: readonly number[]; targetKind: TargetKind; targetId: number }): Promise<void> {
      await store.detach(tx, fileIds ?? null, targetKind, targetId);
    },

    /**
     * Puts a file in without a person: the demo company, imports. A name that is taken gets a number.
     * Into the root of the storage, or into `folderId`. With a transaction the row appears with its commit.
     */
    async importFile(
      tx: Tx | null,
      { storage, ownerId, name: raw, bytes, createdBy, folderId }: {
        storage: 'company' | 'employee' | 'attachments'; ownerId?: number | null; name: string;
        bytes: Buffer | Readable; createdBy: number | null; folderId?: number;
      },
    ): Promise<DriveFile> {
      const name = checkName(raw);
      const blob = await write(bytes instanceof Readable ? bytes : Readable.from([bytes]), name);
      const work = async (inside: Tx): Promise<DriveFile> => {
        let folder: store.FolderRow | null = null;
        if (storage !== 'attachments') {
          const owner = storage === 'employee' ? (ownerId ?? createdBy) : null;
          const rootName = storage === 'company' ? 'Company' : 'Own';
          folder = (folderId !== undefined ? (await store.folders(inside, [folderId]))[0] : await store.root(inside, storage, owner, rootName, now())) ?? null;
          if (!folder) throw notFound('folder', folderId ?? 0);
        }
        return fileOf(inside, await insertFile(inside, { folder, name, blob, createdBy, onConflict: 'rename' }));
      };
      return keeping(blob, () => (tx ? work(tx) : db.transaction(work)));
    },

    /**
     * Removes what crashes and deletions left on disk: temporary files and bytes without a row.
     * Only what is older than a day, so that an upload under way is never touched.
     */
    sweep,

    /** For jobs.add: sweeps soon after the start and then once a day. */
    sweepLoop: {
      name: 'drive.sweep',
      lanes: 1,
      pollMs: dayMs / 24,
      async work() {
        if (now().getTime() >= nextSweepAt) {
          nextSweepAt = now().getTime() + dayMs;
          await sweep();
        }
        // Nobody waits for what it does, so it never counts as work that is left.
        return { worked: 0, hasMore: false };
      },
    } satisfies Loop,
  };
}

export type Drive = ReturnType<typeof createDrive>;

function toFolder({ id, parentId, storage, ownerId, name, createdBy, createdAt, trashedAt }: store.FolderRow): DriveFolder {
  return { id, parentId, storage, ownerId, name, createdBy, createdAt, trashedAt };
}

/** A root is called as in the reader's language, whatever stands in the database. */
function named(actor: Actor, folder: DriveFolder): DriveFolder {
  return folder.parentId === null ? { ...folder, name: text(actor.language, `drive.storages.${folder.storage}`) } : folder;
}

function toFile({ id, folderId, name, version, sizeBytes, mediaType, createdBy, createdAt, updatedAt, trashedAt }: store.FileRow): DriveFile {
  return { id, folderId, name, version, sizeBytes, mediaType, createdBy, createdAt, updatedAt, trashedAt };
}

function mediaTypeOf(name: string): string {
  return mediaTypeByName(name) || 'application/octet-stream';
}

/** Control characters, and the marks that turn «gpj.exe» around. */
const badInName = /[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]/;

/** A name as people write it: composed, without spaces around. Anything that could be a path is refused. */
function checkName(raw: string): string {
  const name = raw.normalize('NFC').trim();
  if (name === '' || name === '.' || name === '..' || [...name].length > 255 || badInName.test(name) || !name.isWellFormed()) {
    throw new UserError('drive.name_invalid', { name: name.slice(0, 300).toWellFormed().replaceAll('\u0000', '') }, 'name');
  }
  return name;
}

function splitName(name: string): { stem: string; ending: string } {
  const dot = name.lastIndexOf('.');
  // «.profile» has no ending, and a very long one is none.
  return dot <= 0 || name.length - dot > 20 ? { stem: name, ending: '' } : { stem: name.slice(0, dot), ending: name.slice(dot) };
}

function encodeCursor({ kind, sortKey, id }: store.EntryCursor): string {
  return Buffer.from(JSON.stringify([kind, sortKey, id])).toString('base64url');
}

function momentOf(sortKey: string): string {
  const moment = new Date(sortKey);
  const isUsual = !Number.isNaN(moment.getTime()) && moment.getUTCFullYear() >= 0 && moment.getUTCFullYear() <= 9999;
  if (!isUsual) throw new UserError('request.invalid', {}, 'cursor');
  return moment.toISOString();
}

function decodeCursor(cursor: string | undefined): store.EntryCursor | null {
  if (cursor === undefined) return null;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(parts)) {
      const [kind, sortKey, id]: unknown[] = parts;
      if ((kind === 'folder' || kind === 'file') && typeof sortKey === 'string' && !sortKey.includes('\0') && typeof id === 'number' && Number.isSafeInteger(id)) return { kind, sortKey, id };
    }
  } catch {
    // Falls through to the one answer for everything that is not a cursor of ours.
  }
  throw new UserError('request.invalid', {}, 'cursor');
}
