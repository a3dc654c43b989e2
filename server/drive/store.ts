/** All SQL of the Drive. */
import { empty, join, type Queryable, sql, type Sql } from '../db/db.ts';

export interface FolderRow {
  id: number;
  parentId: number | null;
  storage: 'company' | 'employee';
  ownerId: number | null;
  name: string;
  createdBy: number | null;
  createdAt: Date;
  trashedAt: Date | null;
  /** A folder above it is in the trash. */
  isUnderTrashed: boolean;
}

export interface FileRow {
  id: number;
  folderId: number | null;
  name: string;
  version: number;
  sizeBytes: number;
  mediaType: string;
  blobKey: string;
  sha256: Buffer;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
  trashedAt: Date | null;
  /** null: an attachment. */
  storage: 'company' | 'employee' | null;
  ownerId: number | null;
  /** The folder it lies in, or one above, is in the trash. */
  isUnderTrashed: boolean;
}

export interface VersionRow {
  version: number;
  sizeBytes: number;
  mediaType: string;
  blobKey: string;
  sha256: Buffer;
  createdBy: number | null;
  createdAt: Date;
}

export interface EntryRow {
  kind: 'folder' | 'file';
  id: number;
  sortKey: string;
}

/** Whether the folder or one above it is in the trash. */
const inTrash = (folderId: Sql): Sql => sql`exists (
  with recursive up as (
    select u.parent_id, u.trashed_at from drive_folders u where u.id = ${folderId}
    union all
    select p.parent_id, p.trashed_at from up join drive_folders p on p.id = up.parent_id
  ) select from up where trashed_at is not null)`;

const folderColumns = sql`d.id, d.parent_id, d.storage, d.owner_id, d.name, d.created_by, d.created_at, d.trashed_at,
  ${inTrash(sql`d.parent_id`)} as is_under_trashed`;

const fileColumns = sql`f.id, f.folder_id, f.name, f.version, f.size_bytes, f.media_type, f.blob_key, f.sha256, f.created_by,
  f.created_at, f.updated_at, f.trashed_at, d.storage, d.owner_id, ${inTrash(sql`f.folder_id`)} as is_under_trashed`;

export const folders = (q: Queryable, ids: readonly number[]): Promise<FolderRow[]> =>
  q.rows(sql`select ${folderColumns} from drive_folders d where d.id = any(${ids}::bigint[])`);

/** Makes the root if it is not there yet. */
export async function root(q: Queryable, storage: 'company' | 'employee', ownerId: number | null, name: string, at: Date): Promise<FolderRow> {
  const find = sql`select ${folderColumns} from drive_folders d
    where d.parent_id is null and d.storage = ${storage} and coalesce(d.owner_id, 0) = ${ownerId ?? 0}`;
  const found = await q.first<FolderRow>(find);
  if (found) return found;
  await q.run(sql`insert into drive_folders (storage, owner_id, name, created_at)
    values (${storage}, ${ownerId}, ${name}, ${at}) on conflict do nothing`);
  const made = await q.first<FolderRow>(find);
  if (!made) throw new Error(`The root of storage ${storage} could not be made.`);
  return made;
}

/** From the root down to the folder itself. */
export const pathTo = (q: Queryable, folderId: number): Promise<{ id: number; name: string }[]> =>
  q.rows(sql`with recursive up as (
      select id, parent_id, name, 0 as height from drive_folders where id = ${folderId}
      union all
      select p.id, p.parent_id, p.name, up.height + 1 from up join drive_folders p on p.id = up.parent_id
    ) select id, name from up order by height desc`);

export interface EntryCursor {
  kind: 'folder' | 'file';
  sortKey: string;
  id: number;
}

/** What lies in a folder: folders first, then files, each by name. */
export const entries = (q: Queryable, folderId: number, after: EntryCursor | null, limit: number): Promise<EntryRow[]> => {
  const past = (kind: 'folder' | 'file'): Sql => {
    if (!after || after.kind === kind) return after ? sql`and (lower(name), id) > (${after.sortKey}, ${after.id})` : empty;
    // Past a folder come all files; past a file no more folders.
    return after.kind === 'file' ? sql`and false` : empty;
  };
  return q.rows(sql`
    (select 'folder' as kind, id, lower(name) as sort_key, 0 as rank from drive_folders
      where parent_id = ${folderId} and trashed_at is null ${past('folder')} order by lower(name), id limit ${limit})
    union all
    (select 'file', id, lower(name), 1 from drive_files
      where folder_id = ${folderId} and trashed_at is null ${past('file')} order by lower(name), id limit ${limit})
    order by rank, sort_key, id limit ${limit}`);
};

