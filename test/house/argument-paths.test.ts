import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { collect, parseSource, readSources, textOf } from './sources.ts';

let sources: readonly ts.SourceFile[];

beforeAll(async () => {
  sources = await readSources();
});

/** Paths that begin at an operation's argument: `['input', 'config']`. */
function argumentPaths(source: ts.SourceFile): string[] {
  return collect(source, (node) =>
    ts.isArrayLiteralExpression(node) && textOf(node.elements[0]) === 'input' ? node.getText() : undefined,
  );
}

/** Ids that are written in lower case. */
function lowerCasedIds(source: ts.SourceFile): string[] {
  return collect(source, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
    const { expression, name } = node.expression;
    return name.text === 'toLowerCase' && /\bids?$|Ids?$/.test(expression.getText()) ? node.getText() : undefined;
  });
}

test('a schema alone knows where an input stands in the arguments', () => {
  const findings = sources.flatMap((source) => argumentPaths(source).map((path) => ({ file: source.fileName, path })));
  expect(findings.length).toBeGreaterThan(5);
  expect(findings.filter(({ file }) => !/^modules\/[a-z-]+\/schema[a-z-]*\.ts$/.test(file))).toEqual([]);
});

test('ids are written in lower case where arguments are validated, and nowhere else', () => {
  expect(sources.flatMap(lowerCasedIds)).toEqual([]);
});

test.each([
  [`const path = ['input', 'config'];`, 1, 0],
  [`const path = [...given.path, 'config'];`, 0, 0],
  [`load(id.toLowerCase())`, 0, 1],
  [`options.testId?.toLowerCase() ?? randomUUID()`, 0, 1],
  [`kind.toLowerCase()`, 0, 0],
])('the rules judge %s', (text, paths, ids) => {
  const source = parseSource('made-up.ts', text);
  expect([argumentPaths(source).length, lowerCasedIds(source).length]).toEqual([paths, ids]);
});
