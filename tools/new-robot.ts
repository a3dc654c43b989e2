/**
 * `npm run new:robot <id>`: makes the folder of a new robot type and its two lines in the catalogue.
 * What it makes works and keeps the contract (server/robots/catalog.test.ts), so that an author goes
 * from one robot that runs to another. Nothing is written when something stands in the way.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Script } from 'node:vm';

const usage = 'Give the new robot an id of small letters, digits and hyphens, at most 40 long: npm run new:robot send-pigeon';

/** Returns the files it wrote, relative to `root`. Throws a sentence when it cannot. */
export async function newRobot(root: string, id: string): Promise<string[]> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id) || id.length > 40) throw new Error(usage);
  const name = id.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const folder = `server/robots/types/${id}`;
  if (existsSync(join(root, folder))) throw new Error(`${folder} is there already. Choose another id.`);
  const catalogFile = 'server/robots/catalog.ts';
  const catalog = await readFile(join(root, catalogFile), 'utf8');
  if (!isFreeName(name, catalog)) throw new Error(`The name ${name} is taken in ${catalogFile} or by the language. Choose another id.`);
  const files: Record<string, string> = {
    [`${folder}/robot.ts`]: robotSource(id, name),
    [`${folder}/robot.test.ts`]: testSource(name),
    [`${folder}/ru.json`]: textsSource({
      title: `Робот ${id}`,
      description: 'Робот отправляет уведомление. Опишите здесь одной-двумя фразами, что он делает, и приведите пример.',
      summary: 'Уведомить: {recipients}',
      'settings.text.label': 'Текст',
      'settings.recipients.label': 'Получатели',
      'examples.owner': 'Сообщить ответственному',
      'examples.owner.text': '{=Document:title}: нужна ваша помощь.',
    }),
    [`${folder}/en.json`]: textsSource({
      title: `Robot ${id}`,
      description: 'The robot sends a notification. Say here in one or two sentences what it does, with an example.',
      summary: 'Notify: {recipients}',
      'settings.text.label': 'Text',
      'settings.recipients.label': 'Recipients',
      'examples.owner': 'Tell the owner',
      'examples.owner.text': '{=Document:title}: your help is needed.',
    }),
    [`${folder}/icon.svg`]: icon,
    [catalogFile]: withType(catalog, id, name),
  };
  await mkdir(join(root, folder));
  for (const [file, source] of Object.entries(files)) await writeFile(join(root, file), source);
  return Object.keys(files);
}

function isFreeName(name: string, catalog: string): boolean {
  try {
    // Compiled, never run: tells the reserved words.
    void new Script(`'use strict'; async () => { const ${name} = 0; }`);
  } catch {
    return false;
  }
  return !new RegExp(`\\b${name}\\b`).test(catalog);
}

/** The import goes in by the alphabet, the type to the end of the list: where it stands in the picker is the author's choice. */
function withType(catalog: string, id: string, name: string): string {
  const line = `import { ${name} } from './types/${id}/robot.ts';`;
  const imports = [...catalog.matchAll(/^import \{ \w+ \} from '\.\/types\/([a-z0-9-]+)\/robot\.ts';$/gm)];
  const last = imports.at(-1);
  const next = imports.find((match) => (match[1] ?? '') > id);
  const end = /(export const robotTypes: readonly RobotType\[\] = \[\n(?: {2}\w+,\n)*)(?=\];)/;
  if (!last || !end.test(catalog)) throw new Error('The list of types in server/robots/catalog.ts was not found. Add the two lines by hand.');
  const at = next ? next.index : last.index + last[0].length + 1;
  return `${catalog.slice(0, at)}${line}\n${catalog.slice(at)}`.replace(end, `$1  ${name},\n`);
}

function robotSource(id: string, name: string): string {
  return `import { field } from '../../field.ts';
import { defineRobot } from '../../robot.ts';

/** A bell notification from the system for each person. */
export const ${name} = defineRobot({
  id: '${id}',
  group: 'inform',
  settings: {
    text: field.richText(),
    recipients: field.employees({ fallback: { kind: 'role', role: 'owner' } }),
  },
  results: {},
  run({ text, recipients }, ctx) {
    ctx.notifications.add({ to: recipients.ids, from: null, text });
    return {};
  },
  examples: [
    { name: 'owner', settings: { text: '@examples.owner.text' } },
  ],
});
`;
}

function testSource(name: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedWith, people, problemsOf, runRobot } from '../../../../test/support/robots.ts';
import { ${name} } from './robot.ts';

test('the owner is told', async () => {
  const { asked, results } = await runRobot(${name}, { text: '{=Document:title}' });
  assert.deepEqual(asked, [{ what: 'notification', to: people.owner, from: null, text: 'Крыша' }]);
  assert.deepEqual(results, {});
});

test('nobody to tell is a failed run', async () => {
  await assert.rejects(runRobot(${name}, { text: 'Крыша' }, { item: { ownerId: null } }), failedWith('recipients.none'));
});

test('it cannot be published without a text', () => {
  assert.deepEqual(problemsOf(${name}, {}), ['text: setting.empty']);
});
`;
}

function textsSource(texts: Record<string, string>): string {
  return `${JSON.stringify(texts, null, 2)}\n`;
}

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">
  <path d="M5 9h14v10H5z"/>
  <path d="M12 5v4M9 13v2M15 13v2"/>
</svg>
`;

if (import.meta.main) {
  try {
    const files = await newRobot(new URL('..', import.meta.url).pathname, process.argv[2] ?? '');
    console.log(`${files.map((file) => `  ${file}`).join('\n')}\nIts texts, its settings and what it does are yours now: npm test -- server/robots/types server/robots/catalog`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
