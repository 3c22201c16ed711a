import { readFile } from 'node:fs/promises';
import { getIntrospectionQuery, getOperationAST, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { createCostLimit } from '../../src/server/cost.ts';
import { graphiqlExamples } from '../../src/server/graphiql-examples.ts';
import { requestLimits } from '../../src/server/limits.ts';

const limit = createCostLimit(schema, 0);

/** What a document is said to cost, and where most of it is. */
function judge(text: string, variables: Record<string, unknown> = {}) {
  const document = parse(text);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('The document has to have one operation.');
  const { cost, path } = limit(document, operation, variables)?.extensions ?? {};
  return { cost: Number(cost), path: String(path) };
}

const FULL_TEST = `{
  id type purpose status requestedBy createdAt startedAt finishedAt durationMs
  failure { code cause message hint configPath }
  checks { id name title status durationMs evidence { name value } failure { code cause message hint configPath } }
}`;
const FULL_PAGE = `{
  __typename id type name label version createdAt updatedAt createdBy updatedBy configJson
  secrets { path isSet updatedAt } environment { id name } catalog { refreshedAt entryCount } lastTest ${FULL_TEST}
}`;
const COLUMNS = '{ nodes { namespace name kind columns { name dataType nullable } } pageInfo { endCursor } }';

describe('what passes, with as much to spare', () => {
  test.each<readonly [string, string]>([
    ['the introspection of GraphiQL', getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true })],
    ['a page of 100 datastores with their last tests', `{ datastores(first: 100) { nodes ${FULL_PAGE} totalCount } }`],
    ['a page of a catalog', `{ datastore(id: "a") { catalog { entries(first: 100) ${COLUMNS} } } }`],
    ['the tests of a page', '{ datastores { nodes { connectionTests { nodes { id status durationMs } } } } }'],
    ['all tests of a datastore', `{ datastore(id: "a") { connectionTests(first: 100) { nodes ${FULL_TEST} } } }`],
    ...graphiqlExamples().map(({ query }, at) => [`example ${at} of GraphiQL`, query] as const),
  ])('%s', (_, text) => {
    const { cost } = judge(text);
    expect(cost).toBeGreaterThan(0);
    expect(cost).toBeLessThan(requestLimits.cost / 2);
  });

  test('the subscription of the README', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const [, text = ''] = /`(subscription [\s\S]+?)`;/.exec(readme) ?? [];
    expect(judge(text, { id: 'a' })).toMatchObject({
      cost: 43,
      path: expect.stringContaining('connectionTestProgress'),
    });
  });
});

