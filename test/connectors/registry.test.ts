import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { connectorOf, connectors } from '../../src/connectors/registry.ts';

const DRIVERS = /node_modules\/(pg|mysql2|bson|tedious|undici|jose|@smithy)\//;

test('a connector is found by its type', () => {
  for (const connector of connectors) expect(connectorOf(connector.type)).toBe(connector);
  expect(() => connectorOf('NOPE')).toThrow('NOPE');
  expect(new Set(connectors.map((each) => each.type)).size).toBe(connectors.length);
});

test('no driver is loaded before a check needs it', async () => {
  const registry = new URL('../../src/connectors/registry.ts', import.meta.url).href;
  const script = `
    const loaded = [];
    require('node:module').registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    import('${registry}').then(() => console.log(JSON.stringify(loaded)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded).toContain(registry);
  expect(loaded.filter((url) => DRIVERS.test(url))).toEqual([]);
});
