import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { firebolt } from '../../src/connectors/firebolt/index.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import {
  type FakeFireboltOptions,
  SYSTEM_ENGINE,
  startFakeFirebolt,
  USER_ENGINE,
} from '../support/peers/fake-firebolt.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const SIGN_IN = 'id.app.firebolt.io';
const HOSTS = [SIGN_IN, 'api.app.firebolt.io', SYSTEM_ENGINE, USER_ENGINE];
const client = { id: 'a1b2c3', secret: 'secret-of-the+account&=' };
const tables: FakeTable[] = [
  {
    schema: 'public',
    name: 'clients',
    columns: [
      { name: 'id', type: 'bigint', nullable: 'NO' },
      { name: 'name', type: 'text' },
    ],
  },
  { schema: 'public', name: "o'brien\\", kind: 'VIEW', columns: [{ name: 'a', type: 'array(int)' }] },
];
const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startFirebolt(options: Partial<FakeFireboltOptions> = {}): Promise<HttpPeer> {
  const certificate = await authority.issue({ names: HOSTS });
  const peer = await startFakeFirebolt({ client, tables, certificate, ...options });
  peers.push(peer);
  return peer;
}

function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
  const names = { account: 'my-account', database: 'sales', engine: 'reports' };
  return { clientId: client.id, clientSecret: client.secret, ...names, ...more };
}

const namesFor = (port: number, hosts = HOSTS) =>
  Object.fromEntries(hosts.map((host) => [`${host}:443`, `127.0.0.1:${port}`]));

function tryFirebolt(
  peer: HttpPeer,
  config = configFor(),
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  return testConnection(firebolt, config, { names: namesFor(peer.port), extraCa: authority.certificate, ...options });
}

describe('a database that works', () => {
  test('passes every check, over one connection to each host', async () => {
    const peer = await startFirebolt();
    const result = await tryFirebolt(peer);
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Firebolt', clientId: client.id },
      'engine/resolve': { host: USER_ENGINE, database: 'sales', engine: 'reports' },
      'query/execute': { rows: '1' },
      'tables/list': { tables: '2' },
    });
    expect(peer.connections()).toBe(4);
  });

  test('needs neither database nor engine', async () => {
    const peer = await startFirebolt();
    const result = await tryFirebolt(peer, configFor({ database: undefined, engine: undefined }));
    expect(result.steps.slice(-2)).toEqual(['engine/resolve: PASSED', 'query/execute: PASSED']);
    expect(result.evidence['engine/resolve']).toEqual({ host: SYSTEM_ENGINE, engine: 'system' });
  });

  test('is asked on the system engine where no engine is named', async () => {
    const peer = await startFirebolt();
    const result = await tryFirebolt(peer, configFor({ engine: undefined }));
    expect(result.failure).toBeNull();
    expect(peer.requests.at(-1)?.headers.host).toBe(SYSTEM_ENGINE);
  });

  test('may have quotes in its name', async () => {
    const peer = await startFirebolt({ database: 'a "b"; drop' });
    expect((await tryFirebolt(peer, configFor({ database: 'a "b"; drop' }))).failure).toBeNull();
  });

  test('has a catalog', async () => {
    const peer = await startFirebolt();
    const result = await tryFirebolt(peer, configFor(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'public',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'bigint', nullable: false },
          { name: 'name', dataType: 'text', nullable: true },
        ],
      },
      {
        namespace: 'public',
        name: "o'brien\\",
        kind: 'VIEW',
        columns: [{ name: 'a', dataType: 'array(int)', nullable: true }],
      },
    ]);
  });

  test('has a large catalog in pages', async () => {
    const many = Array.from({ length: 900 }, (_, index) => ({
      schema: 'public',
      name: `t${String(index).padStart(4, '0')}`,
      columns: ['a', 'b', 'c'].map((name) => ({ name, type: 'text' })),
    }));
    const peer = await startFirebolt({ tables: many, rowsAtOnce: 400 });
    const result = await tryFirebolt(peer, configFor(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(result.batches.flat().every((entry) => entry.columns.length === 3)).toBe(true);
  });
});

