import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, ids, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { post } from './robot.ts';

const settings = { title: 'Сделка «{=Document:title}»', text: '{=Owner:name}: {=Document:amount}', recipients: [{ kind: 'role', role: 'observers' }] };

test('the post goes to its recipients, by the owner, and tells where it is', async () => {
  const { asked, results } = await runRobot(post, { ...settings, tags: ['#успех', 'успех', '{=Document:title}', ' '] });
  assert.deepEqual(asked, [{
    what: 'post', author: people.owner, title: 'Сделка «Крыша»', text: 'Анна Смирнова: 1\u00a0200\u00a0000\u00a0₽', to: [people.observer],
    audience: [{ kind: 'role', role: 'observers' }], fileIds: [], tags: ['успех', 'Крыша'],
  }]);
  assert.deepEqual(results, { postId: 601, link: 'https://vestnik.test/feed/601' });
});

test('files come from a field of the item or from the Drive', async () => {
  const ofField = await runRobot(post, { ...settings, attachments: { kind: 'field', field: 'UF_FILES' } });
  assert.deepEqual(ofField.asked[0]?.fileIds, [ids.file, 32]);
  const ofDrive = await runRobot(post, { ...settings, attachments: { kind: 'drive', fileIds: [ids.file] } });
  assert.deepEqual(ofDrive.asked[0]?.fileIds, [ids.file]);
});

test('an empty file field leaves a post without files, and a note', async () => {
  const { asked, notes } = await runRobot(post, { ...settings, attachments: { kind: 'field', field: 'UF_FILES' } }, { item: { UF_FILES: null } });
  assert.deepEqual(asked[0]?.fileIds, []);
  assert.deepEqual(notes.map(({ code }) => code), ['attachments_empty']);
});

test('two kinds of attachments at once cannot be saved', () => {
  assert.deepEqual(problemsOf(post, { ...settings, attachments: { kind: 'drive', fileIds: [ids.file], field: 'UF_FILES' } }), ['attachments: setting.invalid']);
});

test('attachments that are not there are said before publishing', () => {
  assert.deepEqual(problemsOf(post, { ...settings, attachments: { kind: 'drive', fileIds: [999] } }), ['attachments: attachments.file_gone']);
  assert.deepEqual(problemsOf(post, { ...settings, attachments: { kind: 'field', field: 'title' } }), ['attachments: attachments.not_a_file_field']);
});

test('a headline that grew too long is cut, and the run says so', async () => {
  const { asked, notes } = await runRobot(post, { ...settings, title: '{=Document:title}' }, { item: { title: '👍'.repeat(200) } });
  const title = String(asked[0]?.title);
  assert.ok(title.length <= 255 && title.endsWith('👍…'), title);
  assert.deepEqual(notes, [{ code: 'text_cut', params: { max: 255, length: 400 } }]);
});

test('a post for nobody is a failed run', async () => {
  await assert.rejects(runRobot(post, settings, { item: { observerIds: [] } }), failedWith('recipients.none'));
});
