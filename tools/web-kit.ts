/**
 * What the kit does in every browser at its start, done once while building.
 *
 * Icons: each `i-lucide-…` that stands in a source, and those the kit draws by itself, become one picture with a symbol each
 * (`virtual:icons` is its address); whatever wants the kit's Icon gets web/ui/icon.vue, which shows a symbol of it.
 * Colours: `virtual:colors.css` says which colour each role has.
 */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const icon = `${root}web/ui/icon.vue`;

interface Lucide {
  icons: Readonly<Record<string, { body: string }>>;
  aliases: Readonly<Record<string, { parent: string }>>;
}

const namesIn = (text: string): string[] => [...text.matchAll(/i-lucide-([a-z0-9-]+)/g)].flatMap(([, name]) => name ?? []);

/** What the kit draws without being told: arrows of lists, crosses, spinners. */
function kitIcons(): string[] {
  const folder = `${root}node_modules/@nuxt/ui/dist/shared/`;
  const names = globSync('*.mjs', { cwd: folder }).flatMap((path) => namesIn(/const defaultIcons = \{([^}]*)\}/.exec(readFileSync(folder + path, 'utf8'))?.[1] ?? ''));
  if (names.length === 0) throw new Error('Nuxt UI no longer lists its icons where it did: see tools/web-kit.ts.');
  return names;
}

function picture(): string {
  const lucide: Lucide = JSON.parse(readFileSync(`${root}node_modules/@iconify-json/lucide/icons.json`, 'utf8'));
  const sources = globSync('web/**/*.{vue,ts}', { cwd: root, exclude: (name) => ['dist', 'node_modules', 'generated'].includes(name) });
  const names = new Set([...kitIcons(), ...sources.flatMap((path) => namesIn(readFileSync(root + path, 'utf8')))]);
  const symbols = [...names].sort().map((name) => {
    const found = lucide.icons[name] ?? lucide.icons[lucide.aliases[name]?.parent ?? ''];
    if (!found) throw new Error(`There is no icon i-lucide-${name}.`);
    return `<symbol id="${name}" viewBox="0 0 24 24">${found.body}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`;
}

const shades = [50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950];

export function webKit({ colors }: { colors: Readonly<Record<string, string>> }): Plugin {
  let isBuild = false;
  return {
    name: 'vestnik:kit',
    enforce: 'pre',
    configResolved(config) {
      isBuild = config.command === 'build';
    },
    resolveId(id, importer) {
      if (id === 'virtual:icons' || id === 'virtual:colors.css') return `\0${id}`;
      if (/(^|\/)Icon\.vue$/.test(id) && `${id} ${importer}`.includes('/@nuxt/ui/')) return icon;
      return undefined;
    },
    load(id) {
      if (id === '\0virtual:colors.css') {
        const lines = Object.entries(colors).flatMap(([role, color]) => shades.map((shade) => `--ui-color-${role}-${shade}: var(--color-${color}-${shade});`));
        return `@layer theme { :root, :host { ${lines.join(' ')} } }`;
      }
      if (id !== '\0virtual:icons') return undefined;
      if (!isBuild) return 'export const address = "/icons.svg"';
      return `export const address = import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: 'asset', name: 'icons.svg', source: picture() })}`;
    },
    configureServer({ middlewares }) {
      middlewares.use('/icons.svg', (_request, response) => {
        response.setHeader('content-type', 'image/svg+xml');
        response.end(picture());
      });
    },
  };
}
