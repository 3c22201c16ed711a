import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { PATIENCE_MS } from './test/support/eventually.ts';
import { useMemoryFolder } from './test/support/memory-folder.ts';

useMemoryFolder();

// workers, gateways and commands are processes: what one has compiled, the others take
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile-cache');

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{tables,streams,processes,peers,faults}/**'],
        },
      },
      {
        extends: true,
        // what holds of each operation, type or text, tried with all of them
        test: { name: 'tables', include: ['test/tables/**/*.test.ts'] },
      },
      {
        extends: true,
        // what goes on and on: subscriptions, catalogs, imports and exports
        test: { name: 'streams', include: ['test/streams/**/*.test.ts'] },
      },
      {
        extends: true,
        // what is about processes: the command line, and the executor with its children
        test: { name: 'processes', include: ['test/processes/**/*.test.ts'] },
      },
      {
        extends: true,
        // under load and in the middle of deaths: one file after the other has the machine for itself
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: ['test/support/fault-report.ts'],
        },
      },
      {
        extends: true,
        test: { name: 'peers', include: ['test/peers/**/*.test.ts'] },
      },
    ],
    // Node itself loads all modules, as in production: graphql is one realm, and no bundler takes its time
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // loading everything anew for each file took a third of the time; no file leaves anything behind in its process
    isolate: false,
    // a file of tests waits more than it works: for servers to start, for deadlines to pass
    maxWorkers: Math.max(3, availableParallelism()),
    // one real Postgres for the whole run
    globalSetup: ['test/support/global-setup.ts'],
    // what lasts so long hangs: a slow machine is no failure
    testTimeout: 5 * PATIENCE_MS,
    hookTimeout: 5 * PATIENCE_MS,
    expect: { poll: { timeout: PATIENCE_MS, interval: 10 } },
  },
});
