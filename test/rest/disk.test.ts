/** Drive through the methods scripts use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given } = vestnik;
const anna = await given.employee({ firstName: 'Анна' });
const asAdmin = await webhookOf(vestnik, admin);
const asAnna = await webhookOf(vestnik, anna);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const content = async (who: { id: number }, id: number) => (await api(who).fetch(`/api/drive/files/${id}/content`)).text();
const names = (rows: { NAME: string }[]) => rows.map((row) => row.NAME);

const [company, own] = await asAdmin.call('disk.storage.getList');
const root = Number(company.ID);

test('the caller sees the storage of the company and the own one, and nobody else’s', async () => {
  assert.deepEqual([company.ENTITY_TYPE, own.ENTITY_TYPE, own.ENTITY_ID, own.ROOT_OBJECT_ID], ['common', 'user', String(admin.id), own.ID]);
  assert.deepEqual((await asAnna.call('disk.storage.getList', { filter: { ENTITY_TYPE: 'user' } })).map((one: { ENTITY_ID: string }) => one.ENTITY_ID), [String(anna.id)]);
  assert.equal((await asAdmin.call('disk.storage.get', { id: own.ID })).ENTITY_TYPE, 'user');
  await asAnna.refused('disk.storage.get', { id: own.ID }, { error: 'ERROR_NOT_FOUND', error_description: `Could not find entity with id ${own.ID}` });
  await asAnna.refused('disk.storage.getChildren', { id: own.ID }, { error: 'ERROR_NOT_FOUND' });
  await asAnna.refused('disk.folder.getChildren', { id: own.ID }, { error: 'ERROR_NOT_FOUND' });
  await asAdmin.refused('disk.storage.get', { id: 'abc' }, { error: 'ERROR_ARGUMENT' });
});

test('a file is uploaded, read, renamed, moved, copied, binned, restored and deleted', async () => {
  const folder = await asAdmin.call('disk.storage.addFolder', { id: root, data: { NAME: 'Договоры' } });
  assert.deepEqual([typeof folder.ID, folder.TYPE, folder.STORAGE_ID, folder.PARENT_ID], ['number', 'folder', company.ID, company.ID]);
  const file = await asAdmin.call('disk.folder.uploadFile', { id: folder.ID, data: { NAME: 'крыша.txt' }, fileContent: ['крыша.txt', base64('Первый')] });
  assert.deepEqual([typeof file.ID, file.NAME, file.SIZE, file.PARENT_ID, file.STORAGE_ID, file.DELETED_TYPE], ['number', 'крыша.txt', String(Buffer.byteLength('Первый')), String(folder.ID), company.ID, 0]);
  assert.equal(await content(anna, file.ID), 'Первый');
  await asAdmin.refused('disk.folder.uploadFile', { id: folder.ID, data: { NAME: 'крыша.txt' }, fileContent: ['x', base64('x')] }, { error: 'DISK_OBJ_22000' });
  assert.equal((await asAdmin.call('disk.folder.uploadFile', { id: folder.ID, data: { NAME: 'крыша.txt' }, fileContent: ['x', base64('x')], generateUniqueName: true })).NAME, 'крыша (2).txt');
  assert.deepEqual(names(await asAdmin.call('disk.folder.getChildren', { id: folder.ID })), ['крыша (2).txt', 'крыша.txt']);
  assert.deepEqual(names(await asAdmin.call('disk.folder.getChildren', { id: folder.ID, filter: { '%NAME': '(2)' } })), ['крыша (2).txt']);

  assert.equal((await asAdmin.call('disk.file.rename', { id: file.ID, newName: 'договор.txt' })).NAME, 'договор.txt');
  assert.equal((await asAdmin.call('disk.file.moveTo', { id: file.ID, targetFolderId: root })).PARENT_ID, company.ID);
  const copy = await asAdmin.call('disk.file.copyTo', { id: file.ID, targetFolderId: folder.ID });
  assert.notEqual(copy.ID, String(file.ID));
  assert.equal(await content(admin, Number(copy.ID)), 'Первый');
  const binned = await asAdmin.call('disk.file.markDeleted', { id: copy.ID });
  assert.deepEqual([binned.DELETED_TYPE, binned.DELETE_TIME], ['3', '2026-03-10T10:00:00+03:00']);
  await asAnna.refused('disk.file.get', { id: copy.ID }, { error: 'ERROR_NOT_FOUND' });
  assert.equal((await asAdmin.call('disk.file.restore', { id: copy.ID })).DELETED_TYPE, '0');
  assert.equal(await asAdmin.call('disk.file.delete', { id: copy.ID }), true);
  await asAdmin.refused('disk.file.get', { id: copy.ID }, { error: 'ERROR_NOT_FOUND', error_description: `Could not find entity with id ${copy.ID}` });
});

test('versions are kept, listed and brought back', async () => {
  const { ID: id } = await asAdmin.call('disk.storage.uploadFile', { id: root, data: { NAME: 'смета.txt' }, fileContent: ['смета.txt', base64('Один')] });
  assert.equal((await asAdmin.call('disk.file.uploadVersion', { id, fileContent: ['смета.txt', base64('Два')] })).GLOBAL_CONTENT_VERSION, '2');
  const versions = await asAdmin.call('disk.file.getVersions', { id });
  assert.deepEqual(versions.map((one: { ID: string; OBJECT_ID: string }) => [one.ID, one.OBJECT_ID]), [['2', String(id)], ['1', String(id)]]);
  assert.equal((await asAdmin.call('disk.file.restoreFromVersion', { id, versionId: 1 })).GLOBAL_CONTENT_VERSION, '3');
  assert.equal(await content(admin, id), 'Один');
  await asAdmin.refused('disk.file.restoreFromVersion', { id, versionId: 99 }, { error: 'ERROR_NOT_FOUND' });
  await asAnna.refused('disk.file.uploadVersion', { id, fileContent: ['x', base64('Чужая')] }, { status: 403, error: 'ACCESS_DENIED' });
  await asAdmin.refused('disk.file.getExternalLink', { id }, { status: 403, error: 'ACCESS_DENIED', error_description: 'Access denied' });
});

test('folders are renamed, moved, binned and deleted by those who may', async () => {
  const outer = await asAdmin.call('disk.storage.addFolder', { id: root, data: { NAME: 'Снаружи' } });
  const inner = await asAdmin.call('disk.folder.addSubFolder', { id: outer.ID, data: { NAME: 'Внутри' } });
  await asAdmin.refused('disk.folder.addSubFolder', { id: outer.ID, data: { NAME: 'внутри' } }, { error: 'DISK_OBJ_22000' });
  await asAdmin.refused('disk.folder.addSubFolder', { id: outer.ID, data: {} }, { error: 'DISK_BASE_SERVICE_22001' });
  await asAdmin.refused('disk.folder.addSubFolder', { id: outer.ID, data: { NAME: '../etc' } }, { error: 'ERROR_ARGUMENT' });
  await asAnna.refused('disk.folder.rename', { id: inner.ID, newName: 'Моя' }, { status: 403, error: 'ACCESS_DENIED' });
  await asAnna.refused('disk.folder.deleteTree', { id: outer.ID }, { status: 403, error: 'ACCESS_DENIED' });
  await asAdmin.refused('disk.folder.moveTo', { id: outer.ID, targetFolderId: inner.ID }, { error: 'ERROR_ARGUMENT' });
  await asAdmin.refused('disk.folder.deleteTree', { id: root }, { status: 403, error: 'ACCESS_DENIED' });
  assert.equal((await asAdmin.call('disk.folder.rename', { id: inner.ID, newName: 'Середина' })).NAME, 'Середина');
  assert.equal((await asAdmin.call('disk.folder.moveTo', { id: inner.ID, targetFolderId: own.ID })).STORAGE_ID, own.ID);
  await asAnna.refused('disk.folder.get', { id: inner.ID }, { error: 'ERROR_NOT_FOUND' });
  assert.equal((await asAdmin.call('disk.folder.markDeleted', { id: inner.ID })).DELETED_TYPE, '3');
  assert.equal((await asAdmin.call('disk.folder.restore', { id: inner.ID })).DELETED_TYPE, '0');
  assert.equal(await asAdmin.call('disk.folder.deleteTree', { id: inner.ID }), true);
  await asAdmin.refused('disk.folder.get', { id: inner.ID }, { error: 'ERROR_NOT_FOUND' });
  assert.equal((await asAdmin.call('disk.folder.get', { id: outer.ID })).NAME, 'Снаружи');
});

test('wrong content, names and ids of others change nothing', async () => {
  const before = names(await asAdmin.call('disk.storage.getChildren', { id: own.ID }));
  await asAdmin.refused('disk.storage.uploadFile', { id: own.ID, data: { NAME: 'a.txt' }, fileContent: ['a.txt', 'это не base64'] }, { error: 'ERROR_ARGUMENT', error_description: /not valid base64/ });
  await asAdmin.refused('disk.storage.uploadFile', { id: own.ID, data: { NAME: 'a.txt' } }, { error: 'ERROR_ARGUMENT' });
  await asAdmin.refused('disk.storage.uploadFile', { id: own.ID, fileContent: ['a.txt', base64('x')] }, { error: 'DISK_BASE_SERVICE_22001' });
  await asAdmin.refused('disk.storage.uploadFile', { id: own.ID, data: { NAME: 'a/b.txt' }, fileContent: ['a', base64('x')] }, { error: 'ERROR_ARGUMENT' });
  await asAnna.refused('disk.storage.uploadFile', { id: own.ID, data: { NAME: 'a.txt' }, fileContent: ['a.txt', base64('x')] }, { error: 'ERROR_NOT_FOUND' });
  await asAnna.refused('disk.folder.uploadFile', { id: own.ID, data: { NAME: 'a.txt' }, fileContent: ['a.txt', base64('x')] }, { error: 'ERROR_NOT_FOUND' });
  await asAdmin.refused('disk.storage.getList', { filter: { "ID' or 1=1": 'x' } }, { error: 'ERROR_ARGUMENT' });
  assert.deepEqual(names(await asAdmin.call('disk.storage.getChildren', { id: own.ID })), before);
});
