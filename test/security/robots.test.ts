/** Robots that are configured wrongly, and robots whose things went away after they were published. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Stage } from '../support/vestnik.ts';
import { toldBy } from '../support/told.ts';
import { createWorld } from './world.ts';

const w = await createWorld();
const { given, admin, moved, drain } = w;
const api = w.api(admin);
const told = toldBy(w);

interface Saved { revision: number; problems: { robotId: number; path: string; code: string; message: string }[] }

async function newRobots(count = 1) {
  const pipeline = await given.pipeline({ stages: ['Новая', 'Работа', 'Итог'] });
  const { ids } = await api.post('/api/robot-ids', { count });
  const path = `/api/pipelines/${pipeline.id}/robots`;
  const stage = pipeline.stage('Работа');
  const robot = (more: Record<string, unknown> = {}, place = 0) =>
    ({ id: ids[place], stageId: stage.id, type: 'notify', title: 'Робот', settings: { text: 'Текст', recipients: [{ kind: 'role', role: 'owner' }] }, ...more });
  return { pipeline, path, stage, robot, save: (robots: unknown): Promise<Saved> => api.put(path, { revision: 0, robots }) };
}

const insides = /undefined|\[object|NaN|null|\{[a-zA-Z]/;
function assertSays(message: string): void {
  assert.match(message, /[а-яё].*\.$/i);
  assert.doesNotMatch(message, insides);
}

test('a robot of an unknown type, on a foreign stage, or with a foreign id is not saved', async () => {
  const here = await newRobots(2);
  const there = await newRobots();
  await there.save([there.robot()]);
  const refusals: [Record<string, unknown>[], { status: number; code: string }][] = [
    [[here.robot({ type: 'notify2' })], { status: 400, code: 'robots.type_unknown' }],
    [[here.robot({ type: '__proto__' })], { status: 400, code: 'robots.type_unknown' }],
    [[here.robot({ type: 'constructor' })], { status: 400, code: 'robots.type_unknown' }],
    [[here.robot({ stageId: there.stage.id })], { status: 404, code: 'request.not_found' }],
    [[here.robot({ stageId: 999_999 })], { status: 404, code: 'request.not_found' }],
    [[here.robot({ id: there.robot().id })], { status: 400, code: 'robots.id_foreign' }],
    [[here.robot(), here.robot()], { status: 400, code: 'robots.id_doubled' }],
    [[here.robot({ title: 'я'.repeat(256) })], { status: 400, code: 'request.invalid' }],
    [[here.robot({ order: 'whenever' })], { status: 400, code: 'request.invalid' }],
    [[here.robot({ timing: { kind: 'after', amount: 0, unit: 'minutes' } })], { status: 400, code: 'request.invalid' }],
    [[here.robot({ timing: { kind: 'after', amount: 1e9, unit: 'days' } })], { status: 400, code: 'request.invalid' }],
    [[here.robot({ timing: { kind: 'sometimes' } })], { status: 400, code: 'request.invalid' }],
  ];
  for (const [robots, expected] of refusals) {
    await assert.rejects(here.save(robots), (error: { status: number; code: string; message: string }) => {
      assert.deepEqual({ status: error.status, code: error.code }, expected, JSON.stringify(robots).slice(0, 200));
      assertSays(error.message);
      return true;
    });
  }
});

test('a condition six groups deep or of two hundred rules is refused', async () => {
  const { save, robot } = await newRobots();
  const rule = { left: '{=Document:amount}', operator: 'greater', value: 1 };
  let deep: unknown = rule;
  for (let level = 0; level < 6; level++) deep = { op: 'and', items: [deep] };
  const wide = { op: 'or', items: Array.from({ length: 200 }, () => rule) };
  const spread = { op: 'or', items: Array.from({ length: 20 }, () => ({ op: 'and', items: Array.from({ length: 10 }, () => rule) })) };
  for (const condition of [deep, wide, spread, { op: 'and', items: [] }, { op: 'xor', items: [rule] }, { op: 'and', items: [{ ...rule, operator: 'like' }] }]) {
    await assert.rejects(save([robot({ condition })]), { status: 400, code: 'request.invalid' });
  }
  await save([robot({ condition: { op: 'and', items: [{ op: 'or', items: [{ op: 'and', items: [{ op: 'or', items: [{ op: 'and', items: [rule] }] }] }] }] } })]);
});

test('settings that do not fit are saved with their problems, named, and are not published', async () => {
  const cases: Record<string, Record<string, unknown>> = {
    'no settings': { settings: {} },
    'texts that are numbers': { settings: { text: 5, recipients: [{ kind: 'role', role: 'owner' }] } },
    'texts that are lists': { settings: { text: ['a'], recipients: { kind: 'everyone' } } },
    'a text too long': { settings: { text: 'я'.repeat(120_000), recipients: [{ kind: 'everyone' }] } },
    'unknown people': { settings: { text: 'x', recipients: [{ kind: 'employee', id: 999_999 }, { kind: 'department', id: 999_999 }, { kind: 'departmentHead', id: 999_999 }] } },
    'recipients of no kind': { settings: { text: 'x', recipients: [{ kind: 'alien', id: 1 }] } },
    'a field that is not there': { settings: { text: '{=Document:noSuchField} {=A999999:ID} {=Nobody:name} {=', recipients: [{ kind: 'field', field: 'noSuchField' }] } },
    'a key nobody knows': { settings: { text: 'x', recipients: [{ kind: 'everyone' }], colour: 'red', constructor: 1 } },
    'a chat that is not there': { type: 'message-group-chat', settings: { chat: 999_999, text: 'x', kind: 'plain' } },
    'a chat that is no id': { type: 'message-group-chat', settings: { chat: { id: 1 }, text: 'x', kind: 'shout' } },
    'a sender that is not there': { type: 'send-email', settings: { sender: 999_999, subject: 'x', text: 'x' } },
    'files that are not there': { type: 'send-email', settings: { subject: 'x', text: 'x', attachments: { kind: 'drive', fileIds: [999_999] } } },
    'files that are no ids': { type: 'send-email', settings: { subject: 'x', text: 'x', attachments: { kind: 'drive', fileIds: [-1, '1 or 1=1'] } } },
    'an SMS too long': { type: 'send-sms', settings: { text: 'я'.repeat(5000) } },
    'fields that are not there': { type: 'change-item', settings: { values: [{ field: 'noSuchField', value: 'x' }, { field: '__proto__', value: 'x' }] } },
    'a condition on nothing': { condition: { op: 'and', items: [{ left: '{=Document:noSuchField}', operator: 'equals', value: 'x' }] } },
    'a moment of nothing': { timing: { kind: 'at', reference: '{=Document:noSuchField}' } },
  };
  for (const [about, more] of Object.entries(cases)) {
    const { path, robot, save, stage, pipeline } = await newRobots();
    const saved = await save([robot(more)]);
    assert.ok(saved.problems.length > 0, `${about}: no problem was found`);
    for (const problem of saved.problems) assertSays(problem.message);
    await assert.rejects(api.post(`${path}/publish`, { revision: saved.revision }), (error: { status: number; code: string; message: string }) => {
      assert.deepEqual([error.status, error.code], [409, 'robots.not_ready'], about);
      assertSays(error.message);
      return true;
    });
    // A rehearsal of what cannot work is an answer as well.
    const deal = await given.item({ pipelineId: pipeline.id });
    const { runs, messages } = await api.post(`${path}/rehearse`, { itemId: deal.id, stageId: stage.id });
    // That a file will be missing is known when the letter is sent, not before.
    if (about !== 'files that are not there') assert.deepEqual(messages, [], about);
    for (const run of runs) assertSays(run.explanation);
    assert.equal((await api.get(`${path}/picker`, { stageId: stage.id, robotId: robot().id })).length > 0, true);
  }
});

test('ten thousand recipients are refused or reached, and never break anything', async () => {
  const { path, robot, save, stage, pipeline } = await newRobots();
  const many = Array.from({ length: 10_000 }, (_, place) => ({ kind: 'employee', id: place % 2 === 0 ? w.people.owner.id : w.people.colleague.id }));
  const saved = await save([robot({ settings: { text: 'Всем', recipients: many } })]);
  if (saved.problems.length > 0) {
    for (const problem of saved.problems) assertSays(problem.message);
    return;
  }
  await api.post(`${path}/publish`, { revision: saved.revision });
  await moved(await given.item({ pipelineId: pipeline.id }), stage);
  await drain();
  assert.equal((await told.bell(w.people.owner)).filter((note) => note.body === 'Всем').length, 1);
});

// ——— What was there when the robot was published, and is no more when it acts

interface Gone { about: string; type: string; settings: Record<string, unknown>; remove(): Promise<unknown>; says: RegExp }

async function whatGoes(): Promise<Gone[]> {
  const text = 'Текст';
  const recipients = [{ kind: 'role', role: 'owner' }];
  const [chat, other] = [await w.newChat('Скоро удалят'), await w.newChat('Тоже')];
  const department = await given.department({ name: 'Временный', employeeIds: [w.people.owner.id] });
  const refuge = await given.department({ name: 'Приют' });
  const [leaving, speaker] = [await given.employee({ firstName: 'Иван', lastName: 'Временный' }), await given.employee({ firstName: 'Пётр', lastName: 'Голос' })];
  const field = await given.field({ name: 'Куратор', type: 'employee', code: 'curator' });
  const written = await given.field({ name: 'Номер договора', type: 'string', code: 'number' });
  const target = await given.pipeline({ stages: ['Раз', 'Два'] });
  const file = await w.upload(w.companyFolder.id, 'скоро удалят.txt');
  return [
    { about: 'chat', type: 'message-group-chat', settings: { chat: chat.id, text, kind: 'plain' }, remove: () => w.api(w.people.owner).del(`/api/chats/${chat.id}`), says: /Чата с ID .* нет.*Выберите другой чат/ },
    { about: 'chat to add to', type: 'add-chat-members', settings: { chat: other.id, members: recipients }, remove: () => w.api(w.people.owner).del(`/api/chats/${other.id}`), says: /[Вв]ыберите/ },
    { about: 'department', type: 'notify', settings: { text, recipients: [{ kind: 'department', id: department.id }] }, remove: () => api.del(`/api/departments/${department.id}?moveTo=${refuge.id}`), says: /отдела больше нет/ },
    { about: 'employee', type: 'notify', settings: { text, recipients: [{ kind: 'employee', id: leaving.id }] }, remove: () => api.post(`/api/employees/${leaving.id}/dismissal`), says: /Выберите других получателей/ },
    { about: 'employee who speaks', type: 'message-private-chat', settings: { text, sender: { kind: 'employee', id: speaker.id }, recipients }, remove: () => api.post(`/api/employees/${speaker.id}/dismissal`), says: /от имени которого.*выберите другого/ },
    { about: 'field with recipients', type: 'notify', settings: { text, recipients: [{ kind: 'field', field: field.code }] }, remove: () => api.del(`/api/fields/${field.id}`), says: /Выберите других получателей/ },
    { about: 'field to write', type: 'change-item', settings: { values: [{ field: written.code, value: 'x' }] }, remove: () => api.del(`/api/fields/${written.id}`), says: /Поля «number» больше нет: исправьте настройки робота/ },
    { about: 'stage', type: 'change-item', settings: { values: [{ field: 'stageId', value: target.stage('Два').id }] }, remove: () => api.del(`/api/stages/${target.stage('Два').id}?moveToStageId=${target.stage('Раз').id}`), says: /Стадия «Два» удалена.*выберите другую/ },
    { about: 'file', type: 'send-email', settings: { subject: 'x', text, attachments: { kind: 'drive', fileIds: [file.id] } }, remove: () => w.api(w.people.owner).del(`/api/drive/files/${file.id}`), says: /./ },
    { about: 'mail sender', type: 'send-email', settings: { sender: w.mailSenderId, subject: 'x', text }, remove: () => api.del(`/api/mail/senders/${w.mailSenderId}`), says: /Выберите другой|Настройки > Почта/ },
  ];
}

test('a run whose thing was deleted after publishing says what is missing and what to do', async () => {
  const goes = await whatGoes();
  const wrong: string[] = [];
  for (const { about, type, settings, remove, says } of goes) {
    const { pipeline, path, robot, stage, save } = await newRobots();
    const saved = await save([robot({ type, title: about, settings })]);
    assert.deepEqual(saved.problems, [], about);
    await api.post(`${path}/publish`, { revision: saved.revision });
    await remove();
    const explanation = await runOn(pipeline.id, stage);
    if (!says.test(explanation) || insides.test(explanation)) wrong.push(`${about}: ${explanation}`);
    // The page of the robots shows it as well, before anybody publishes again.
    const after: Saved = await api.get(path);
    for (const problem of after.problems) assertSays(problem.message);
  }
  assert.deepEqual(wrong, []);
});

async function runOn(pipelineId: number, stage: Stage): Promise<string> {
  const deal = await given.item({ by: admin, pipelineId, ownerId: w.people.owner.id });
  await moved(deal, stage);
  await drain();
  const runs = await told.runs(deal);
  assert.equal(runs.length, 1);
  return [runs[0]!.explanation, ...runs[0]!.notes, ...Object.values(runs[0]!.results ?? {}).filter((value) => typeof value === 'string')].join(' ');
}
