/** The house rules of web/ that a machine can check; each offence is a sentence. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Source {
  path: string;
  text: string;
  /** Ours as paths from the root, libraries by name; `isType` when nothing of it gets into the page. */
  imports: { target: string; isType: boolean }[];
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const found = [...text.matchAll(/(?:^|\s)import\s+(type\s)?(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g)];
  const imports = found.map(([, type, named, dynamic]) => {
    const name = named ?? dynamic ?? '';
    return { target: name.startsWith('.') ? posix.join(dirname(path), name) : name, isType: type !== undefined };
  });
  return { path, text, imports };
}

const all = globSync('web/**/*.{ts,vue}', { cwd: root, exclude: (name) => ['dist', 'node_modules', 'generated'].includes(name) }).filter((path) => !path.endsWith('.test.ts')).sort().map(read);
const offencesOf = (find: (source: Source) => string[]): string[] => all.flatMap(find);

test('only api.ts talks to the server, and only live.ts listens to it', () => {
  assert.deepEqual(offencesOf(({ path, text }) => {
    const said: string[] = [];
    if (path !== 'web/api.ts' && path !== 'web/service-worker.ts' && /(?<![\w.])fetch\(|new XMLHttpRequest/.test(text)) said.push(`${path} talks to the server itself: call api.get, post, patch, put, del or upload of web/api.ts.`);
    if (path !== 'web/live.ts' && /new WebSocket\(/.test(text)) said.push(`${path} opens a socket: use useLive of web/live.ts.`);
    return said;
  }), []);
});

test('ui/ knows nothing of the domain', () => {
  assert.deepEqual(offencesOf(({ path, imports }) => (path.startsWith('web/ui/')
    ? imports.filter(({ target }) => target.startsWith('web/') && !/^web\/(ui\/|text\.ts|format\.ts|api\.ts|json\.ts)/.test(target)).map(({ target }) => `${path} imports ${target}: give it what it shows as props, or move it out of ui/.`)
    : [])), []);
});

test('a page does not reach into another page', () => {
  const pageOf = (path: string): string | undefined => /^web\/pages\/([^/]+)\//.exec(path)?.[1];
  const offences = offencesOf(({ path, imports }) => {
    const page = pageOf(path);
    if (page === undefined) return [];
    // The door of a page is a file of its name: web/pages/card/card.vue, card.ts.
    return imports.filter(({ target }) => {
      const other = pageOf(target);
      return other !== undefined && other !== page && !new RegExp(`^web/pages/${other}/${other}\\.(vue|ts)$`).test(target);
    }).map(({ target }) => `${path} imports ${target}: what two pages share stands beside the pages, or is the door of a page (pages/<page>/<page>.vue or .ts).`);
  });
  assert.deepEqual(offences, []);
});

test('of the server the web knows its contracts alone, as types', () => {
  assert.deepEqual(offencesOf(({ path, imports }) => imports.flatMap(({ target, isType }) => {
    if (target.startsWith('server/')) return [`${path} imports ${target}: the web knows the server by shared/ alone.`];
    if (target.startsWith('shared/api/') && !isType) return [`${path} imports ${target} as a value, which brings zod into the page: import type.`];
    if (target === 'zod' && !isType) return [`${path} imports zod: the server checks what comes in.`];
    return [];
  })), []);
});

test('nothing is written into a page as HTML', () => {
  assert.deepEqual(offencesOf(({ path, text }) => (/\bv-html=|\.innerHTML\s*=|insertAdjacentHTML|document\.write/.test(text) ? [`${path} writes HTML: draw it with elements, so that what people wrote stays text.`] : [])), []);
});

test('no address stands twice among the routes', () => {
  const paths = [...readFileSync(join(root, 'web/router.ts'), 'utf8').matchAll(/^ +(?:{ )?path: '(\/[^']*)',/gm)].map(([, path]) => path);
  assert.ok(paths.length > 20, 'the routes are written in another way');
  assert.deepEqual(paths.filter((path, index) => paths.indexOf(path) !== index), [], 'the first of two is taken, and the other never seen');
});

test('every address that stands in a page leads to a page', () => {
  const router = readFileSync(join(root, 'web/router.ts'), 'utf8');
  let parent = '';
  const pages = [...router.matchAll(/path: '([^']*)'(?=,)|^ {4}children/gm)].flatMap(([, path]) => {
    if (path === undefined) return [];
    if (path.startsWith('/')) parent = path;
    return [path.startsWith('/') ? path : `${parent}/${path}`];
  }).filter((path) => !path.includes('(.*)'));
  assert.ok(pages.length > 30);
  const patterns = pages.map((path) => new RegExp(`^${path.replace(/\/$/, '').replaceAll(/\/:\w+(\([^)]*\))?(\?)?/g, (_whole, kind: string | undefined, optional: string | undefined) => `(/${kind ?? '[^/]+'})${optional ?? ''}`)}/?$`));
  assert.deepEqual(offencesOf(({ path, text }) => [...text.matchAll(/(?:\bto=|\bback=|\bto: |push\(|replace\(|path: )["']\/((?!api\/|rest\/)[\w/-]*)["']/g)]
    .map(([, address]) => `/${address}`)
    .filter((address) => path !== 'web/router.ts' && address !== '/' && !patterns.some((pattern) => pattern.test(address)))
    .map((address) => `${path} leads to ${address}, where there is no page: see web/router.ts.`)), []);
});
