import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { UserError } from '../../shared/errors.ts';
import { testDatabase } from '../../test/support/database.ts';
import { sql } from '../db/db.ts';
import { buildApp } from '../http/http.ts';
import { createLive } from '../live/live.ts';
import type { Actor } from '../people/people.ts';
import { createDrive, type DriveEntry } from './drive.ts';
import { driveRoutes } from './routes.ts';

const { db, url: databaseUrl } = await testDatabase();
const directory = await mkdtemp(join(tmpdir(), 'vestnik-drive-'));
after(() => rm(directory, { recursive: true, force: true }));

let clock = new Date('2026-03-02T10:00:00Z');
const now = () => clock;
const live = createLive({ db, now });
const maxFileBytes = 3 * 1024 * 1024;
const drive = createDrive({ db, live, now, directory, maxFileBytes });

const actor = (employeeId: number, isAdmin = false): Actor => ({ employeeId, isAdmin, language: 'ru', timeZone: 'Europe/Moscow', via: 'session' });
const admin = actor(1, true);
const anna = actor(2);
const boris = actor(3);
await db.run(sql`insert into employees (id, email, is_admin) values (1, 'admin@x', true), (2, 'anna@x', false), (3, 'boris@x', false)`);

const actors = new Map([['admin', admin], ['anna', anna], ['boris', boris]]);
const app = await buildApp({
  db, now, publicUrl: 'http://localhost', actorFromToken: async (token) => actors.get(token), companyLanguage: async () => 'ru',
  options: { logLevel: 'silent', trustProxy: false }, routes: [driveRoutes({ drive })],
});
let base = '';
before(async () => {
  base = await app.listen({ port: 0, host: '127.0.0.1' });
});
after(() => app.close());

const call = (who: string, path: string, init: RequestInit = {}) =>
  fetch(base + path, { ...init, headers: { authorization: `Bearer ${who}`, ...init.headers } });
const bodyOf = async (answer: Response) =>
  (await answer.json()) as { id: number; name: string; mediaType: string; message: string; nextCursor: string | null; items: DriveEntry[] };
const send = (who: string, method: string, path: string, body?: unknown) =>
  call(who, path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) });

const { company } = await drive.storages(admin);
const { own: annasOwn } = await drive.storages(anna);
const bytes = (text: string) => Readable.from([Buffer.from(text)]);
let count = 0;
const put = (who: Actor, folderId: number, name = `file ${count++}.txt`, text = 'hello') => drive.upload(who, { folderId, name, source: bytes(text) });
const code = (expected: string) => (error: unknown) => error instanceof UserError && error.code === expected;
const content = async (stream: Readable) => Buffer.concat(await stream.toArray()).toString();
async function onDisk(): Promise<{ temp: number; blobs: number }> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = all.filter((entry) => entry.isFile());
  const temp = files.filter((entry) => entry.parentPath.endsWith('temp')).length;
  return { temp, blobs: files.length - temp };
}

test('the roots are called in the language of the reader', async () => {
  const inner = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Первая' });
  assert.equal(annasOwn.name, 'Мой Диск');
  assert.deepEqual((await drive.folder({ ...anna, language: 'en' }, inner.id)).path.map((step) => step.name), ['My Drive', 'Первая']);
});

