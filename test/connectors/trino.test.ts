import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { createTokenIssuer } from '../support/peers/token-issuer.ts';
import { inClearText } from '../support/stands/stand.ts';
import { trinoStand } from '../support/stands/trino.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(trinoStand);
const { start, tryAt, tryIt, tryWith } = stand;
/** On a private network: no TLS, and nobody signs in. */
/** On a private network: no TLS, and nobody signs in. */
const open = useStand(inClearText(trinoStand));

describe('a Trino that works', () => {
  test('passes every check over TLS, over one connection, and says what it found', async () => {
    const peer = await start();
    const result = await tryAt(peer, { schema: 'Sales' });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Trino 476', user: 'reader' },
      'tables/list': { catalog: 'my"hive', schema: 'Sales', tables: '3', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
    expect(peer.requests[0]?.headers).toMatchObject({ 'x-trino-catalog': 'my"hive', 'x-trino-schema': 'Sales' });
  });

  test('passes every check over http on a private network, where the user name alone is sent', async () => {
    const peer = await open.start();
    const result = await open.tryAt(peer);
    expect(result.failure).toBeNull();
    expect(result.evidence['tables/list']).toMatchObject({ tables: '4' });
    expect(peer.requests.every((request) => request.headers.authorization === undefined)).toBe(true);
  });

  test('sends a name and a password in ISO-8859-1, as Trino reads them', async () => {
    const users = { jürgen: 'pä55 ÿ' };
    const peer = await stand.start({ users });
    const result = await stand.tryAt(peer, { username: 'jürgen', password: users.jürgen });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ user: 'jürgen' });
  });

  test('counts 1,000 tables at most', async () => {
    const tables = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`t${index}`, { columns: {} }]));
    const result = await open.tryWith({ catalogs: { 'my"hive': { sales: tables } } });
    expect(result.evidence['tables/list']).toMatchObject({ tables: '1000', more: 'true' });
  });

  test('goes on when a gateway before it has a bad moment', async () => {
    expect((await open.tryWith({ interruptions: 1 })).failure).toBeNull();
  });

  test('reads the catalog page by page', async () => {
    const result = await tryWith({ pageSize: 2 }, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.evidence['catalog/read']).toEqual({ entries: '4', columns: '5' });
    expect(result.batches.flat()).toEqual([
      {
        namespace: "o'hara",
        name: 't',
        kind: 'TABLE',
        columns: [{ name: 'd', dataType: 'date', nullable: true }],
      },
      { namespace: 'sales', name: 'bare', kind: 'TABLE', columns: [] },
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'bigint', nullable: false },
          { name: 'name', dataType: 'varchar(20)', nullable: true },
          { name: 'a b', dataType: 'array(row("x" integer))', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'recent',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'bigint', nullable: true }],
      },
    ]);
  });

  test('reads the catalog of the one schema that is set', async () => {
    const result = await open.tryIt({ schema: "O'Hara" }, { catalog: true });
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(['t']);
  });
});