test('a list of things by their ids counts as many as there are', () => {
  const cost = (count: number) =>
    judge('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array(count).fill('a') }).cost;
  expect([cost(0), cost(1), cost(100)]).toEqual([1, 3, 201]);
});

const items = (count: number) => ({ input: { items: Array.from({ length: count }, () => ({})) } });
const CREATE_MANY = 'mutation ($input: CreateDatastoresInput!) { createDatastores(input: $input)';

describe('what ordinary clients send passes', () => {
  test.each<readonly [string, string, Record<string, unknown>]>([
    [
      '80 datastores by alias',
      `query ($id: ID!) { ${Array.from({ length: 80 }, (_, at) => `a${at}: datastore(id: $id) { id }`).join(' ')} }`,
      { id: 'a' },
    ],
    [
      '80 changes by alias',
      `mutation ($id: ID!) { ${Array.from({ length: 80 }, (_, at) => `a${at}: cancelConnectionTest(id: $id) { __typename }`).join(' ')} }`,
      { id: 'a' },
    ],
    [
      '100 new datastores in one call',
      `${CREATE_MANY} { ... on CreateDatastoresSuccess { results { index datastore { id name version } error { code message issues { path code message } } } } } }`,
      items(100),
    ],
  ])('%s', (_, text, variables) => {
    const { cost } = judge(text, variables);
    expect(cost).toBeGreaterThan(80);
    expect(cost).toBeLessThan(requestLimits.cost);
  });
});

describe('what is refused', () => {
  const inner = 'nodes { datastore { connectionTests(first: 100) { nodes { id } } } }';
  test.each([
    ['pages in pages', `{ datastores(first: 100) { nodes { connectionTests(first: 100) { ${inner} } } } }`, {}],
    [
      'by variables',
      `query ($n: Int) { datastores(first: $n) { nodes { connectionTests(first: $n) { ${inner} } } } }`,
      { n: 100 },
    ],
    [
      'by defaults of variables',
      `query ($n: Int = 100) { datastores(last: $n) { nodes { connectionTests(last: $n) { ${inner} } } } }`,
      {},
    ],
    [
      'by fragments',
      `{ datastores(first: 100) { ...A } }
      fragment A on DatastoreConnection { edges { node { ...B } } }
      fragment B on Datastore { ... on PostgresDatastore { connectionTests(first: 100) { ...C } } }
      fragment C on ConnectionTestConnection { ${inner} }`,
      {},
    ],
    [
      'by aliases',
      `{ datastores(first: 100) { nodes { ${Array.from({ length: 14 }, (_, at) => `a${at}: lastTest ${FULL_TEST}`).join(' ')} } } }`,
      {},
    ],
    [
      'calls for many by alias',
      `mutation ($input: CreateDatastoresInput!) { ${Array.from({ length: 3 }, (_, at) => `a${at}: createDatastores(input: $input) { __typename }`).join(' ')} }`,
      items(100),
    ],
    [
      'pages in the results of many',
      `${CREATE_MANY} { ... on CreateDatastoresSuccess { results { datastore { connectionTests(first: 100) { nodes { id status } } } } } } }`,
      items(100),
    ],
    ['catalogs of many', `{ datastores { nodes { catalog { entries(first: 1) ${COLUMNS} } } } }`, {}],
    [
      'the introspection again and again',
      `{ ${[...'abcdefgh'].map((name) => `${name}: __schema { types { ...A } }`).join(' ')} }
      fragment A on __Type { fields { type { fields { name args { name type { name } } } } } }`,
      {},
    ],
  ])('%s', (_, text, variables) => {
    expect(judge(text, variables).cost).toBeGreaterThan(requestLimits.cost);
  });
});

describe('the cost', () => {
  test.each([
    ['is one for a field', '{ viewer { token { name } } }', {}, 3],
    ['counts a page as it is asked for', '{ environments(first: 7) { nodes { id } } }', {}, 1 + 100 + 1 + 7 * 2],
    ['counts a page of 20 where nothing is said', '{ environments { nodes { id } } }', {}, 1 + 100 + 1 + 20 * 2],
    ['counts what is beside a page once', '{ environments { pageInfo { hasNextPage } } }', {}, 1 + 100 + 2],
    ['takes a page that is too large for the largest', '{ environments(first: 9999) { nodes { id } } }', {}, 302],
    ['takes a null for nothing said', 'query ($n: Int) { environments(first: $n) { nodes { id } } }', { n: null }, 142],
    ['counts a change as 250', 'mutation { cancelConnectionTest(id: "a") { __typename } }', {}, 252],
    ['counts each change of a call for many', `${CREATE_MANY} { __typename } }`, items(7), 1 + 7 * 250 + 1],
    ['counts other lists as five', '{ connectors { type } }', {}, 1 + 5 * 2],
    ['leaves out what is skipped', 'query ($s: Boolean!) { viewer { token @skip(if: $s) { name } } }', { s: true }, 1],
    ['leaves out what is not included', '{ viewer { ... @include(if: false) { token { name } } } }', {}, 1],
    [
      'takes the most costly of the types that it may be',
      '{ datastore(id: "a") { id ... on S3Datastore { name } ... on PostgresDatastore { name label } } }',
      {},
      4,
    ],
  ])('%s', (_, text, variables, cost) => {
    expect(judge(text, variables).cost).toBe(cost);
  });

  test('of fragments that double at each step is found at once', () => {
    const fragments = Array.from(
      { length: 60 },
      (_, at) => `fragment F${at} on Query { ...F${at + 1} ...F${at + 1} }`,
    ).join(' ');
    expect(judge(`{ ...F0 } ${fragments} fragment F60 on Query { viewer { token { name } } }`).cost).toBe(3 * 2 ** 60);
  });
});

test('what an operation was found to cost is not taken for what it costs with other variables', () => {
  const document = parse(
    'query ($size: Int, $skips: Boolean!, $ids: [ID!]!) { datastores(first: $size) { nodes { id name @skip(if: $skips) } } nodes(ids: $ids) { id } }',
  );
  const operation = getOperationAST(document);
  if (!operation) throw new Error('The document has to have one operation.');
  const costs = [
    { size: 10, skips: false },
    { size: 100, skips: false },
    { size: 100, skips: true },
    { skips: true },
    { size: 100, skips: false },
    { skips: false, ids: ['a', 'b'] },
    { skips: false, ids: ['a'] },
  ].map((variables) => limit(document, operation, variables)?.extensions.cost);
  const anew = [
    [10, false],
    [100, false],
    [100, true],
    [20, true],
    [100, false],
  ].map(
    ([size, skips]) =>
      judge(`{ datastores(first: ${size}) { nodes { id ${skips ? '' : 'name'} } } nodes { id } }`).cost,
  );
  expect(costs.slice(0, 5)).toEqual(anew);
  expect(new Set(costs.slice(5)).size).toBe(2);
});
