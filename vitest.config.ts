import { defineConfig } from 'vitest/config';
import { PATIENCE_MS } from './test/support/eventually.ts';

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
    // graphql must be one realm: what vitest inlines and what node loads would be two
    server: { deps: { inline: [/graphql/, /@pothos/] } },
    // one real Postgres for the whole run
    globalSetup: ['test/support/global-setup.ts'],
    // what lasts so long hangs: a slow machine is no failure
    testTimeout: 5 * PATIENCE_MS,
    hookTimeout: 5 * PATIENCE_MS,
    expect: { poll: { timeout: PATIENCE_MS, interval: 10 } },
  },
});
