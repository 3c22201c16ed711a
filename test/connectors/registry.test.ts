import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { loadConnector, types } from '../../src/connectors/list.ts';
import { connectorOf, connectors } from '../../src/connectors/registry.ts';
import { connectorsVersion } from '../../src/modules/connectors/version.ts';

const DRIVERS = /node_modules\/(pg|mysql2|bson|tedious|undici|jose|@smithy)\//;

test('a connector is found by its type', async () => {
  for (const connector of connectors) expect(connectorOf(connector.type)).toBe(connector);
  for (const type of ['NOPE', 'toString']) {
    expect(() => connectorOf(type)).toThrow(type);
    await expect(loadConnector(type)).rejects.toThrow(type);
  }
  expect(types).toEqual(connectors.map((each) => each.type));
  expect(new Set(connectors.map((each) => each.type)).size).toBe(connectors.length);
});

/** The modules that a process has loaded when it has done this. */
async function loadedBy(script: string): Promise<string[]> {
  const hooked = `
    const loaded = [];
    require('node:module').registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    (async () => { ${script} })().then(() => console.log(JSON.stringify(loaded)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', hooked]);
  return JSON.parse(stdout);
}

const url = (file: string) => new URL(`../../src/connectors/${file}`, import.meta.url).href;

test('all of them together have a version, the same in each process of a release', async () => {
  const script = `process.stdout.write((await import('${url('../modules/connectors/version.ts')}')).connectorsVersion())`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  expect(stdout).toMatch(/^[\w-]{43}$/);
  expect(connectorsVersion()).toBe(stdout);
});

test('no driver is loaded before a check needs it', async () => {
  const loaded = await loadedBy(`await import('${url('registry.ts')}')`);
  expect(loaded).toContain(url('postgres/index.ts'));
  expect(loaded.filter((each) => DRIVERS.test(each))).toEqual([]);
});

test('the connector of one type is loaded without the others', async () => {
  const loaded = await loadedBy(`await (await import('${url('list.ts')}')).loadConnector('QDRANT')`);
  const folders = types.map((type) => url(type.toLowerCase().replaceAll('_', '-')));
  expect(folders.filter((folder) => loaded.some((each) => each.startsWith(`${folder}/`)))).toEqual([url('qdrant')]);
});
