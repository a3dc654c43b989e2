/** Writes web/generated/components.d.ts: the components of the installed Nuxt UI, so that templates are typed without a build. */
import { readdirSync, writeFileSync } from 'node:fs';

const folder = new URL('../node_modules/@nuxt/ui/dist/runtime/components/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.vue')).map((name) => name.slice(0, -4)).sort();
const lines = names.map((name) => `    U${name}: typeof import('@nuxt/ui/components/${name}.vue')['default'];\n`);
writeFileSync(new URL('../web/generated/components.d.ts', import.meta.url), `/** The components of Nuxt UI as templates know them. Made by \`npm run web:components\` from the installed package; do not edit. */
export {};

declare module 'vue' {
  export interface GlobalComponents {
${lines.join('')}    RouterLink: typeof import('vue-router')['RouterLink'];
    RouterView: typeof import('vue-router')['RouterView'];
  }
}
`);
