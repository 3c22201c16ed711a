import { describe, expect, test } from 'vitest';
import { redshift } from '../../src/connectors/redshift/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { ownRedshiftStand, redshiftStand } from '../support/stands/redshift.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(inClearText(redshiftStand));
const own = useStand(ownRedshiftStand);
const { configFor, shared, tryIt } = stand;

describe('what it has in common with PostgreSQL', () => {
  test('passes every check against a real one, and warns that it is no Redshift', async () => {
    const methods = ['database/select', 'query/execute', 'tables/list'];
    const result = await tryIt({}, { methods });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: WARNING',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: expect.stringMatching(/^PostgreSQL 18\.\d+$/), user: 'app' },
      'database/select': { database: 'shop', schema: 'sales' },
      'tables/list': { schema: 'sales', tables: '1' },
    });
  });

  test.each([
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a schema that the user may not use', { schema: 'locked' }, 'database/select', 'PERMISSION_DENIED', 'schema'],
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a server without TLS', { tls: {} }, 'tls/handshake', 'TLS_NOT_OFFERED', 'tls.mode'],
  ])('%s', async (_title, more, at, code, configPath) => {
    expect(gist(await tryIt(more))).toEqual({ at, code, configPath });
  });

  test('a schema can be created where the user may, and nothing stays', async () => {
    const methods = ['schema/create'];
    expect(gist(await tryIt({}, { methods }))).toMatchObject({ code: 'PERMISSION_DENIED' });
    const { superuser: username, password } = (await shared()).server;
    const result = await tryIt({ username, password }, { methods });
    expect(result.evidence['schema/create']).toEqual({ created: 'true', removed: 'true' });
  });
});

describe('the catalog', () => {
  test('holds local and external tables and late-binding views, and no temporary ones', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    const entries = result.batches.flat().filter(({ namespace }) => namespace !== 'public');
    expect(entries).toEqual([
      {
        namespace: 'sales',
        name: 'late',
        kind: 'VIEW',
        columns: [{ name: 'total', dataType: 'numeric(10,2)', nullable: null }],
      },
      {
        namespace: 'sales',
        name: 'orders',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'integer', nullable: false },
          { name: 'total', dataType: 'numeric', nullable: true },
          { name: 'label', dataType: 'text', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'overview',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
      {
        namespace: 'spectrum',
        name: 'clicks',
        kind: 'TABLE',
        columns: [{ name: 'at', dataType: 'timestamp', nullable: null }],
      },
    ]);
  });
});

describeTls(redshiftStand);

describeTenancy(stand);

describe('what is its own', () => {
  test('tells its version, and not that of the PostgreSQL that it stems from', async () => {
    const result = await own.tryWith({ parameters: { server_version: '8.0.2' } });
    expect(result.failure).toBeNull();
    expect(result.status).toBe('PASSED');
    expect(result.evidence['session/authenticate']).toEqual({ server: 'Amazon Redshift 1.0.77467', user: 'app' });
    expect(result.evidence['tables/list']).toEqual({ schema: 'sales', tables: '3', views: '2' });
  });

  test('a wrong password has the code that PostgreSQL 8 gave it', async () => {
    const result = await own.tryWith({}, { password: 'wrong' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
  });

  test('a kind of sign-in that only its own drivers know is named', async () => {
    const result = await own.tryWith({ asks: 13 });
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    expect(result.failure?.hint).toContain('kind of sign-in');
  });

  test('a database that is refused after sign-in leaves the version unknown', async () => {
    const result = await own.tryWith({ refusesAfter: { code: '3D000', message: 'no such database' } });
    expect(gist(result)).toEqual({ at: 'database/select', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
    expect(result.evidence['session/authenticate']).toEqual({ server: 'Amazon Redshift', user: 'app' });
  });

  test('a server that takes TLS alone says so', async () => {
    const message = 'no pg_hba.conf entry for host "::ffff:10.0.0.1", user "app", database "shop", SSL off';
    const result = await own.tryWith({ refusesBefore: { code: '28000', message, routine: 'ClientAuthentication' } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });
});

describeBadConfigs(redshiftStand, [
  ['a name that is too long', { database: 'x'.repeat(128) }, 'database', 'TOO_LONG'],
  ['a zero byte in a name', { username: 'a\0b' }, 'username', 'INVALID_FORMAT'],
  ['a URL as the host', { host: 'https://x.redshift.amazonaws.com' }, 'host', 'URL_IN_HOST'],
  ['a port that there is not', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
]);

test('the config has port 5439 and takes names of 127 characters', () => {
  const config = redshift.config.parse(configFor({ host: 'x.redshift.amazonaws.com', database: 'x'.repeat(127) }));
  expect(redshift.targets(config)).toMatchObject([{ host: 'x.redshift.amazonaws.com', port: 5439 }]);
});