describe('tenancy', () => {
  const tenancy = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'public',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  } as const;

  test.each([
    ['a mapping that is there', {}, {}, undefined],
    ['a missing table', { tableName: "no'pe" }, {}, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing column', { tableClientNameColumn: 'nope' }, {}, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { tablePrimaryKeyColumn: 'name' }, {}, 'TENANCY_COLUMN_TYPE'],
    ['no database to look in', {}, { database: undefined }, 'DATABASE_REQUIRED'],
  ])('%s', async (_title, more, config, code) => {
    const peer = await startFirebolt();
    const options = { tenancy: { ...tenancy, ...more }, methods: ['tenancy/mapping'] };
    expect((await tryFirebolt(peer, configFor(config), options)).failure?.code).toBe(code);
  });

  test('a catalog needs a database, too', async () => {
    const peer = await startFirebolt();
    const result = await tryFirebolt(peer, configFor({ database: undefined }), { catalog: true });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'DATABASE_REQUIRED', configPath: 'database' });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['another secret', { clientSecret: 'x' }, 'session/authenticate', 'KEY_REFUSED', 'clientSecret'],
    ['an unknown client', { clientId: 'x' }, 'session/authenticate', 'KEY_REFUSED', 'clientSecret'],
    ['no secret', { clientSecret: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'clientSecret'],
    ['an unknown account', { account: 'nope' }, 'engine/resolve', 'RESOURCE_NOT_FOUND', 'account'],
    ['an unknown database', { database: 'nope' }, 'engine/resolve', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown engine', { engine: 'nope' }, 'engine/resolve', 'RESOURCE_NOT_FOUND', 'engine'],
  ])('%s', async (_title, more, at, code, configPath) => {
    for (const jsonErrors of [true, false]) {
      const peer = await startFirebolt({ jsonErrors });
      expect(gist(await tryFirebolt(peer, configFor(more)))).toEqual({ at, code, configPath });
    }
  });

  test.each([
    ['account', 'engine/resolve', 'PERMISSION_DENIED', 'account'],
    ['engine', 'engine/resolve', 'PERMISSION_DENIED', 'engine'],
    ['query', 'query/execute', 'PERMISSION_DENIED', 'database'],
  ] as const)('no right: %s', async (what, at, code, configPath) => {
    const peer = await startFirebolt({ denied: [what] });
    expect(gist(await tryFirebolt(peer))).toEqual({ at, code, configPath });
  });

  test('an engine that does not run', async () => {
    const peer = await startFirebolt({ engineStopped: true });
    const result = await tryFirebolt(peer);
    expect(gist(result)).toEqual({ at: 'query/execute', code: 'SERVER_UNAVAILABLE', configPath: 'engine' });
  });
});

describe('an engine', () => {
  test.each([
    'evil.example',
    'https://evil.example/?account_id=1',
    'firebolt.io.evil.example',
    'evilfirebolt.io',
    'http://engine.firebolt.io',
    'https://engine.firebolt.io:8443',
    'https://user@engine.firebolt.io',
    'https://engine.firebolt.io@evil.example',
    '127.0.0.1',
    'engine.firebolt.io.',
    '',
  ])('outside of its domain is not followed: %s', async (url) => {
    const byApi = await startFirebolt({ engineUrl: url });
    expect(gist(await tryFirebolt(byApi))).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    // the token has gone to the API, and no further
    expect(byApi.requests.map((request) => request.headers.host)).toEqual([SIGN_IN, 'api.app.firebolt.io']);
    const byEngine = await startFirebolt({ updateEndpoint: url });
    expect(gist(await tryFirebolt(byEngine))).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    expect(byEngine.requests.at(-1)?.headers.host).toBe(SYSTEM_ENGINE);
  });

  test('within its domain is checked as any address is', async () => {
    const peer = await startFirebolt();
    const names = namesFor(peer.port, [SIGN_IN, 'api.app.firebolt.io']);
    const asked: string[] = [];
    const lookup = async (host: string) => {
      asked.push(host);
      return ['169.254.169.254'];
    };
    const result = await tryFirebolt(peer, configFor(), { names, lookup });
    expect(gist(result)).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    expect(asked).toEqual([SYSTEM_ENGINE]);
  });

  test('of an older form of the answer is taken: a URL with a scheme', async () => {
    const peer = await startFirebolt({ engineUrl: `https://${SYSTEM_ENGINE}/?account_id=01hxaccount` });
    expect((await tryFirebolt(peer)).failure).toBeNull();
  });
});

describeHttpFaults({
  connector: firebolt,
  start: startFirebolt,
  name: SIGN_IN,
  fixedHost: true,
  config: () => configFor(),
  ways: (port, extraCa) => ({ names: namesFor(port), extraCa }),
  hostPath: null,
  portPath: null,
});

const badConfigs: readonly { name: string; config: unknown; path: string; code: IssueCode }[] = [
  { name: 'an account with a path', config: configFor({ account: '../x' }), path: 'account', code: 'INVALID_FORMAT' },
  {
    name: 'an account with a host',
    config: configFor({ account: 'a.evil.example/#' }),
    path: 'account',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a database with a line break',
    config: configFor({ database: 'a\nb' }),
    path: 'database',
    code: 'INVALID_FORMAT',
  },
];

describe('the config', () => {
  test.each(badConfigs)('refuses $name', ({ config, path, code }) => {
    const { error } = firebolt.config.safeParse(config);
    const issues = error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]);
    expect(issues).toEqual([[path, code]]);
  });
});
