import ts from 'typescript';
import { expect, test } from 'vitest';
import { collect, readSources } from './sources.ts';

/** Who reads the machine's clock, and why no other will do. */
const reads: Readonly<Record<string, string>> = {
  'platform/database/clock.ts': 'it is SQLite’s clock, and everybody else asks here',
  'connectors/kit/network/tls.ts': 'certificates are judged by the executor’s machine, as OpenSSL does',
  'connectors/snowflake/client.ts': 'a signature is good by the peer’s clock, which nobody here knows',
  'connectors/families/aws/signing.ts': 'a signature is good by the peer’s clock, which nobody here knows',
  'connectors/families/google/token.ts': 'a signature is good by the peer’s clock, which nobody here knows',
};

function readsClock(node: ts.Node): true | undefined {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) return true;
  if (ts.isPropertyAccessExpression(node) && /^(Date\.now|performance\.timeOrigin)$/.test(node.getText())) return true;
  return undefined;
}

test('what is over is told by the database’s clock, how long something takes by performance.now(): nobody else reads the machine’s', async () => {
  const found = (await readSources()).filter((source) => collect(source, readsClock).length > 0);
  expect(found.map(({ fileName }) => fileName).toSorted()).toEqual(Object.keys(reads).toSorted());
});
