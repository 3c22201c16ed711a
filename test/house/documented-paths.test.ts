import { existsSync } from 'node:fs';
import { glob, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { collect, parseSource, readSources, textOf } from './sources.ts';

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

test('every test that the documentation of security names without its folder is there', async () => {
  const names = new Set<string>();
  for await (const path of glob(join(ROOT, 'test/**/*.test.ts'))) names.add(basename(path));
  const text = await readFile(join(ROOT, 'docs/security.md'), 'utf8');
  const named = [...text.matchAll(/`([\w-]+\.test\.ts)`/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});

const ACTION = /^[a-z_]+(?:\.[a-z_-]+)+$/;

/** The actions that a module writes into the journal, as texts; those of datastores are named by their kinds. */
function actionsOf(source: ts.SourceFile): string[] {
  const journals = collect(source, (node) => (ts.isImportDeclaration(node) ? textOf(node.moduleSpecifier) : undefined));
  if (!journals.some((from) => /\/(?:journal|refusals)\.ts$/.test(from))) return [];
  const isImport = (node: ts.Node) => ts.isImportDeclaration(node.parent);
  return collect(source, (node) => {
    const text = textOf(node);
    return text !== undefined && !isImport(node) && (ACTION.test(text) || text === 'sign_in') ? text : undefined;
  });
}

test('every action of the audit log is in the table of its documentation, and none besides', async () => {
  const sources = await readSources();
  const events = sources.find(({ fileName }) => fileName === 'modules/datastores/events.ts');
  const kinds = collect(events ?? parseSource('', ''), (node) =>
    ts.isTypeAliasDeclaration(node) && node.name.text === 'DatastoreEventKind'
      ? collect(node, textOf).map((kind) => `datastore.${kind.toLowerCase()}`)
      : undefined,
  ).flat();
  expect(kinds).toContain('datastore.created');
  const written = new Set([...sources.flatMap(actionsOf), ...kinds]);
  const text = await readFile(join(ROOT, 'docs/history.md'), 'utf8');
  const [, table = ''] = /^\| action \|.*\n\| --- .*\n((?:\|.*\n)+)/m.exec(text) ?? [];
  const cells = table.split('\n').map((row) => row.split('|')[1] ?? '');
  const told = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, action = '']) => action));
  // what was refused is named by its operation
  expect(told.filter((action) => !action.startsWith('Mutation.')).sort()).toEqual([...written].sort());
});
