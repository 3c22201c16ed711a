import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const CONNECTORS = new URL('../../src/connectors/', import.meta.url).pathname;
/** Configs have their own bounds; nobody judges the elements of z.unknown(). */
const EXEMPT = /(?:^kit\/config\/|^kit\/http\/answers\.ts$|(?:^|\/)config\.ts$)/;

/** z.array() and z.record() note every wrong element, where listOf() and recordOf() stop at the first. */
function slowLists(text: string): string[] {
  const lists = text.match(/z\.(?:array|record)\(.*/g) ?? [];
  return lists.filter((list) => !/^z\.(?:array\(|record\(z\.string\(\), )z\.unknown\(\)\)/.test(list));
}

test('a list that notes each wrong element is found', () => {
  const lists = ['z.array(z.string())', 'z.record(z.string(), z.object({}))', 'z.array(z.array(z.unknown()))'];
  expect(slowLists(lists.join('\n'))).toEqual(lists);
  expect(slowLists('z.array(z.unknown())\nz.record(z.string(), z.unknown()).optional()')).toEqual([]);
});

test('no connector reads an answer of a peer by a list that notes each wrong element', async () => {
  const paths = (await readdir(CONNECTORS, { recursive: true })).filter((path) => path.endsWith('.ts'));
  const found: string[] = [];
  for (const path of paths.filter((one) => !EXEMPT.test(one))) {
    const text = await readFile(join(CONNECTORS, path), 'utf8');
    found.push(...slowLists(text).map((list) => `${path}: ${list}`));
  }
  expect(paths.length).toBeGreaterThan(50);
  expect(found).toEqual([]);
});
