import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { parseSource } from './sources.ts';

/** The formatter's lineWidth, which it keeps for code alone. */
const COLUMNS = 120;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = ['{src,migrations,schema,test,bench,bin}/**/*.{ts,js,cjs}', '*.{ts,cjs}', '.*.cjs'];

/** What is written by a tool, and by none of us. */
const GENERATED = 'test/support/gql/';

/** `path:line` of each line that holds a comment, or a part of one, and is wider than COLUMNS. */
function wideComments(path: string, text: string): string[] {
  const wide = [...text.split('\n').entries()].filter(([, line]) => [...line].length > COLUMNS).map(([index]) => index);
  if (wide.length === 0) return [];
  const source = parseSource(path, text);
  const lineOf = (at: number) => source.getLineAndCharacterOfPosition(at).line;
  const comments = commentsOf(source, source).map(({ pos, end }) => ({ first: lineOf(pos), last: lineOf(end) }));
  const isComment = (line: number) => comments.some(({ first, last }) => first <= line && line <= last);
  return wide.filter(isComment).map((line) => `${path}:${line + 1}`);
}

/** The comments before and after each token; some come twice. */
function commentsOf(node: ts.Node, source: ts.SourceFile): readonly ts.CommentRange[] {
  const children = node.getChildren(source);
  if (children.length > 0) return children.flatMap((child) => commentsOf(child, source));
  const before = ts.getLeadingCommentRanges(source.text, node.pos) ?? [];
  const after = ts.getTrailingCommentRanges(source.text, node.end) ?? [];
  return [...before, ...after];
}

test('no comment is wider than the code', async () => {
  const wide: string[] = [];
  for await (const path of glob(FILES, { cwd: ROOT, exclude: (name) => name === 'node_modules' })) {
    if (path.startsWith(GENERATED)) continue;
    wide.push(...wideComments(path, await readFile(join(ROOT, path), 'utf8')));
  }
  expect(wide.toSorted()).toEqual([]);
});

test('a wide comment is found wherever it stands, and by its line', () => {
  const words = 'word '.repeat(30).trim();
  const text = [
    `// ${words}`,
    `const a = '${words}';`,
    `/** ${words} */`,
    '/*',
    ` * ${words}`,
    ' */',
    `a; // ${words}`,
    `const r = /\\/\\//u.test('${words}');`,
  ];
  expect(wideComments('a.ts', text.join('\n'))).toEqual(['a.ts:1', 'a.ts:3', 'a.ts:5', 'a.ts:7']);
});
