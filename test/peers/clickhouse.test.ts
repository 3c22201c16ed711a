import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ClickHouseContext, query } from '../../src/connectors/clickhouse/client.ts';
import { clickhouse } from '../../src/connectors/clickhouse/index.ts';
import { createAuthority } from '../support/certificates.ts';
import { describeCauses } from '../support/peer-causes.ts';
import type { ClickHouseServer } from '../support/peers/clickhouse.ts';
import { describePeer } from '../support/peers/installed.ts';
import { ADMIN, clickhousePeer, READER } from '../support/real-peers/clickhouse.ts';
import { gist, type TestConnectionOptions, testConnection } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const POLL = { timeout: 20_000 };
const CLEAR = { tls: { mode: 'DISABLE' } };
const asAdmin = { username: ADMIN.name, password: ADMIN.password };

describePeer('ClickHouse 18.16', clickhousePeer.programs, () => {
  const used = useStand(clickhousePeer.stand);
  const { configFor, tryAt, tryIt } = used;
  const { tenancy } = clickhousePeer.stand;
  let server: ClickHouseServer;

  beforeAll(async () => {
    ({ server } = await used.shared());
    await server.run('create database many');
    for (let index = 0; index < 230; index += 1) {
      await server.run(`create table many.t${String(index).padStart(3, '0')} (z Int8, a String, m Date) engine = Log`);
    }
  }, 90_000);

  const inTheClear = (more: Record<string, unknown> = {}, how: TestConnectionOptions = {}) =>
    tryAt({ port: server.httpPort }, { ...CLEAR, ...more }, how);

  describeCauses(clickhousePeer, used);

  test('every check passes', async () => {
    const result = await inTheClear({}, { ...(tenancy && { tenancy }) });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'ClickHouse 18.16.1', user: 'reader' },
      'query/execute': { database: 'sales' },
      'tables/list': { database: 'sales', tables: '4' },
      'tenancy/mapping': { columns: '3', keyType: 'UInt64' },
    });
  });

  test('every check passes over HTTPS', async () => {
    const result = await tryIt();
    expect(result.failure).toBeNull();
    expect(result.evidence['tls/handshake']).toMatchObject({ subject: 'CN=localhost', names: 'clickhouse.example' });
  });

  test('a user without a password signs in', async () => {
    expect((await tryIt({ username: 'open', password: undefined, database: undefined })).failure).toBeNull();
  });

  // 18.16 has no GRANT: what a user may read is a list of databases
  describe('the least rights', () => {
    test('pass every check by default, without a warning', async () => {
      const result = await tryIt();
      expect(result.failure).toBeNull();
      expect(result.steps.every((step) => step.endsWith(': PASSED'))).toBe(true);
      const sql = 'create table sales.more (id UInt8) engine = Memory';
      await expect(server.run(sql, READER)).rejects.toThrow('readonly');
      await expect(server.run('select * from secret.hidden', READER)).rejects.toThrow('Code: 291');
    });

    test('without the right to read the database the check that uses it says so', async () => {
      const result = await tryIt({ username: 'stranger' });
      expect(gist(result)).toEqual({ at: 'query/execute', code: 'PERMISSION_DENIED', configPath: 'database' });
      expect(result.failure?.hint).toContain('the right to read');
      expect(result.evidence['query/execute']).toEqual({ serverError: '291' });
    });
  });

  describe('the catalog', () => {
    test('has tables, views and columns as the server has them', async () => {
      const result = await tryIt({}, { catalog: true });
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
      const { batches } = await tryIt({ ...asAdmin, database: 'many' }, { catalog: true });
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
    const config = configFor({ ...asAdmin, ...CLEAR, host: '127.0.0.1', port: server.httpPort });
    const how = { deadline: 60_000, cleanUpMs: 20_000, cancel: ending.signal };
    const outcome = testConnection({ ...clickhouse, checks: slow }, config, how);
    await expect.poll(running, POLL).toBe('1\n');
    ending.abort();
    expect(await outcome).toMatchObject({ status: 'CANCELLED', failedAt: 'query/execute', log: [] });
    await expect.poll(running, POLL).toBe('0\n');
  }, 60_000);

  describe('what goes wrong is named', () => {
    test('no password', async () => {
      const result = await tryIt({ password: undefined });
      expect(gist(result)).toEqual({
        at: 'session/authenticate',
        code: 'CREDENTIALS_REQUIRED',
        configPath: 'password',
      });
    });

    test('the port of the native protocol', async () => {
      const result = await tryAt({ port: server.tcpPort }, CLEAR);
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    });

    test('clear text to the port of HTTPS, and the other way round', async () => {
      const clear = await tryAt({ port: server.httpsPort }, CLEAR);
      expect(clear).toMatchObject({ failedAt: 'session/authenticate', failure: { code: 'CONNECTION_LOST' } });
      const secure = await tryAt({ port: server.httpPort });
      expect(gist(secure)).toEqual({ at: 'tls/handshake', code: 'TLS_FAILED', configPath: 'port' });
    });

    test('a certificate of an unknown CA', async () => {
      const { certificate } = await createAuthority('Other');
      const result = await tryIt({}, { publicCa: certificate });
      expect(gist(result)).toEqual({ at: 'tls/handshake', code: 'TLS_UNTRUSTED', configPath: 'tls.caCertificate' });
    });
  });
});