test('a file goes up and comes down over HTTP with its Russian name, whole and in parts', async () => {
  const name = 'Акт приёмки №1.txt';
  const up = await call('anna', `/api/drive/folders/${company.id}/files?name=${encodeURIComponent(name)}`, { method: 'POST', body: 'Привет, мир' });
  assert.equal(up.status, 201);
  const file = await bodyOf(up);
  assert.equal(file.name, name);
  assert.equal(file.mediaType, 'text/plain');
  const down = await call('boris', `/api/drive/files/${file.id}/content`);
  assert.equal(await down.text(), 'Привет, мир');
  assert.match(down.headers.get('content-disposition')!, /^attachment; filename="[^"]*"; filename\*=UTF-8''/);
  assert.equal(down.headers.get('x-content-type-options'), 'nosniff');
  assert.match(down.headers.get('content-security-policy')!, /^sandbox/);
  const part = await call('boris', `/api/drive/files/${file.id}/content`, { headers: { range: 'bytes=0-11' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), 'bytes 0-11/20');
  assert.equal(await part.text(), 'Привет');
  const same = await call('boris', `/api/drive/files/${file.id}/content`, { headers: { 'if-none-match': down.headers.get('etag')! } });
  assert.equal(same.status, 304);
  const stale = await call('boris', `/api/drive/files/${file.id}/content`, { headers: { range: 'bytes=0-1', 'if-range': '"old"' } });
  assert.equal(stale.status, 200);
  await stale.text();
  const beyond = await call('boris', `/api/drive/files/${file.id}/content`, { headers: { range: 'bytes=900-' } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get('content-range'), 'bytes */20');
  const head = await call('boris', `/api/drive/files/${file.id}/content`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), '20');
});

test('an empty file, a JSON file and a file called like a form are taken byte by byte', async () => {
  for (const [type, body] of [['application/json', '{not json'], ['multipart/form-data; boundary=x', '--x'], ['text/plain', '']] as const) {
    const up = await call('anna', `/api/drive/folders/${company.id}/files?name=raw${count++}.json`, { method: 'POST', body, headers: { 'content-type': type } });
    assert.equal(up.status, 201, await up.clone().text());
    const { id } = await bodyOf(up);
    assert.equal(await (await call('anna', `/api/drive/files/${id}/content`)).text(), body);
  }
});

test('names that could be paths, and names nobody can read, are refused', async () => {
  const before = await onDisk();
  for (const name of ['../etc/passwd', '..', '.', '', '   ', 'a/b', 'a\\b', 'a\u0000b', 'a\nb', 'x'.repeat(256), 'photo\u202egpj.exe', '\ud800']) {
    await assert.rejects(put(anna, company.id, name), code('drive.name_invalid'), JSON.stringify(name));
  }
  const overHttp = await call('anna', `/api/drive/folders/${company.id}/files?name=${encodeURIComponent('../../x')}`, { method: 'POST', body: 'x' });
  assert.equal(overHttp.status, 400);
  assert.deepEqual(await onDisk(), before);
});

test('a name is taken once in a folder, whatever the letter case; one may rename or add a version instead', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Договоры' });
  await put(anna, folder.id, 'Отчёт.txt', 'one');
  await assert.rejects(put(anna, folder.id, 'ОТЧЁТ.txt'), code('drive.name_taken'));
  const clash = await call('anna', `/api/drive/folders/${folder.id}/files?name=${encodeURIComponent('отчёт.txt')}`, { method: 'POST', body: 'x' });
  assert.equal(clash.status, 409);
  assert.match((await bodyOf(clash)).message, /«отчёт\.txt» здесь уже есть/);
  const second = await drive.upload(anna, { folderId: folder.id, name: 'Отчёт.txt', source: bytes('two'), onConflict: 'rename' });
  assert.equal(second.name, 'Отчёт (2).txt');
  const version = await drive.upload(anna, { folderId: folder.id, name: 'отчёт.txt', source: bytes('three'), onConflict: 'version' });
  assert.equal(version.version, 2);
  await assert.rejects(drive.createFolder(anna, { parentId: annasOwn.id, name: 'договоры' }), code('drive.name_taken'));
  await assert.rejects(drive.changeFile(anna, second.id, { name: 'Отчёт.txt' }), code('drive.name_taken'));
});

test('twenty uploads of one name at once make twenty files when renaming is asked for, and one when not', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Наплыв' });
  const files = await Promise.all(Array.from({ length: 12 }, () => drive.upload(anna, { folderId: folder.id, name: 'a.txt', source: bytes('x'), onConflict: 'rename' })));
  assert.equal(new Set(files.map((f) => f.name)).size, 12);
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => put(anna, folder.id, 'b.txt')));
  assert.equal(tries.filter((t) => t.status === 'fulfilled').length, 1);
});

