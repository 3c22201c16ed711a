import * as fc from 'fast-check';
import {
  buildSchema,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  parse,
  validate,
} from 'graphql';
import { createSchema, createYoga } from 'graphql-yoga';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schema as gatewaySchema } from '../../src/schema.ts';
import { createCompiledExecute } from '../../src/server/compiled-execution.ts';
import { apiOf } from '../support/api.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { randomRequests } from '../support/random-documents.ts';

/** `RANDOM_SEED=…` repeats a run. */
const SEED = Number(process.env.RANDOM_SEED ?? Date.now() % 2 ** 31);
const REQUESTS = 150;

/** Each kind of type, and each way in which a field of it may end. */
const typeDefs = /* GraphQL */ `
  type Query {
    thing: Thing
    things: [Thing]
    sureThings: [Thing!]!
    named(first: Int = 2, color: Color, required: String!): [Named]
    either: Either
  }
  type Mutation {
    first: Thing
    second: Thing!
  }
  interface Named {
    name: String
  }
  union Either = Thing | Other
  enum Color {
    RED
  }
  type Thing implements Named {
    name: String
    sure: String!
    number: Int
    color: Color
    id: ID
    yes: Boolean!
    float: Float
    texts: [String!]
    sureTexts: [String]!
    grid: [[Int!]]
    thing: Thing
    sureThing: Thing!
    named: Named
    either: Either!
    things: [Thing!]
    echo(text: String, ids: [ID!]): String
  }
  type Other implements Named {
    name: String
    other: Other
    either: Either
  }
`;

const WRONG_TYPE = /^(Abstract type|Expected|\w+ cannot represent) .*/;

class Several extends AggregateError {}

/** What a field may come to, by a number that its place and a seed give. */
function outcomes(value: () => unknown, bad: unknown): readonly (() => unknown)[] {
  const fail = () => {
    throw new Error('thrown');
  };
  return [
    ...Array.from({ length: 6 }, () => value),
    async () => value(),
    () => Promise.resolve(value()),
    () => null,
    () => undefined,
    async () => null,
    fail,
    async () => fail(),
    () => new Error('given'),
    () => bad,
    () => {
      throw new Several([new Error('one'), new Error('two')]);
    },
    () => Promise.reject('no error'),
  ];
}

/** A schema whose fields end as `seed` has it, the same each time that it is made. */
function chaos(seed: number): GraphQLSchema {
  const made = createSchema({ typeDefs });
  const object = (depth: number) => ({ depth: depth + 1 });
  const values: Record<string, (depth: number) => unknown> = {
    String: () => 'text',
    Int: () => 7,
    Float: () => 1.5,
    ID: () => 12,
    Boolean: () => true,
    Color: () => 'RED',
    Thing: object,
    Other: object,
    Named: object,
    Either: object,
  };
  const resultOf = (type: string, depth: number): unknown => {
    const inner = /^\[(.*)\]!?$/.exec(type)?.[1];
    if (inner === undefined) return values[type.replace('!', '')]?.(depth);
    return [resultOf(inner, depth), Promise.resolve(resultOf(inner, depth)), resultOf(inner, depth)];
  };
  let count = seed;
  for (const type of Object.values(made.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if ('resolveType' in type)
      type.resolveType = ({ depth }: { depth: number }) =>
        [type.name, 'Thing', Promise.resolve('Thing'), 'Thing', 'Nothing', null, 'Thing'][(seed + depth) % 7] as string;
    if (!('getFields' in type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (!('args' in field)) continue;
      count += 1;
      const salt = count;
      const text = String(field.type);
      field.resolve = (source: { depth?: number }, given: object) => {
        const depth = source?.depth ?? 0;
        if (field.args.length > 0 && text === 'String') return JSON.stringify(given);
        const all = outcomes(() => resultOf(text, depth), text.includes('[') ? 3 : { depth: 'bad' });
        return all[(salt * 7 + depth * 3) % all.length]?.();
      };
    }
  }
  return made;
}

/** What Yoga's own executor makes of it. */
async function executedByYoga(args: ExecutionArgs): Promise<ExecutionResult> {
  return await createYoga({ schema: args.schema, maskedErrors: false, logging: false }).getEnveloped().execute(args);
}

/**
 * What is told of an answer, but for what is up to chance where fields run at once: the order of errors, and which one
 * it was below a place that is null for it. How a wrong type is told is left out, too, for such errors are masked.
 */
function shown({ data, errors = [] }: { data?: unknown; errors?: readonly GraphQLError[] }): unknown {
  const found = errors.map(({ message, path = [], locations }) => {
    const nulled = path.findIndex((_, at) => valueAt(data, path.slice(0, at)) === null);
    return nulled >= 0
      ? JSON.stringify({ path: path.slice(0, nulled) })
      : JSON.stringify({ message: message.replace(WRONG_TYPE, '$1'), path, locations });
  });
  return JSON.stringify({ data, errors: [...new Set(found)].toSorted() });
}

function valueAt(data: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, key) => Object(value)[key], data);
}

