import { describe, expect, test } from 'vitest';
import { type HttpPeer, json, type PeerAnswer, startHttpPeer } from '../support/peers/http-peer.ts';
import { athenaStand } from '../support/stands/athena.ts';
import { bigqueryStand } from '../support/stands/bigquery.ts';
import { databricksStand } from '../support/stands/databricks.ts';
import { fireboltStand } from '../support/stands/firebolt.ts';
import { snowflakeStand, WAYS } from '../support/stands/snowflake.ts';
import { useStand } from '../support/use-stand.ts';

const subjects = [
  ['snowflake', snowflakeStand, {}],
  ['snowflake by key', snowflakeStand, { authentication: WAYS.accessToken }],
  ['bigquery', bigqueryStand, {}],
  ['databricks', databricksStand, {}],
  ['athena', athenaStand, {}],
  ['firebolt', fireboltStand, {}],
] as const;

const text = (body: string, headers: Record<string, string> = {}): PeerAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json', ...headers },
  body,
});
const answers: readonly (readonly [string, PeerAnswer])[] = [
  ['nothing', text('')],
  ['null', text('null')],
  ['a list', text('[]')],
  ['a number', text('1e400')],
  ['an empty object', text('{}')],
  ['a prototype', text('{"__proto__":{"access_token":"x","success":true}}')],
  ['half a text', text('{"access_token":"x')],
  ['a list in a list in a list …', text('['.repeat(60_000))],
  [
    'every field of the wrong type',
    text('{"success":"yes","access_token":{},"data":7,"kind":[],"WorkGroup":null,"userName":{}}'),
  ],
  ['a token with a line break', text('{"success":true,"access_token":"a\\r\\nx: y","data":{"token":"a\\r\\nx: y"}}')],
  ['errors without a list', json(400, { errors: {}, error: [], __type: 7, error_code: {}, code: [] })],
  ['a refusal as a list', json(403, [])],
];

describe.each(subjects)('%s', (_name, stand, changes) => {
  const { issue, keep, tryAt } = useStand<object, HttpPeer>(stand);

  test.each(answers)('answers with %s', async (_title, answer) => {
    const peer = await keep(startHttpPeer(() => answer, { certificate: await issue() }));
    const result = await tryAt(peer, changes);
    expect(result.failure?.code).toBe('PROTOCOL_MISMATCH');
    expect(result.log.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
