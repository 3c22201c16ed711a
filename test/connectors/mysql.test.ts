import mysql2 from 'mysql2';
import { afterEach, beforeAll, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { mysqlProduct } from '../../src/connectors/mysql/checks.ts';
import { mysql } from '../../src/connectors/mysql/index.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { type Authority, createAuthority, createSelfSigned, type IssuedCertificate } from '../support/certificates.ts';
import { type FakeMysql, type FakeMysqlOptions, startFakeMysql } from '../support/peers/fake-mysql.ts';
import { errorBody } from '../support/peers/mysql-packets.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const ACCOUNT = { username: 'äpp', password: 'correct horse $ä✓ battery' };
const TABLES = [
  {
    name: 'clients',
    columns: [
      ['id', 'bigint(20) unsigned', false],
      ['name', 'varchar(255)', true],
    ],
  },
  { name: 'Clients', columns: [['since', 'date', true]] },
  { name: "we'ird\\`näme", type: 'VIEW', columns: [['a b', "enum('x','y')", false]] },
  { name: 'numbers', type: 'SEQUENCE', columns: [] },
] as const;
const DATABASES = { shop: TABLES, 'odd`? name': [] };
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];
const NAME = 'db.example';
const FOUND = { lookup: async () => ['127.0.0.1'] };
const peers: FakeMysql[] = [];
let authority: Authority;
let certificate: IssuedCertificate;
let printed: readonly MockInstance[];

beforeAll(async () => {
  authority = await createAuthority();
  certificate = await authority.issue({ names: [NAME] });
});

beforeEach(() => {
  printed = (['error', 'warn', 'trace', 'log'] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation(() => undefined),
  );
});

afterEach(async () => {
  // the driver likes to tell the console what a server sent
  const lines = printed.map((each) => each.mock.calls);
  vi.restoreAllMocks();
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
  expect(lines.flat()).toEqual([]);
});

async function start(options: Partial<FakeMysqlOptions> = {}): Promise<FakeMysql> {
  const peer = await startFakeMysql({ ...ACCOUNT, databases: DATABASES, ...options });
  peers.push(peer);
  return peer;
}

