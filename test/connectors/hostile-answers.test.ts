import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { athena } from '../../src/connectors/athena/index.ts';
import { bigquery } from '../../src/connectors/bigquery/index.ts';
import { databricks } from '../../src/connectors/databricks/index.ts';
import { firebolt } from '../../src/connectors/firebolt/index.ts';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { snowflake } from '../../src/connectors/snowflake/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { createGoogleAccount } from '../support/peers/google-token.ts';
import { type HttpPeer, json, type PeerAnswer, startHttpPeer } from '../support/peers/http-peer.ts';
import { testConnection } from '../support/test-connection.ts';

const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

const account = createGoogleAccount();
const credentials = { clientEmail: account.email, privateKey: account.privateKey };
const subjects: readonly (readonly [string, Connector, Record<string, unknown>])[] = [
  ['snowflake', snowflake, {}],
  ['snowflake by key', snowflake, { authentication: { accessToken: { token: 'x' } } }],
  ['bigquery', bigquery, { credentials }],
  ['databricks', databricks, {}],
  ['athena', athena, {}],
  ['firebolt', firebolt, {}],
];

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

describe.each(subjects)('%s', (_name, connector, more) => {
  test.each(answers)('answers with %s', async (_title, answer) => {
    const config = { ...connector.example, ...more };
    const hosts = connector.targets(connector.config.parse(config)).map(({ host }) => host);
    const peer = await startHttpPeer(() => answer, { certificate: await authority.issue({ names: hosts }) });
    peers.push(peer);
    const names = Object.fromEntries(hosts.map((host) => [`${host}:443`, `127.0.0.1:${peer.port}`]));
    const result = await testConnection(connector, config, { names, extraCa: authority.certificate });
    // a refusal of the credentials is a fair reading of a 400 or 403 without more; an exception that nobody knows is none
    expect(result.failure?.code).toMatch(
      /^(PROTOCOL_MISMATCH|UNEXPECTED_ANSWER|KEY_REFUSED|PASSWORD_REFUSED|PERMISSION_DENIED|RESOURCE_NOT_FOUND)$/,
    );
    expect(result.log.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
