/** Files as pages show and send them: kinds, addresses, the limit of the Drive. */
import type { z } from 'zod';
import type { driveFile, driveStorages } from '../../shared/api/drive.ts';
import { api } from '../api.ts';
import type { Json } from '../json.ts';

export type DriveFile = Json<z.output<typeof driveFile>>;
/** What hangs on a comment, a message, a field. */
export type AttachedFile = Pick<DriveFile, 'id' | 'name' | 'sizeBytes' | 'mediaType'>;

export function contentUrl(id: number, { isInline = false }: { isInline?: boolean } = {}): string {
  return `/api/drive/files/${id}/content${isInline ? '?inline=true' : ''}`;
}

/** Pictures that browsers show. */
export function isPicture(file: Pick<AttachedFile, 'mediaType'>): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|bmp)$/.test(file.mediaType);
}

/** What the browser opens by itself, in a tab of its own. */
export function opensInBrowser(file: Pick<AttachedFile, 'mediaType'>): boolean {
  return /^(application\/pdf|text\/plain|video\/(mp4|webm)|audio\/(mpeg|ogg|wav|mp4))$/.test(file.mediaType);
}

/** A picture small enough to be shown before anybody asked for it. */
export function hasThumbnail(file: AttachedFile): boolean {
  return isPicture(file) && file.sizeBytes <= 8 * 1024 * 1024;
}

export function fileIcon({ mediaType, name }: Pick<AttachedFile, 'mediaType' | 'name'>): string {
  if (mediaType.startsWith('image/')) return 'i-lucide-image';
  if (mediaType.startsWith('video/')) return 'i-lucide-film';
  if (mediaType.startsWith('audio/')) return 'i-lucide-music';
  if (mediaType === 'application/pdf') return 'i-lucide-file-text';
  if (/\.(xlsx?|ods|csv|numbers)$/i.test(name)) return 'i-lucide-file-spreadsheet';
  if (/\.(docx?|odt|rtf|txt|md|pages)$/i.test(name)) return 'i-lucide-file-text';
  if (/\.(zip|7z|rar|gz|tar|bz2|xz)$/i.test(name)) return 'i-lucide-file-archive';
  if (/\.(pptx?|odp|key)$/i.test(name)) return 'i-lucide-presentation';
  return 'i-lucide-file';
}

let limit: Promise<number> | undefined;
/** The largest file the server takes; asked for once. */
export function maxFileBytes(): Promise<number> {
  limit ??= api.get<Json<z.output<typeof driveStorages>>>('/api/drive/storages').then((answer) => answer.maxFileBytes);
  limit.catch(() => {
    limit = undefined;
  });
  return limit;
}

/** Files by their ids, in the order of the ids; what may not be read is left out. */
export async function filesByIds(ids: readonly number[]): Promise<AttachedFile[]> {
  const chunks: number[][] = [];
  for (let i = 0; i < ids.length; i += 200) chunks.push(ids.slice(i, i + 200));
  const answers = await Promise.all(chunks.map((chunk) => api.get<{ items: DriveFile[] }>('/api/drive/files', { ids: chunk.join(',') })));
  return answers.flatMap((answer) => answer.items);
}
