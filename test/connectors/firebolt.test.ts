import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { SYSTEM_ENGINE, USER_ENGINE } from '../support/peers/fake-firebolt.ts';
import { fireboltStand } from '../support/stands/firebolt.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(fireboltStand);
const { namesFor, start, tryAt, tryIt, tryWith } = stand;
const SIGN_IN = 'id.app.firebolt.io';

describe('a database that works', () => {
  test('passes every check, over one connection to each host', async () => {
    const peer = await start();
    const result = await tryAt(peer);
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Firebolt', clientId: fireboltStand.config.clientId },
      'engine/resolve': { host: USER_ENGINE, database: 'sales', engine: 'reports' },
      'query/execute': { rows: '1' },
      'tables/list': { tables: '2' },
    });
    expect(peer.connections()).toBe(4);
  });

  test('names the engine that is not there in time', async () => {
    const peer = await start({ engineStarting: true });
    const expire = new AbortController();
    const outcome = tryAt(peer, {}, { expire: expire.signal });
    await expect.poll(() => peer.requests.at(-1)?.body.toString()).toBe('select 1');
    expire.abort();
    expect((await outcome).failure).toMatchObject({
      code: 'TIMEOUT',
      configPath: 'engine',
      hint: expect.stringMatching(/it is starting, or busy/),
    });
  });

  test('needs neither database nor engine', async () => {
    const result = await tryIt({ database: undefined, engine: undefined });
    expect(result.steps.slice(-2)).toEqual(['engine/resolve: PASSED', 'query/execute: PASSED']);
    expect(result.evidence['engine/resolve']).toEqual({ host: SYSTEM_ENGINE, engine: 'system' });
  });

  test('is asked on the system engine where no engine is named', async () => {
    const peer = await start();
    const result = await tryAt(peer, { engine: undefined });
    expect(result.failure).toBeNull();
    expect(peer.requests.at(-1)?.headers.host).toBe(SYSTEM_ENGINE);
  });

  test('may have quotes in its name', async () => {
    expect((await tryWith({ database: 'a "b"; drop' }, { database: 'a "b"; drop' })).failure).toBeNull();
  });

  test('has a catalog', async () => {
    const result = await tryIt({}, { catalog: true });
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
    const result = await tryWith({ tables: many, rowsAtOnce: 400 }, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(result.batches.flat().every((entry) => entry.columns.length === 3)).toBe(true);
  });
});

describeTenancy(stand, [
  ['without a database to look in', {}, 'DATABASE_REQUIRED', undefined, undefined, { database: undefined }],
]);

test('a catalog needs a database, too', async () => {
  const result = await tryIt({ database: undefined }, { catalog: true });
  expect(gist(result)).toEqual({ at: 'catalog/read', code: 'DATABASE_REQUIRED', configPath: 'database' });
});

describe('what goes wrong is named', () => {
  test.each([
    ['another secret', { clientSecret: 'x' }, 'session/authenticate', 'KEY_REFUSED', 'clientSecret'],
    ['an unknown client', { clientId: 'x' }, 'session/authenticate', 'KEY_REFUSED', 'clientSecret'],
    ['an unknown account', { account: 'nope' }, 'engine/resolve', 'RESOURCE_NOT_FOUND', 'account'],
    ['an unknown database', { database: 'nope' }, 'engine/resolve', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown engine', { engine: 'nope' }, 'engine/resolve', 'RESOURCE_NOT_FOUND', 'engine'],
  ])('%s', async (_title, more, at, code, configPath) => {
    for (const jsonErrors of [true, false]) {
      expect(gist(await tryWith({ jsonErrors }, more))).toEqual({ at, code, configPath });
    }
  });

  test.each([
    ['account', 'engine/resolve', 'PERMISSION_DENIED', 'account'],
    ['engine', 'engine/resolve', 'PERMISSION_DENIED', 'engine'],
    ['query', 'query/execute', 'PERMISSION_DENIED', 'database'],
  ] as const)('no right: %s', async (what, at, code, configPath) => {
    expect(gist(await tryWith({ denied: [what] }))).toEqual({ at, code, configPath });
  });

  test('an engine that does not run', async () => {
    const result = await tryWith({ engineStopped: true });
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
    const byApi = await start({ engineUrl: url });
    expect(gist(await tryAt(byApi))).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    // the token has gone to the API, and no further
    expect(byApi.requests.map((request) => request.headers.host)).toEqual([SIGN_IN, 'api.app.firebolt.io']);
    const byEngine = await start({ updateEndpoint: url });
    expect(gist(await tryAt(byEngine))).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    expect(byEngine.requests.at(-1)?.headers.host).toBe(SYSTEM_ENGINE);
  });

  test('within its domain is checked as any address is', async () => {
    const peer = await start();
    const { [`${SYSTEM_ENGINE}:443`]: _engine, ...names } = namesFor(peer.port);
    const asked: string[] = [];
    const lookup = async (host: string) => {
      asked.push(host);
      return ['169.254.169.254'];
    };
    const result = await tryAt(peer, {}, { names, lookup });
    expect(gist(result)).toMatchObject({ at: 'engine/resolve', code: 'ADDRESS_NOT_ALLOWED' });
    expect(asked).toEqual([SYSTEM_ENGINE]);
  });

  test('of an older form of the answer is taken: a URL with a scheme', async () => {
    expect((await tryWith({ engineUrl: `https://${SYSTEM_ENGINE}/?account_id=01hxaccount` })).failure).toBeNull();
  });
});

describeHttpFaults(fireboltStand);

describeBadConfigs(fireboltStand, [
  ['an account with a path', { account: '../x' }, 'account', 'INVALID_FORMAT'],
  ['an account with a host', { account: 'a.evil.example/#' }, 'account', 'INVALID_FORMAT'],
  ['a database with a line break', { database: 'a\nb' }, 'database', 'INVALID_FORMAT'],
]);
