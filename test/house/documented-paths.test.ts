import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PATH = /`((?:bench|bin|docs|migrations|schema|src|test)\/[\w./-]*)`/g;

/** The paths that a page names and that are not there. */
function missing(page: string): string[] {
  return [...page.matchAll(PATH)].flatMap(([, path = '']) => (existsSync(join(ROOT, path)) ? [] : [path]));
}

test('every path that the documentation names is there', async () => {
  const pages = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter(
    (name) => name.endsWith('.md') && !name.includes('node_modules'),
  );
  const wrong: string[] = [];
  for (const page of ['README.md', ...pages.map((name) => `docs/${name}`)]) {
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
