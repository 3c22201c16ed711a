import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { mysql } from '../../src/connectors/mysql/index.ts';
import { singlestore } from '../../src/connectors/singlestore/index.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import { GO_MYSQL, type GoMysql, startMysqlEngine, startMysqlSignIn } from '../support/peers/go-mysql.ts';
import { describePeer } from '../support/peers/installed.ts';
import { doltAsSinglestore, doltPeer, goMysqlPeer, PASSWORD, SETUP } from '../support/real-peers/go-mysql.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const NAME = 'db.example';
const CLEAR = { tls: { mode: 'DISABLE' } };
const FOUND = { lookup: async () => ['127.0.0.1'] };
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];

describeRealPeer(goMysqlPeer);
describeRealPeer(doltPeer);
describeRealPeer(doltAsSinglestore);

describePeer('MySQL against Go’s servers', GO_MYSQL, () => {
  let authority: Authority;
  let certificate: IssuedCertificate;
  beforeAll(async () => {
    authority = await createAuthority();
    certificate = await authority.issue({ names: [NAME], kind: 'RSA' });
  });

  const tryAt = (
    { port }: GoMysql,
    more: Record<string, unknown> = {},
    how: TestConnectionOptions = {},
    connector: typeof mysql | typeof singlestore = mysql,
  ): Promise<TestedConnection> => {
    const account = { username: 'app', password: PASSWORD, database: 'shop' };
    const tls = { caCertificate: authority.certificate };
    return testConnection(connector, { host: NAME, port, ...account, tls, ...more }, { ...FOUND, ...how });
  };

  describe.each(['mysql_native_password', 'caching_sha2_password', 'sha256_password'] as const)('%s', (method) => {
    let server: GoMysql;
    beforeAll(async () => {
      server = await startMysqlSignIn({ certificate, method, user: 'app', password: PASSWORD });
    });
    afterAll(() => server?.stop());
    const how = { methods: ['session/authenticate', 'query/execute'] };

    test.each([
      // of caching_sha2_password the first one needs the whole password, the second the hash that is kept
      ['in the clear, by the server’s key', CLEAR],
      ['in the clear once more', CLEAR],
      ['over TLS', {}],
    ])('signs in %s', async (_title, more) => {
      const result = await tryAt(server, more, how);
      expect(result.failure).toBeNull();
      expect(result.steps).toContain('query/execute: PASSED');
    });

    test('signs in over TLS whose connection is the first', async () => {
      const fresh = await startMysqlSignIn({ certificate, method, user: 'app', password: PASSWORD });
      try {
        expect((await tryAt(fresh, {}, how)).failure).toBeNull();
      } finally {
        await fresh.stop();
      }
    });

    test.each<readonly [string, Record<string, unknown>, string, string]>([
      ['a wrong password', { password: 'wrong' }, 'PASSWORD_REFUSED', 'password'],
      ['a wrong password in the clear', { password: 'wrong', ...CLEAR }, 'PASSWORD_REFUSED', 'password'],
      ['no password', { password: undefined }, 'CREDENTIALS_REQUIRED', 'password'],
      ['an unknown user', { username: 'nobody' }, 'PASSWORD_REFUSED', 'username'],
      ['an unknown user in the clear', { username: 'nobody', ...CLEAR }, 'PASSWORD_REFUSED', 'username'],
    ])('refuses %s', async (_title, more, code, configPath) => {
      const result = await tryAt(server, more, how);
      expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
      expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
    });
  });

  describe('the engine of Dolt', () => {
    let server: GoMysql;
    beforeAll(async () => {
      server = await startMysqlEngine({ certificate, setup: SETUP });
    });
    afterAll(() => server?.stop());

    test.each([
      ['over TLS', {}, ['tls/handshake: PASSED']],
      ['in the clear', { username: 'native', ...CLEAR }, []],
    ])('every check of one who reads passes %s', async (_title, more, handshake) => {
      const result = await tryAt(server, more);
      expect(result.failure).toBeNull();
      expect(result.steps).toEqual([
        'endpoint/resolve: PASSED',
        'endpoint/connect: PASSED',
        ...handshake,
        'session/authenticate: PASSED',
        'database/select: PASSED',
        'query/execute: PASSED',
        'tables/list: PASSED',
      ]);
      expect(result.evidence['tables/list']).toMatchObject({ tables: '1', views: '1' });
    });

    test('every check passes, the writing one too', async () => {
      const result = await tryAt(server, { username: 'builder' }, { methods: EVERY_CHECK });
      expect(result.failure).toBeNull();
      expect(result.evidence['schema/create']).toMatchObject({ created: 'true', removed: 'true' });
    });

    test('an account without a password', async () => {
      expect((await tryAt(server, { username: 'open', password: undefined })).failure).toBeNull();
    });

    test.each<readonly [string, Record<string, unknown>, string, string, string]>([
      ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      [
        'a wrong one for another plugin',
        { username: 'native', password: 'wrong' },
        'session/authenticate',
        'PASSWORD_REFUSED',
        'password',
      ],
      ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
      ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'username'],
      // it gives no key by which the password could be encrypted
      ['an account that needs TLS', CLEAR, 'session/authenticate', 'PASSWORD_REFUSED', 'username'],
      [
        'an unknown database',
        { username: 'builder', database: 'nope' },
        'database/select',
        'DATABASE_NOT_FOUND',
        'database',
      ],
      ['one that may not be known', { database: 'nope' }, 'database/select', 'PERMISSION_DENIED', 'database'],
      ['no right to the database', { database: 'closed' }, 'database/select', 'PERMISSION_DENIED', 'database'],
      ['no right to create', {}, 'schema/create', 'PERMISSION_DENIED', 'username'],
    ])('%s is told', async (_title, more, at, code, configPath) => {
      const result = await tryAt(server, more, { methods: EVERY_CHECK });
      expect(gist(result)).toEqual({ at, code, configPath });
      expect(result.failure?.hint).toBeTruthy();
      expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
    });

    test('the catalog', async () => {
      const result = await tryAt(server, {}, { catalog: true });
      expect(result.failure).toBeNull();
      const columns = [
        { name: 'id', dataType: 'bigint unsigned', nullable: false },
        { name: 'name', dataType: 'varchar(255)', nullable: true },
        { name: 'kind', dataType: "enum('a','b')", nullable: false },
      ];
      expect(result.batches.flat()).toEqual([
        { namespace: 'shop', name: 'clients', kind: 'TABLE', readable: true, columns },
        // it lists no columns of views
        { namespace: 'shop', name: 'recent', kind: 'VIEW', readable: null, columns: [] },
      ]);
    });

    test.each<[string, Partial<Tenancy>, string?, (keyof Tenancy)?]>([
      ['a mapping that is there', {}],
      ['a table that is not there', { tableName: "no'`pe" }, 'TENANCY_TABLE_NOT_FOUND', 'tableName'],
      ['a key of another type', { clientColumnType: 'STRING' }, 'TENANCY_COLUMN_TYPE', 'clientColumnType'],
      ['no right to the table', { schemaName: 'closed', tableName: 'secret' }, 'PERMISSION_DENIED', 'tableName'],
    ])('tenancy: %s', async (_title, more, code, field) => {
      const tenancy: Tenancy = {
        level: 'TABLE',
        clientColumnType: 'NUMBER',
        schemaName: 'shop',
        tableName: 'clients',
        tableClientNameColumn: 'name',
        tablePrimaryKeyColumn: 'id',
        ...more,
      };
      const result = await tryAt(server, {}, { tenancy });
      expect(result.failure?.code).toBe(code);
      expect(result.failure?.configPath).toBe(field && `tenancy.${field}`);
    });

    test('SingleStore’s type works with it, but warns', async () => {
      const result = await tryAt(server, {}, {}, singlestore);
      expect(result.failure).toBeNull();
      expect(result.steps).toContain('session/authenticate: WARNING');
      expect(result.evidence['session/authenticate']).toMatchObject({ server: 'not SingleStore' });
    });

    test('a server that takes TLS alone, and a client certificate with it', async () => {
      const clients = await createAuthority('Clients');
      const strict = await startMysqlEngine({
        certificate,
        setup: SETUP,
        clientCa: clients.certificate,
        secure: true,
      });
      const by = async (signer?: Authority) => {
        const pair = await signer?.issue({ client: true });
        const client = pair ? { clientCertificate: pair.certificate, clientKey: pair.key } : {};
        return tryAt(strict, { tls: { caCertificate: authority.certificate, ...client } });
      };
      try {
        expect((await by(clients)).failure).toBeNull();
        const path = 'tls.clientCertificate';
        expect(gist(await by())).toMatchObject({ code: 'TLS_CLIENT_CERTIFICATE_REQUIRED', configPath: path });
        expect(gist(await by(authority))).toMatchObject({ code: 'TLS_CLIENT_CERTIFICATE_REFUSED', configPath: path });
        const clear = await tryAt(strict, CLEAR);
        expect(gist(clear)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
      } finally {
        await strict.stop();
      }
    });
  });
});
