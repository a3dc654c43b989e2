/** disk.*: storages, folders, files and their versions. A storage is its root folder, and bears its id. */
import { Readable } from 'node:stream';
import type { DriveEntry, DriveFile, DriveFolder } from '../../drive/drive.ts';
import type { Actor } from '../../people/people.ts';
import { printMoment } from '../dates.ts';
import { entriesOf } from '../encoding.ts';
import { decodeBase64 } from '../entities.ts';
import { accessDenied, nothingIfUnknown, RestError, type Translate } from '../errors.ts';
import { filterRows, sortRows } from '../memory.ts';
import { type Answer, type Call, cut, defineMethod, type Method } from '../method.ts';
import { anything, flag, id as idOf, integer, isMissing, optionalMap, start, text, toText } from '../parameter.ts';
import type { FamilyDeps } from '../rest.ts';

const invalid = (number: number) => new RestError('ERROR_ARGUMENT', `Invalid value of parameter {Parameter #${number}}`);
const notFound = (id: unknown) => new RestError('ERROR_NOT_FOUND', `Could not find entity with id ${String(id)}`);

export const diskErrors: Translate = (error, message) => {
  switch (error.code) {
    case 'request.not_found': return notFound(error.params.id);
    case 'drive.not_yours': case 'drive.folder_holds_others': case 'drive.folder_is_root': return accessDenied(message);
    case 'drive.name_taken': return new RestError('DISK_OBJ_22000', message);
    case 'drive.name_invalid': case 'drive.folder_into_itself': return new RestError('ERROR_ARGUMENT', message);
    case 'drive.file_too_large': case 'drive.upload_broken': return new RestError('ERROR_COULD_NOT_SAVE_FILE', message);
    default: return undefined;
  }
};

type Row = Record<string, unknown>;
type Entries = readonly (readonly [string, unknown])[];
interface Uploading {
  data: Entries;
  fileContent: unknown;
  generateUniqueName: boolean;
}
const pageOfEntries = 200;
/** Bitrix24's words for: there, and in the trash. */
const deleted = { no: '0', yes: '3' };

