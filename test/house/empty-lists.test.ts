import ts from 'typescript';
import { expect, test } from 'vitest';
import { collect, functionAround, parseSource, readSources, textOf } from './sources.ts';

/** `path function` of each comparison with a list that may be empty: `in ()` is no SQL on Postgres. */
function unguarded(source: ts.SourceFile): string[] {
  return collect(source, (node) => {
    if (!ts.isCallExpression(node)) return undefined;
    const at = node.arguments.findIndex((given) => /^(not )?in$/.test(textOf(given) ?? ''));
    const list = node.arguments[at + 1];
    if (at < 0 || !list || isSubquery(list) || (ts.isArrayLiteralExpression(list) && list.elements.length > 0))
      return undefined;
    return `${source.fileName} ${functionAround(node)}`;
  });
}

function isSubquery(node: ts.Node): boolean {
  return /\bselectFrom\(/.test(node.getText());
}

test('a column is compared with a list by isOneOf() alone, which knows of empty ones', async () => {
  expect((await readSources()).flatMap(unguarded)).toEqual(['platform/database/database.ts isOneOf']);
});

test.each([
  [`query.where('id', 'in', ids)`, 1],
  [`query.where('id', 'not in', ids.slice(1))`, 1],
  [`query.where('id', 'in', [])`, 1],
  [`query.where('id', 'in', ['a'])`, 0],
  [`query.where('id', 'in', query.selectFrom('other').select('id'))`, 0],
  [`query.where(isOneOf('datastores.id', ids))`, 0],
])('the rule judges %s', (statement, count) => {
  const found = unguarded(parseSource('made-up.ts', `function ask(query, ids) { return ${statement}; }`));
  expect(found).toEqual(Array.from({ length: count }, () => 'made-up.ts ask'));
});
