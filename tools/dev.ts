/** `npm run dev`: the server, started again when its files change, and Vite, which serves the pages on http://localhost:5173 as they are written. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const port = process.env.PORT ?? '3000';
const children: ChildProcess[] = [
  spawn(process.execPath, ['--watch', 'server/main.ts', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' }),
  spawn(fileURLToPath(new URL('../node_modules/.bin/vite', import.meta.url)), ['--config', 'web/vite.config.ts'], { cwd: root, stdio: 'inherit', env: { ...process.env, VESTNIK_URL: `http://127.0.0.1:${port}` } }),
];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => children.forEach((child) => child.kill(signal)));
// One without the other is of no use.
for (const child of children) child.once('exit', (code) => {
  for (const other of children) if (other !== child) other.kill('SIGTERM');
  process.exitCode = code ?? 0;
});
