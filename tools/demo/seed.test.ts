import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../../server/db/db.ts';
import { startTestVestnik } from '../../test/support/vestnik.ts';
import { personKeys, stageKeys } from './company.ts';
import { seedDemo } from './seed.ts';

for (const language of ['ru', 'en'] as const) {
  test(`the demo company works at once, in ${language}`, async () => {
    const vestnik = await startTestVestnik({ language });
    const { api, admin } = vestnik;
    const startedAt = performance.now();
    const demo = await seedDemo(vestnik.vestnik, { language });
    assert.ok(demo);
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(seconds < 30, `Seeding took ${seconds} s.`);

    const config = await api(admin).get('/api/crm-config');
    const pipeline = config.pipelines.find((one: { id: number }) => one.id === demo.pipelineId);
    assert.deepEqual(pipeline.stages.map((one: { name: string }) => one.name), stageKeys.map((key) => demo.company.stages[key]));

    const summary = await api(admin).get(`/api/pipelines/${demo.pipelineId}/summary`);
    assert.equal(summary.stages.reduce((sum: number, stage: { count: number }) => sum + stage.count, 0), 25);

    const set = await api(admin).get(`/api/pipelines/${demo.pipelineId}/robots`);
    assert.deepEqual(set.problems, []);
    assert.equal(set.hasChanges, false);
    const off = set.robots.filter((robot: { isEnabled: boolean }) => !robot.isEnabled).map((robot: { type: string; title: string }) => robot);
    assert.deepEqual(off.map((robot: { type: string }) => robot.type), ['send-email', 'send-sms']);
    assert.match(off[0].title, language === 'ru' ? /сначала подключите почту/ : /set up mail first/);
    assert.match(off[1].title, language === 'ru' ? /сначала подключите СМС-провайдера/ : /connect an SMS provider first/);

    // Nothing fired for the deals that were there before the robots.
    await vestnik.drain();
    assert.equal((await vestnik.db.first<{ count: number }>(sql`select count(*) as count from runs`))?.count, 0);

    // Anybody signs in with the one password, except who was dismissed.
    const { directory } = vestnik.vestnik.people;
    const known = await directory(vestnik.db);
    for (const key of personKeys) {
      const employee = known.employee(demo.people[key]);
      assert.equal(employee?.dismissedAt !== null, key === 'dismissed');
    }
    const signedIn = await api().post('/api/session', { email: demo.company.people.manager.email, password: demo.password });
    assert.ok(signedIn);

    assert.equal(await seedDemo(vestnik.vestnik, { language }), null);
  });
}