function configFor(peer: { readonly port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
  const { port } = peer;
  return { host: '127.0.0.1', port, ...ACCOUNT, database: 'shop', tls: { mode: 'DISABLE' }, ...more };
}

function securely(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { host: NAME, tls: { caCertificate: authority.certificate }, ...more };
}

async function tryWith(
  options: Partial<FakeMysqlOptions>,
  more: Record<string, unknown> = {},
  how: TestConnectionOptions = {},
): Promise<TestedConnection> {
  return testConnection(mysql, configFor(await start(options), more), { ...FOUND, ...how });
}

describe('a database that works', () => {
  test.each([
    ['in the clear', false],
    ['over TLS', true],
  ])('passes every check %s, over one connection, and says what it found', async (_title, tls) => {
    const peer = await start({ certificate });
    const config = configFor(peer, tls ? securely() : {});
    const result = await testConnection(mysql, config, { ...FOUND, methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      ...(tls ? ['tls/handshake: PASSED'] : []),
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
      'schema/create: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'MySQL 8.4.3', user: 'äpp' },
      'database/select': { database: 'shop' },
      'query/execute': { rows: '1' },
      'tables/list': { database: 'shop', tables: '3', views: '1' },
      'schema/create': { created: 'true', removed: 'true' },
    });
    expect(peer.connections()).toBe(1);
    expect(peer.statements.filter((sql) => sql.startsWith('use '))).toEqual(['use `shop`']);
  });

  test('is asked for no file of ours', async () => {
    const peer = await start({ certificate });
    for (const more of [{}, securely()]) await testConnection(mysql, configFor(peer, more), FOUND);
    const LOCAL_FILES = 0x80;
    const flags = [...peer.inTheClear, ...peer.overTls].filter(([, , , number]) => number === 1 || number === 2);
    expect(flags.length).toBeGreaterThanOrEqual(3);
    for (const said of flags) expect(said.readUInt32LE(4) & LOCAL_FILES).toBe(0);
  });

  test('may have any name', async () => {
    const peer = await start();
    const result = await testConnection(mysql, configFor(peer, { database: 'odd`? name' }));
    expect(result.failure).toBeNull();
    expect(peer.statements).toContain('use `odd``? name`');
  });

  test.each([
    ['10.11.19-MariaDB-0+deb12u1', 'MariaDB 10.11.19'],
    ['8.0.11-TiDB-v7.5.1', 'TiDB 7.5.1'],
    ['8.0.30-Vitess', 'Vitess 8.0.30'],
    ['8.0.36-28', 'MySQL 8.0.36'],
    ['<script>', 'MySQL'],
    [null, 'MySQL'],
  ])('calls itself %s', (version, product) => {
    expect(mysqlProduct(version)).toBe(product);
  });
});

describe('the ways to sign in', () => {
  const NATIVE = 'mysql_native_password';
  const CACHING = 'caching_sha2_password';
  const SHA256 = 'sha256_password';

  test.each<[string, Partial<FakeMysqlOptions>, string]>([
    [NATIVE, { plugin: NATIVE }, NATIVE],
    [`${NATIVE}, asked for later`, { plugin: NATIVE, defaultPlugin: CACHING }, NATIVE],
    [`${CACHING}, known to the server`, { cached: true }, `${CACHING} (fast)`],
    [CACHING, {}, `${CACHING} (full)`],
    [`${CACHING}, asked for later`, { defaultPlugin: NATIVE }, `${CACHING} (full)`],
    [`${CACHING}, asked for later, known`, { defaultPlugin: 'nothing_known', cached: true }, `${CACHING} (fast)`],
    [SHA256, { plugin: SHA256 }, SHA256],
    [`${SHA256}, asked for later`, { plugin: SHA256, defaultPlugin: CACHING }, SHA256],
  ])('%s', async (_title, options, way) => {
    const peer = await start({ certificate, ...options });
    const over = { ...FOUND, methods: ['query/execute'] };
    for (const more of [{}, securely()]) {
      expect((await testConnection(mysql, configFor(peer, more), over)).failure).toBeNull();
      const wrong = await testConnection(mysql, configFor(peer, { ...more, password: 'wrong' }), over);
      expect(gist(wrong)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
      expect(wrong.failure?.hint).toContain('mode' in (configFor(peer, more).tls as object) ? 'TLS' : 'certificate');
    }
    expect(peer.signIns).toEqual([way, `${way} over TLS`]);
    expect(Buffer.concat(peer.inTheClear).includes(ACCOUNT.password)).toBe(false);
    // what looks for it does find it
    const sent = Buffer.concat(peer.overTls).includes(`${ACCOUNT.password}\0`);
    expect(sent).toBe(way.includes('full') || way === SHA256);
  });

  test.each([NATIVE, CACHING, SHA256])('%s without a password', async (plugin) => {
    const peer = await start({ certificate, plugin, password: '', cached: true });
    const config = configFor(peer, securely({ password: undefined }));
    expect((await testConnection(mysql, config, FOUND)).failure).toBeNull();
  });

  test.each<[string, Partial<FakeMysqlOptions>]>([
    ['the password in clear text', { plugin: 'mysql_clear_password', defaultPlugin: CACHING }],
    ['the password in clear text, from the first', { plugin: 'mysql_clear_password' }],
    ['a way that is not ours', { plugin: 'client_ed25519' }],
    ['the name of something that every object has', { plugin: 'toString' }],
    [
      'a second factor',
      { insteadOfSignIn: async (channel) => channel.send(Buffer.from('\x02mysql_native_password\0')) },
    ],
    ['the way of old', { insteadOfSignIn: async (channel) => channel.send(Buffer.from([0xfe])) }],
  ])('a server that asks for %s gets nothing', async (_title, options) => {
    const peer = await start({ certificate, ...options });
    for (const more of [{}, securely()]) {
      const result = await testConnection(mysql, configFor(peer, more), { ...FOUND, deadline: 5_000 });
      expect(gist(result)).toEqual({
        at: 'session/authenticate',
        code: 'SIGN_IN_METHOD_REFUSED',
        configPath: 'username',
      });
      expect(result.failure?.hint).toMatch(/sign/);
    }
    expect(Buffer.concat([...peer.inTheClear, ...peer.overTls]).includes(ACCOUNT.password)).toBe(false);
  });

  test('a public key that is none', async () => {
    const insteadOfSignIn: FakeMysqlOptions['insteadOfSignIn'] = async (channel) => {
      channel.send(Buffer.from([1, 4]));
      await channel.next();
      channel.send(Buffer.from('\x01-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n'));
      await channel.next();
    };
    const result = await tryWith({ insteadOfSignIn }, {}, { deadline: 5_000 });
    expect(result).toMatchObject({ failedAt: 'session/authenticate', failure: { code: 'PROTOCOL_MISMATCH' } });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['a server without TLS', { tls: {} }, 'tls/handshake', 'TLS_NOT_OFFERED', 'tls.mode'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryWith({}, more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain(ACCOUNT.password);
  });

  test('an unknown database also where only a later check is asked for, or the catalog', async () => {
    for (const how of [{ methods: ['tables/list'] }, { catalog: true }]) {
      const result = await tryWith({}, { database: 'nope' }, how);
      expect(result.failure).toMatchObject({ code: 'DATABASE_NOT_FOUND', configPath: 'database' });
    }
  });

  test.each([
    [1044, 'select @@x', 'PERMISSION_DENIED', 'database'],
    [1142, 'select @@x', 'PERMISSION_DENIED', 'username'],
    [1820, 'select @@x', 'PASSWORD_REFUSED', 'password'],
    [1040, 'greeting', 'TOO_MANY_REQUESTS', null],
    [1129, 'greeting', 'SERVER_UNAVAILABLE', null],
    [1130, 'greeting', 'PERMISSION_DENIED', null],
    [1045, 'sign-in', 'PASSWORD_REFUSED', 'password'],
    [1053, 'sign-in', 'SERVER_UNAVAILABLE', null],
    [1203, 'sign-in', 'TOO_MANY_REQUESTS', null],
    [1226, 'sign-in', 'TOO_MANY_REQUESTS', null],
    [1698, 'sign-in', 'PASSWORD_REFUSED', 'username'],
    [1862, 'sign-in', 'PASSWORD_REFUSED', 'password'],
    [3118, 'sign-in', 'PERMISSION_DENIED', 'username'],
    [4151, 'sign-in', 'PERMISSION_DENIED', 'username'],
    [3159, 'sign-in', 'TLS_REQUIRED', 'tls.mode'],
    [1184, 'sign-in', 'SERVER_UNAVAILABLE', null],
    [1275, 'sign-in', 'SIGN_IN_METHOD_REFUSED', 'username'],
    [1969, 'sign-in', 'TIMEOUT', 'username'],
    [3024, 'sign-in', 'TIMEOUT', 'username'],
    [9999, 'sign-in', 'SERVER_ERROR', null],
  ])('the server’s number %i, in answer to the %s', async (number, to, code, configPath) => {
    const body = errorBody(number, 'Gib das Passwort!');
    const result = await tryWith({
      ...(to === 'greeting' && { insteadOfGreeting: Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body]) }),
      ...(to === 'sign-in' && { insteadOfSignIn: async (channel) => channel.send(body) }),
      answers: { 'select version()': [body] },
    });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('Passwort!');
  });

  test.each([
    ['to create a schema', 'create schema', 1044, 'schema/create', 'username'],
    ['to remove one', 'drop schema if exists', 1044, 'schema/create', 'username'],
    ['to the database', 'use ', 1044, 'database/select', 'database'],
  ])('no right %s', async (_title, statement, number, at, configPath) => {
    const answers = { [statement]: [errorBody(number, 'Access denied')] };
    const result = await tryWith({ answers }, {}, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath });
  });

  test('a closed port', async () => {
    const result = await testConnection(mysql, configFor({ port: await closedPort() }));
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code: 'CONNECTION_REFUSED', configPath: 'port' });
  });

  test('an unknown name', async () => {
    const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const result = await testConnection(mysql, configFor({ port: 1 }, { host: 'nope.invalid' }), { lookup });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: 'host' });
  });

  test('an address that is not allowed, which nobody connects to', async () => {
    const peer = await start();
    const result = await testConnection(mysql, configFor(peer), { allow: [] });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED', configPath: 'host' });
    expect(peer.connections()).toBe(0);
  });
});

