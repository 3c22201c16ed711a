import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { clickhouseStand } from '../support/stands/clickhouse.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(clickhouseStand);
const { start, tryAt, tryIt, tryWith } = stand;

describe('a ClickHouse that works', () => {
  test('passes every check, over one connection, and says what it found', async () => {
    const peer = await start();
    const result = await tryAt(peer);
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
      'session/authenticate': { server: 'ClickHouse 24.8.4.13', user: 'reader' },
      'query/execute': { database: 'sales', rows: '1' },
      'tables/list': { database: 'sales', tables: '3' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('takes a user without a password', async () => {
    const peer = await start();
    expect(
      (
        await tryAt(
          peer,
          { username: undefined, password: undefined, database: undefined },
          { methods: ['query/execute'] },
        )
      ).failure,
    ).toBeNull();
    expect(peer.requests[0]?.headers).not.toHaveProperty('x-clickhouse-key');
  });

  test('reads the catalog of the database', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.evidence['catalog/read']).toEqual({ entries: '3', columns: '5' });
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'UInt64', nullable: false },
          { name: 'name', dataType: 'LowCardinality(Nullable(String))', nullable: true },
          { name: 'since', dataType: 'Date', nullable: false },
        ],
      },
      {
        namespace: 'sales',
        name: 'recent',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'UInt64', nullable: false }],
      },
      {
        namespace: 'sales',
        name: "we'ird\\name",
        kind: 'TABLE',
        columns: [{ name: 'a b', dataType: 'Nullable(Int8)', nullable: true }],
      },
    ]);
  });

  test('reads a large catalog in parts', async () => {
    const tables = Object.fromEntries(
      Array.from({ length: 250 }, (_, index) => [`t${String(index).padStart(3, '0')}`, { columns: { id: 'Int8' } }]),
    );
    const result = await tryWith({ databases: { sales: tables } }, {}, { catalog: true });
    expect(result.batches.map((batch) => batch.length)).toEqual([200, 50]);
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(Object.keys(tables));
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown database', { database: 'nope' }, 'query/execute', 'DATABASE_NOT_FOUND', 'database'],
    ['no right to the database', { username: 'stranger' }, 'tables/list', 'PERMISSION_DENIED', 'database'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test.each([
    ['a wrong password', { password: 'wrong' }, 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'PASSWORD_REFUSED', 'username'],
  ])('%s, at an old server, which says so in the body alone', async (_title, more, code, configPath) => {
    const result = await tryWith({ isOld: true }, more);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test.each([
    [497, 403, 'PERMISSION_DENIED', 'database'],
    [291, 500, 'PERMISSION_DENIED', 'database'],
    [164, 500, 'PERMISSION_DENIED', 'username'],
    [195, 500, 'PERMISSION_DENIED', 'username'],
    [201, 500, 'TOO_MANY_REQUESTS', null],
    [202, 503, 'TOO_MANY_REQUESTS', null],
    [241, 500, 'SERVER_UNAVAILABLE', null],
    [159, 408, 'TIMEOUT', null],
    [158, 500, 'PERMISSION_DENIED', 'username'],
    [307, 500, 'PERMISSION_DENIED', 'username'],
    [396, 500, 'PERMISSION_DENIED', 'username'],
    [999, 500, 'SERVER_ERROR', null],
  ])('the server’s code %i', async (code, status, failure, configPath) => {
    for (const isOld of [true, false]) {
      const result = await tryWith({ isOld, failing: { code, status } });
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: failure, configPath });
      expect(result.evidence['session/authenticate']).toEqual({ serverError: String(code) });
    }
  });

  test.each([
    ['an HTTP server that is no ClickHouse', 404, 'PROTOCOL_MISMATCH', 'port'],
    ['the port of the native protocol', 400, 'PROTOCOL_MISMATCH', 'port'],
    ['a proxy that asks for a password', 401, 'PROTOCOL_MISMATCH', 'port'],
  ])('%s', async (_title, status, code, configPath) => {
    const result = await tryWith({ misbehave: { status } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('an answer of millions of things that are no rows is given up at once', async () => {
    const result = await tryWith(
      { isHostile: true },
      {},
      {
        catalog: true,
      },
    );
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'TOO_MUCH_DATA', configPath: 'port' });
  });

  test('an unknown database, when its catalog is read', async () => {
    const changes = { database: 'nope' };
    const result = await tryIt(changes, { catalog: true });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
  });
});

describeTenancy(stand);

describeHttpFaults(clickhouseStand);

describeBadConfigs(clickhouseStand, [
  ['no host', { host: undefined }, 'host', 'REQUIRED'],
  ['a URL as host', { host: 'https://ch.example:8443/' }, 'host', 'URL_IN_HOST'],
  ['a number as host', { host: '2130706433' }, 'host', 'INVALID_FORMAT'],
  ['the port 0', { port: 0 }, 'port', 'OUT_OF_RANGE'],
  ['the port 65536', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
  ['an empty user name', { username: '' }, 'username', 'TOO_SHORT'],
  ['a line break in it', { username: 'a\r\nx: y' }, 'username', 'INVALID_FORMAT'],
  ['a line break in the password', { password: 'a\nb' }, 'password', 'INVALID_FORMAT'],
  ['a blank after the password', { password: 'a ' }, 'password', 'INVALID_FORMAT'],
  ['a long password', { password: 'a'.repeat(4097) }, 'password', 'TOO_LONG'],
  ['a zero byte', { database: 'a\0' }, 'database', 'INVALID_FORMAT'],
  ['a path as CA', { tls: { caCertificate: '/etc/ssl/ca.pem' } }, 'tls.caCertificate', 'INVALID_FORMAT'],
]);
