import { beforeAll, describe, expect, test } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { mysql } from '../../src/connectors/mysql/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { type MariadbServer, startMariadb } from '../support/peers/mariadb.ts';
import { mariadbAsSinglestore, mariadbPeer, PASSWORD } from '../support/real-peers/mariadb.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const NAME = 'db.example';
const POLL = { timeout: 20_000 };
const FOUND = { lookup: async () => ['127.0.0.1'] };
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];

describePeer('MySQL against MariaDB', mariadbPeer.programs, () => {
  const used = useStand(mariadbPeer.stand);
  let otherAuthority: Authority;
  let server: MariadbServer;

  beforeAll(async () => {
    otherAuthority = await createAuthority('Other');
    ({ server } = await used.shared());
  }, 60_000);

  describeCauses(mariadbPeer, used);

  function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
    const tls = { caCertificate: authority.certificate };
    return { host: NAME, port: server.port, username: 'app', password: PASSWORD, database: 'shop', tls, ...more };
  }

  function tryWith(more: Record<string, unknown> = {}, how: TestConnectionOptions = {}): Promise<TestedConnection> {
    return testConnection(mysql, configFor(more), { ...FOUND, ...how });
  }

  test('the user whom the documentation makes passes by default', async () => {
    const recipe = mysql.recipe?.text ?? '';
    const [, password] = /IDENTIFIED BY '(.+)'/.exec(recipe) ?? [];
    await server.administer(recipe);
    const result = await tryWith({ username: 'gateway', password });
    expect(result.failure).toBeNull();
    expect(result.steps.slice(-2)).toEqual(['query/execute: PASSED', 'tables/list: PASSED']);
  });

  test('a user with the least rights passes by default', async () => {
    const result = await tryWith({ username: 'least' });
    expect(result.failure).toBeNull();
    expect(result.steps.slice(-3)).toEqual(['database/select: PASSED', 'query/execute: PASSED', 'tables/list: PASSED']);
    expect(result.evidence['tables/list']).toMatchObject({ tables: '1', views: '0' });
  });

  test.each([
    ['over TLS', {}, ['tls/handshake: PASSED']],
    ['in the clear', { tls: { mode: 'DISABLE' } }, []],
  ])('every check passes %s', async (_title, more, handshake) => {
    const result = await tryWith({ username: 'builder', ...more }, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      ...handshake,
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
      'schema/create: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: expect.stringMatching(/^MariaDB 1\d\.\d+\.\d+$/), user: 'builder' },
      'tables/list': { database: 'shop', tables: '4', views: '1' },
    });
    expect(await server.administer("show databases like 'dsg%'")).toBe('');
  });

  test('a database of any name', async () => {
    expect((await tryWith({ database: 'odd`? name' })).failure).toBeNull();
  });

  describe('what goes wrong is named', () => {
    const CLEAR = { tls: { mode: 'DISABLE' } };
    test.each([
      ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
      ['a user of another host', { username: 'elsewhere' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      ['a user of the system', { username: 'system' }, 'session/authenticate', 'PASSWORD_REFUSED', 'username'],
      ['a locked user', { username: 'locked' }, 'session/authenticate', 'PERMISSION_DENIED', 'username'],
      ['an expired password', { username: 'expired' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      ['a limit', { username: 'hurried' }, 'database/select', 'TOO_MANY_REQUESTS', null],
      ['another way to sign in', { username: 'modern' }, 'session/authenticate', 'SIGN_IN_METHOD_REFUSED', 'username'],
      ['TLS that is needed', { username: 'secure', ...CLEAR }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      [
        'an unknown database',
        { username: 'careless', database: 'nope' },
        'database/select',
        'DATABASE_NOT_FOUND',
        'database',
      ],
      ['one that may not be known', { database: 'nope' }, 'database/select', 'PERMISSION_DENIED', 'database'],
      ['no right to the database', { database: 'closed' }, 'database/select', 'PERMISSION_DENIED', 'database'],
      ['no right to create', {}, 'schema/create', 'PERMISSION_DENIED', 'username'],
      ['no right to remove', { username: 'careless' }, 'schema/create', 'PERMISSION_DENIED', 'username'],
    ])('%s', async (_title, more, at, code, configPath) => {
      const result = await tryWith(more, { methods: EVERY_CHECK });
      expect(gist(result)).toEqual({ at, code, configPath });
      expect(result.failure?.hint).toBeTruthy();
      expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
      expect(await server.administer("show databases like 'dsg%'")).toBe('');
    });

    test('no right to a server from here', async () => {
      const strict = await startMariadb();
      try {
        const config = configFor({ port: strict.port, tls: { mode: 'DISABLE' } });
        await strict.administer(`delete from global_priv where host <> 'localhost'; flush privileges`);
        const result = await testConnection(mysql, config, FOUND);
        expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PERMISSION_DENIED', configPath: null });
        const secure = await testConnection(mysql, { ...config, tls: {} }, FOUND);
        expect(gist(secure)).toEqual({ at: 'tls/handshake', code: 'PERMISSION_DENIED', configPath: null });
        await strict.administer('create user someone');
        const without = await testConnection(mysql, { ...config, tls: {} }, FOUND);
        expect(gist(without)).toEqual({ at: 'tls/handshake', code: 'TLS_NOT_OFFERED', configPath: 'tls.mode' });
      } finally {
        await strict.stop();
      }
    }, 60_000);

    test('a server that takes only TLS', async () => {
      await server.administer('set global require_secure_transport = on');
      try {
        const result = await tryWith({ tls: { mode: 'DISABLE' } });
        // MariaDB does not say so, as MySQL does
        expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
        expect(result.failure?.hint).toContain('the server may also ask for TLS');
        expect((await tryWith()).failure).toBeNull();
      } finally {
        await server.administer('set global require_secure_transport = off');
      }
    });
  });

  describe('TLS', () => {
    test('tells what it has seen', async () => {
      const result = await tryWith({ username: 'secure' });
      expect(result.failure).toBeNull();
      expect(result.evidence['tls/handshake']).toMatchObject({
        protocol: 'TLSv1.3',
        names: NAME,
        daysUntilExpiry: '89',
      });
    });

    test.each([
      ['VERIFY_FULL', 'for another name', { ca: true }, 'TLS_NAME_MISMATCH'],
      ['VERIFY_FULL', 'for a name that serverName tells', { ca: true, serverName: NAME }, undefined],
      ['VERIFY_CA', 'for another name', { ca: true }, undefined],
      ['VERIFY_CA', 'of a CA that nobody knows', {}, 'TLS_UNTRUSTED'],
      ['REQUIRE', 'of a CA that nobody knows', {}, undefined],
    ] as const)('%s and a certificate %s', async (mode, _title, { ca, ...more }: { ca?: true }, code) => {
      const tls = { mode, ...more, ...(ca && { caCertificate: authority.certificate }) };
      const result = await tryWith({ host: 'other.example', tls });
      expect(result).toMatchObject(code ? { failedAt: 'tls/handshake', failure: { code } } : { status: 'PASSED' });
    });

    test.each([
      ['that is needed', 'mutual', () => authority, undefined],
      ['instead of a password', 'by_certificate', () => authority, undefined],
      ['that is missing', 'mutual', undefined, 'PASSWORD_REFUSED'],
      ['that is missing, instead of a password', 'by_certificate', undefined, 'CREDENTIALS_REQUIRED'],
      ['for another user', 'by_certificate', () => authority, 'PASSWORD_REFUSED'],
      ['of another CA', 'mutual', () => otherAuthority, 'TLS_CLIENT_CERTIFICATE_REFUSED'],
    ] as const)('a client certificate %s', async (title, username, signer, code) => {
      const commonName = title === 'for another user' ? 'someone-else' : username;
      const client = await signer?.().issue({ client: true, commonName });
      const pair = client ? { clientCertificate: client.certificate, clientKey: client.key } : {};
      const password = username === 'by_certificate' ? undefined : PASSWORD;
      const result = await tryWith({ username, password, tls: { caCertificate: authority.certificate, ...pair } });
      expect(result.failure?.code).toBe(code);
      if (code) expect(result.failedAt).toBe('session/authenticate');
    });
  });

  test('the catalog, of this database alone', async () => {
    const result = await tryWith({}, { catalog: true });
    expect(result.failure).toBeNull();
    const column = (name: string, dataType: string, nullable: boolean) => ({ name, dataType, nullable });
    expect(result.batches.flat()).toEqual([
      { namespace: 'shop', name: 'Clients', kind: 'TABLE', readable: true, columns: [column('since', 'date', true)] },
      {
        namespace: 'shop',
        name: 'clients',
        kind: 'TABLE',
        readable: true,
        columns: [
          column('id', 'bigint(20) unsigned', false),
          column('name', 'varchar(255)', true),
          column('kind', "enum('a','b')", false),
        ],
      },
      { namespace: 'shop', name: 'numbers', kind: 'OBJECT', readable: true, columns: expect.any(Array) },
      {
        namespace: 'shop',
        name: 'recent',
        kind: 'VIEW',
        readable: true,
        columns: [column('id', 'bigint(20) unsigned', false), column('name', 'varchar(255)', true)],
      },
      {
        namespace: 'shop',
        name: "we'ird\\`näme",
        kind: 'TABLE',
        readable: true,
        columns: [column('a b', 'longtext', true)],
      },
    ]);
    const other = await testConnection(mysql, configFor({ database: 'closed' }), { ...FOUND, catalog: true });
    expect(gist(other)).toEqual({ at: 'catalog/read', code: 'PERMISSION_DENIED', configPath: 'database' });
  });

  describe('tenancy', () => {
    const TENANCY: Tenancy = {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'shop',
      tableName: 'clients',
      tableClientNameColumn: 'name',
      tablePrimaryKeyColumn: 'id',
    };

    test.each<[string, Partial<Tenancy>, string?, (keyof Tenancy)?]>([
      ['a mapping that is there', {}],
      ['a view', { tableName: 'recent' }],
      ['a table that is not there', { tableName: "no'`pe" }, 'TENANCY_TABLE_NOT_FOUND', 'tableName'],
      ['a name that none can have', { tableName: 'n'.repeat(65) }, 'TENANCY_TABLE_NOT_FOUND', 'tableName'],
      [
        'a column that is not there',
        { tablePrimaryKeyColumn: 'nope' },
        'TENANCY_COLUMN_NOT_FOUND',
        'tablePrimaryKeyColumn',
      ],
      ['a key of another type', { clientColumnType: 'STRING' }, 'TENANCY_COLUMN_TYPE', 'clientColumnType'],
      ['a key that is text', { clientColumnType: 'STRING', tablePrimaryKeyColumn: 'kind' }],
      ['a database that is not there, or not to be seen', { schemaName: 'nope' }, 'PERMISSION_DENIED', 'tableName'],
      ['no right to the table', { schemaName: 'closed', tableName: 'secret' }, 'PERMISSION_DENIED', 'tableName'],
    ])('%s', async (_title, more, code, field) => {
      const result = await tryWith({}, { tenancy: { ...TENANCY, ...more } });
      expect(result.failure?.code).toBe(code);
      expect(result.failure?.configPath).toBe(field && `tenancy.${field}`);
      expect(result.failedAt).toBe(code === undefined ? undefined : 'tenancy/mapping');
    });
  });

  test.each([
    { title: 'cancelled, over TLS', more: {}, how: 'cancel', code: 'CANCELLED' },
    { title: 'too slow, in the clear', more: { tls: { mode: 'DISABLE' } }, how: 'expire', code: 'TIMEOUT' },
  ])(
    'a statement that waits for a lock is killed when the test is $title',
    async ({ more, how, code }) => {
      const processes = (what: string) =>
        server.administer(`select id from information_schema.processlist where ${what}`);
      const holding = server.administer('flush tables with read lock; do sleep(600)');
      try {
        await expect.poll(() => processes("info = 'do sleep(600)'"), POLL).not.toBe('');
        const end = new AbortController();
        const options = { methods: ['schema/create'], deadline: 60_000, cleanUpMs: 20_000, [how]: end.signal };
        const outcome = tryWith({ username: 'builder', ...more }, options);
        const running = () => processes("user = 'builder' and command = 'Query'");
        await expect.poll(running, POLL).not.toBe('');
        end.abort();
        expect(await outcome).toMatchObject({ failure: { code }, log: [] });
        // it would wait for the lock a day
        await expect.poll(running, POLL).toBe('');
      } finally {
        const ended = expect(holding).rejects.toThrow();
        await server.administer(`kill ${await processes("info = 'do sleep(600)'")}`);
        await ended;
      }
    },
    60_000,
  );
});

describePeer('SingleStore against MariaDB', mariadbAsSinglestore.programs, () => {
  const used = useStand(mariadbAsSinglestore.stand);

  describeCauses(mariadbAsSinglestore, used);

  test('works, but warns', async () => {
    const result = await used.tryIt();
    expect(result.failure).toBeNull();
    expect(result.steps).toContain('session/authenticate: WARNING');
    expect(result.evidence['session/authenticate']).toMatchObject({ server: 'not SingleStore' });
  });
});
