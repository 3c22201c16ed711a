import ts from 'typescript';
import { expect, test } from 'vitest';
import { collect, readSources } from './sources.ts';

const WALKER = 'connectors/kit/config/shape.ts';

test('nobody but the walker says whether a config holds its secrets', async () => {
  const sources = await readSources();
  const claims = sources.flatMap((source) =>
    collect(source, (node) =>
      ts.isAsExpression(node) && /\b(PublicConfig|FullConfig)\b/.test(node.type.getText())
        ? source.fileName
        : undefined,
    ),
  );
  expect([...new Set(claims)]).toEqual([WALKER]);
});
