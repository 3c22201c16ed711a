import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { PATIENCE_MS } from './test/support/eventually.ts';

// each file of tests is a process of its own, and starts others: what one has compiled, all take
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile-cache');

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/peers/**'] },
      },
      {
        extends: true,
        test: { name: 'peers', include: ['test/peers/**/*.test.ts'] },
      },
    ],
    // Node itself loads all modules, as in production: graphql is one realm, and no bundler takes its time
    experimental: { viteModuleRunner: false, nodeLoader: false },
    setupFiles: ['test/support/setup.ts'],
    // one real Postgres for the whole run
    globalSetup: ['test/support/global-setup.ts'],
    // what lasts so long hangs: a slow machine is no failure
    testTimeout: 5 * PATIENCE_MS,
    hookTimeout: 5 * PATIENCE_MS,
    expect: { poll: { timeout: PATIENCE_MS, interval: 10 } },
  },
});