describe('an access token', () => {
  const issuer = createTokenIssuer('https://tokens.example', 'trino');
  const otherIssuer = createTokenIssuer('https://tokens.example', 'trino');
  const byToken = (accessToken: string, more: object = {}) =>
    tryWith({ issuer, ...more }, { password: undefined, accessToken });

  test('takes the place of the password, and is sent with every request', async () => {
    const peer = await start({ issuer });
    const accessToken = issuer.token({ sub: 'reader' });
    const result = await tryAt(peer, { password: undefined, accessToken });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ user: 'reader' });
    expect(new Set(peer.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set([`Bearer ${accessToken}`]),
    );
  });

  test.each([
    ['of another issuer', otherIssuer.token({ sub: 'reader' }), 'KEY_REFUSED', 'accessToken'],
    ['for another audience', issuer.token({ sub: 'reader', aud: 'x' }), 'KEY_REFUSED', 'accessToken'],
    ['that is none', 'no-token', 'KEY_REFUSED', 'accessToken'],
    ['that has expired', issuer.token({ sub: 'reader', exp: 1 }), 'TOKEN_EXPIRED', 'accessToken'],
    ['of another user', issuer.token({ sub: 'stranger' }), 'PERMISSION_DENIED', 'username'],
  ])('one %s is told', async (_title, token, code, configPath) => {
    const result = await byToken(token);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(JSON.stringify(result)).not.toContain(token);
  });

  test('is told to be given to a server that takes none', async () => {
    const result = await byToken(issuer.token({ sub: 'reader' }), { issuer: undefined });
    expect(gist(result)).toMatchObject({ code: 'SIGN_IN_METHOD_REFUSED', configPath: 'accessToken' });
    expect(result.failure?.hint).toMatch(/takes no tokens/);
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown catalog', { catalog: 'nope' }, 'tables/list', 'CATALOG_NOT_FOUND', 'catalog'],
    ['an unknown schema', { schema: "no'pe" }, 'tables/list', 'SCHEMA_NOT_FOUND', 'schema'],
    ['no right to the catalog', { username: 'stranger' }, 'tables/list', 'PERMISSION_DENIED', 'username'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('clear text to a server that signs users in', async () => {
    const peer = await start({ certificate: undefined });
    const result = await open.tryAt(peer);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });

  test('a password for a server that signs nobody in', async () => {
    const result = await tryWith({ users: undefined });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
  });

  test.each([
    'Bearer realm="Trino"',
    'Negotiate',
    'Bearer x_redirect_server="https://trino.example/oauth2/token/initiate/1", x_token_server="https://trino.example/oauth2/token/1"',
  ])('a server that signs nobody in by password: %s', async (challenge) => {
    const result = await tryWith({ challenge });
    expect(gist(result)).toEqual({
      at: 'session/authenticate',
      code: 'SIGN_IN_METHOD_REFUSED',
      configPath: 'password',
    });
  });

  test.each([
    ['QUERY_QUEUE_FULL', 'INSUFFICIENT_RESOURCES', 'TOO_MANY_REQUESTS', null],
    ['SERVER_STARTING_UP', 'INTERNAL_ERROR', 'SERVER_UNAVAILABLE', null],
    ['EXCEEDED_GLOBAL_MEMORY_LIMIT', 'INSUFFICIENT_RESOURCES', 'SERVER_UNAVAILABLE', null],
    ['EXCEEDED_TIME_LIMIT', 'INSUFFICIENT_RESOURCES', 'TIMEOUT', null],
    ['HIVE_METASTORE_ERROR', 'EXTERNAL', 'SERVER_UNAVAILABLE', 'catalog'],
    ['GENERIC_INTERNAL_ERROR', 'INTERNAL_ERROR', 'SERVER_ERROR', null],
  ])('the server’s error %s', async (errorName, errorType, code, configPath) => {
    const result = await open.tryWith({ failing: { errorName, errorType } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.evidence['session/authenticate']).toEqual({ serverError: errorName });
  });

  test('an error whose name is none is not shown', async () => {
    const failing = { errorName: 'psst: the words of a peer', errorType: 'USER_ERROR' };
    const result = await open.tryWith({ failing });
    expect(result.evidence['session/authenticate']).toEqual({});
  });

  test.each([
    ['an HTTP server that is no Trino', 404, 'PROTOCOL_MISMATCH', 'port'],
    ['a proxy that lets nobody through', 407, 'PROTOCOL_MISMATCH', 'port'],
  ])('%s', async (_title, status, code, configPath) => {
    const result = await open.tryWith({ misbehave: { status } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('a gateway before Trino that never reaches it', async () => {
    const result = await open.tryWith({ interruptions: 100 });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'SERVER_UNAVAILABLE', configPath: 'host' });
  });
});

describe('a server that leads elsewhere', () => {
  test.each([
    ['to another host', 'http://169.254.169.254', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to another port', 'http://trino.example:1', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to another scheme', 'https://trino.example:8443', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to a file', 'file:///etc/passwd?', 'PROTOCOL_MISMATCH', 'port'],
    ['nowhere', 'nonsense', 'PROTOCOL_MISMATCH', 'port'],
  ])('%s is not followed', async (_title, pagesAt, code, configPath) => {
    const peer = await open.start({ pagesAt });
    expect(gist(await open.tryAt(peer))).toEqual({ at: 'session/authenticate', code, configPath });
    expect(peer.requests).toHaveLength(1);
  });

  test('to another path of its own is not followed', async () => {
    const peer = await open.start({ pagesAt: 'http://trino.example:8443/admin/..%2f' });
    const result = await open.tryAt(peer);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    expect(peer.requests).toHaveLength(1);
  });

  test('an answer of millions of things that are no rows is given up at once', async () => {
    const result = await open.tryWith({ isHostile: true }, {}, { catalog: true });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'TOO_MUCH_DATA', configPath: 'port' });
  });

  test('a result without an end ends', async () => {
    const result = await open.tryWith(
      { isEndless: true, pageSize: 1, catalogs: { 'my"hive': { s: {} } } },
      {},
      { deadline: 1500 },
    );
    expect(result.failure?.code).toMatch(/^(TIMEOUT|TOO_MUCH_DATA)$/);
  });
});

describeTenancy(stand);

describeHttpFaults(trinoStand);

describeBadConfigs(trinoStand, [
  ['no user name', { username: undefined }, 'username', 'REQUIRED'],
  ['no catalog', { catalog: undefined }, 'catalog', 'REQUIRED'],
  ['a token beside a password', { accessToken: 'a.b.c' }, 'accessToken', 'INVALID_COMBINATION'],
  [
    'a token in clear text',
    { password: undefined, accessToken: 'a.b.c', tls: { mode: 'DISABLE' } },
    'accessToken',
    'INVALID_COMBINATION',
  ],
  ['a URL as host', { host: 'jdbc:trino://t:8080/hive' }, 'host', 'URL_IN_HOST'],
  ['an odd address', { host: '0x7f.1' }, 'host', 'INVALID_FORMAT'],
  ['the port 65536', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
  ['a colon in the user name', { username: 'a:b' }, 'username', 'INVALID_FORMAT'],
  ['a line break in it', { username: 'a\r\nb' }, 'username', 'INVALID_FORMAT'],
  ['an empty schema', { schema: '' }, 'schema', 'TOO_SHORT'],
  ['a long catalog', { catalog: 'a'.repeat(256) }, 'catalog', 'TOO_LONG'],
  ['a password over clear text', { password: 'x', tls: { mode: 'DISABLE' } }, 'password', 'INVALID_COMBINATION'],
  ['an unknown TLS mode', { tls: { mode: 'PREFER' } }, 'tls.mode', 'INVALID_VALUE'],
]);
