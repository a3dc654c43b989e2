import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTestVestnik } from '../../test/support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given, clock, options } = vestnik;
const anna = await given.employee();
const boris = await given.employee();
const { company } = await api(anna).get('/api/drive/storages');

const temporary = async () => (await readdir(join(options.dataDir, 'drive', 'temp')).catch(() => [])).length;
const begin = (name: string, sizeBytes: number, more: object = {}) => api(anna).post('/api/drive/uploads', { folderId: company.id, name, sizeBytes, ...more });
async function piece(id: number, offset: number, bytes: string, as = anna) {
  const answer = await api(as).fetch(`/api/drive/uploads/${id}?offset=${offset}`, { method: 'PUT', body: bytes, headers: { 'content-type': 'application/octet-stream' } });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}
const contentOf = async (id: number) => (await api(anna).fetch(`/api/drive/files/${id}/content`)).text();

test('a file that came in pieces is the file', async () => {
  const upload = await begin('договор.txt', 10);
  assert.equal((await piece(upload.id, 0, 'пять')).body.receivedBytes, 8);
  assert.equal((await piece(upload.id, 8, '!?')).body.receivedBytes, 10);
  const file = await api(anna).post(`/api/drive/uploads/${upload.id}/finish`);
  assert.equal(file.sizeBytes, 10);
  assert.equal(await contentOf(file.id), 'пять!?');
  assert.equal(await temporary(), 0);
  await assert.rejects(api(anna).get(`/api/drive/uploads/${upload.id}`), { code: 'request.not_found' });
});

test('who was cut off asks how far it got, and goes on from there; a piece sent twice is not written twice', async () => {
  const upload = await begin('отчёт.txt', 6);
  await piece(upload.id, 0, 'abc');
  const again = await piece(upload.id, 0, 'abc');
  assert.deepEqual([again.status, again.body.code, again.body.params.receivedBytes], [409, 'drive.upload_offset', 3]);
  await assert.rejects(api(anna).post(`/api/drive/uploads/${upload.id}/finish`), { code: 'drive.upload_offset' });
  assert.deepEqual((await api(anna).get('/api/drive/uploads')).items.map(({ name, receivedBytes }: { name: string; receivedBytes: number }) => [name, receivedBytes]), [['отчёт.txt', 3]]);
  await piece(upload.id, 3, 'def');
  assert.equal(await contentOf((await api(anna).post(`/api/drive/uploads/${upload.id}/finish`)).id), 'abcdef');
});

test('two pieces for the same place at once: one is taken, the other hears where to go on', async () => {
  const upload = await begin('гонка.txt', 4);
  const answers = await Promise.all([piece(upload.id, 0, 'aa'), piece(upload.id, 0, 'bb')]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
  await piece(upload.id, 2, 'cc');
  assert.match(await contentOf((await api(anna).post(`/api/drive/uploads/${upload.id}/finish`)).id), /^(aa|bb)cc$/);
});

test('what is too large, too much or taken is refused before and while it comes', async () => {
  await assert.rejects(begin('пять гигабайт.bin', 5 * 1024 ** 3), { code: 'drive.file_too_large' });
  await assert.rejects(begin('договор.txt', 1), { code: 'drive.name_taken' });
  const upload = await begin('малый.txt', 2);
  assert.equal((await piece(upload.id, 0, 'three')).body.code, 'drive.piece_too_large');
  assert.equal((await api(anna).get(`/api/drive/uploads/${upload.id}`)).receivedBytes, 0);
  await api(anna).del(`/api/drive/uploads/${upload.id}`);
});

test('an empty file is a file, a taken name gets a number or a new version', async () => {
  const none = await begin('пусто.txt', 0);
  assert.equal(await contentOf((await api(anna).post(`/api/drive/uploads/${none.id}/finish`)).id), '');
  const second = await begin('пусто.txt', 1, { onConflict: 'rename' });
  await piece(second.id, 0, '2');
  assert.equal((await api(anna).post(`/api/drive/uploads/${second.id}/finish`)).name, 'пусто (2).txt');
  const version = await begin('пусто.txt', 1, { onConflict: 'version' });
  await piece(version.id, 0, 'v');
  const file = await api(anna).post(`/api/drive/uploads/${version.id}/finish`);
  assert.deepEqual([file.name, file.version], ['пусто.txt', 2]);
});

test('uploads of others are not there', async () => {
  const upload = await begin('чужое.txt', 1);
  assert.equal((await piece(upload.id, 0, 'x', boris)).body.code, 'request.not_found');
  await assert.rejects(api(admin).post(`/api/drive/uploads/${upload.id}/finish`), { code: 'request.not_found' });
  await api(anna).del(`/api/drive/uploads/${upload.id}`);
});

test('an upload nobody goes on with is forgotten after a day', async () => {
  const upload = await begin('брошено.txt', 5);
  await piece(upload.id, 0, 'abc');
  clock.advance('3 days');
  await vestnik.vestnik.drive.sweep();
  await assert.rejects(api(anna).get(`/api/drive/uploads/${upload.id}`), { code: 'request.not_found' });
});

test('an old version becomes the newest again, and nothing in between is lost', async () => {
  const file = await given.file({ name: 'смета.txt', content: 'первая', by: anna });
  const put = (content: string) => api(anna).fetch(`/api/drive/files/${file.id}/content`, { method: 'PUT', body: content, headers: { 'content-type': 'application/octet-stream' } });
  await put('вторая');
  const back = await api(anna).post(`/api/drive/files/${file.id}/versions/1/restore`);
  assert.equal(back.version, 3);
  assert.equal(await contentOf(file.id), 'первая');
  assert.equal(await (await api(anna).fetch(`/api/drive/files/${file.id}/content?version=2`)).text(), 'вторая');
  await assert.rejects(api(anna).post(`/api/drive/files/${file.id}/versions/9/restore`), { code: 'request.not_found' });
});