test('what is too large is refused with nothing left on disk, declared or not', async () => {
  const before = await onDisk();
  const declared = await call('anna', `/api/drive/folders/${company.id}/files?name=big.bin`, { method: 'POST', body: Buffer.alloc(maxFileBytes + 1) });
  assert.equal(declared.status, 413);
  assert.match((await bodyOf(declared)).message, /больше 3 МБ/);
  const chunks = function* () {
    for (let i = 0; i < 8; i++) yield Buffer.alloc(512 * 1024);
  };
  const streamed = await call('anna', `/api/drive/folders/${company.id}/files?name=big.bin`, { method: 'POST', body: Readable.toWeb(Readable.from(chunks())), duplex: 'half' } as RequestInit);
  assert.equal(streamed.status, 413);
  assert.deepEqual(await onDisk(), before);
  const exact = await drive.upload(anna, { folderId: company.id, name: 'exact.bin', source: Readable.from([Buffer.alloc(maxFileBytes)]) });
  assert.equal(exact.sizeBytes, maxFileBytes);
});

test('an upload that breaks off leaves neither a row nor a byte', async () => {
  const before = await onDisk();
  const request = http.request(`${base}/api/drive/folders/${company.id}/files?name=broken.bin`, { method: 'POST', headers: { authorization: 'Bearer anna', 'content-length': 1_000_000 } });
  request.on('error', () => {});
  request.write(Buffer.alloc(100_000));
  while ((await onDisk()).temp === 0) await new Promise(setImmediate);
  request.destroy();
  while ((await onDisk()).temp !== 0) await new Promise(setImmediate);
  assert.deepEqual(await onDisk(), before);
  assert.equal(await db.first(sql`select from drive_files where name = 'broken.bin'`), undefined);
});