export function diskMethods({ db, drive, people, publicUrl, links }: FamilyDeps): Method[] {
  const scope = 'disk';
  const errors = diskErrors;
  const id = idOf(() => invalid(0));

  async function storages(actor: Actor): Promise<readonly { folder: DriveFolder; row: Row }[]> {
    const { company, own } = await drive.storages(actor);
    const row = (folder: DriveFolder, type: string, owner: string): Row => ({
      ID: String(folder.id), NAME: folder.name, CODE: null, MODULE_ID: 'disk', ENTITY_TYPE: type, ENTITY_ID: owner, ROOT_OBJECT_ID: String(folder.id),
    });
    return [{ folder: company, row: row(company, 'common', 'shared_files_s1') }, { folder: own, row: row(own, 'user', String(actor.employeeId)) }];
  }

  async function storage(actor: Actor, storageId: number): Promise<{ folder: DriveFolder; row: Row }> {
    const found = (await storages(actor)).find(({ folder }) => folder.id === storageId);
    if (!found) throw notFound(storageId);
    return found;
  }

  /** The root above a folder; null where the person sees a file and not its folder. */
  async function storageOf(actor: Actor, folderId: number | null): Promise<number | null> {
    if (folderId === null) return null;
    const { company, own } = await drive.storages(actor);
    if (folderId === company.id || folderId === own.id) return folderId;
    return (await drive.folder(actor, folderId).catch(nothingIfUnknown))?.path[0]?.id ?? null;
  }

  const zoneNow = async () => (await people.directory(db)).company.timeZone;
  const idText = (value: number | null) => (value === null ? null : String(value));

  function folderRow(folder: DriveFolder, storageId: number | null, zone: string): Row {
    return {
      ID: String(folder.id), NAME: folder.name, CODE: null, STORAGE_ID: idText(storageId), TYPE: 'folder', REAL_OBJECT_ID: String(folder.id), PARENT_ID: idText(folder.parentId),
      DELETED_TYPE: folder.trashedAt ? deleted.yes : deleted.no, CREATE_TIME: printMoment(folder.createdAt, zone), UPDATE_TIME: printMoment(folder.createdAt, zone),
      DELETE_TIME: folder.trashedAt ? printMoment(folder.trashedAt, zone) : null, CREATED_BY: String(folder.createdBy ?? 0), UPDATED_BY: String(folder.createdBy ?? 0), DELETED_BY: '0',
      DETAIL_URL: `${publicUrl}/drive/${folder.id}`,
    };
  }

  function fileRow({ actor, now }: Call, file: DriveFile, storageId: number | null, zone: string): Row {
    return {
      ID: String(file.id), NAME: file.name, CODE: null, STORAGE_ID: idText(storageId), TYPE: 'file', PARENT_ID: idText(file.folderId),
      DELETED_TYPE: file.trashedAt ? deleted.yes : deleted.no, GLOBAL_CONTENT_VERSION: String(file.version), FILE_ID: String(file.id), SIZE: String(file.sizeBytes),
      CREATE_TIME: printMoment(file.createdAt, zone), UPDATE_TIME: printMoment(file.updatedAt, zone), DELETE_TIME: file.trashedAt ? printMoment(file.trashedAt, zone) : null,
      CREATED_BY: String(file.createdBy ?? 0), UPDATED_BY: String(file.createdBy ?? 0), DELETED_BY: '0',
      DOWNLOAD_URL: links.downloadUrl(actor, now, file.id), DETAIL_URL: `${publicUrl}/drive/files/${file.id}`,
    };
  }

  /** What was just made has numbers where others have texts, as documented. */
  const fresh = (row: Row): Row => ({
    ...row, ID: Number(row.ID), DELETED_TYPE: Number(row.DELETED_TYPE),
    ...(row.TYPE === 'file' ? { GLOBAL_CONTENT_VERSION: Number(row.GLOBAL_CONTENT_VERSION), FILE_ID: Number(row.FILE_ID) } : { REAL_OBJECT_ID: Number(row.REAL_OBJECT_ID) }),
  });

  const shownFile = async (call: Call, file: DriveFile) => fileRow(call, file, await storageOf(call.actor, file.folderId), await zoneNow());
  const shownFolder = async (actor: Actor, folder: DriveFolder) => folderRow(folder, await storageOf(actor, folder.id), await zoneNow());

  function listed(rows: readonly Row[], { filter, order, start: from }: { filter: Entries; order: Entries; start: number }): Answer {
    const found = filterRows(rows, filter.map(([name, value]) => [name.toUpperCase(), value]), (name) => {
      throw new RestError('ERROR_ARGUMENT', `Unknown field in filter: ${name.slice(0, 100)}`);
    });
    return cut(sortRows(found, order.map(([name, value]) => [name.toUpperCase(), value])), from);
  }

  async function children(call: Call, folderId: number, given: Parameters<typeof listed>[1]): Promise<Answer> {
    const { actor } = call;
    const all: DriveEntry[] = [];
    for (let cursor: string | undefined; ;) {
      const { items, nextCursor } = await drive.entries(actor, folderId, { ...(cursor === undefined ? {} : { cursor }), limit: pageOfEntries });
      all.push(...items);
      if (nextCursor === null) break;
      cursor = nextCursor;
    }
    const [storageId, zone] = [await storageOf(actor, folderId), await zoneNow()];
    return listed(all.map((entry) => (entry.kind === 'folder' ? folderRow(entry.folder, storageId, zone) : fileRow(call, entry.file, storageId, zone))), given);
  }

  const nameOf = (data: Entries): string | undefined => toText(data.find(([key]) => key.toUpperCase() === 'NAME')?.[1])?.trim() || undefined;
  const nameRequired = () => new RestError('DISK_BASE_SERVICE_22001', 'Error: required parameter NAME (DISK_BASE_SERVICE_22001)');
  function nameIn(data: Entries): string {
    const name = nameOf(data);
    if (!name) throw nameRequired();
    return name;
  }

  /** [name, base64], or the base64 alone. */
  function bytesIn(raw: unknown, name: string, number: number): { source: Readable; declaredBytes: number } {
    const parts = entriesOf(raw)?.map(([, part]) => part);
    const content = parts ? parts[1] : raw;
    if (isMissing(content)) throw invalid(number);
    const bytes = decodeBase64(content, name);
    return { source: Readable.from([bytes]), declaredBytes: bytes.length };
  }

  async function addFolder(actor: Actor, parentId: number, data: Entries): Promise<Answer> {
    return { result: fresh(await shownFolder(actor, await drive.createFolder(actor, { parentId, name: nameIn(data) }))) };
  }

  async function uploadFile(call: Call, folderId: number, given: Uploading): Promise<Answer> {
    if (isMissing(given.fileContent)) throw invalid(2);
    const name = nameIn(given.data);
    const file = await drive.upload(call.actor, { folderId, name, onConflict: given.generateUniqueName ? 'rename' : 'refuse', ...bytesIn(given.fileContent, name, 2) });
    return { result: fresh(await shownFile(call, file)) };
  }

  /** Where the bytes are sent when they did not come along; the folder is looked at now, so that nobody sends in vain. */
  async function uploadAddress({ actor, now }: Call, folderId: number, given: Uploading): Promise<Answer> {
    await drive.entries(actor, folderId, { limit: 1 });
    const name = nameOf(given.data) ?? null;
    return { result: { field: 'file', uploadUrl: links.uploadUrl(actor, now, { folderId, name, isRenamed: given.generateUniqueName }) } };
  }

  const fieldsOf = (what: 'storage' | 'folder' | 'file', names: readonly string[]) => defineMethod({
    name: `disk.${what}.getFields`, scope, errors, about: `The fields of a ${what}.`, params: {},
    run: () => ({ result: Object.fromEntries(names.map((name) => [name, { TYPE: 'string', USE_IN_FILTER: true, USE_IN_SHOW: true }])) }),
  });

  const data = optionalMap(() => invalid(1));
  const uploading = { id, data, fileContent: anything, generateUniqueName: flag };
  const listing = { id, filter: optionalMap(), order: optionalMap(), start };
  const targetFolderId = integer(() => invalid(1));
  const newName = text(() => invalid(1));
  const uploads = 'fileContent holds at most 64 MB with everything else. Rights cannot be given.';

  return [
    defineMethod({
      name: 'disk.storage.getList', scope, errors, about: 'The storages the caller sees: the company’s and the own one.', params: { filter: optionalMap(), order: optionalMap(), start },
      run: async ({ actor }, given) => listed((await storages(actor)).map(({ row }) => row), given),
    }),
    fieldsOf('storage', ['ID', 'NAME', 'CODE', 'MODULE_ID', 'ENTITY_TYPE', 'ENTITY_ID', 'ROOT_OBJECT_ID']),
    fieldsOf('folder', ['ID', 'NAME', 'CODE', 'STORAGE_ID', 'TYPE', 'REAL_OBJECT_ID', 'PARENT_ID', 'DELETED_TYPE', 'CREATE_TIME', 'UPDATE_TIME', 'DELETE_TIME', 'CREATED_BY', 'UPDATED_BY', 'DELETED_BY', 'DETAIL_URL']),
    fieldsOf('file', [
      'ID', 'NAME', 'CODE', 'STORAGE_ID', 'TYPE', 'PARENT_ID', 'DELETED_TYPE', 'GLOBAL_CONTENT_VERSION', 'FILE_ID', 'SIZE', 'CREATE_TIME', 'UPDATE_TIME', 'DELETE_TIME', 'CREATED_BY', 'UPDATED_BY', 'DELETED_BY',
      'DOWNLOAD_URL', 'DETAIL_URL',
    ]),
    defineMethod({
      name: 'disk.storage.getTypes', scope, errors, about: 'The kinds of storages there are: of people and of the company.', params: {}, run: () => ({ result: ['user', 'common'] }),
    }),
    defineMethod({
      name: 'disk.storage.get', scope, errors, about: 'A storage.', params: { id },
      run: async ({ actor }, given) => ({ result: (await storage(actor, given.id)).row }),
    }),
    defineMethod({
      name: 'disk.storage.getChildren', scope, errors, about: 'What lies in the root of a storage, by 50.', params: listing,
      run: async (call, given) => children(call, (await storage(call.actor, given.id)).folder.id, given),
    }),
    defineMethod({
      name: 'disk.storage.addFolder', scope, errors, about: 'Makes a folder in the root of a storage.', params: { id, data },
      run: async ({ actor }, given) => addFolder(actor, (await storage(actor, given.id)).folder.id, given.data),
    }),
    defineMethod({
      name: 'disk.storage.uploadFile', scope, errors, about: 'Puts a file into the root of a storage.', params: uploading, differs: uploads,
      run: async (call, given) => uploadFile(call, (await storage(call.actor, given.id)).folder.id, given),
    }),

    defineMethod({
      name: 'disk.folder.get', scope, errors, about: 'A folder.', params: { id },
      run: async ({ actor }, given) => ({ result: await shownFolder(actor, (await drive.folder(actor, given.id)).folder) }),
    }),
    defineMethod({
      name: 'disk.folder.getChildren', scope, errors, about: 'What lies in a folder, by 50: folders first, then files, by name.', params: listing,
      run: (call, given) => children(call, given.id, given),
    }),
    defineMethod({ name: 'disk.folder.addSubFolder', scope, errors, about: 'Makes a folder in a folder.', params: { id, data }, run: ({ actor }, given) => addFolder(actor, given.id, given.data) }),
    defineMethod({
      name: 'disk.folder.uploadFile', scope, errors, about: 'Puts a file into a folder; without fileContent answers with the uploadUrl to POST it to.', params: uploading, differs: `${uploads} uploadUrl is good for an hour.`,
      run: (call, given) => (isMissing(given.fileContent) ? uploadAddress(call, given.id, given) : uploadFile(call, given.id, given)),
    }),
    defineMethod({
      name: 'disk.folder.rename', scope, errors, about: 'Renames a folder.', params: { id, newName },
      run: async ({ actor }, given) => ({ result: await shownFolder(actor, await drive.changeFolder(actor, given.id, { name: given.newName })) }),
    }),
    defineMethod({
      name: 'disk.folder.moveTo', scope, errors, about: 'Moves a folder into another.', params: { id, targetFolderId },
      run: async ({ actor }, given) => ({ result: await shownFolder(actor, await drive.changeFolder(actor, given.id, { parentId: given.targetFolderId })) }),
    }),
    defineMethod({
      name: 'disk.folder.markDeleted', scope, errors, about: 'Moves a folder to the trash.', params: { id },
      async run({ actor }, given) {
        await drive.trashFolder(actor, given.id);
        return { result: await shownFolder(actor, (await drive.folder(actor, given.id)).folder) };
      },
    }),
    defineMethod({
      name: 'disk.folder.restore', scope, errors, about: 'Takes a folder out of the trash.', params: { id },
      run: async ({ actor }, given) => ({ result: await shownFolder(actor, await drive.restoreFolder(actor, given.id)) }),
    }),
    defineMethod({
      name: 'disk.folder.deleteTree', scope, errors, about: 'Deletes a folder for good, with all that lies in it.', params: { id },
      async run({ actor }, given) {
        await drive.trashFolder(actor, given.id);
        await drive.deleteFolder(actor, given.id);
        return { result: true };
      },
    }),

    defineMethod({
      name: 'disk.file.get', scope, errors, about: 'A file.', params: { id }, differs: 'DOWNLOAD_URL is good for an hour.',
      run: async (call, given) => ({ result: await shownFile(call, await drive.file(call.actor, given.id)) }),
    }),
    defineMethod({
      name: 'disk.file.rename', scope, errors, about: 'Renames a file.', params: { id, newName },
      run: async (call, given) => ({ result: await shownFile(call, await drive.changeFile(call.actor, given.id, { name: given.newName })) }),
    }),
    defineMethod({
      name: 'disk.file.moveTo', scope, errors, about: 'Moves a file into a folder.', params: { id, targetFolderId },
      run: async (call, given) => ({ result: await shownFile(call, await drive.changeFile(call.actor, given.id, { folderId: given.targetFolderId })) }),
    }),
    defineMethod({
      name: 'disk.file.copyTo', scope, errors, about: 'Copies the newest version of a file into a folder.', params: { id, targetFolderId },
      async run(call, given) {
        const { actor } = call;
        const { file, stream } = await drive.readFor(actor, given.id);
        // Looked at before the bytes are opened, so that nothing stays open.
        await drive.entries(actor, given.targetFolderId, { limit: 1 });
        return { result: await shownFile(call, await drive.upload(actor, { folderId: given.targetFolderId, name: file.name, source: stream(), declaredBytes: file.sizeBytes })) };
      },
    }),
    defineMethod({
      name: 'disk.file.markDeleted', scope, errors, about: 'Moves a file to the trash.', params: { id },
      async run(call, given) {
        const { actor } = call;
        await drive.trashFile(actor, given.id);
        return { result: await shownFile(call, await drive.file(actor, given.id)) };
      },
    }),
    defineMethod({
      name: 'disk.file.restore', scope, errors, about: 'Takes a file out of the trash.', params: { id },
      run: async (call, given) => ({ result: await shownFile(call, await drive.restoreFile(call.actor, given.id)) }),
    }),
    defineMethod({
      name: 'disk.file.delete', scope, errors, about: 'Deletes a file for good.', params: { id },
      async run({ actor }, given) {
        await drive.trashFile(actor, given.id);
        await drive.deleteFile(actor, given.id);
        return { result: true };
      },
    }),
    defineMethod({
      name: 'disk.file.uploadVersion', scope, errors, about: 'Uploads a new version of a file.', params: { id, fileContent: anything }, differs: uploads,
      async run(call, given) {
        const { actor } = call;
        if (isMissing(given.fileContent)) throw invalid(1);
        return { result: await shownFile(call, await drive.uploadVersion(actor, given.id, bytesIn(given.fileContent, 'content', 1))) };
      },
    }),
    defineMethod({
      name: 'disk.file.getVersions', scope, errors, about: 'The versions of a file, newest first, by 50.', params: listing, differs: 'The id of a version is its number within the file.',
      async run({ actor, now }, given) {
        const [file, versions, zone] = [await drive.file(actor, given.id), await drive.versions(actor, given.id), await zoneNow()];
        return listed(versions.map((one): Row => ({
          ID: String(one.version), OBJECT_ID: String(file.id), SIZE: String(one.sizeBytes), NAME: file.name, GLOBAL_CONTENT_VERSION: String(one.version), CREATE_TIME: printMoment(one.createdAt, zone),
          CREATED_BY: String(one.createdBy ?? 0), DOWNLOAD_URL: links.downloadUrl(actor, now, file.id, one.version),
        })), given);
      },
    }),
    defineMethod({
      name: 'disk.file.restoreFromVersion', scope, errors, about: 'Makes an old version the newest again.', params: { id, versionId: integer(() => invalid(1)) }, differs: 'The id of a version is its number within the file.',
      run: async (call, given) => ({ result: await shownFile(call, await drive.restoreVersion(call.actor, given.id, given.versionId)) }),
    }),
    defineMethod({
      name: 'disk.file.getExternalLink', scope, errors, about: 'A link for outsiders.', params: { id }, differs: 'There are no such links: a file that is there answers ACCESS_DENIED.',
      async run({ actor }, given) {
        await drive.file(actor, given.id);
        throw accessDenied('Access denied');
      },
    }),
  ];
}
