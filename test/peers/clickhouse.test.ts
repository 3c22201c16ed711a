import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ClickHouseContext, query } from '../../src/connectors/clickhouse/client.ts';
import { clickhouse } from '../../src/connectors/clickhouse/index.ts';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { CLICKHOUSE, type ClickHouseServer, startClickHouse } from '../support/peers/clickhouse.ts';
import { describePeer } from '../support/peers/installed.ts';
import { gist, testConnection } from '../support/test-connection.ts';

const POLL = { timeout: 20_000 };
const ADMIN = { name: 'admin', password: 'admin-pass-Wq7' };
const READER = { name: 'reader', password: 'pä55 "wörd"', databases: ['sales'], readonly: true };
const NOTHING = { name: 'nothing', password: 'nothing-pass-Kd2', databases: ['secret'], readonly: true };
const OPEN = { name: 'open', password: '' };
const TENANCY: Tenancy = {
  level: 'TABLE',
  clientColumnType: 'NUMBER',
  schemaName: 'sales',
  tableName: 'clients',
  tableClientNameColumn: 'name',
  tablePrimaryKeyColumn: 'id',
};

describePeer('ClickHouse 18.16', CLICKHOUSE, () => {
  let server: ClickHouseServer;
  let authority: Authority;

  beforeAll(async () => {
    authority = await createAuthority();
    server = await startClickHouse([ADMIN, READER, NOTHING, OPEN], await authority.issue({ names: ['ch.example'] }));
    for (const statement of [
      'create database sales',
      'create database secret',
      'create database many',
      'create table sales.clients (id UInt64, name Nullable(String), since Date) engine = MergeTree order by id',
      "create table sales.`we'ird\\\\name` (`a b` Int8) engine = Memory",
      'create view sales.recent as select id from sales.clients',
      'create materialized view sales.stored engine = MergeTree order by id as select id from sales.clients',
      'create table secret.hidden (id Int8) engine = Memory',
    ])
      await server.run(statement);
    for (let index = 0; index < 230; index += 1) {
      await server.run(`create table many.t${String(index).padStart(3, '0')} (z Int8, a String, m Date) engine = Log`);
    }
  }, 90_000);

  afterAll(() => server?.stop());

  function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
    const { name: username, password } = READER;
    const tls = { mode: 'DISABLE' };
    return { host: '127.0.0.1', port: server.httpPort, username, password, database: 'sales', tls, ...more };
  }

  function securely(more: Record<string, unknown> = {}): Record<string, unknown> {
    const tls = { caCertificate: authority.certificate };
    return configFor({ host: 'ch.example', port: server.httpsPort, tls, ...more });
  }

  test('every check passes', async () => {
    const result = await testConnection(clickhouse, configFor(), { tenancy: TENANCY });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'ClickHouse 18.16.1', user: 'reader' },
      'query/execute': { database: 'sales' },
      'tables/list': { database: 'sales', tables: '4' },
      'tenancy/mapping': { columns: '3', keyType: 'UInt64' },
    });
  });

  test('every check passes over HTTPS', async () => {
    const result = await testConnection(clickhouse, securely(), { lookup: async () => ['127.0.0.1'] });
    expect(result.failure).toBeNull();
    expect(result.evidence['tls/handshake']).toMatchObject({ subject: 'CN=localhost', names: 'ch.example' });
  });

  test('a user without a password signs in', async () => {
    const config = configFor({ username: 'open', password: undefined, database: undefined });
    expect((await testConnection(clickhouse, config)).failure).toBeNull();
  });

  // 18.16 has no GRANT: what a user may read is a list of databases
  describe('the least rights', () => {
    test('pass every check by default, without a warning', async () => {
      const result = await testConnection(clickhouse, configFor());
      expect(result.failure).toBeNull();
      expect(result.steps.every((step) => step.endsWith(': PASSED'))).toBe(true);
      const sql = 'create table sales.more (id UInt8) engine = Memory';
      await expect(server.run(sql, READER)).rejects.toThrow('readonly');
      await expect(server.run('select * from secret.hidden', READER)).rejects.toThrow('Code: 291');
    });

    test('without the right to read the database the check that uses it says so', async () => {
      const result = await testConnection(
        clickhouse,
        configFor({ username: NOTHING.name, password: NOTHING.password }),
      );
      expect(gist(result)).toEqual({ at: 'query/execute', code: 'PERMISSION_DENIED', configPath: 'database' });
      expect(result.failure?.hint).toContain('the right to read');
      expect(result.evidence['query/execute']).toEqual({ serverError: '291' });
    });
  });

  describe('the catalog', () => {
    test('has tables, views and columns as the server has them', async () => {
      const result = await testConnection(clickhouse, configFor(), { catalog: true });
      expect(result.failure).toBeNull();
      const id = { name: 'id', dataType: 'UInt64', nullable: false };
      expect(result.batches.flat()).toEqual([
        {
          namespace: 'sales',
          name: 'clients',
          kind: 'TABLE',
          columns: [
            id,
            { name: 'name', dataType: 'Nullable(String)', nullable: true },
            { name: 'since', dataType: 'Date', nullable: false },
          ],
        },
        { namespace: 'sales', name: 'recent', kind: 'VIEW', columns: [id] },
        { namespace: 'sales', name: 'stored', kind: 'VIEW', columns: [id] },
        {
          namespace: 'sales',
          name: "we'ird\\name",
          kind: 'TABLE',
          columns: [{ name: 'a b', dataType: 'Int8', nullable: false }],
        },
      ]);
    });

    test('of many tables comes in parts, whole, with the columns in their order', async () => {
      const config = configFor({ username: ADMIN.name, password: ADMIN.password, database: 'many' });
      const { batches } = await testConnection(clickhouse, config, { catalog: true });
      expect(batches.map((batch) => batch.length)).toEqual([200, 30]);
      const entries = batches.flat();
      expect(new Set(entries.map((entry) => entry.name)).size).toBe(230);
      for (const { columns } of entries) expect(columns.map((column) => column.name)).toEqual(['z', 'a', 'm']);
    });
  });

  test('a query that runs on is killed when the test is cancelled', async () => {
    // each block of numbers takes a second, and they have no end
    const endless = 'select count() from system.numbers where sleep(1) = 0';
    const slow = clickhouse.checks.map((check) =>
      check.name === 'query/execute'
        ? { ...check, run: async (context: object) => ({ evidence: await run(context as ClickHouseContext) }) }
        : check,
    );
    const run = async (context: ClickHouseContext) => ({ rows: (await query(context, endless, z.unknown())).length });
    const running = () =>
      server.run("select count() from system.processes where query like 'select count() from system.numbers%'");
    const ending = new AbortController();
    const config = configFor({ username: ADMIN.name, password: ADMIN.password });
    const how = { deadline: 60_000, cleanUpMs: 20_000, cancel: ending.signal };
    const outcome = testConnection({ ...clickhouse, checks: slow }, config, how);
    await expect.poll(running, POLL).toBe('1\n');
    ending.abort();
    expect(await outcome).toMatchObject({ status: 'CANCELLED', failedAt: 'query/execute', log: [] });
    await expect.poll(running, POLL).toBe('0\n');
  }, 60_000);

  describe('what goes wrong is named', () => {
    test.each([
      ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
      ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'username'],
      // the server does not tell those with a list of databases which others there are
      ['no right to the database', { database: 'secret' }, 'query/execute', 'PERMISSION_DENIED', 'database'],
      [
        'an unknown database',
        { username: ADMIN.name, password: ADMIN.password, database: 'nope' },
        'query/execute',
        'DATABASE_NOT_FOUND',
        'database',
      ],
    ])('%s', async (_title, more, at, code, configPath) => {
      expect(gist(await testConnection(clickhouse, configFor(more)))).toEqual({ at, code, configPath });
    });

    test('the port of the native protocol', async () => {
      const result = await testConnection(clickhouse, configFor({ port: server.tcpPort }));
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    });

    test('clear text to the port of HTTPS, and the other way round', async () => {
      const clear = await testConnection(clickhouse, configFor({ port: server.httpsPort }));
      expect(clear).toMatchObject({ failedAt: 'session/authenticate', failure: { code: 'CONNECTION_LOST' } });
      const secure = await testConnection(clickhouse, securely({ port: server.httpPort }), {
        lookup: async () => ['127.0.0.1'],
      });
      expect(gist(secure)).toEqual({ at: 'tls/handshake', code: 'TLS_FAILED', configPath: 'port' });
    });

    test.each([
      ['a certificate of an unknown CA', {}, 'TLS_UNTRUSTED', 'tls.caCertificate'],
      ['a certificate for another name', { host: 'other.example' }, 'TLS_NAME_MISMATCH', 'tls.serverName'],
    ])('%s', async (_title, more, code, configPath) => {
      const tls = 'host' in more ? {} : { tls: {} };
      const config = securely({ ...tls, ...more });
      const result = await testConnection(clickhouse, config, { lookup: async () => ['127.0.0.1'] });
      expect(gist(result)).toEqual({ at: 'tls/handshake', code, configPath });
    });
  });
});
