import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { createTokenIssuer } from '../support/peers/token-issuer.ts';
import { mongoDataApiStand } from '../support/stands/mongo-data-api.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { start, tryAt, tryIt } = useStand(mongoDataApiStand);

describe('a server with other ways to sign in', () => {
  const issuer = createTokenIssuer('https://tokens.example', 'data-api');
  const users = { jürgen: 'pä55:"word"' };
  const options = { apiKey: undefined, users, issuer };
  const tryOther = async (changes: object) => tryAt(await start(options), { apiKey: undefined, ...changes });

  test('takes a user name and a password', async () => {
    const result = await tryOther({ username: 'jürgen', password: users.jürgen });
    expect(result.failure).toBeNull();
    expect(result.steps).toContain('documents/find: PASSED');
  });

  test('takes an access token', async () => {
    const accessToken = issuer.token();
    const result = await tryOther({ accessToken });
    expect(result.failure).toBeNull();
    expect(JSON.stringify(result)).not.toContain(accessToken);
  });

  test.each<readonly [string, object, string, string]>([
    ['a wrong password', { username: 'jürgen', password: 'x' }, 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody', password: 'x' }, 'PASSWORD_REFUSED', 'password'],
    ['an expired token', { accessToken: issuer.token({ exp: 1 }) }, 'KEY_REFUSED', 'accessToken'],
    ['a text that is no token', { accessToken: 'x' }, 'KEY_REFUSED', 'accessToken'],
    ['an API key', { apiKey: 'x' }, 'KEY_REFUSED', 'apiKey'],
    ['nothing', {}, 'CREDENTIALS_REQUIRED', 'apiKey'],
  ])('refuses %s', async (_title, changes, code, configPath) => {
    const result = await tryOther(changes);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });
});

describe('a Data API that works', () => {
  test('passes every check over one connection', async () => {
    const peer = await start();
    const result = await tryAt(peer);
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
      'documents/find: PASSED',
    ]);
    expect(result.evidence['documents/find']).toEqual({ database: 'shop', collection: 'orders', found: 'true' });
    expect(peer.connections()).toBe(1);
  });

  test('reads no more of a document than its _id', async () => {
    const peer = await start();
    await tryAt(peer);
    const bodies = peer.requests.map((request) => JSON.parse(request.body.toString()));
    expect(bodies).toMatchObject([
      { dataSource: 'cluster0', database: 'shop', collection: 'orders', projection: { _id: 1 } },
      { dataSource: 'cluster0', database: 'shop', collection: 'orders', filter: {}, projection: { _id: 1 } },
    ]);
  });

  test('only signs in where no collection is given', async () => {
    const result = await tryIt({ collection: undefined });
    expect(result.status).toBe('PASSED');
    expect(result.steps.at(-1)).toBe('session/authenticate: PASSED');
  });

  test.each(['empty', 'nope'])('warns of the collection %s, which has no document', async (collection) => {
    const result = await tryIt({ collection });
    expect(result.steps).toContain('documents/find: WARNING');
    expect(result.evidence['documents/find']).toMatchObject({ found: 'false' });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong key', { apiKey: 'wrong' }, 'session/authenticate', 'KEY_REFUSED', 'apiKey'],
    ['no key', { apiKey: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'apiKey'],
    ['an unknown data source', { dataSource: 'nope' }, 'documents/find', 'RESOURCE_NOT_FOUND', 'dataSource'],
    ['a collection that no rule opens', { collection: 'closed' }, 'documents/find', 'PERMISSION_DENIED', 'collection'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('an unknown data source where no collection is given, since no other check would tell', async () => {
    const result = await tryIt({ dataSource: 'nope', collection: undefined });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'dataSource' });
  });

  test('a URL at which there is no Data API', async () => {
    const result = await tryIt({ apiUrl: 'https://data.example/app/other/endpoint/data/v1' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'apiUrl' });
  });
});

describeHttpFaults(mongoDataApiStand);

describeBadConfigs(mongoDataApiStand, [
  ['a key and a token', { accessToken: 'x' }, 'accessToken', 'INVALID_COMBINATION'],
  ['a key and a user', { username: 'a', password: 'b' }, 'apiKey', 'INVALID_COMBINATION'],
  ['a user without a password', { apiKey: undefined, username: 'a' }, 'password', 'REQUIRED'],
  ['a password without a user', { apiKey: undefined, password: 'a' }, 'username', 'REQUIRED'],
  ['clear text without saying so', { apiUrl: 'http://data.example/v1' }, 'apiUrl', 'INVALID_COMBINATION'],
  ['a key with a line break in it', { apiKey: 'a\nb' }, 'apiKey', 'INVALID_FORMAT'],
  ['no database', { database: undefined }, 'database', 'REQUIRED'],
  ['a long data source', { dataSource: 'x'.repeat(129) }, 'dataSource', 'TOO_LONG'],
]);
