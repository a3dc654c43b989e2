/**
 * Bytes on disk. A blob is written to `temp/`, flushed, renamed to its key under `blobs/` and the
 * directories are flushed, in this order: after a crash a blob is whole or not there, and whoever
 * holds its key in a committed row finds it.
 *
 * Keys are random, so a name that a person typed never becomes a path.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export interface WrittenBlob {
  key: string;
  sizeBytes: number;
  sha256: Buffer;
}

/** More bytes came than are allowed; nothing of them is left. */
export class BlobTooLarge extends Error {}
/** The source broke off; nothing of it is left. */
export class BlobBroken extends Error {}

export interface Blobs {
  write(source: Readable, maxBytes: number): Promise<WrittenBlob>;
  /** `end` is the last byte, as in HTTP. */
  read(key: string, range?: { start: number; end: number }): Readable;
  has(key: string): Promise<boolean>;
  path(key: string): string;
  remove(key: string): Promise<void>;
  newKey(): string;
  /** A piece of a blob that is not finished: on the disk when it returns. */
  writeAt(key: string, offset: number, piece: Buffer): Promise<void>;
  /** Makes the finished pieces a blob. */
  adopt(key: string): Promise<WrittenBlob>;
  removeUnfinished(key: string): Promise<void>;
  /** Removes temporary files last written before `before`. Returns how many. */
  sweepTemporary(before: Date): Promise<number>;
  /** Keys of blobs written before `before`, a directory at a time. */
  listOlder(before: Date): AsyncGenerator<string[]>;
  /** Bytes of the disk, and those that are free for us; undefined: it does not say. */
  room(): Promise<{ free: number; size: number } | undefined>;
}

const keyPattern = /^[0-9a-f]{40}$/;

export function createBlobs(directory: string): Blobs {
  const temporary = join(directory, 'temp');
  const root = join(directory, 'blobs');

  function place(key: string): { outer: string; inner: string; file: string } {
    if (!keyPattern.test(key)) throw new Error(`Not a blob key: ${key}`);
    // Two levels of 256 keep directories small up to tens of millions of files.
    const outer = join(root, key.slice(0, 2));
    const inner = join(outer, key.slice(2, 4));
    return { outer, inner, file: join(inner, key) };
  }

  /** From temp/ to its place; the directories are flushed, so that it is found after a crash. */
  async function settle(key: string): Promise<void> {
    const { outer, inner, file } = place(key);
    await mkdir(inner, { recursive: true });
    await rename(join(temporary, key), file);
    for (const path of [inner, outer, root, directory]) await flushDirectory(path);
  }

  async function flushDirectory(path: string): Promise<void> {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  return {
    async room() {
      try {
        await mkdir(directory, { recursive: true });
        const { bavail, blocks, bsize } = await statfs(directory);
        return { free: bavail * bsize, size: blocks * bsize };
      } catch {
        return undefined;
      }
    },
    async write(source, maxBytes) {
      const key = randomBytes(20).toString('hex');
      const temporaryFile = join(temporary, key);
      await mkdir(temporary, { recursive: true });
      const hash = createHash('sha256');
      let sizeBytes = 0;
      try {
        const handle = await open(temporaryFile, 'wx', 0o600);
        try {
          // Not destroyed when we stop early: an upload's stream is also the line the answer goes back on.
          for await (const chunk of breaking(source.iterator({ destroyOnReturn: false }))) {
            sizeBytes += chunk.length;
            if (sizeBytes > maxBytes) throw new BlobTooLarge(`More than ${maxBytes} bytes.`);
            hash.update(chunk);
            for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
          }
          await handle.sync();
        } finally {
          await handle.close();
        }
        await settle(key);
      } catch (error) {
        await rm(temporaryFile, { force: true });
        // What is still coming is read and thrown away, so that the sender hears the answer.
        if (!source.destroyed) source.resume();
        throw error;
      }
      return { key, sizeBytes, sha256: hash.digest() };
    },
    read(key, range) {
      return createReadStream(place(key).file, range);
    },
    async has(key) {
      return (await stat(place(key).file).catch(() => undefined)) !== undefined;
    },
    path: (key) => place(key).file,
    async remove(key) {
      await rm(place(key).file, { force: true });
    },
    newKey: () => randomBytes(20).toString('hex'),
    async writeAt(key, offset, piece) {
      place(key);
      await mkdir(temporary, { recursive: true });
      const handle = await open(join(temporary, key), constants.O_CREAT | constants.O_WRONLY, 0o600);
      try {
        for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at, piece.length - at, offset + at)).bytesWritten;
        // What a broken piece left beyond is not ours.
        await handle.truncate(offset + piece.length);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async adopt(key) {
      const { file } = place(key);
      const unfinished = join(temporary, key);
      // A finish that was repeated after its answer was lost finds it in its place already.
      const at = (await stat(unfinished).catch(() => undefined)) ? unfinished : file;
      const hash = createHash('sha256');
      let sizeBytes = 0;
      for await (const chunk of createReadStream(at)) {
        const bytes: Buffer = chunk;
        hash.update(bytes);
        sizeBytes += bytes.length;
      }
      if (at === unfinished) await settle(key);
      return { key, sizeBytes, sha256: hash.digest() };
    },
    async removeUnfinished(key) {
      place(key);
      await rm(join(temporary, key), { force: true });
    },
    async sweepTemporary(before) {
      let removed = 0;
      for (const name of await namesIn(temporary)) {
        const file = join(temporary, name);
        const found = await stat(file).catch(() => undefined);
        if (!found || found.mtime >= before) continue;
        await rm(file, { force: true });
        removed++;
      }
      return removed;
    },
    async *listOlder(before) {
      for (const outer of await namesIn(root)) {
        for (const inner of await namesIn(join(root, outer))) {
          const keys: string[] = [];
          for (const key of await namesIn(join(root, outer, inner))) {
            if (!keyPattern.test(key)) continue;
            const found = await stat(join(root, outer, inner, key)).catch(() => undefined);
            if (found && found.mtime < before) keys.push(key);
          }
          if (keys.length > 0) yield keys;
        }
      }
    },
  };
}

/** Tells a source that broke off from a disk that failed. */
async function* breaking(chunks: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await iterator.next().catch((cause: unknown) => {
        throw new BlobBroken('The source of the bytes broke off.', { cause });
      });
      if (next.done) return;
      yield typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
    }
  } finally {
    // Lets go of the stream: as long as it listens, resume() would not make the rest flow.
    await iterator.return?.();
  }
}

/** Empty when there is no such directory: nothing has been written yet. */
async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
