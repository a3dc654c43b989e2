/** Triggers are configured with the robots of their pipeline: one draft, one version, problems in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestVestnik } from '../support/vestnik.ts';

const vestnik = await startTestVestnik();
const { api, admin, given } = vestnik;
const anna = await given.employee({ firstName: 'Анна' });

async function withTriggers(...triggers: Record<string, unknown>[]) {
  const pipeline = await given.pipeline({ stages: ['Новая', 'В работе', 'Готово'] });
  const { ids } = await api(admin).post('/api/robot-ids', { count: Math.max(triggers.length, 1) });
  const stage = pipeline.stage('В работе');
  const records = triggers.map((trigger, index) => ({ id: ids[index], stageId: stage.id, ...trigger }));
  const path = `/api/pipelines/${pipeline.id}/robots`;
  return { pipeline, stage, records, path, save: (who = admin, revision = 0) => api(who).put(path, { revision, robots: [], triggers: records }) };
}

test('triggers are saved, published, listed with their version and restored together with the robots', async () => {
  const { path, save, records } = await withTriggers({ when: { kind: 'ownerChanged' } }, { when: { kind: 'webhook', code: 'nwly5' }, title: 'Из магазина', mayMoveBack: true });
  const saved = await save();
  assert.deepEqual(saved.triggers.map((trigger: { when: object; title: string; isEnabled: boolean; mayMoveBack: boolean; changeAs: null }) => [trigger.when, trigger.title, trigger.isEnabled, trigger.mayMoveBack, trigger.changeAs]), [
    [{ kind: 'ownerChanged' }, '', true, false, null], [{ kind: 'webhook', code: 'nwly5' }, 'Из магазина', true, true, null],
  ]);
  assert.equal(saved.hasChanges, true);
  const published = await api(admin).post(`${path}/publish`, { revision: saved.revision });
  assert.deepEqual([published.hasChanges, published.published.triggerCount], [false, 2]);

  const emptied = await api(admin).put(path, { revision: published.revision, robots: [], triggers: [] });
  assert.deepEqual([emptied.triggers, emptied.hasChanges], [[], true]);
  const [head] = await api(admin).get(`${path}/versions`);
  assert.equal(head.triggerCount, 2);
  const version = await api(admin).get(`${path}/versions/${head.id}`);
  assert.deepEqual(version.triggers.map((trigger: { id: number }) => trigger.id), records.map((trigger) => trigger.id));
  const restored = await api(admin).post(`${path}/versions/${head.id}/restore`, { revision: emptied.revision });
  assert.deepEqual([restored.triggers.length, restored.hasChanges], [2, false]);
});

test('saving robots alone leaves the triggers as they are', async () => {
  const { path, save } = await withTriggers({ when: { kind: 'ownerChanged' } });
  const { revision } = await save();
  const saved = await api(admin).put(path, { revision, robots: [] });
  assert.equal(saved.triggers.length, 1);
});

test('a half filled trigger may be saved, says what is missing, and is not published; switched off it is', async () => {
  const condition = { op: 'and', items: [{ left: '{=Document:nothingSuch}', operator: 'filled' }] };
  const { path, save, records } = await withTriggers(
    { when: { kind: 'fieldChanged' } },
    { when: { kind: 'fieldChanged', changes: [{ field: 'stageId' }, { field: 'amount', to: { operator: 'contains', value: 'x' } }] } },
    { when: { kind: 'app' } },
    { when: { kind: 'dateReached', timing: { kind: 'at', reference: '{=Document:title}' } } },
    { when: { kind: 'dateReached', timing: { kind: 'at', reference: '{=System:Date}' } } },
    { when: { kind: 'ownerChanged' }, condition, changeAs: 999_999 },
  );
  const saved = await save();
  const problems = saved.triggerProblems.map((problem: { triggerId: number; path: string; code: string }) => [records.findIndex((one) => one.id === problem.triggerId), problem.path, problem.code]);
  assert.deepEqual(problems, [
    [0, 'when.changes', 'trigger_no_field'],
    [1, 'when.changes.0.field', 'trigger_field_unwatchable'],
    [1, 'when.changes.1.to', 'operator_not_allowed'],
    [2, 'when.code', 'trigger_app_missing'],
    [4, 'when.timing.reference', 'trigger_date_foreign'],
    [5, 'condition.items.0.left', 'field_unknown'],
    [5, 'changeAs', 'recipients.unknown_employee'],
  ]);
  assert.ok(saved.triggerProblems.every((problem: { message: string }) => problem.message.length > 10));
  await assert.rejects(api(admin).post(`${path}/publish`, { revision: saved.revision }), { status: 409, code: 'triggers.not_ready' });
  const off = await api(admin).put(path, { revision: saved.revision, robots: [], triggers: records.map((one) => ({ ...one, isEnabled: false })) });
  assert.deepEqual(off.triggerProblems, []);
  await api(admin).post(`${path}/publish`, { revision: off.revision });
});

test('a trigger may not share an id with a robot, nor with a trigger of another pipeline, nor stand on a foreign stage', async () => {
  const { path, save, records, stage } = await withTriggers({ when: { kind: 'ownerChanged' } });
  const { revision } = await save();
  const robot = { id: records[0]?.id, stageId: stage.id, type: 'comment', title: '', settings: {} };
  await assert.rejects(api(admin).put(path, { revision, robots: [robot], triggers: records }), { code: 'robots.id_doubled' });
  const other = await withTriggers();
  await assert.rejects(api(admin).put(other.path, { revision: 0, robots: [], triggers: [{ ...records[0], stageId: other.stage.id }] }), { code: 'robots.id_foreign' });
  await assert.rejects(api(admin).put(path, { revision, robots: [], triggers: [{ ...records[0], id: records[0]!.id + 100_000, stageId: other.stage.id }] }),
    { code: 'request.not_found', path: 'triggers.0.stageId' });
});

test('copied to another pipeline a trigger is a new one there; moved inside it stays itself', async () => {
  const { path, save, records, pipeline } = await withTriggers({ when: { kind: 'ownerChanged' }, title: 'Новый хозяин' });
  const { revision } = await save();
  const other = await withTriggers();
  const copied = await api(admin).post(`${path}/copy`, { triggerIds: [records[0]?.id], targetPipelineId: other.pipeline.id, targetStageId: other.stage.id, mode: 'copy', revision });
  assert.deepEqual(copied.triggers.map((trigger: { title: string; stageId: number }) => [trigger.title, trigger.stageId]), [['Новый хозяин', other.stage.id]]);
  assert.notEqual(copied.triggers[0].id, records[0]?.id);
  const moved = await api(admin).post(`${path}/copy`, { triggerIds: [records[0]?.id], targetPipelineId: pipeline.id, targetStageId: pipeline.stage('Готово').id, mode: 'move', revision });
  assert.deepEqual(moved.triggers.map((trigger: { id: number; stageId: number }) => [trigger.id, trigger.stageId]), [[records[0]?.id, pipeline.stage('Готово').id]]);
});

test('only an administrator lets a trigger change stages in somebody else\'s name', async () => {
  const editor = await given.employee({ firstName: 'Ева' });
  const { save, pipeline, path, records } = await withTriggers({ when: { kind: 'ownerChanged' }, changeAs: anna.id });
  const rights = ['view', 'robots'].map((action) => ({ itemTypeId: pipeline.itemTypeId, action, scope: 'all' }));
  await api(admin).post('/api/access-roles', { name: 'Процессы', members: [{ kind: 'employee', id: editor.id }], rights });
  await assert.rejects(save(editor), { status: 403, code: 'triggers.mover_admin_only' });
  const { revision } = await save();
  // What an administrator chose stays when somebody else saves, and anybody may choose himself.
  const again = await api(editor).put(path, { revision, robots: [], triggers: records });
  await api(editor).put(path, { revision: again.revision, robots: [], triggers: records.map((one) => ({ ...one, changeAs: editor.id })) });
});

test('the catalogue of triggers speaks the language of its reader', async () => {
  const types = await api(admin).get('/api/trigger-types');
  assert.deepEqual(types.map((type: { kind: string }) => type.kind), ['fieldChanged', 'ownerChanged', 'webhook', 'app', 'invoicePaid', 'dateReached']);
  assert.equal(types[4].title, 'Счёт оплачен');
});