test('a process killed in the middle of a write leaves no half file, and the sweep takes the rest away', async () => {
  const script = `
    import { openDb } from '${new URL('../db/db.ts', import.meta.url)}';
    import { createDrive } from '${new URL('./drive.ts', import.meta.url)}';
    import { Readable } from 'node:stream';
    const drive = createDrive({ db: openDb(process.argv[1]), live: { publish: async () => {} }, now: () => new Date(), directory: process.argv[2] });
    const source = Readable.from((async function* () { yield Buffer.alloc(200000); console.log('writing'); await new Promise((r) => setTimeout(r, 60000)); })());
    await drive.importFile(null, { storage: 'company', name: 'killed.bin', bytes: source, createdBy: null });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, databaseUrl, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => child.stdout.once('data', resolve).once('end', () => reject(new Error('The child ended early.'))));
  for (let left = 3000; (await onDisk()).temp === 0 && left > 0; left--) await new Promise((resolve) => setTimeout(resolve, 10));
  const killed = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await killed;
  assert.equal(await db.first(sql`select from drive_files where name = 'killed.bin'`), undefined);
  const left = await onDisk();
  assert.equal(left.temp, 1);
  assert.deepEqual(await drive.sweep(), { temporary: 0, blobs: 0 }, 'young files may be uploads under way');
  const real = clock;
  clock = new Date(Date.now() + 2 * 24 * 3600_000);
  assert.deepEqual(await drive.sweepLoop.work(), { worked: 0, hasMore: false });
  clock = real;
  assert.deepEqual(await onDisk(), { temp: 0, blobs: left.blobs });
});

test('bytes of files deleted for good are swept, those of others and of old versions stay', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Чистка' });
  const kept = await put(anna, folder.id, 'kept.txt', 'v1');
  await drive.uploadVersion(anna, kept.id, { source: bytes('v2') });
  const gone = await put(anna, folder.id, 'gone.txt');
  const { path } = await drive.open(db, gone.id);
  await drive.trashFile(anna, gone.id);
  await drive.deleteFile(anna, gone.id);
  const real = clock;
  clock = new Date(Date.now() + 2 * 24 * 3600_000);
  assert.equal((await drive.sweep()).blobs, 1);
  clock = real;
  await assert.rejects(readdir(path));
  assert.equal(await content((await drive.readFor(anna, kept.id, 1)).stream()), 'v1');
  assert.equal(await content((await drive.readFor(anna, kept.id)).stream()), 'v2');
});

test('who may do what: the whole matrix', async () => {
  const shared = await put(anna, company.id, 'shared.txt');
  const secret = await put(anna, annasOwn.id, 'secret.txt');
  const loose = await drive.uploadAttachment(anna, { name: 'loose.txt', source: bytes('x') });
  const hung = await drive.uploadAttachment(anna, { name: 'hung.txt', source: bytes('x') });
  drive.registerTarget('post', async (who, postId) => postId === 7 && who.employeeId === boris.employeeId);
  await db.transaction((tx) => drive.attach(tx, { fileIds: [hung.id], targetKind: 'post', targetId: 7, actor: anna }));

  const read = async (who: Actor, id: number) => drive.readFor(who, id).then(() => true, (error) => (code('request.not_found')(error) ? false : Promise.reject(error)));
  const rename = async (who: Actor, id: number) =>
    drive.changeFile(who, id, { name: `renamed ${count++}.txt` }).then(() => 'done', (error) => (error instanceof UserError ? error.code : Promise.reject(error)));
  const table = [
    // file, who, reads, changes
    [shared, anna, true, 'done'], [shared, boris, true, 'drive.not_yours'], [shared, admin, true, 'done'],
    [secret, anna, true, 'done'], [secret, boris, false, 'request.not_found'], [secret, admin, false, 'request.not_found'],
    [loose, anna, true, 'done'], [loose, boris, false, 'request.not_found'], [loose, admin, false, 'request.not_found'],
    [hung, anna, true, 'done'], [hung, boris, true, 'drive.not_yours'], [hung, admin, false, 'request.not_found'],
  ] as const;
  for (const [file, who, reads, changes] of table) {
    assert.equal(await read(who, file.id), reads, `${who.employeeId} reads ${file.name}`);
    assert.equal(await rename(who, file.id), changes, `${who.employeeId} changes ${file.name}`);
  }
  await assert.rejects(drive.entries(boris, annasOwn.id, { limit: 10 }), code('request.not_found'));
  await assert.rejects(put(boris, annasOwn.id), code('request.not_found'));
  await assert.rejects(db.transaction((tx) => drive.attach(tx, { fileIds: [secret.id], targetKind: 'post', targetId: 7, actor: boris })), code('request.not_found'));
  assert.equal((await call('boris', `/api/drive/files/${secret.id}/content`)).status, 404);
  assert.equal((await fetch(`${base}/api/drive/files/${shared.id}/content`)).status, 401);
});

test('through an attachment one sees the newest version and no older one', async () => {
  const file = await put(anna, annasOwn.id, 'plan.txt', 'draft with secrets');
  await drive.uploadVersion(anna, file.id, { source: bytes('clean') });
  await db.transaction((tx) => drive.attach(tx, { fileIds: [file.id], targetKind: 'post', targetId: 7 }));
  assert.equal(await content((await drive.readFor(boris, file.id)).stream()), 'clean');
  await assert.rejects(drive.readFor(boris, file.id, 1), code('request.not_found'));
  await assert.rejects(drive.versions(boris, file.id), code('request.not_found'));
  assert.deepEqual((await drive.versions(anna, file.id)).map((v) => v.version), [2, 1]);
  const old = await call('anna', `/api/drive/files/${file.id}/content?version=1`);
  assert.equal(await old.text(), 'draft with secrets');
  await db.transaction((tx) => drive.detach(tx, { targetKind: 'post', targetId: 7 }));
  await assert.rejects(drive.readFor(boris, file.id), code('request.not_found'));
});

test('versions uploaded at once are numbered one by one', async () => {
  const file = await put(anna, annasOwn.id, 'many.txt');
  await Promise.all(Array.from({ length: 6 }, (_, i) => drive.uploadVersion(anna, file.id, { source: bytes(`v${i}`) })));
  assert.deepEqual((await drive.versions(anna, file.id)).map((v) => v.version), [7, 6, 5, 4, 3, 2, 1]);
});

test('the trash hides a folder with all below it, gives it back, and asks for a name when its own is taken', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Архив' });
  const inner = await drive.createFolder(anna, { parentId: folder.id, name: 'Внутри' });
  const file = await put(anna, inner.id, 'deep.txt');
  await db.transaction((tx) => drive.attach(tx, { fileIds: [file.id], targetKind: 'post', targetId: 8 }));
  await drive.trashFolder(anna, folder.id);
  await assert.rejects(drive.open(db, file.id), code('request.not_found'));
  assert.deepEqual(await drive.filesByIds(db, [file.id]), []);
  await assert.rejects(put(anna, inner.id), code('request.not_found'));
  const trash = await drive.trash(anna, { limit: 50 });
  assert.ok(trash.items.some((entry) => entry.kind === 'folder' && entry.folder.id === folder.id));
  await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Архив' });
  await assert.rejects(drive.restoreFolder(anna, folder.id), code('drive.name_taken'));
  assert.equal((await drive.restoreFolder(anna, folder.id, 'Архив 2025')).name, 'Архив 2025');
  assert.equal((await drive.open(db, file.id)).file.name, 'deep.txt');
  // A file trashed by itself, whose folder is trashed after it, comes back to the root.
  await drive.trashFile(anna, file.id);
  await drive.trashFolder(anna, folder.id);
  assert.equal((await drive.restoreFile(anna, file.id)).folderId, annasOwn.id);
  await assert.rejects(drive.deleteFile(anna, file.id), code('drive.not_in_trash'));
  await drive.deleteFolder(anna, folder.id);
  await assert.rejects(drive.folder(anna, inner.id), code('request.not_found'));
});

test('a folder does not go into itself, roots stay, and a folder with things of others only an administrator moves', async () => {
  const outer = await drive.createFolder(anna, { parentId: company.id, name: 'Общее' });
  const inner = await drive.createFolder(anna, { parentId: outer.id, name: 'Вложенная' });
  await assert.rejects(drive.changeFolder(anna, outer.id, { parentId: inner.id }), code('drive.folder_into_itself'));
  await assert.rejects(drive.changeFolder(anna, outer.id, { parentId: outer.id }), code('drive.folder_into_itself'));
  await assert.rejects(drive.trashFolder(admin, company.id), code('drive.folder_is_root'));
  await put(boris, inner.id);
  await assert.rejects(drive.trashFolder(anna, outer.id), code('drive.folder_holds_others'));
  await assert.rejects(drive.trashFolder(boris, outer.id), code('drive.not_yours'));
  await drive.trashFolder(admin, outer.id);
});

test('a folder moved to another storage takes all below with it', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Публикую' });
  const inner = await drive.createFolder(anna, { parentId: folder.id, name: 'глубже' });
  const file = await put(anna, inner.id);
  await assert.rejects(drive.readFor(boris, file.id), code('request.not_found'));
  const moved = await send('anna', 'PATCH', `/api/drive/folders/${folder.id}`, { parentId: company.id });
  assert.equal(moved.status, 200);
  assert.equal((await drive.readFor(boris, file.id)).file.id, file.id);
});

test('a folder is listed page by page: folders first, then files, each by name, each once', async () => {
  const folder = await drive.createFolder(anna, { parentId: annasOwn.id, name: 'Список' });
  for (const name of ['б', 'а', 'в']) await drive.createFolder(anna, { parentId: folder.id, name });
  for (const name of ['2.txt', '1.txt', 'я.txt', 'Ю.txt']) await put(anna, folder.id, name);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const answer: Response = await call('anna', `/api/drive/folders/${folder.id}/entries?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
    const page = await bodyOf(answer);
    seen.push(...page.items.map((entry) => (entry.kind === 'folder' ? entry.folder.name : entry.file.name)));
    cursor = page.nextCursor;
  }
  assert.deepEqual(new Set(seen).size, 7);
  assert.deepEqual(new Set(seen.slice(0, 3)), new Set(['а', 'б', 'в']));
  assert.equal((await call('anna', `/api/drive/folders/${folder.id}/entries?cursor=nonsense`)).status, 400);
});

test('importFile writes in the transaction it is given and numbers names that are taken', async () => {
  await db.transaction((tx) => drive.importFile(tx, { storage: 'company', name: 'Прайс.pdf', bytes: Buffer.from('1'), createdBy: 1 }));
  const second = await drive.importFile(null, { storage: 'company', name: 'Прайс.pdf', bytes: Buffer.from('2'), createdBy: 1 });
  assert.equal(second.name, 'Прайс (2).pdf');
  assert.equal(second.mediaType, 'application/pdf');
  const hanging = await drive.importFile(null, { storage: 'attachments', name: 'x.bin', bytes: Buffer.alloc(3), createdBy: null });
  assert.equal(hanging.folderId, null);
  await assert.rejects(db.transaction(async (tx) => {
    await drive.importFile(tx, { storage: 'company', name: 'undone.txt', bytes: Buffer.from('1'), createdBy: 1 });
    throw new Error('undo');
  }));
  assert.equal(await db.first(sql`select from drive_files where name = 'undone.txt'`), undefined);
});
