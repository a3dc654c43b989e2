/** Drive through the methods scripts use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchJson, webhookOf } from '../support/rest.ts';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { admin, api, given } = vestnik;
const anna = await given.employee({ firstName: 'Анна' });
const asAdmin = await webhookOf(vestnik, admin);
const asAnna = await webhookOf(vestnik, anna);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const content = async (who: { id: number }, id: number) => (await api(who).fetch(`/api/drive/files/${id}/content`)).text();
function formOf(name: string, content: string): FormData {
  const form = new FormData();
  form.append('file', new Blob([content]), name);
  return form;
}
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

test('the fields of storages, folders and files are those they are shown with', async () => {
  const folder = await asAdmin.call('disk.storage.addFolder', { id: root, data: { NAME: 'Поля' } });
  const file = await asAdmin.call('disk.folder.uploadFile', { id: folder.ID, data: { NAME: 'поля.txt' }, fileContent: ['x', base64('x')] });
  for (const [what, row] of [['storage', company], ['folder', folder], ['file', file]]) assert.deepEqual(Object.keys(await asAdmin.call(`disk.${what}.getFields`)), Object.keys(row), what);
  assert.deepEqual(await asAdmin.call('disk.storage.getTypes'), ['user', 'common']);
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

test('the address of a file gives its bytes without a sign-in, to whom it was made for, for an hour', async () => {
  const { ID: id } = await asAdmin.call('disk.storage.uploadFile', { id: root, data: { NAME: 'Договор «Крыша».html' }, fileContent: ['x', base64('<b>Один</b>')] });
  const { DOWNLOAD_URL: url } = await asAnna.call('disk.file.get', { id });
  assert.ok(url.startsWith(`${vestnik.url}/rest/download.json?token=`), url);
  const answer = await fetch(url);
  assert.deepEqual([answer.status, await answer.text()], [200, '<b>Один</b>']);
  assert.match(String(answer.headers.get('content-disposition')), /^attachment; filename="?.*filename\*=UTF-8''/);
  assert.deepEqual([answer.headers.get('x-content-type-options'), answer.headers.get('content-security-policy')?.startsWith("sandbox; default-src 'none'"), answer.headers.get('set-cookie')], ['nosniff', true, null]);
  const part = await fetch(url, { headers: { range: 'bytes=3-10' } });
  assert.deepEqual([part.status, await part.text()], [206, 'Один']);
  assert.equal((await fetch(url, { headers: { range: 'bytes=999-' } })).status, 416);
  assert.equal((await fetch(url, { headers: { 'if-none-match': String(answer.headers.get('etag')) } })).status, 304);
  assert.deepEqual([(await fetch(url, { method: 'HEAD' })).headers.get('content-length'), (await fetch(url, { method: 'POST' })).status], [String(Buffer.byteLength('<b>Один</b>')), 401]);

  // A file's address is of whatever is its newest version, a version's address of that one.
  const [first] = await asAnna.call('disk.file.getVersions', { id });
  await asAdmin.call('disk.file.uploadVersion', { id, fileContent: ['x', base64('Два')] });
  assert.deepEqual([await (await fetch(url)).text(), await (await fetch(first.DOWNLOAD_URL)).text()], ['Два', '<b>Один</b>']);

  // What was changed in it makes it nobody's.
  const [payload = '', mac = ''] = String(new URL(url).searchParams.get('token')).split('.');
  const link = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = Buffer.from(JSON.stringify({ ...link, employeeId: admin.id })).toString('base64url');
  const uploadToken = new URL((await asAdmin.call('disk.folder.uploadFile', { id: root })).uploadUrl).searchParams.get('token');
  for (const token of [`${forged}.${mac}`, `${payload}.${mac.slice(0, -2)}`, `${payload}.${mac}.x`, payload, '', '.', 'a'.repeat(5000), `${payload}.${mac.toUpperCase()}`, uploadToken]) {
    const { status, body } = await fetchJson(`${vestnik.url}/rest/download.json?token=${encodeURIComponent(String(token))}`);
    assert.deepEqual([status, body.error], [403, 'ACCESS_DENIED'], String(token).slice(0, 60));
  }

  // Access is asked for again each time.
  await asAdmin.call('disk.file.moveTo', { id, targetFolderId: own.ID });
  const gone = await fetchJson(url);
  assert.deepEqual([gone.status, gone.body.error], [404, 'ERROR_NOT_FOUND']);
  const { DOWNLOAD_URL: mine } = await asAdmin.call('disk.file.get', { id });
  assert.equal((await fetch(mine)).status, 200);
  vestnik.clock.advance('1 hour');
  const late = await fetchJson(mine);
  assert.deepEqual([late.status, late.body.error], [403, 'expired_token']);
});

test('files of records, comments, messages and posts have addresses that need no sign-in', async () => {
  await asAdmin.call('crm.deal.userfield.add', { fields: { FIELD_NAME: 'SCAN', USER_TYPE_ID: 'file', EDIT_FORM_LABEL: 'Скан' } });
  const dealId = await asAdmin.call('crm.deal.add', { fields: { TITLE: 'Крыша', UF_CRM_SCAN: { fileData: ['скан.txt', base64('Скан')] } } });
  const { UF_CRM_SCAN: old } = await asAdmin.call('crm.deal.get', { id: dealId });
  const { item } = await asAdmin.call('crm.item.get', { entityTypeId: 2, id: dealId });
  await asAdmin.call('crm.timeline.comment.add', { fields: { ENTITY_ID: dealId, ENTITY_TYPE: 'deal', COMMENT: 'С файлом', FILES: [['замер.txt', base64('Замер')]] } });
  const [comment] = await asAdmin.call('crm.timeline.comment.list', { filter: { ENTITY_ID: dealId, ENTITY_TYPE: 'deal' } });
  const [post] = await asAdmin.call('log.blogpost.get', { POST_ID: await asAdmin.call('log.blogpost.add', { POST_MESSAGE: 'Новость', FILES: [['новость.txt', base64('Новость')]] }) });
  const urlOf = (files: Record<string, { urlDownload: string }>) => Object.values(files)[0]?.urlDownload;
  for (const [url, text] of [[old.downloadUrl, 'Скан'], [item.ufCrmScan.urlMachine, 'Скан'], [urlOf(comment.FILES), 'Замер'], [urlOf(post.FILES), 'Новость']]) {
    assert.equal(await (await fetch(new URL(url, vestnik.url))).text(), text, url);
  }
});

test('whoever is dismissed reads and sends nothing by the addresses he has', async () => {
  const boris = await given.employee({ firstName: 'Борис' });
  const asBoris = await webhookOf(vestnik, boris);
  const { ID: id } = await asBoris.call('disk.storage.uploadFile', { id: root, data: { NAME: 'прощание.txt' }, fileContent: ['x', base64('Пока')] });
  const [{ DOWNLOAD_URL: url }, { uploadUrl }] = [await asBoris.call('disk.file.get', { id }), await asBoris.call('disk.folder.uploadFile', { id: root, data: { NAME: 'ещё.txt' } })];
  assert.equal((await fetch(url)).status, 200);
  await api(admin).post(`/api/employees/${boris.id}/dismissal`);
  assert.equal((await fetchJson(url)).body.error, 'user_access_error');
  assert.equal((await fetchJson(uploadUrl, { method: 'POST', body: formOf('ещё.txt', 'x') })).body.error, 'user_access_error');
});

test('a file without content is given an address, and a form posted there is kept as it streams', async () => {
  const folder = await asAdmin.call('disk.storage.addFolder', { id: root, data: { NAME: 'Присланное' } });
  const given = await asAdmin.call('disk.folder.uploadFile', { id: folder.ID, data: { NAME: 'замер.txt' } });
  assert.equal(given.field, 'file');
  const sent = await fetchJson(given.uploadUrl, { method: 'POST', body: formOf('другое.txt', 'Замер крыши') });
  assert.equal(sent.status, 200, JSON.stringify(sent.body));
  assert.deepEqual([sent.body.result.NAME, sent.body.result.PARENT_ID, sent.body.result.SIZE], ['замер.txt', String(folder.ID), String(Buffer.byteLength('Замер крыши'))]);
  assert.equal(typeof sent.body.time.duration, 'number');
  assert.equal(await (await fetch(sent.body.result.DOWNLOAD_URL)).text(), 'Замер крыши');
  const again = await fetchJson(given.uploadUrl, { method: 'POST', body: formOf('x', 'Ещё') });
  assert.deepEqual([again.status, again.body.error], [400, 'DISK_OBJ_22000']);

  // Without a name it is called what the client calls it; a name that is taken gets a number.
  const free = await asAdmin.call('disk.folder.uploadFile', { id: folder.ID, generateUniqueName: true });
  const bytes = 'я'.repeat(3_000_000);
  for (const name of ['большой.bin', 'большой (2).bin']) {
    const big = await fetchJson(free.uploadUrl, { method: 'POST', body: formOf('большой.bin', bytes) });
    assert.deepEqual([big.body.result?.NAME, big.body.result?.SIZE], [name, '6000000'], JSON.stringify(big.body));
  }
  for (const [init, error] of [
    [{ body: new FormData() }, 'ERROR_ARGUMENT'], [{ body: 'file=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 'ERROR_ARGUMENT'],
    [{ body: '--x\r\nnot a form', headers: { 'content-type': 'multipart/form-data; boundary=x' } }, 'INVALID_REQUEST'], [{ body: formOf('../etc', 'x') }, ''],
  ] as const) {
    const { status, body } = await fetchJson(free.uploadUrl, { method: 'POST', ...init });
    if (error === '') assert.equal(body.result?.NAME, 'etc', JSON.stringify(body));
    else assert.deepEqual([status, body.error], [400, error]);
  }
  assert.deepEqual(names(await asAdmin.call('disk.folder.getChildren', { id: folder.ID })), ['etc', 'большой (2).bin', 'большой.bin', 'замер.txt']);
  await asAnna.refused('disk.folder.uploadFile', { id: own.ID, data: { NAME: 'чужое.txt' } }, { error: 'ERROR_NOT_FOUND' });
  const [, mac] = String(new URL(free.uploadUrl).searchParams.get('token')).split('.');
  const forged = Buffer.from(JSON.stringify({ folderId: Number(own.ID), name: null, isRenamed: true, employeeId: anna.id, until: 9e15 })).toString('base64url');
  assert.equal((await fetchJson(`${vestnik.url}/rest/upload.json?token=${forged}.${mac}`, { method: 'POST', body: formOf('x', 'x') })).status, 403);
  vestnik.clock.advance('61 minutes');
  assert.deepEqual([(await fetchJson(free.uploadUrl, { method: 'POST', body: formOf('x', 'x') })).body.error], ['expired_token']);
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
