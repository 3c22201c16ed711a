import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { holdSchemas } from '../support/held-schemas.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { PGBOUNCER, type Pgbouncer, type PgbouncerOptions, startPgbouncer } from '../support/peers/pgbouncer.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { pgbouncerPeer } from '../support/real-peers/pgbouncer.ts';
import { gist, type TestConnectionOptions, testConnection } from '../support/test-connection.ts';

const POLL = { timeout: 60_000 };

describePeer('PgBouncer before a PostgreSQL', PGBOUNCER, () => {
  let server: PostgresServer;
  let authority: Authority;
  const poolers: Pgbouncer[] = [];

  beforeAll(async () => {
    server = await startPostgres();
    authority = await createAuthority();
  });

  afterAll(() => server.stop());

  afterEach(async () => {
    await Promise.all(poolers.splice(0).map((each) => each.close()));
  });

  async function pooler(more: Partial<PgbouncerOptions> = {}): Promise<Pgbouncer> {
    const { port, superuser, password } = server;
    const started = await startPgbouncer({
      databases: [`app = host=127.0.0.1 port=${port} dbname=postgres user=${superuser} password=${password}`],
      users: { [superuser]: password, reader: 'pass of the reader' },
      ...more,
    });
    poolers.push(started);
    return started;
  }

  function tryPooler({ port }: Pgbouncer, more: Record<string, unknown> = {}, how: TestConnectionOptions = {}) {
    const { superuser, password } = server;
    const account = { username: superuser, password, database: 'app' };
    return testConnection(postgres, { host: '127.0.0.1', port, tls: { mode: 'DISABLE' }, ...account, ...more }, how);
  }

  test('lets through what is right', async () => {
    const result = await tryPooler(await pooler());
    expect(result.failure).toBeNull();
    expect(result.status).toBe('PASSED');
  });

  test.each<[string, Record<string, unknown>, string, string]>([
    ['a wrong password', { password: 'wrong' }, 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'PASSWORD_REFUSED', 'password'],
    ['an unknown database', { database: 'nope' }, 'DATABASE_NOT_FOUND', 'database'],
  ])('%s', async (_name, more, code, configPath) => {
    expect(gist(await tryPooler(await pooler(), more))).toMatchObject({ code, configPath });
  });

  test('a server behind it that is away', async () => {
    const { superuser, password } = server;
    const databases = [`app = host=127.0.0.1 port=${await closedPort()} user=${superuser} password=${password}`];
    const result = await tryPooler(await pooler({ databases, settings: ['query_wait_timeout = 2'] }));
    expect(result.failure).toMatchObject({ code: 'SERVER_UNAVAILABLE', hint: expect.stringMatching(/pooler/) });
    expect(result.failure?.configPath).not.toBe('port');
  });

  test('a password that the server behind it refuses', async () => {
    const databases = [
      `app = host=127.0.0.1 port=${server.port} dbname=postgres user=${server.superuser} password=wrong`,
    ];
    const result = await tryPooler(await pooler({ databases, settings: ['query_wait_timeout = 2'] }));
    expect(['SERVER_UNAVAILABLE', 'PASSWORD_REFUSED']).toContain(result.failure?.code);
    expect(result.failure?.configPath).not.toBe('port');
  });

  test('too many clients', async () => {
    const one = await pooler({ settings: ['max_client_conn = 1'] });
    const { superuser: user, password } = server;
    const holding = new pg.Client({ host: '127.0.0.1', port: one.port, user, password, database: 'app' });
    await holding.connect();
    const result = await tryPooler(one);
    await holding.end();
    expect(gist(result)).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    expect(result.failure?.configPath).not.toBe('port');
  });

  test('a statement that waits is cancelled through it when the test is', async () => {
    const { statements, end } = await holdSchemas(server, { database: 'postgres' });
    try {
      const ending = new AbortController();
      const how = { methods: ['schema/create'], deadline: 60_000, cleanUpMs: 20_000, cancel: ending.signal };
      const outcome = tryPooler(await pooler(), {}, how);
      await expect.poll(statements, POLL).toBe(1);
      ending.abort();
      expect(await outcome).toMatchObject({ status: 'CANCELLED', log: [] });
      await expect.poll(statements, POLL).toBe(0);
    } finally {
      await end();
    }
  }, 240_000);

  test('TLS that it wants', async () => {
    const { key, certificate } = await authority.issue({ commonName: 'localhost' });
    const result = await tryPooler(await pooler({ tls: { key, certificate } }));
    expect(gist(result)).toMatchObject({ code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });
});

describeRealPeer(pgbouncerPeer);