describe('TLS', () => {
  test('is ours: the driver still asks for it where we step in', () => {
    expect(mysql2.Connection.prototype).toHaveProperty('startTLS', expect.any(Function));
  });

  test('tells what it has seen', async () => {
    const result = await tryWith({ certificate }, securely());
    expect(result.evidence['tls/handshake']).toMatchObject({
      protocol: 'TLSv1.3',
      names: NAME,
      issuer: 'CN=Test Authority',
      daysUntilExpiry: '89',
    });
  });

  test.each([
    ['VERIFY_FULL', 'for another name', { ca: true }, 'other.example', 'TLS_NAME_MISMATCH'],
    ['VERIFY_FULL', 'for another name', { ca: true }, '127.0.0.1', 'TLS_NAME_MISMATCH'],
    ['VERIFY_FULL', 'for a name that serverName tells', { ca: true, serverName: NAME }, '127.0.0.1', undefined],
    ['VERIFY_CA', 'for another name', { ca: true }, 'other.example', undefined],
    ['VERIFY_CA', 'of a CA that nobody knows', {}, NAME, 'TLS_UNTRUSTED'],
    ['REQUIRE', 'of a CA that nobody knows', {}, 'other.example', undefined],
  ] as const)('%s and a certificate %s (%j)', async (mode, _title, { ca, ...more }: { ca?: true }, host, code) => {
    const peer = await start({ certificate });
    const tls = { mode, ...more, ...(ca && { caCertificate: authority.certificate }) };
    const result = await testConnection(mysql, configFor(peer, { host, tls }), FOUND);
    expect(result).toMatchObject(code ? { failedAt: 'tls/handshake', failure: { code } } : { status: 'PASSED' });
    if (code) expect(peer.overTls).toEqual([]);
  });

  test.each([
    ['expired', () => authority.issue({ names: [NAME], notAfter: new Date(Date.now() - 60_000) }), 'TLS_EXPIRED'],
    ['self-signed', () => createSelfSigned({ names: [NAME] }), 'TLS_SELF_SIGNED'],
    ['about to expire', () => authority.issue({ names: [NAME], notAfter: inDays(3) }), undefined],
  ])('a certificate that is %s', async (_title, issue, code) => {
    const result = await tryWith({ certificate: await issue() }, securely());
    if (code) expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
    else expect(result.steps).toContain('tls/handshake: WARNING');
    expect(result.evidence['tls/handshake']).toHaveProperty('issuer');
  });
});

