/**
 * Files on their way to the Drive as attachments, with progress, one line each.
 *
 *   const { uploads, add, isUploading } = useUploads((file) => files.value.push(file));
 *
 * What is too large is refused before it is sent, in words with the limit. A failed one stays and can be tried again.
 */
import { computed, getCurrentScope, onScopeDispose, reactive } from 'vue';
import { api, messageOf, type Upload } from '../api.ts';
import { formatBytes } from '../format.ts';
import { t } from '../text.ts';
import { type AttachedFile, type DriveFile, maxFileBytes } from './files.ts';

export interface UploadLine {
  key: number;
  name: string;
  sizeBytes: number;
  /** From 0 to 1. */
  share: number;
  error: string | undefined;
  canRetry: boolean;
}

export function useUploads(onUploaded: (file: AttachedFile) => void) {
  const uploads = reactive<UploadLine[]>([]);
  const running = new Map<number, { file: File; upload?: Upload<DriveFile> }>();
  let nextKey = 1;

  function drop(key: number): void {
    running.delete(key);
    const index = uploads.findIndex((line) => line.key === key);
    if (index !== -1) uploads.splice(index, 1);
  }

  async function send(key: number): Promise<void> {
    const line = uploads.find((one) => one.key === key);
    const entry = running.get(key);
    if (!line || !entry) return;
    Object.assign(line, { share: 0, error: undefined, canRetry: false });
    try {
      const limit = await maxFileBytes();
      if (entry.file.size > limit) {
        line.error = t('web.files.too_large', { name: line.name, size: formatBytes(entry.file.size), limit: formatBytes(limit) });
        return;
      }
      if (!running.has(key)) return;
      entry.upload = api.upload<DriveFile>('POST', '/api/drive/attachments', entry.file, {
        query: { name: line.name },
        onProgress: (share) => {
          line.share = share;
        },
      });
      const { id, name, sizeBytes, mediaType } = await entry.upload.done;
      drop(key);
      onUploaded({ id, name, sizeBytes, mediaType });
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      Object.assign(line, { error: messageOf(error), canRetry: true });
    }
  }

  function add(files: Iterable<File>): void {
    for (const file of files) {
      const key = nextKey++;
      running.set(key, { file });
      uploads.push({ key, name: nameOfFile(file), sizeBytes: file.size, share: 0, error: undefined, canRetry: false });
      void send(key);
    }
  }

  function cancel(key: number): void {
    const entry = running.get(key);
    drop(key);
    entry?.upload?.cancel();
  }

  if (getCurrentScope()) onScopeDispose(() => [...running.keys()].forEach(cancel));

  return {
    uploads,
    add,
    cancel,
    retry: (key: number) => void send(key),
    isUploading: computed(() => uploads.some((line) => line.error === undefined)),
  };
}

/** What is pasted from the clipboard is always called «image.png». */
function nameOfFile(file: File): string {
  if (file.name !== 'image.png') return file.name;
  const now = new Date(file.lastModified);
  const two = (value: number) => String(value).padStart(2, '0');
  return t('web.files.pasted', { name: `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}-${two(now.getMinutes())}-${two(now.getSeconds())}` });
}