/** What a person may take out of the trash, newest first. */
export const trash = (
  q: Queryable,
  { employeeId, isAdmin, before, limit }: { employeeId: number; isAdmin: boolean; before: EntryCursor | null; limit: number },
): Promise<EntryRow[]> => {
  const mine = (thing: Sql): Sql =>
    sql`(d.owner_id = ${employeeId} or (d.storage = 'company' and (${isAdmin} or ${thing}.created_by = ${employeeId})))`;
  const past = before ? sql`where (at, kind, id) < (${before.sortKey}::timestamptz, ${before.kind}, ${before.id})` : empty;
  // The moment travels as text: a Date would lose the microseconds and with them rows of the next page.
  return q.rows(sql`select kind, id, at::text as sort_key from (
      select 'folder' as kind, d.id, d.trashed_at as at from drive_folders d where d.trashed_at is not null and ${mine(sql`d`)}
      union all
      select 'file', f.id, f.trashed_at from drive_files f join drive_folders d on d.id = f.folder_id
        where f.trashed_at is not null and ${mine(sql`f`)}
    ) t ${past} order by at desc, kind desc, id desc limit ${limit}`);
};

/** Folders move one at a time, so that two moves cannot close a circle together. */
export const lockTree = (q: Queryable): Promise<number> => q.run(sql`select pg_advisory_xact_lock(hashtext('drive_folders'))`);

export const insertFolder = (
  q: Queryable,
  folder: { parentId: number; storage: 'company' | 'employee'; ownerId: number | null; name: string; createdBy: number | null; at: Date },
): Promise<{ id: number } | undefined> =>
  q.first(sql`insert into drive_folders (parent_id, storage, owner_id, name, created_by, created_at)
    values (${folder.parentId}, ${folder.storage}, ${folder.ownerId}, ${folder.name}, ${folder.createdBy}, ${folder.at})
    on conflict do nothing returning id`);

export const folderNamed = (q: Queryable, parentId: number, name: string): Promise<{ id: number } | undefined> =>
  q.first(sql`select id from drive_folders where parent_id = ${parentId} and lower(name) = lower(${name}) and trashed_at is null`);

/** The folder and all below it. */
const below = (folderId: number): Sql => sql`with recursive down as (
    select id from drive_folders where id = ${folderId}
    union all
    select c.id from down join drive_folders c on c.parent_id = down.id
  )`;

export const isBelow = async (q: Queryable, folderId: number, ancestorId: number): Promise<boolean> =>
  (await q.first(sql`${below(ancestorId)} select from down where id = ${folderId}`)) !== undefined;

/** Whether something in the folder, or the folder itself, was made by somebody else. */
export const holdsOthers = async (q: Queryable, folderId: number, employeeId: number): Promise<boolean> =>
  (await q.first(sql`${below(folderId)}
    select from drive_folders d join down using (id) where d.created_by is distinct from ${employeeId}
    union all
    select from drive_files f join down on down.id = f.folder_id where f.created_by is distinct from ${employeeId}
    limit 1`)) !== undefined;

export async function changeFolder(
  q: Queryable,
  folderId: number,
  to: { name: string; parentId: number; storage: 'company' | 'employee'; ownerId: number | null },
): Promise<void> {
  await q.run(sql`update drive_folders set name = ${to.name}, parent_id = ${to.parentId} where id = ${folderId}`);
  await q.run(sql`${below(folderId)} update drive_folders d set storage = ${to.storage}, owner_id = ${to.ownerId}
    from down where d.id = down.id and (d.storage <> ${to.storage} or d.owner_id is distinct from ${to.ownerId})`);
}

export const setFolderTrash = (q: Queryable, folderId: number, at: Date | null): Promise<number> =>
  q.run(sql`update drive_folders set trashed_at = ${at} where id = ${folderId}`);
export const deleteFolder = (q: Queryable, folderId: number): Promise<number> =>
  q.run(sql`delete from drive_folders where id = ${folderId}`);

export const files = (q: Queryable, ids: readonly number[]): Promise<FileRow[]> =>
  q.rows(sql`select ${fileColumns} from drive_files f left join drive_folders d on d.id = f.folder_id where f.id = any(${ids}::bigint[])`);

export const fileNamed = (q: Queryable, folderId: number, name: string): Promise<{ id: number; createdBy: number | null } | undefined> =>
  q.first(sql`select id, created_by from drive_files where folder_id = ${folderId} and lower(name) = lower(${name}) and trashed_at is null`);

/** Names in the folder that begin so, in lower case. */
export const namesLike = (q: Queryable, folderId: number, stem: string): Promise<{ name: string }[]> =>
  q.rows(sql`select lower(name) as name from drive_files
    where folder_id = ${folderId} and trashed_at is null and starts_with(lower(name), lower(${stem}))`);

interface Bytes {
  sizeBytes: number;
  mediaType: string;
  blobKey: string;
  sha256: Buffer;
}

