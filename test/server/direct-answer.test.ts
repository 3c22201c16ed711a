import { describe, expect, test } from 'vitest';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { createDirectAnswer } from '../../src/server/direct-answer.ts';
import { LiveSessions } from '../../src/server/live-sessions.ts';
import { createErrorMask } from '../../src/server/mask-error.ts';
import type { ObservedOperation } from '../../src/server/observers.ts';
import { createOperations } from '../../src/server/operations.ts';
import { createGraphQL } from '../../src/server/yoga.ts';
import { canary, createTestSchema, goodToken } from './edge.ts';

const json = 'application/json';
const graphql = 'application/graphql-response+json';
/** Each with what is answered in one piece when it is accepted; undefined: Yoga answers, by a stream or by 406. */
const accepts: readonly (readonly [string, string | undefined])[] = [
  [json, json],
  [graphql, graphql],
  ['*/*', json],
  ['application/*', json],
  [`${graphql}, ${json};q=0.9`, graphql],
  [`${json}, ${graphql}`, json],
  [`${json}; charset=utf-8`, json],
  [`${json}; charset=latin1, ${graphql}`, graphql],
  [`text/event-stream, ${json}`, json],
  [`multipart/mixed, ${graphql}`, graphql],
  [' APPLICATION/JSON ', json],
  ['text/event-stream', undefined],
  ['multipart/mixed', undefined],
  ['text/html', undefined],
  [`${json}; charset=latin1`, undefined],
];

const query = (text: string, more: object = {}) => JSON.stringify({ query: text, ...more });
const deep = (levels: number): string => (levels === 0 ? 'name' : `next { ${deep(levels - 1)} }`);
const bodies = {
  'a query': query('{ me }'),
  'one of several operations': query('query A { me } query B { node { name } }', { operationName: 'B' }),
  'no name of several operations': query('query A { me } query B { me }'),
  'a name that is none of them': query('query A { me }', { operationName: 'C' }),
  'an empty name': query('{ me }', { operationName: '' }),
  variables: query('query ($text: String!) { required(text: $text) }', { variables: { text: 'ä' } }),
  'a variable that is missing': query('query ($text: String!) { required(text: $text) }'),
  'a variable of another type': query('query ($number: Int) { echo(number: $number) }', {
    variables: { number: canary },
  }),
  'a mutation': query('mutation { createDatastore(input: { config: { s3: { bucket: "b" } } }) }'),
  'an error of a field': query('{ me crash }'),
  'an error that is to be seen': query('{ fault }'),
  'an argument that is refused': query('{ invalid }'),
  'a value that is no enum’s': query('{ badColor }'),
  'a field that does not exist': query('{ nothing }'),
  'no document': query(`{ me ${canary}`),
  'a document that is too deep': query(`{ node { ${deep(30)} } }`),
  'a document that costs too much': query(
    '{ node { all(first: 100) { nodes { all(first: 100) { nodes { name } } } } } }',
  ),
  'an introspection': query('{ __schema { queryType { name } } }'),
  'a comment alone': query('# nothing'),
  'no query': JSON.stringify({ variables: {} }),
  'a batch': JSON.stringify([{ query: '{ me }' }]),
  'another parameter': query('{ me }', { more: 1 }),
  'variables that are none': query('{ me }', { variables: [1] }),
  'no JSON': `{ "query": ${canary}`,
  'no object': '7',
  nothing: '',
};

/** What is to be compared, with the ids of unexpected errors made equal. */
function plain(status: number, headers: Iterable<readonly [string, string]>, body: string) {
  const lower = [...headers].map(([name, value]) => [name.toLowerCase(), value] as const);
  // whoever sends it counts its bytes, as it may be compressed
  const told = lower.filter(([name]) => name !== 'content-length');
  return { status, headers: Object.fromEntries(told), body: body.replace(/[0-9a-f-]{36}/g, 'ID') };
}

function engines() {
  const logger = createLogger({ level: 'silent' });
  const witness = {
    mutations: 0,
    open: 0,
    flooded: 0,
    waiting: 0,
    release: () => undefined,
    released: new Promise<void>(() => undefined),
  };
  const mask = createErrorMask(logger);
  const authenticate = async () => ({ name: 'Ann' });
  const sessions = new LiveSessions({ authenticate, logger, recheckMs: 1_000, limits: {} });
  const schema = createTestSchema(witness);
  const createContext = ({ access }: { access: { readonly name: string } }) => ({ access });
  const told: Omit<ObservedOperation, 'ms'>[] = [];
  const onOperation = ({ ms: _, ...operation }: ObservedOperation) => void told.push(operation);
  const engine = { operations: createOperations(schema), createContext, mask, onOperation };
  const yoga = createGraphQL({ ...engine, schema, sessions, logger });
  return { yoga, direct: createDirectAnswer({ ...engine, yoga }), told };
}

describe('an answer without a Request and a Response', () => {
  const { yoga, direct, told } = engines();
  const caller = () => ({ access: { name: 'Ann' }, token: goodToken, answer: { holdsSecrets: false } });

  test.each(Object.entries(bodies))('has the same bytes as Yoga’s: %s', async (_what, body) => {
    for (const [accept, type] of accepts) {
      told.length = 0;
      const answer = await direct(body, accept, caller());
      expect(answer !== undefined, accept).toBe(type !== undefined);
      if (!answer) continue;
      const ofOurs = told.splice(0);
      const headers = { accept, 'content-type': json };
      const theirs = await yoga.fetch('http://gateway/graphql', { method: 'POST', body, headers }, caller());
      // from the second time on a valid document takes a way of its own
      expect(ofOurs, accept).toEqual(told);
      const expected = plain(theirs.status, theirs.headers, await theirs.text());
      expect(plain(answer.status, Object.entries(answer.headers), answer.body), accept).toEqual(expected);
      expect(expected.headers['content-type']).toBe(`${type}; charset=utf-8`);
      expect(answer.body).not.toContain(canary);
    }
  });

  test('marks what holds secrets as Yoga does', async () => {
    const marks = await Promise.all(
      [bodies['a query'], bodies['a mutation']].map(async (body) => {
        const [ours, theirs] = [caller(), caller()];
        await direct(body, json, ours);
        await yoga.fetch('http://gateway/graphql', { method: 'POST', body, headers: { 'content-type': json } }, theirs);
        return [ours.answer, theirs.answer];
      }),
    );
    for (const [ours, theirs] of marks) expect(ours).toEqual(theirs);
  });

  test('leaves subscriptions to Yoga', async () => {
    expect(await direct(query('subscription { ticks }'), json, caller())).toBeUndefined();
    expect(await direct(query('subscription { ticks }'), 'text/event-stream', caller())).toBeUndefined();
  });
});
