import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { configJsonSchema, leavesOf, secretPathsOf } from '../../src/connectors/kit/config/shape.ts';
import { checkName } from '../../src/connectors/kit/contract/connector.ts';
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

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  test('says what each field is', () => {
    for (const leaf of leavesOf(connector.config)) {
      expect(leaf.title, leaf.path).toBeTruthy();
      expect(leaf.description, leaf.path).toBeTruthy();
    }
  });

  test('says what each check is, under a name of its own', () => {
    for (const check of connector.checks) {
      expect(check.name).toMatch(/^[a-z]+\/[a-z_]+$/);
      expect(check.title).toBeTruthy();
      expect(check.description).toMatch(/\.$/);
      if (check.writes) expect(check.runsByDefault).toBe(false);
    }
    const names = connector.checks.map((check) => checkName(connector, check));
    expect(new Set(names).size).toBe(names.length);
  });

  test('has a principal secret that is one of its secrets, or none', () => {
    const { principalSecret } = connector;
    if (principalSecret !== undefined) expect(secretPathsOf(connector)).toContain(principalSecret);
  });

  test('has a JSON Schema', () => {
    expect(configJsonSchema(connector)).toMatchObject({ type: 'object', properties: expect.anything() });
  });
});
