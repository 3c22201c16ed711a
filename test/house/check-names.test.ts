import ts from 'typescript';
import { expect, test } from 'vitest';
import { allChecksOf } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { collect, parseSource, readSources, textOf } from './sources.ts';

const names = new Set(connectors.flatMap((connector) => allChecksOf(connector).map(({ name }) => name)));
/** The names of what makes or holds checks end so: `endpointChecks`, `tenancyCheck`. */
const CHECKS = /Checks?$/;

/** Where a source knows a check by its name, or changes checks that another file has made; by line. */
function faultsOf(source: ts.SourceFile): string[] {
  return collect(source, (node) => {
    const fault = namesCheck(node) ?? changesChecks(node);
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    return fault && `${source.fileName}:${line + 1} ${fault}: ${node.getText(source).split('\n')[0]}`;
  });
}

function namesCheck(node: ts.Node): string | undefined {
  if (!names.has(textOf(node) ?? '')) return undefined;
  const { parent } = node;
  const isDefinition = ts.isPropertyAssignment(parent) && parent.name.getText() === 'name';
  const isRequired = ts.isCallExpression(parent) && parent.expression.getText() === 'required';
  return isDefinition || isRequired ? undefined : 'knows a check by its name';
}

function changesChecks(node: ts.Node): string | undefined {
  const isTaken = ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
  if (!isTaken && !ts.isSpreadAssignment(node)) return undefined;
  const base = ts.isCallExpression(node.expression) ? node.expression.expression : node.expression;
  return ts.isIdentifier(base) && CHECKS.test(base.text) ? 'changes checks of another’s making' : undefined;
}

const allowed = [
  "const authenticate = { name: 'session/authenticate', title: 'Sign in', run };",
  "const session = required(state.session, 'session/authenticate');",
  'const checks = [...endpointChecks({ target }), authenticate, tenancyCheck(columns)];',
  'return { ...selectDatabase, run };',
];
test.each(allowed)('this is how a connector is written: %s', (text) =>
  expect(faultsOf(parseSource('a.ts', text))).toEqual([]),
);

const refused = [
  "if (check.name === 'tls/handshake') return shakeHands;",
  "switch (name) { case 'endpoint/resolve': return resolveServers(); }",
  "const shake = checks.find(named('tls/handshake'));",
  "const runs = { 'tls/handshake': shakeHands };",
  'const checks = endpointChecks({ target }).map((check) => ({ ...check, appliesTo }));',
  'const [resolve] = serverChecks.filter(isFirst);',
  'const first = endpointChecks({ target })[0];',
  'const mapping = { ...tenancyCheck(columns), base: true };',
];
test.each(refused)('this is not: %s', (text) => expect(faultsOf(parseSource('a.ts', text))).toHaveLength(1));

test('no connector knows a check by its name, or changes one that it has not made: the kit takes options for that', async () => {
  const sources = (await readSources()).filter(({ fileName }) => fileName.startsWith('connectors/'));
  expect(sources.length).toBeGreaterThan(100);
  expect(sources.flatMap(faultsOf)).toEqual([]);
});