/** undefined: the name is taken. */
export async function insertFile(
  q: Queryable,
  file: Bytes & { folderId: number | null; name: string; createdBy: number | null; at: Date },
): Promise<number | undefined> {
  const made = await q.first<{ id: number }>(sql`with made as (
      insert into drive_files (folder_id, name, size_bytes, media_type, blob_key, sha256, created_by, created_at, updated_at)
      values (${file.folderId}, ${file.name}, ${file.sizeBytes}, ${file.mediaType}, ${file.blobKey}, ${file.sha256},
        ${file.createdBy}, ${file.at}, ${file.at})
      on conflict do nothing returning *
    ), kept as (
      insert into drive_file_versions (file_id, version, size_bytes, media_type, blob_key, sha256, created_by, created_at)
      select id, version, size_bytes, media_type, blob_key, sha256, created_by, created_at from made
    ) select id from made`);
  return made?.id;
}

/** The file's row stays locked till the end of the transaction, so versions are numbered one by one. */
export async function insertVersion(q: Queryable, fileId: number, version: Bytes & { createdBy: number | null; at: Date }): Promise<number | undefined> {
  const made = await q.first<{ version: number }>(sql`with changed as (
      update drive_files set version = version + 1, size_bytes = ${version.sizeBytes}, media_type = ${version.mediaType},
        blob_key = ${version.blobKey}, sha256 = ${version.sha256}, updated_at = ${version.at}
      where id = ${fileId} and trashed_at is null returning *
    ), kept as (
      insert into drive_file_versions (file_id, version, size_bytes, media_type, blob_key, sha256, created_by, created_at)
      select id, version, size_bytes, media_type, blob_key, sha256, ${version.createdBy}, ${version.at} from changed
    ) select version from changed`);
  return made?.version;
}

export const versions = (q: Queryable, fileId: number): Promise<VersionRow[]> =>
  q.rows(sql`select version, size_bytes, media_type, blob_key, sha256, created_by, created_at
    from drive_file_versions where file_id = ${fileId} order by version desc`);

export const version = (q: Queryable, fileId: number, number: number): Promise<VersionRow | undefined> =>
  q.first(sql`select version, size_bytes, media_type, blob_key, sha256, created_by, created_at
    from drive_file_versions where file_id = ${fileId} and version = ${number}`);

export const changeFile = (q: Queryable, fileId: number, to: { name: string; folderId: number | null; mediaType: string; at: Date }): Promise<number> =>
  q.run(sql`update drive_files set name = ${to.name}, folder_id = ${to.folderId}, media_type = ${to.mediaType}, updated_at = ${to.at} where id = ${fileId}`);

export const setFileTrash = (q: Queryable, fileId: number, to: { trashedAt: Date | null; name: string; folderId: number | null }): Promise<number> =>
  q.run(sql`update drive_files set trashed_at = ${to.trashedAt}, name = ${to.name}, folder_id = ${to.folderId} where id = ${fileId}`);
export const deleteFile = (q: Queryable, fileId: number): Promise<number> => q.run(sql`delete from drive_files where id = ${fileId}`);

export const targets = (q: Queryable, fileId: number): Promise<{ targetKind: string; targetId: number }[]> =>
  q.rows(sql`select target_kind, target_id from drive_attachments where file_id = ${fileId} order by target_kind, target_id desc limit 1000`);

export const attach = (q: Queryable, fileIds: readonly number[], targetKind: string, targetId: number): Promise<number> =>
  q.run(sql`insert into drive_attachments (file_id, target_kind, target_id)
    select file_id, ${targetKind}, ${targetId}::bigint from unnest(${fileIds}::bigint[]) as t (file_id) on conflict do nothing`);

export const attachMany = (q: Queryable, rows: readonly { fileId: number; targetKind: string; targetId: number }[]): Promise<number> =>
  q.run(sql`insert into drive_attachments (file_id, target_kind, target_id)
    select t.file_id, t.target_kind, t.target_id
    from unnest(${rows.map((r) => r.fileId)}::bigint[], ${rows.map((r) => r.targetKind)}::text[], ${rows.map((r) => r.targetId)}::bigint[])
      as t (file_id, target_kind, target_id)
    where exists (select from drive_files f where f.id = t.file_id)
    on conflict do nothing`);

export const detach = (q: Queryable, fileIds: readonly number[] | null, targetKind: string, targetId: number): Promise<number> =>
  q.run(join([
    sql`delete from drive_attachments where target_kind = ${targetKind} and target_id = ${targetId}`,
    ...(fileIds ? [sql`and file_id = any(${fileIds}::bigint[])`] : []),
  ], ' '));

/** Those of the keys that some version still needs. */
export const usedKeys = async (q: Queryable, keys: readonly string[]): Promise<Set<string>> =>
  new Set((await q.rows<{ blobKey: string }>(sql`select blob_key from drive_file_versions where blob_key = any(${keys}::text[])`)).map((r) => r.blobKey));

/** All versions of all files: what the bytes on disk come from. */
export const usage = async (q: Queryable): Promise<{ files: number; bytes: number }> =>
  (await q.first<{ files: number; bytes: number }>(sql`select count(distinct file_id)::int as files, coalesce(sum(size_bytes), 0)::bigint as bytes from drive_file_versions`)) ?? { files: 0, bytes: 0 };
