import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PATH = /`((?:bench|bin|docs|examples|migrations|schema|src|test)\/[\w./-]*)`/g;

/** The paths that a page names and that are not there. */
function missing(page: string): string[] {
  return [...page.matchAll(PATH)].flatMap(([, path = '']) => (existsSync(join(ROOT, path)) ? [] : [path]));
}

test('every path that the documentation names is there', async () => {
  const folders = ['docs', 'docs/connectors'];
  const names = folders.map(async (folder) => (await readdir(join(ROOT, folder))).map((name) => `${folder}/${name}`));
  const pages = (await Promise.all(names)).flat().filter((name) => name.endsWith('.md'));
  const wrong: string[] = [];
  for (const page of ['README.md', ...pages]) {
    const text = await readFile(join(ROOT, page), 'utf8');
    wrong.push(...missing(text).map((path) => `${page}: ${path}`));
  }
  expect(wrong).toEqual([]);
});

test('the rule finds a path that is not there, and takes one that is', () => {
  expect(missing('see `test/no/such.test.ts`, `src/app.ts` and `src/connectors/<type>/`')).toEqual([
    'test/no/such.test.ts',
  ]);
});
