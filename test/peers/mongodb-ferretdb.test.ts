import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mongodb } from '../../src/connectors/mongodb/index.ts';
import { type Authority, createAuthority, createSelfSigned } from '../support/certificates.ts';
import { FERRETDB, type Ferretdb, startFerretdb } from '../support/peers/ferretdb.ts';
import { describePeer } from '../support/peers/installed.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const NAME = 'db.example';
const PASSWORD = 'correct, horse=$ä✓ battery';
const PREPARED = 'I\u00adX\u00a0\u00aa \u2168';
const BOTH = ['SCRAM-SHA-1', 'SCRAM-SHA-256'];
const START_MS = 60_000;
const user = (name: string, mechanisms = BOTH, pwd = PASSWORD) => ({ createUser: name, pwd, mechanisms, roles: [] });

describePeer('MongoDB against FerretDB', FERRETDB, () => {
  let authority: Authority;
  let server: Ferretdb;

  beforeAll(async () => {
    authority = await createAuthority();
    server = await startFerretdb({ tls: await authority.issue({ names: [NAME] }) });
    await server.administer(
      'admin',
      user('app'),
      user('jörg'),
      user('a=b'),
      user('modern', ['SCRAM-SHA-256']),
      user('old', ['SCRAM-SHA-1']),
      user('prepared', ['SCRAM-SHA-256'], PREPARED),
    );
    const orders = Array.from({ length: 250 }, (_each, at) => ({ total: at, note: 'x' }));
    await server.administer('shop', user('local'), { insert: 'orders', documents: orders }, { create: 'customers' });
    // more than the server lists at once
    await server.administer('wide', ...Array.from({ length: 230 }, (_each, at) => ({ create: `c${at}` })));
  }, START_MS);

  afterAll(() => server?.stop());

  const configFor = (more: Record<string, unknown> = {}) => ({
    ...{ host: NAME, port: server.tlsPort, username: 'app', password: PASSWORD, database: 'shop' },
    tls: { caCertificate: authority.certificate },
    ...more,
  });
  const FOUND = { lookup: async () => ['127.0.0.1'] };
  const tryIt = (more: Record<string, unknown> = {}, how: TestConnectionOptions = {}): Promise<TestedConnection> =>
    testConnection(mongodb, configFor(more), { ...FOUND, ...how });
  const inTheClear = () => ({ port: server.port, tls: { mode: 'DISABLE' } });

  test.each([
    ['over TLS', () => ({}), ['tls/handshake: PASSED']],
    ['in the clear', inTheClear, []],
  ])('every check passes %s, the writing one too', async (_title, more, handshake) => {
    const result = await tryIt(more(), { methods: ['database/select', 'collections/list', 'document/insert'] });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      ...handshake,
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'collections/list: PASSED',
      'document/insert: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      // it says that it were MongoDB 7.0
      'session/authenticate': { server: 'FerretDB 1.24.2', user: 'app', mechanism: 'SCRAM-SHA-256' },
      'collections/list': { collections: '2', views: '0' },
      'document/insert': { written: 'true', removed: 'true' },
    });
  });

  test('tells of its certificate', async () => {
    const result = await tryIt();
    expect(result.evidence['tls/handshake']).toMatchObject({ protocol: 'TLSv1.3', names: NAME, daysUntilExpiry: '89' });
  });

  test.each([
    ['app', 'SCRAM_SHA_1', 'SCRAM-SHA-1'],
    ['app', 'SCRAM_SHA_256', 'SCRAM-SHA-256'],
    ['jörg', undefined, 'SCRAM-SHA-256'],
    ['modern', undefined, 'SCRAM-SHA-256'],
    ['old', undefined, 'SCRAM-SHA-1'],
  ])('%s signs in by %s', async (username, authMechanism, mechanism) => {
    const result = await tryIt({ username, authMechanism });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ mechanism });
  });

  test('a password is prepared as the server prepares it', async () => {
    expect((await tryIt({ username: 'prepared', password: PREPARED })).failure).toBeNull();
    expect((await tryIt({ username: 'prepared', password: 'IX a IX' })).failure).toBeNull();
  });

  test('a user of the database’s own', async () => {
    expect((await tryIt({ username: 'local', authSource: 'shop' })).failure).toBeNull();
  });

  test('a list that comes in parts', async () => {
    expect((await tryIt({ database: 'wide' })).evidence['collections/list']).toMatchObject({ collections: '230' });
  });

  test.each<readonly [string, Record<string, unknown>, string, string, string]>([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    [
      'a wrong password by SHA-1',
      { password: 'wrong', authMechanism: 'SCRAM_SHA_1' },
      'session/authenticate',
      'PASSWORD_REFUSED',
      'password',
    ],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a user of another database', { username: 'local' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    // the library by which it signs in leaves =3D as it is
    ['a name with =, which it misreads', { username: 'a=b' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    [
      'a mechanism that the user lacks',
      { username: 'old', authMechanism: 'SCRAM_SHA_256' },
      'session/authenticate',
      'SIGN_IN_METHOD_REFUSED',
      'authMechanism',
    ],
    [
      'no user',
      { username: undefined, password: undefined },
      'session/authenticate',
      'CREDENTIALS_REQUIRED',
      'username',
    ],
    ['a replica set', { replicaSet: 'rs0' }, 'session/authenticate', 'RESOURCE_NOT_FOUND', 'replicaSet'],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
  ])('%s is told', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
  });

  test('the catalog lists collections; it cannot tell of their fields', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual(
      ['customers', 'orders'].map((name) => ({
        ...{ namespace: 'shop', name, kind: 'COLLECTION' },
        ...{ readable: null, columns: [] },
      })),
    );
  });

  test('tenancy is told to ask for more than the server knows', async () => {
    const tenancy = {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'shop',
      tableName: 'orders',
      tableClientNameColumn: 'note',
      tablePrimaryKeyColumn: 'total',
    } as const;
    const result = await tryIt({}, { tenancy });
    expect(gist(result)).toEqual({ at: 'tenancy/mapping', code: 'SERVER_ERROR', configPath: null });
    expect(result.failure?.hint).toContain('$sample');
    expect(result.evidence['tenancy/mapping']).toMatchObject({ serverError: '238' });
  });

  describe('TLS', () => {
    test('to the port that speaks none, and none to the port that does', async () => {
      const { port } = server;
      expect(gist(await tryIt({ port }))).toEqual({ at: 'tls/handshake', code: 'TLS_FAILED', configPath: 'port' });
      const silent = await tryIt({ tls: { mode: 'DISABLE' } });
      expect(gist(silent)).toMatchObject({ at: 'session/authenticate', code: 'CONNECTION_LOST' });
      expect(silent.failure?.hint).toContain('tls.mode');
    });

    test.each([
      ['for another name', () => authority.issue({ names: ['other.example'] }), 'TLS_NAME_MISMATCH'],
      [
        'that is over',
        () => authority.issue({ names: [NAME], notAfter: new Date(Date.now() - 60_000) }),
        'TLS_EXPIRED',
      ],
      ['that signed itself', () => createSelfSigned({ names: [NAME] }), 'TLS_SELF_SIGNED'],
    ])('a certificate %s', async (_title, issue, code) => {
      const other = await startFerretdb({ tls: await issue() });
      try {
        expect(gist(await tryIt({ port: other.tlsPort }))).toMatchObject({ at: 'tls/handshake', code });
      } finally {
        await other.stop();
      }
    });

    test('a client certificate', async () => {
      const clients = await createAuthority('Clients');
      const strict = await startFerretdb({
        tls: { ...(await authority.issue({ names: [NAME] })), ca: clients.certificate },
      });
      try {
        await strict.administer('admin', user('app'));
        await strict.administer('shop', { create: 'orders' });
        const connect = async (signer: Authority | undefined) => {
          const pair = await signer?.issue({ client: true });
          const client = pair ? { clientCertificate: pair.certificate, clientKey: pair.key } : {};
          return tryIt({ port: strict.tlsPort, tls: { caCertificate: authority.certificate, ...client } });
        };
        expect((await connect(clients)).failure).toBeNull();
        expect(gist(await connect(undefined))).toMatchObject({ code: 'TLS_CLIENT_CERTIFICATE_REQUIRED' });
        expect(gist(await connect(await createAuthority('Others')))).toMatchObject({
          code: 'TLS_CLIENT_CERTIFICATE_REFUSED',
        });
      } finally {
        await strict.stop();
      }
    });
  });
});
