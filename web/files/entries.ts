/** What lies in a folder or in the trash, and what can be done with it. */
import { useInfiniteQuery, useQuery, useQueryCache } from '@pinia/colada';
import { computed, type Ref, toValue } from 'vue';
import type { z } from 'zod';
import type { driveEntry, driveFileVersion, driveFolder, driveFolderWithPath, drivePage, driveStorages } from '../../shared/api/drive.ts';
import { api } from '../api.ts';
import type { DriveFile } from './files.ts';
import type { Json } from '../json.ts';

export type Entry = Json<z.output<typeof driveEntry>>;
export type Folder = Json<z.output<typeof driveFolder>>;
export type Version = Json<z.output<typeof driveFileVersion>>;
export type Place = { kind: 'folder'; id: number } | { kind: 'trash' };

export const keyOf = (entry: Entry): string => (entry.kind === 'folder' ? `folder/${entry.folder.id}` : `file/${entry.file.id}`);
export const nameOfEntry = (entry: Entry): string => (entry.kind === 'folder' ? entry.folder.name : entry.file.name);
const pathOf = (entry: Entry): string => (entry.kind === 'folder' ? `/api/drive/folders/${entry.folder.id}` : `/api/drive/files/${entry.file.id}`);

export function useStorages() {
  return useQuery({ key: ['drive', 'storages'], query: () => api.get<Json<z.output<typeof driveStorages>>>('/api/drive/storages'), staleTime: 60_000 });
}

export function useFolder(id: Ref<number | undefined>) {
  return useQuery({
    key: () => ['drive', 'folder', toValue(id) ?? 0],
    query: () => api.get<Json<z.output<typeof driveFolderWithPath>>>(`/api/drive/folders/${id.value}`),
    enabled: () => id.value !== undefined,
  });
}

export function useEntries(place: Ref<Place | undefined>) {
  const page = useInfiniteQuery({
    key: () => ['drive', 'entries', place.value?.kind ?? 'none', place.value?.kind === 'folder' ? place.value.id : 0],
    enabled: () => place.value !== undefined,
    initialPageParam: '',
    query: ({ pageParam }) => {
      const path = place.value?.kind === 'folder' ? `/api/drive/folders/${place.value.id}/entries` : '/api/drive/trash';
      return api.get<Json<z.output<typeof drivePage>>>(path, { cursor: pageParam, limit: 100 });
    },
    getNextPageParam: (last) => last.nextCursor,
  });
  return {
    entries: computed<Entry[]>(() => page.data.value?.pages.flatMap((one) => one.items) ?? []),
    isLoading: computed(() => page.data.value === undefined && page.error.value === null),
    error: page.error,
    hasMore: page.hasNextPage,
    loadMore: () => page.loadNextPage(),
    refetch: () => page.refetch(),
  };
}

export function useDriveActions() {
  const cache = useQueryCache();
  const refresh = () => cache.invalidateQueries({ key: ['drive'] });
  return {
    refresh,
    async createFolder(parentId: number, name: string): Promise<Folder> {
      const made = await api.post<Folder>('/api/drive/folders', { parentId, name });
      await refresh();
      return made;
    },
    async rename(entry: Entry, name: string): Promise<void> {
      await api.patch(pathOf(entry), { name });
      await refresh();
    },
    async move(entry: Entry, folderId: number): Promise<void> {
      await api.patch(pathOf(entry), entry.kind === 'folder' ? { parentId: folderId } : { folderId });
    },
    trash: (entry: Entry): Promise<void> => api.del(pathOf(entry)),
    restore: (entry: Entry, name?: string): Promise<unknown> => api.post(`${pathOf(entry)}/restore`, name === undefined ? {} : { name }),
    remove: (entry: Entry): Promise<void> => api.del(pathOf(entry), { query: { permanently: true } }),
    versions: (file: DriveFile): Promise<Version[]> => api.get(`/api/drive/files/${file.id}/versions`),
    async restoreVersion(file: DriveFile, version: number): Promise<void> {
      await api.post(`/api/drive/files/${file.id}/versions/${version}/restore`);
      await refresh();
    },
  };
}
