import { describe, expect, test } from 'vitest';
import { cockroachdb } from '../../src/connectors/cockroachdb/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { cockroachdbStand, ownCockroachdbStand } from '../support/stands/cockroachdb.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(inClearText(cockroachdbStand));
const own = useStand(ownCockroachdbStand);
const { configFor, shared, tryIt } = stand;

describe('what it has in common with PostgreSQL', () => {
  test('passes its checks against a real one, and warns that it is no CockroachDB', async () => {
    const result = await tryIt();
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: WARNING',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence['tables/list']).toEqual({ schema: 'sales', tables: '2', views: '1', readable: '1' });
  });

  test.each([
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a schema that the user may not use', { schema: 'locked' }, 'database/select', 'PERMISSION_DENIED', 'schema'],
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a cluster where there is none', { cluster: 'koala-1' }, 'session/authenticate', 'PROTOCOL_MISMATCH', 'cluster'],
  ])('%s', async (_title, more, at, code, configPath) => {
    expect(gist(await tryIt(more))).toEqual({ at, code, configPath });
  });

  test('a schema is created and dropped again, without a transaction', async () => {
    const peer = await own.start({ answer: () => [] });
    await own.tryAt(peer, {}, { methods: ['schema/create'] });
    const [, name] = /^create schema ("dsg_test_[0-9a-f]{32}")$/.exec(peer.statements[0] ?? '') ?? [];
    expect(peer.statements).toEqual([`create schema ${name}`, `drop schema ${name}`]);
    const { superuser: username, password } = (await shared()).server;
    const methods = ['schema/create'];
    const result = await tryIt({ username, password }, { methods });
    expect(result.evidence['schema/create']).toEqual({ created: 'true', removed: 'true' });
  });

  test('the catalog leaves out hidden columns and what is the system’s own', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'sales',
        name: 'orders',
        kind: 'TABLE',
        readable: true,
        columns: [
          { name: 'id', dataType: 'integer', nullable: false },
          { name: 'label', dataType: 'text', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'overview',
        kind: 'VIEW',
        readable: false,
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
      {
        namespace: 'sales',
        name: 'secrets',
        kind: 'TABLE',
        readable: false,
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
    ]);
  });
});

describe('what is its own', () => {
  test('tells its version, and not that of the PostgreSQL that it stands for', async () => {
    const result = await own.tryIt();
    expect(result).toMatchObject({ status: 'PASSED', failure: null });
    expect(result.steps).not.toContain('session/authenticate: WARNING');
    expect(result.evidence['session/authenticate']).toEqual({ server: 'CockroachDB 26.2.5', user: 'app' });
  });

  test('the cluster goes out as the one option, and without one there is none', async () => {
    const peer = await own.start();
    await own.tryAt(peer, { cluster: 'happy-koala-123' });
    await own.tryAt(peer);
    const common = {
      user: 'app',
      database: 'shop',
      application_name: 'datastore-gateway',
      client_encoding: 'UTF8',
    };
    expect(peer.startups).toEqual([{ ...common, options: '--cluster=happy-koala-123' }, common]);
  });

  test.each([
    ['a node that takes TLS alone', '08P01'],
    ['the cloud’s proxy that takes TLS alone', '08004'],
  ])('%s', async (_title, code) => {
    const result = await own.tryWith({ refusesBefore: { code, message: 'SSL connection required' } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });

  test.each(['08004', '08C00'])('a cluster that the cloud’s proxy does not find: %s', (code) => {
    const error = Object.assign(new Error('cluster not found'), { severity: 'FATAL', code });
    const config = cockroachdb.config.parse(configFor({ tls: undefined }));
    expect(cockroachdb.explain?.(error, config)?.report).toMatchObject({
      code: 'RESOURCE_NOT_FOUND',
      configPath: 'cluster',
    });
  });

  test.each([
    ['at sign-in', { refusesAfter: { code: '3D000', message: 'database "shop" does not exist' } }],
    ['at a query', { answer: () => ({ code: '3D000', message: 'database "shop" does not exist' }) }],
    ['by what it lacks', { answer: () => ({ code: '42P01', message: 'relation "pg_namespace" does not exist' }) }],
  ])('an unknown database, told %s', async (_title, options) => {
    const result = await own.tryWith(options);
    expect(gist(result)).toEqual({ at: 'database/select', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
  });
});

describeTls(cockroachdbStand);

describeTenancy(stand);

describeBadConfigs(cockroachdbStand, [
  ['another option beside the cluster', { cluster: 'a -c search_path=evil' }, 'cluster', 'INVALID_FORMAT'],
  ['a cluster that begins an option', { cluster: '-c' }, 'cluster', 'INVALID_FORMAT'],
  ['a cluster with an escape', { cluster: 'a\\ b' }, 'cluster', 'INVALID_FORMAT'],
  ['a cluster with a line break at its end', { cluster: 'a\n' }, 'cluster', 'INVALID_FORMAT'],
  ['a cluster that is too long', { cluster: 'a'.repeat(129) }, 'cluster', 'TOO_LONG'],
  ['an empty cluster', { cluster: '' }, 'cluster', 'TOO_SHORT'],
  ['a URL as the host', { host: 'postgresql://x:26257' }, 'host', 'URL_IN_HOST'],
]);

test('the config has port 26257', () => {
  const config = cockroachdb.config.parse(configFor());
  expect(cockroachdb.targets(config)).toMatchObject([{ host: 'db.example', port: 26257 }]);
});
