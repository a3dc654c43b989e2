/** Who may do what over HTTP, route by route: table.ts holds what is expected. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routerNames, routesOf } from './routes.ts';
import { addressOf, columns, gatewayRoutes, initOf, publicRoutes, type Row, table } from './table.ts';
import { createWorld } from './world.ts';

const w = await createWorld();
const routes = routesOf(w);

const statuses: Readonly<Record<string, readonly number[]>> = {
  '+': [200, 201, 202, 204], '-': [404], x: [403], k: [409], b: [400], f: [422, 502, 503], u: [426],
};
const markOf = (status: number): string => Object.entries(statuses).find(([, some]) => some.includes(status))?.[0] ?? String(status);
const titleOf = ({ route, about }: Row): string => (about === '' ? route : `${route} (${about})`);

test('every route the router answers is described, and stands in the table', () => {
  const shape = (name: string) => name.replaceAll(/\{[^/]*\}/g, '{}');
  assert.deepEqual(routerNames(w).filter((name) => !gatewayRoutes.has(name)).map(shape).sort(), routes.all.map((route) => shape(route.name)).sort());
  const known = new Set(table.map((one) => one.route));
  assert.deepEqual(routes.all.map((route) => route.name).filter((name) => !known.has(name)), [], 'Routes without a row in table.ts.');
  const there = new Set(routes.all.map((route) => route.name));
  assert.deepEqual([...known].filter((name) => !there.has(name)), [], 'Rows of table.ts without a route.');
  assert.deepEqual(routes.all.filter((route) => route.isPublic).map((route) => route.name).sort(), [...publicRoutes].sort(), 'Public routes.');
});

test('strangers, the dismissed and wrong tokens are asked to sign in, whatever they send', async () => {
  const wrong: string[] = [];
  for (const { name } of routes.all) {
    if (publicRoutes.has(name)) continue;
    const request = { params: { id: 1, commentId: 1, messageId: 1, employeeId: 1, pipelineId: 1, stageId: 1, versionId: 1, runId: 1, reaction: 'like', day: '2026-01-01' } };
    for (const body of [undefined, {}]) {
      const init = initOf(name, name.startsWith('GET') ? {} : { body });
      for (const [who, answer] of [
        ['nobody', await w.ask.nobody(addressOf(name, request), init)],
        ['dismissed', await w.ask.dismissed(addressOf(name, request), init)],
        ['made up', await w.ask.nobody(addressOf(name, request), { ...init, headers: { ...init.headers, authorization: 'Bearer vt_made_up' } })],
      ] as const) {
        const text = await answer.text();
        if (answer.status !== 401 || JSON.parse(text).code !== 'auth.required') wrong.push(`${who}: ${name}: ${answer.status} ${text.slice(0, 100)}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('everybody may do what the table says, and nothing else', async () => {
  const wrong: string[] = [];
  for (const one of table) {
    assert.equal(one.marks.length, columns.length, titleOf(one));
    const got: string[] = [];
    const said: string[] = [];
    // Those who may not come first: what they ask for is still there.
    const order = [...columns.keys()].sort((a, b) => Number(one.marks[a] === '+') - Number(one.marks[b] === '+'));
    for (const place of order) {
      const column = columns[place]!;
      const request = await one.request(w, column);
      const answer = await w.ask[column](addressOf(one.route, request), initOf(one.route, request));
      const text = await answer.text();
      got[place] = markOf(answer.status);
      if (got[place] !== one.marks[place]) said.push(`${column} ${answer.status} ${text.slice(0, 200)}`);
    }
    if (said.length > 0) wrong.push(`${titleOf(one)}: expected ${one.marks}, got ${got.join('')}\n    ${said.join('\n    ')}`);
  }
  assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
});