describe('a compiled document', () => {
  test(`is executed as Yoga does, whatever its fields come to (RANDOM_SEED=${SEED})`, async () => {
    let failures = 0;
    for (let at = 0; at < 15; at += 1) {
      const schema = chaos(SEED + at);
      const compiled = createCompiledExecute(schema);
      for (const { query, variables: variableValues } of fc.sample(randomRequests(schema, []), {
        numRuns: 40,
        seed: SEED + at,
      })) {
        const document = documentOf(schema, query);
        if (!document) continue;
        const args = { schema, document, variableValues };
        const given = compiled(args);
        if (given === undefined) continue;
        const expected = await executedByYoga(args);
        if (expected.errors) failures += 1;
        expect(shown(await given), `${query} ${JSON.stringify(variableValues)}`).toBe(shown(expected));
        // what is kept with the document is as good as new
        expect(shown((await compiled(args)) ?? {})).toBe(shown(expected));
      }
    }
    expect(failures).toBeGreaterThan(50);
  });

  test.each([
    '{ thing { name } }',
    'query { thing { ...F ... on Named { name } alias: name } } fragment F on Thing { sure thing { ...G } } fragment G on Thing { name }',
    '{ either { __typename ... on Thing { name } ... on Other { other { __typename } } } }',
    '{ __schema { queryType { name fields(includeDeprecated: true) { name type { name kind } } } } __type(name: "Thing") { name } }',
    '{ thing { name } thing { number name } }',
    'mutation { first { name } second { name } again: first { number } }',
    'query ($a: String = "x", $b: [ID!]) { thing { echo(text: $a, ids: $b) } }',
    '{ thing { echo(text: "a", ids: 1) } named(required: "x") { name } }',
  ])('%s', async (query) => {
    for (let seed = 0; seed < 17; seed += 1) {
      const schema = chaos(seed);
      const args = { schema, document: parse(query) };
      const given = createCompiledExecute(schema)(args);
      expect(given).toBeDefined();
      expect(shown((await given) ?? {})).toBe(shown(await executedByYoga(args)));
    }
  });

  test('of a subscription is executed for an event as graphql-js does', async () => {
    const schema = buildSchema(
      'type Query { no: Int } type Subscription { event(after: Int): Event! } type Event { id: ID! twice: [Event] }',
    );
    const document = parse('subscription ($after: Int) { event(after: $after) { id again: twice { id } } }');
    for (const id of ['a', null]) {
      const rootValue = { event: ({ after }: { after: number }) => ({ id, twice: [{ id: after }, { id: null }] }) };
      const args = { schema, document, rootValue, variableValues: { after: 3 } };
      const given = createCompiledExecute(schema, ['subscription'])(args);
      expect(given).toBeDefined();
      expect(shown((await given) ?? {})).toBe(shown(await execute(args)));
    }
    expect(createCompiledExecute(schema, ['subscription'])({ document: parse('{ no }') })).toBeUndefined();
  });

  test.each([
    ['a subscription', 'subscription { thing }', {}],
    ['a directive', 'query ($no: Boolean!) { thing @skip(if: $no) { name } }', { no: true }],
    ['a name that would be a prototype', '{ __proto__: thing { name } }', {}],
    ['a wrong variable', 'query ($a: String!) { thing { echo(text: $a) } }', { a: {} }],
    ['no variable', 'query ($a: String!) { thing { echo(text: $a) } }', {}],
    ['no such operation', 'query A { thing { name } } query B { thing { name } }', {}],
  ])('leaves %s to Yoga', (_what, query, variableValues) => {
    const schema = chaos(1);
    expect(createCompiledExecute(schema)({ document: parse(query), variableValues })).toBeUndefined();
  });
});

function documentOf(schema: GraphQLSchema, query: string) {
  try {
    const document = parse(query);
    return validate(schema, document).length === 0 ? document : undefined;
  } catch {
    return undefined;
  }
}

describe('the gateway', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  test(`answers with the same bytes whether it compiles a document or not (RANDOM_SEED=${SEED})`, async () => {
    const api = apiOf(gateway);
    const environmentId = await api.newEnvironment();
    const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    const sample = { numRuns: REQUESTS, seed: SEED };
    let answered = 0;
    for (const { query, variables } of fc.sample(randomRequests(gatewaySchema, [id, environmentId]), sample)) {
      // a directive keeps a document from being compiled; errors are at the same places in both
      const root = /^query Random(?:\([^)]*\))? \{ \w+(?:\([^)]*\))?/.exec(query)?.[0];
      if (root === undefined || !documentOf(gatewaySchema, query)) continue;
      const directive = ' @include(if: true)';
      const [left, compiled] = await Promise.all(
        [directive, ' '.repeat(directive.length)].map((text) =>
          gateway.send({ query: root + text + query.slice(root.length), variables }),
        ),
      );
      expect(compiled?.text).toBe(left?.text);
      expect(compiled?.status).toBe(left?.status);
      if (compiled?.json.data) answered += 1;
    }
    expect(answered).toBeGreaterThan(REQUESTS / 20);
  });
});
