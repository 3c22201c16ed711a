import { beforeAll, describe, expect, test } from 'vitest';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { type Ferretdb, startFerretdb } from '../support/peers/ferretdb.ts';
import { describePeer } from '../support/peers/installed.ts';
import { ferretdbPeer, ferretdbUser, PREPARED } from '../support/real-peers/ferretdb.ts';
import { gist } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const START_MS = 60_000;

describePeer('MongoDB against FerretDB', ferretdbPeer.programs, () => {
  const used = useStand(ferretdbPeer.stand);
  const { issue, tryAt, tryIt } = used;
  let server: Ferretdb;
  beforeAll(async () => {
    ({ server } = await used.shared());
  }, START_MS);

  describeCauses(ferretdbPeer, used);

  test.each([
    ['over TLS', () => server.tlsPort, {}, ['tls/handshake: PASSED']],
    ['in the clear', () => server.port, { tls: { mode: 'DISABLE' } }, []],
  ])('every check passes %s, the writing one too', async (_title, port, more, handshake) => {
    const result = await tryAt({ port: port() }, more, {
      methods: ['database/select', 'collections/list', 'document/insert'],
    });
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
    expect(result.evidence['tls/handshake']).toMatchObject({
      protocol: 'TLSv1.3',
      names: 'mongo.example',
      daysUntilExpiry: '89',
    });
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
    [
      'a wrong password by SHA-1',
      { password: 'wrong', authMechanism: 'SCRAM_SHA_1' },
      'session/authenticate',
      'PASSWORD_REFUSED',
      'password',
    ],
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
      expect(gist(await tryAt({ port }))).toEqual({ at: 'tls/handshake', code: 'TLS_FAILED', configPath: 'port' });
      const silent = await tryIt({ tls: { mode: 'DISABLE' } });
      expect(gist(silent)).toMatchObject({ at: 'session/authenticate', code: 'CONNECTION_LOST' });
      expect(silent.failure?.hint).toContain('tls.mode');
    });

    test('a client certificate', async () => {
      const clients = await createAuthority('Clients');
      const strict = await startFerretdb({
        tls: { ...(await issue()), ca: clients.certificate },
      });
      try {
        await strict.administer('admin', ferretdbUser('app'));
        await strict.administer('shop', { create: 'orders' });
        const connect = async (signer: Authority | undefined) => {
          const pair = await signer?.issue({ client: true });
          const client = pair ? { clientCertificate: pair.certificate, clientKey: pair.key } : {};
          return tryAt({ port: strict.tlsPort }, { tls: { caCertificate: authority.certificate, ...client } });
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
