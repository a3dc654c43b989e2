/**
 * Builds the web into web/dist. Nothing is fetched from anywhere, neither while building nor by the page:
 * icons come from @iconify-json/lucide (every `i-lucide-…` that stands in a source), the font from its package.
 */
import { fileURLToPath } from 'node:url';
import ui from '@nuxt/ui/vite';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';
import { webKit } from '../tools/web-kit.ts';

const colors = { primary: 'ink', secondary: 'blue', success: 'green', info: 'blue', warning: 'yellow', error: 'red', neutral: 'slate' };
/** Under the mouse: paler, but still to be read. Written out, for Tailwind finds what stands in a source. */
const hovers = {
  primary: 'hover:bg-primary/90 active:bg-primary/90',
  success: 'hover:bg-success/90 active:bg-success/90',
  warning: 'hover:bg-warning/90 active:bg-warning/90',
  error: 'hover:bg-error/90 active:bg-error/90',
};
const server = process.env.VESTNIK_URL ?? 'http://127.0.0.1:3000';

// Vite asks for a default export.
// oxlint-disable-next-line import/no-default-export
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [
    webKit({ colors }),
    vue(),
    ui({
      dts: false,
      autoImport: false,
      prefix: 'U',
      // Styles of the kit's parts that nobody uses cost a third of the style sheet and of every recalculation. Found are those in
      // templates; those imported by their path stand here.
      experimental: { componentDetection: ['Toaster', 'OverlayProvider', 'DropdownMenu', 'Popover'] },
      colorMode: true,
      ui: {
        colors,
        button: { compoundVariants: Object.entries(hovers).map(([color, paler]) => ({ color, variant: 'solid', class: paler })) },
        // With the radius of everything else so small a box would be round, like a choice of one.
        checkbox: { slots: { base: 'rounded-[0.25rem]' } },
      },
      icon: { clientBundle: false },
    }),
  ],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // Whatever is inlined as data: would need an exception of the Content-Security-Policy.
    assetsInlineLimit: 0,
    target: 'es2023',
    chunkSizeWarningLimit: 1200,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
  },
  server: {
    port: 5173,
    strictPort: true,
    proxy: { '/api/': { target: server, ws: true }, '/i/': { target: server }, '/rest': { target: server } },
  },
});