function inDays(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

describe('the catalog', () => {
  test('has every table and view with its columns, names that differ in case too', async () => {
    const result = await tryWith({}, {}, { catalog: true });
    expect(result.evidence['catalog/read']).toEqual({ entries: '4', columns: '4' });
    expect(result.batches).toEqual([
      [
        {
          namespace: 'shop',
          name: 'Clients',
          kind: 'TABLE',
          columns: [{ name: 'since', dataType: 'date', nullable: true }],
        },
        {
          namespace: 'shop',
          name: 'clients',
          kind: 'TABLE',
          columns: [
            { name: 'id', dataType: 'bigint(20) unsigned', nullable: false },
            { name: 'name', dataType: 'varchar(255)', nullable: true },
          ],
        },
        { namespace: 'shop', name: 'numbers', kind: 'OBJECT', columns: [] },
        {
          namespace: 'shop',
          name: "we'ird\\`näme",
          kind: 'VIEW',
          columns: [{ name: 'a b', dataType: "enum('x','y')", nullable: false }],
        },
      ],
    ]);
  });

  test.each([
    [0, []],
    [200, [200]],
    [450, [200, 200, 50]],
  ])('of %i tables comes in parts', async (count, sizes) => {
    const tables = Array.from({ length: count }, (_, index) => ({
      name: `t ${String(index).padStart(3, '0')}`,
      columns: [['id', 'int', false]] as const,
    }));
    const result = await tryWith({ databases: { shop: tables } }, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.map((batch) => batch.length)).toEqual(sizes);
    expect(result.batches.flat().map(({ name, columns }) => [name, columns.length])).toEqual(
      tables.map(({ name }) => [name, 1]),
    );
  });
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
  const DENIED = { 'show columns': [errorBody(1142, 'SELECT command denied')] };

  test.each<[string, Partial<Tenancy>, string | undefined, FakeMysqlOptions['answers']?]>([
    ['a mapping that is there', {}, undefined],
    ['a table that is not there', { tableName: 'no`pe' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a database that is not there', { schemaName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a column that is not there', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { clientColumnType: 'STRING' }, 'TENANCY_COLUMN_TYPE'],
    ['a key that is text', { clientColumnType: 'STRING', tablePrimaryKeyColumn: 'name' }, undefined],
    ['no right to the table', {}, 'PERMISSION_DENIED', DENIED],
  ])('%s', async (_title, more, code, answers) => {
    const result = await tryWith({ answers }, {}, { tenancy: { ...TENANCY, ...more } });
    expect(result.failure?.code).toBe(code);
    expect(result.failure?.configPath ?? null).toBeNull();
    expect(result.failedAt).toBe(code === undefined ? undefined : 'tenancy/mapping');
  });
});

const base = { host: 'db.example', username: 'app', database: 'shop' };

const badConfigs: readonly BadConfig[] = [
  { name: 'no host', config: { ...base, host: null }, path: 'host', code: 'REQUIRED' },
  { name: 'a URL as host', config: { ...base, host: 'mysql://db.example/shop' }, path: 'host', code: 'URL_IN_HOST' },
  {
    name: 'a socket as host',
    config: { ...base, host: '/run/mysqld/mysqld.sock' },
    path: 'host',
    code: 'INVALID_FORMAT',
  },
  { name: 'a number as host', config: { ...base, host: '2130706433' }, path: 'host', code: 'INVALID_FORMAT' },
  { name: 'a host with a port', config: { ...base, host: 'db.example:3306' }, path: 'host', code: 'INVALID_FORMAT' },
  { name: 'the port 0', config: { ...base, port: 0 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'the port 65536', config: { ...base, port: 65_536 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'no user name', config: { ...base, username: null }, path: 'username', code: 'REQUIRED' },
  { name: 'an empty user name', config: { ...base, username: '' }, path: 'username', code: 'TOO_SHORT' },
  { name: 'a long user name', config: { ...base, username: 'a'.repeat(81) }, path: 'username', code: 'TOO_LONG' },
  { name: 'a zero byte in it', config: { ...base, username: 'a\0' }, path: 'username', code: 'INVALID_FORMAT' },
  {
    name: 'a zero byte in the password',
    config: { ...base, password: 'a\0' },
    path: 'password',
    code: 'INVALID_FORMAT',
  },
  { name: 'a long password', config: { ...base, password: 'a'.repeat(1025) }, path: 'password', code: 'TOO_LONG' },
  { name: 'no database', config: { ...base, database: null }, path: 'database', code: 'REQUIRED' },
  { name: 'a long database', config: { ...base, database: 'a'.repeat(65) }, path: 'database', code: 'TOO_LONG' },
  {
    name: 'a path as CA',
    config: { ...base, tls: { caCertificate: '/etc/ssl/ca.pem' } },
    path: 'tls.caCertificate',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a tunnel without a way to sign in',
    config: { ...base, sshTunnel: { host: 'bastion.example', username: 'jump' } },
    path: 'sshTunnel.password',
    code: 'INVALID_COMBINATION',
  },
];

describeBadConfigs(mysql, badConfigs);
