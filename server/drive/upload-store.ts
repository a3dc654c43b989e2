/** SQL of uploads that come in pieces. */
import { empty, type Queryable, sql } from '../db/db.ts';

export type OnConflict = 'refuse' | 'rename' | 'version';

export interface UploadRow {
  id: number;
  folderId: number | null;
  name: string;
  onConflict: OnConflict;
  sizeBytes: number;
  receivedBytes: number;
  blobKey: string;
  createdAt: Date;
  updatedAt: Date;
}

const columns = sql`id, folder_id, name, on_conflict, size_bytes, received_bytes, blob_key, created_at, updated_at`;

export async function insert(
  q: Queryable,
  upload: { folderId: number | null; name: string; onConflict: OnConflict; sizeBytes: number; blobKey: string; createdBy: number; at: Date },
): Promise<UploadRow> {
  const [made] = await q.rows<UploadRow>(sql`insert into drive_uploads (folder_id, name, on_conflict, size_bytes, blob_key, created_by, created_at, updated_at)
    values (${upload.folderId}, ${upload.name}, ${upload.onConflict}, ${upload.sizeBytes}, ${upload.blobKey}, ${upload.createdBy}, ${upload.at}, ${upload.at})
    returning ${columns}`);
  if (!made) throw new Error('An upload was not inserted.');
  return made;
}

export const find = (q: Queryable, id: number, createdBy: number, isLocked: boolean): Promise<UploadRow | undefined> =>
  q.first(sql`select ${columns} from drive_uploads where id = ${id} and created_by = ${createdBy} ${isLocked ? sql`for update` : empty}`);

export const list = (q: Queryable, createdBy: number): Promise<UploadRow[]> =>
  q.rows(sql`select ${columns} from drive_uploads where created_by = ${createdBy} order by id desc`);

export const count = async (q: Queryable, createdBy: number): Promise<number> =>
  (await q.first<{ count: number }>(sql`select count(*)::int as count from drive_uploads where created_by = ${createdBy}`))?.count ?? 0;

export const setReceived = (q: Queryable, id: number, receivedBytes: number, at: Date): Promise<number> =>
  q.run(sql`update drive_uploads set received_bytes = ${receivedBytes}, updated_at = ${at} where id = ${id}`);

export const remove = (q: Queryable, ids: readonly number[]): Promise<number> => q.run(sql`delete from drive_uploads where id = any(${ids}::bigint[])`);

export const removeOlder = (q: Queryable, before: Date): Promise<number> => q.run(sql`delete from drive_uploads where updated_at < ${before}`);
