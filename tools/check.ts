/**
 * All that has to hold before a commit: `npm run check`. Every step runs even when one before it
 * failed, so that one run shows everything there is to fix. `--without-tests` leaves the tests out.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));

interface Step {
  name: string;
  command: readonly [string, ...string[]];
}

const steps: Step[] = [
  { name: 'lint', command: [bin('oxlint'), '--deny-warnings'] },
  { name: 'types', command: [bin('tsc'), '--noEmit'] },
  { name: 'web', command: [process.execPath, 'tools/build-web.ts', '--always'] },
  { name: 'types of the web', command: [bin('vue-tsc'), '--noEmit', '-p', 'web/tsconfig.json'] },
  { name: 'schema', command: [process.execPath, 'tools/dump-schema.ts', '--check'] },
];
if (existsSync(new URL('dump-openapi.ts', import.meta.url))) {
  steps.push({ name: 'openapi', command: [process.execPath, 'tools/dump-openapi.ts', '--check'] });
}
steps.push({ name: 'rest-docs', command: [process.execPath, 'tools/dump-rest-docs.ts', '--check'] });
// Last: its closing lines are what one looks for.
if (!process.argv.includes('--without-tests')) steps.push({ name: 'tests', command: [process.execPath, 'tools/test.ts'] });

function run({ command: [program, ...args] }: Step): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit' });
    child.once('error', (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.once('exit', (code) => resolve(code === 0));
  });
}

const failed: string[] = [];
for (const step of steps) {
  console.log(`— ${step.name}`);
  if (!(await run(step))) failed.push(step.name);
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}.`);
  process.exitCode = 1;
}
