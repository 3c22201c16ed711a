import mysql2 from 'mysql2';
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { mysqlProduct } from '../../src/connectors/mysql/checks.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import type { FakeMysqlOptions } from '../support/peers/fake-mysql.ts';
import { errorBody } from '../support/peers/mysql-packets.ts';
import { describeReach } from '../support/reach-table.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { ACCOUNT } from '../support/stands/mysql-family.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const secure = useStand(mysqlStand);
const clear = useStand(inClearText(mysqlStand));
const { start, tryAt, tryWith } = clear;
const CLEAR = { tls: { mode: 'DISABLE' } };
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];
let printed: readonly MockInstance[];

beforeEach(() => {
  printed = (['error', 'warn', 'trace', 'log'] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation(() => undefined),
  );
});

afterEach(() => {
  // the driver likes to tell the console what a server sent
  const lines = printed.map((each) => each.mock.calls);
  vi.restoreAllMocks();
  expect(lines.flat()).toEqual([]);
});

describe('a database that works', () => {
  test.each([
    ['in the clear', false],
    ['over TLS', true],
  ])('passes every check %s, over one connection, and says what it found', async (_title, tls) => {
    const peer = await secure.start();
    const result = await secure.tryAt(peer, tls ? {} : CLEAR, { methods: EVERY_CHECK });
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
    const peer = await secure.start();
    for (const changes of [CLEAR, {}]) await secure.tryAt(peer, changes);
    const LOCAL_FILES = 0x80;
    const flags = [...peer.inTheClear, ...peer.overTls].filter(([, , , number]) => number === 1 || number === 2);
    expect(flags.length).toBeGreaterThanOrEqual(3);
    for (const said of flags) expect(said.readUInt32LE(4) & LOCAL_FILES).toBe(0);
  });

  test('may have any name', async () => {
    const peer = await start();
    const result = await tryAt(peer, { database: 'odd`? name' });
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
    const peer = await secure.start(options);
    const how = { methods: ['query/execute'] };
    for (const changes of [CLEAR, {}]) {
      expect((await secure.tryAt(peer, changes, how)).failure).toBeNull();
      const wrong = await secure.tryAt(peer, { ...changes, password: 'wrong' }, how);
      expect(gist(wrong)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
      expect(wrong.failure?.hint).toContain(changes === CLEAR ? 'TLS' : 'certificate');
    }
    expect(peer.signIns).toEqual([way, `${way} over TLS`]);
    expect(Buffer.concat(peer.inTheClear).includes(ACCOUNT.password)).toBe(false);
    // what looks for it does find it
    const sent = Buffer.concat(peer.overTls).includes(`${ACCOUNT.password}\0`);
    expect(sent).toBe(way.includes('full') || way === SHA256);
  });

  test.each([NATIVE, CACHING, SHA256])('%s without a password', async (plugin) => {
    const result = await secure.tryWith({ plugin, password: '', cached: true }, { password: undefined });
    expect(result.failure).toBeNull();
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
    const peer = await secure.start(options);
    for (const changes of [CLEAR, {}]) {
      const result = await secure.tryAt(peer, changes, { deadline: 5_000 });
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
    [1449, 'sign-in', 'PASSWORD_REFUSED', 'username'],
    [1449, 'select @@x', 'SERVER_ERROR', null],
    [2012, 'sign-in', 'PASSWORD_REFUSED', 'username'],
    [1105, 'sign-in', 'SERVER_ERROR', null],
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

  test.each([
    ['use ', "Access denied for user 'a'@'%' to database 'shop'", 'database/select', 'PERMISSION_DENIED', 'database'],
    ['create schema', "command denied to user 'a'@'%'", 'schema/create', 'PERMISSION_DENIED', 'username'],
    ['select 1', 'something else', 'query/execute', 'SERVER_ERROR', null],
  ])('what Dolt says to %s', async (statement, words, at, code, configPath) => {
    const result = await tryWith({ answers: { [statement]: [errorBody(1105, words)] } }, {}, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.evidence[at]).toMatchObject({ serverError: '1105' });
  });

  describeReach(clear);
});

describe('TLS', () => {
  test('is ours: the driver still asks for it where we step in', () => {
    expect(mysql2.Connection.prototype).toHaveProperty('startTLS', expect.any(Function));
  });

  test('wants the address in the certificate where the host is one', async () => {
    const result = await secure.tryIt({ host: '127.0.0.1' });
    expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: 'TLS_NAME_MISMATCH' } });
  });
});

describeTls(mysqlStand, { heard: ({ overTls }) => overTls });

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
          readable: true,
          columns: [{ name: 'since', dataType: 'date', nullable: true }],
        },
        {
          namespace: 'shop',
          name: 'clients',
          kind: 'TABLE',
          readable: true,
          columns: [
            { name: 'id', dataType: 'bigint(20) unsigned', nullable: false },
            { name: 'name', dataType: 'varchar(255)', nullable: true },
          ],
        },
        { namespace: 'shop', name: 'numbers', kind: 'OBJECT', readable: null, columns: [] },
        {
          namespace: 'shop',
          name: "we'ird\\`näme",
          kind: 'VIEW',
          readable: true,
          columns: [{ name: 'a b', dataType: "enum('x','y')", nullable: false }],
        },
      ],
    ]);
  });

  test('says which of them the user may read, as far as the server does', async () => {
    const columns = [['id', 'int', false]] as const;
    const shop = [
      { name: 'a', columns, privileges: 'select,insert' },
      { name: 'b', columns, privileges: 'insert,update' },
      { name: 'c', columns, privileges: '' },
      { name: 'd', columns: [] },
      { name: 'e', columns: [], type: 'VIEW' },
    ];
    const { batches } = await tryWith({ databases: { shop } }, {}, { catalog: true });
    expect(batches.flat().map(({ readable }) => readable)).toEqual([true, false, null, false, null]);
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

const DENIED = { 'show columns': [errorBody(1142, 'SELECT command denied')] };
describeTenancy(clear, [['whose table may not be read', {}, 'PERMISSION_DENIED', 'tableName', { answers: DENIED }]]);

describeBadConfigs(mysqlStand, [
  ['no host', { host: undefined }, 'host', 'REQUIRED'],
  ['a URL as host', { host: 'mysql://db.example/shop' }, 'host', 'URL_IN_HOST'],
  ['a socket as host', { host: '/run/mysqld/mysqld.sock' }, 'host', 'INVALID_FORMAT'],
  ['a number as host', { host: '2130706433' }, 'host', 'INVALID_FORMAT'],
  ['a host with a port', { host: 'db.example:3306' }, 'host', 'INVALID_FORMAT'],
  ['the port 0', { port: 0 }, 'port', 'OUT_OF_RANGE'],
  ['the port 65536', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
  ['no user name', { username: null }, 'username', 'REQUIRED'],
  ['an empty user name', { username: '' }, 'username', 'TOO_SHORT'],
  ['a long user name', { username: 'a'.repeat(129) }, 'username', 'TOO_LONG'],
  ['a zero byte in it', { username: 'a\0' }, 'username', 'INVALID_FORMAT'],
  ['a zero byte in the password', { password: 'a\0' }, 'password', 'INVALID_FORMAT'],
  ['a long password', { password: 'a'.repeat(4097) }, 'password', 'TOO_LONG'],
  ['no database', { database: null }, 'database', 'REQUIRED'],
  ['a long database', { database: 'a'.repeat(65) }, 'database', 'TOO_LONG'],
  ['a path as CA', { tls: { caCertificate: '/etc/ssl/ca.pem' } }, 'tls.caCertificate', 'INVALID_FORMAT'],
  [
    'a tunnel without a way to sign in',
    { sshTunnel: { host: 'bastion.example', username: 'jump' } },
    'sshTunnel.password',
    'REQUIRED',
  ],
]);
