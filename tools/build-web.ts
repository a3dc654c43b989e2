/**
 * Builds the web pages into web/dist unless what is there was built from just these sources: `npm start` and the tests call
 * this first. `npm run build` builds in any case.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = join(root, 'web/dist/.built-from');

function fingerprint(): string {
  const hash = createHash('sha256');
  const files = globSync(['web/**/*', 'locales/**/*.json', 'shared/**/*.ts', 'tools/web-kit.ts', 'package-lock.json'], {
    cwd: root,
    withFileTypes: true,
    exclude: (entry) => ['dist', 'node_modules'].includes(entry.name),
  });
  const paths = files.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const path of paths) hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

/** Beside each text a .br and a .gz, so that nothing is compressed while somebody waits. */
async function compress(): Promise<void> {
  const [brotli, zip] = [promisify(brotliCompress), promisify(gzip)];
  const files = globSync('web/dist/**/*.{js,css,html,svg,json,webmanifest}', { cwd: root });
  await Promise.all(files.map(async (file) => {
    const bytes = readFileSync(join(root, file));
    if (bytes.length < 1024) return;
    const [small, smaller] = await Promise.all([zip(bytes, { level: 9 }), brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })]);
    writeFileSync(join(root, `${file}.gz`), small);
    writeFileSync(join(root, `${file}.br`), smaller);
  }));
}

/** Answers whether it built. */
export async function buildWeb({ always = false }: { always?: boolean } = {}): Promise<boolean> {
  const wanted = fingerprint();
  if (!always && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return false;
  // Only those who build need it: an image of the finished product goes without.
  const { build } = await import('vite');
  await build({ configFile: join(root, 'web/vite.config.ts'), logLevel: 'warn' });
  await compress();
  writeFileSync(stampFile, wanted);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const always = process.argv.includes('--always');
  try {
    const startedAt = performance.now();
    if (await buildWeb({ always })) console.log(`The web pages were built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  } catch (error) {
    // Without pages the API still works, and the page says what is missing.
    console.error(`The web pages could not be built. Run npm ci, then npm run build. ${error instanceof Error ? error.message : String(error)}`);
    if (always) process.exitCode = 1;
  }
}
