import { describe, expect, test } from 'vitest';
import { offeredSchemes } from '../../src/connectors/kit/http/challenge.ts';
import { type HttpPeer, json, type PeerAnswer, startHttpPeer } from '../support/peers/http-peer.ts';
import { bigqueryStand } from '../support/stands/bigquery.ts';
import { clickhouseStand } from '../support/stands/clickhouse.ts';
import { databricksStand } from '../support/stands/databricks.ts';
import { elasticsearchStand } from '../support/stands/elasticsearch.ts';
import { googleCloudStorageStand } from '../support/stands/google-cloud-storage.ts';
import { mongoDataApiStand } from '../support/stands/mongo-data-api.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import { qdrantStand } from '../support/stands/qdrant.ts';
import type { Stand } from '../support/stands/stand.ts';
import { trinoStand } from '../support/stands/trino.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const googleRefusal = json(401, { error: { code: 401, message: 'x', errors: [{ reason: 'authError' }] } });
const elasticRefusal = json(401, { error: { type: 'security_exception' }, status: 401 });

/** How each API refuses a sign-in in its own form, a scheme that the type has, and the field of what was tried. */
const subjects: readonly (readonly [Stand<object, HttpPeer>, PeerAnswer, own: string, path: string])[] = [
  [trinoStand, { status: 401, body: 'Invalid credentials' }, 'Basic', 'password'],
  [elasticsearchStand, elasticRefusal, 'ApiKey', 'username'],
  [opensearchStand, elasticRefusal, 'Basic', 'username'],
  [clickhouseStand, { status: 401, body: 'Code: 516. DB::Exception: Authentication failed' }, 'Basic', 'password'],
  [bigqueryStand, googleRefusal, 'Bearer', 'credentials.privateKey'],
  [googleCloudStorageStand, googleRefusal, 'Bearer', 'credentials.privateKey'],
  [databricksStand, json(401, { error_code: 401, message: 'x' }), 'Bearer', 'authentication.accessToken.token'],
  [qdrantStand, { status: 401, body: 'Invalid API key or JWT' }, 'Bearer', 'apiKey'],
  [mongoDataApiStand, json(401, { error: 'x', error_code: 'InvalidSession' }), 'Bearer', 'apiKey'],
];

describe.each(subjects.map(([stand, answer, own, path]) => [stand.connector.type, stand, answer, own, path] as const))(
  '%s',
  (_type, stand, answer, own, configPath) => {
    const { issue, keep, tryAt } = useStand(stand);

    const meet = async (challenge: string) => {
      const headers = { ...answer.headers, 'www-authenticate': challenge };
      const certificate = await issue();
      return tryAt(await keep(startHttpPeer(() => ({ ...answer, headers }), { certificate })));
    };

    test.each([
      ['Negotiate', 'negotiate'],
      ['Digest realm="Trino", nonce="a, Basic", Negotiate', 'digest, negotiate'],
    ])('a 401 that offers %s alone refuses the way to sign in', async (challenge, offered) => {
      const result = await meet(challenge);
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'SIGN_IN_METHOD_REFUSED', configPath });
      expect(result.failure?.hint).toBeTruthy();
      expect(result.evidence['session/authenticate']).toMatchObject({ offered });
    });

    test('one that offers the type’s own way refuses the credentials', async () => {
      const { failure } = await meet(`Negotiate, ${own} realm="Trino", charset="UTF-8"`);
      expect(failure?.code).toBeOneOf(['KEY_REFUSED', 'PASSWORD_REFUSED']);
    });
  },
);

test.each([
  ['Basic realm="a, Bearer b"', ['basic']],
  ['Basic realm="security", charset="UTF-8", Bearer realm="security", ApiKey', ['basic', 'bearer', 'apikey']],
  ['Negotiate YWJj==, NTLM', ['negotiate', 'ntlm']],
  ['realm = "x", a=b', []],
  ['', []],
  ['"'.repeat(16_000), []],
])('the challenge %j offers %j', (challenge, schemes) => {
  const headers = { 'www-authenticate': challenge };
  expect(offeredSchemes({ headers })).toEqual(schemes);
});
