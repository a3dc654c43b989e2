/**
 * Files on their way into folders of the Drive: one after the other, in pieces, so that a broken line or a closed tab loses
 * nothing that has arrived. Lives beside the pages: leaving the Drive does not stop it.
 *
 * waiting → sending ⇄ paused (by the person, or because the line is away: then it goes on by itself) → done | failed
 * What an earlier visit left unfinished is `orphaned`: the person chooses the same file again and it goes on.
 */
import { computed, reactive, watch } from 'vue';
import type { z } from 'zod';
import type { driveFile, driveUpload, driveUploads } from '../../../shared/api/drive.ts';
import { api, ApiError, messageOf, type Upload } from '../../api.ts';
import type { Json } from '../../json.ts';
import { line } from '../../live.ts';
import { onForget } from '../../session.ts';

type ServerUpload = Json<z.output<typeof driveUpload>>;
type DriveFile = Json<z.output<typeof driveFile>>;
export type OnConflict = 'refuse' | 'rename' | 'version';

export interface Transfer {
  key: number;
  name: string;
  sizeBytes: number;
  folderId: number;
  onConflict: OnConflict;
  state: 'waiting' | 'sending' | 'paused' | 'done' | 'failed' | 'orphaned';
  /** Arrived, with what is on the wire. */
  sentBytes: number;
  /** Waits for the line, not for the person. */
  isAway: boolean;
  error: string | undefined;
  /** The name is taken: what to do is asked. */
  isTaken: boolean;
  uploadId: number | undefined;
}

export const transfers = reactive<Transfer[]>([]);
export const activeCount = computed(() => transfers.filter(({ state }) => state === 'sending' || state === 'waiting' || state === 'paused').length);

const files = new Map<number, File>();
interface Running {
  key: number;
  request?: Upload<unknown>;
  isStopped: boolean;
}
let current: Running | undefined;
let nextKey = 1;
let onArrived: (file: DriveFile) => void = () => {};
export function whenArrived(listener: (file: DriveFile) => void): void {
  onArrived = listener;
}

const byKey = (key: number): Transfer | undefined => transfers.find((one) => one.key === key);

export function send(list: readonly File[], folderId: number, onConflict: OnConflict = 'refuse'): void {
  for (const file of list) {
    const key = nextKey++;
    files.set(key, file);
    transfers.push({ key, name: file.name, sizeBytes: file.size, folderId, onConflict, state: 'waiting', sentBytes: 0, isAway: false, error: undefined, isTaken: false, uploadId: undefined });
  }
  void work();
}

async function work(): Promise<void> {
  if (current) return;
  const next = transfers.find(({ state }) => state === 'waiting');
  const file = next && files.get(next.key);
  if (!next || !file) return;
  const running: Running = { key: next.key, isStopped: false };
  current = running;
  next.state = 'sending';
  next.error = undefined;
  try {
    const arrived = await carry(next, file, running);
    if (arrived) {
      next.state = 'done';
      next.sentBytes = next.sizeBytes;
      files.delete(next.key);
      onArrived(arrived);
    }
  } catch (error) {
    if (running.isStopped) {
      // Paused or given up: whoever stopped it has said so.
    } else if (error instanceof ApiError && error.status === 0) {
      next.state = 'paused';
      next.isAway = true;
    } else {
      next.state = 'failed';
      next.error = messageOf(error);
      next.isTaken = error instanceof ApiError && error.code === 'drive.name_taken';
    }
  } finally {
    current = undefined;
    void work();
  }
}

/** undefined: stopped on the way. */
async function carry(transfer: Transfer, file: File, running: Running): Promise<DriveFile | undefined> {
  let upload: ServerUpload = transfer.uploadId === undefined
    ? await api.post<ServerUpload>('/api/drive/uploads', { folderId: transfer.folderId, name: transfer.name, sizeBytes: file.size, onConflict: transfer.onConflict })
    : await api.get<ServerUpload>(`/api/drive/uploads/${transfer.uploadId}`);
  transfer.uploadId = upload.id;
  transfer.sentBytes = upload.receivedBytes;
  while (upload.receivedBytes < file.size) {
    if (running.isStopped) return undefined;
    const from = upload.receivedBytes;
    const piece = file.slice(from, from + upload.pieceBytes);
    const request = api.upload<ServerUpload>('PUT', `/api/drive/uploads/${upload.id}`, piece, {
      query: { offset: from },
      onProgress: (share) => {
        transfer.sentBytes = from + Math.round(piece.size * share);
      },
    });
    running.request = request;
    try {
      upload = await request.done;
    } catch (error) {
      // The piece arrived, its answer did not: go on from where the server is.
      if (!(error instanceof ApiError) || error.code !== 'drive.upload_offset') throw error;
      upload = await api.get<ServerUpload>(`/api/drive/uploads/${upload.id}`);
    }
    transfer.sentBytes = upload.receivedBytes;
  }
  return running.isStopped ? undefined : api.post<DriveFile>(`/api/drive/uploads/${upload.id}/finish`);
}

function halt(key: number): void {
  if (current?.key !== key) return;
  current.isStopped = true;
  current.request?.cancel();
}

export function pause(key: number): void {
  const transfer = byKey(key);
  if (!transfer) return;
  transfer.state = 'paused';
  transfer.isAway = false;
  halt(key);
}

/** Goes on after a pause or a failure; with another answer to a taken name if there is one. */
export function resume(key: number, onConflict?: OnConflict): void {
  const transfer = byKey(key);
  if (!transfer || !files.has(key)) return;
  Object.assign(transfer, { state: 'waiting', isAway: false, error: undefined, isTaken: false });
  if (onConflict !== undefined) Object.assign(transfer, { onConflict, uploadId: undefined });
  void work();
}

export async function giveUp(key: number): Promise<void> {
  const index = transfers.findIndex((one) => one.key === key);
  const transfer = transfers[index];
  if (!transfer) return;
  halt(key);
  transfers.splice(index, 1);
  files.delete(key);
  if (transfer.uploadId !== undefined && transfer.state !== 'done') await api.del(`/api/drive/uploads/${transfer.uploadId}`).catch(() => {});
}

export function clearDone(): void {
  for (let i = transfers.length - 1; i >= 0; i--) if (transfers[i]?.state === 'done') transfers.splice(i, 1);
}

/** What an earlier visit did not finish. */
export async function loadOrphans(): Promise<void> {
  const { items } = await api.get<Json<z.output<typeof driveUploads>>>('/api/drive/uploads');
  for (const { id, folderId, name, sizeBytes, receivedBytes } of items) {
    if (folderId === null || transfers.some((one) => one.uploadId === id)) continue;
    transfers.push({ key: nextKey++, name, sizeBytes, folderId, onConflict: 'refuse', state: 'orphaned', sentBytes: receivedBytes, isAway: false, error: undefined, isTaken: false, uploadId: id });
  }
}

/** The person chose the file of an orphan again. Answers whether it is the same one, as far as name and size tell. */
export function adopt(key: number, file: File): boolean {
  const transfer = byKey(key);
  if (!transfer || file.size !== transfer.sizeBytes) return false;
  files.set(key, file);
  resume(key);
  return true;
}

watch(line, (now) => {
  if (now !== 'connected') return;
  for (const transfer of transfers) if (transfer.state === 'paused' && transfer.isAway) resume(transfer.key);
});

// A closed tab asks first: what is under way would stop, though it could go on later.
window.addEventListener('beforeunload', (event) => {
  if (current) event.preventDefault();
});

onForget(() => {
  for (const { key } of [...transfers]) halt(key);
  transfers.splice(0);
  files.clear();
});
