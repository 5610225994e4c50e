import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// One chunk and one stylesheet, which scripts/inline.mjs puts into a single HTML file.
export default defineConfig({
  plugins: [svelte()],
  build: { outDir: 'build', modulePreload: false, assetsInlineLimit: 0, cssCodeSplit: false, target: 'es2022' },
  test: { include: ['tests/**/*.test.ts'] },
});
