import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { snowflake } from '../../src/connectors/snowflake/index.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { PRIVATE_KEY } from '../support/inputs.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import { type FakeSnowflakeOptions, type SnowflakeUser, startFakeSnowflake } from '../support/peers/fake-snowflake.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const HOST = 'myorg-account1.snowflakecomputing.com';
const privateKey = rsaKey(2048);
const user: SnowflakeUser = { name: 'READER', password: 'a "long" password', privateKey, token: 'ver:1-a-token' };
const tables: FakeTable[] = [
  {
    schema: 'PUBLIC',
    name: 'CLIENTS',
    columns: [
      { name: 'ID', type: 'NUMBER', nullable: 'NO' },
      { name: 'NAME', type: 'TEXT' },
    ],
  },
  { schema: 'PUBLIC', name: 'EMPTY_VIEW', kind: 'VIEW', columns: [] },
  { schema: 'Sales "EU"', name: "o'brien\\", columns: [{ name: 'a', type: 'VARIANT' }] },
];
const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startSnowflake(options: Partial<FakeSnowflakeOptions> = {}): Promise<HttpPeer> {
  const certificate = await authority.issue({ names: [HOST] });
  const peer = await startFakeSnowflake({ user, tables, certificate, ...options });
  peers.push(peer);
  return peer;
}

const WAYS = {
  password: { password: { password: user.password } },
  keyPair: { keyPair: { privateKey } },
  accessToken: { accessToken: { token: user.token } },
};
const ways = Object.entries(WAYS);

function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    account: 'myorg-account1',
    username: 'reader',
    authentication: WAYS.password,
    warehouse: 'compute_wh',
    database: 'analytics',
    ...more,
  };
}

function trySnowflake(
  peer: HttpPeer,
  config = configFor(),
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const names = { [`${HOST}:443`]: `127.0.0.1:${peer.port}` };
  return testConnection(snowflake, config, { names, extraCa: authority.certificate, ...options });
}

describe.each(ways)('by %s', (way, authentication) => {
  test('a database that works passes every check over one connection', async () => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication, schema: 'public', role: 'reporter' }));
    expect(result.failure).toBeNull();
    expect(result.steps.slice(-3)).toEqual([
      'session/authenticate: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Snowflake 9.35.1', user: 'reader' },
      'query/execute': { database: 'ANALYTICS', schema: 'PUBLIC', warehouse: 'COMPUTE_WH', role: 'REPORTER' },
      'tables/list': { tables: '2', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('what takes its time is waited for', async () => {
    const peer = await startSnowflake({ slowBy: 2 });
    const result = await trySnowflake(peer, configFor({ authentication }));
    expect(result.failure).toBeNull();
  });

  test.each([
    ['database', { database: 'nope' }, 'DATABASE_NOT_FOUND', 'database'],
    ['schema', { schema: 'nope' }, 'SCHEMA_NOT_FOUND', 'schema'],
    ['warehouse', { warehouse: 'nope' }, 'RESOURCE_NOT_FOUND', 'warehouse'],
  ])('a missing %s is named', async (_title, more, code, configPath) => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication, ...more }));
    expect(gist(result)).toEqual({ at: 'query/execute', code, configPath });
    expect(result.failure?.hint).toContain(`\`${configPath}\``);
  });

  test('a role that the user does not have is named', async () => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication, role: 'accountadmin' }));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'role' });
  });

  test('the catalog is read, odd names and all', async () => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication }), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'PUBLIC',
        name: 'CLIENTS',
        kind: 'TABLE',
        columns: [
          { name: 'ID', dataType: 'NUMBER', nullable: false },
          { name: 'NAME', dataType: 'TEXT', nullable: true },
        ],
      },
      { namespace: 'PUBLIC', name: 'EMPTY_VIEW', kind: 'VIEW', columns: [] },
      {
        namespace: 'Sales "EU"',
        name: "o'brien\\",
        kind: 'TABLE',
        columns: [{ name: 'a', dataType: 'VARIANT', nullable: true }],
      },
    ]);
  });

  test('a large catalog comes in pages, also where the server holds rows back', async () => {
    const many = Array.from({ length: 900 }, (_, index) => table(`T${String(index).padStart(4, '0')}`, 3));
    const peer = await startSnowflake({ tables: many, rowsInFirstPart: 400 });
    const result = await trySnowflake(peer, configFor({ authentication }), { catalog: true });
    expect(result.failure).toBeNull();
    const entries = result.batches.flat();
    expect(entries.map((entry) => entry.name)).toEqual(many.map((each) => each.name));
    expect(entries.every((entry) => entry.columns.length === 3)).toBe(true);
    expect(Math.max(...result.batches.map((batch) => batch.length))).toBeLessThanOrEqual(200);
  });

  test('only the schema that the config names is read', async () => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication, schema: '"Sales ""EU"""' }), { catalog: true });
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(["o'brien\\"]);
  });

  test(`secrets stay out of evidence and log (${way})`, async () => {
    const peer = await startSnowflake({ refusal: { code: '390100', message: `no ${user.password} ${user.token}` } });
    const result = await trySnowflake(peer, configFor({ authentication }));
    const told = JSON.stringify(result);
    expect(told).not.toContain(JSON.stringify(user.password).slice(1, -1));
    expect(told).not.toContain(user.token);
  });
});

describe('tenancy', () => {
  const tenancy = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'PUBLIC',
    tableName: 'CLIENTS',
    tableClientNameColumn: 'NAME',
    tablePrimaryKeyColumn: 'ID',
  } as const;

  test.each([
    ['a mapping that is there', {}, undefined],
    ['a missing table', { tableName: 'NOPE' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing column', { tableClientNameColumn: 'NOPE' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { tablePrimaryKeyColumn: 'NAME' }, 'TENANCY_COLUMN_TYPE'],
  ])('%s', async (_title, more, code) => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor(), {
      tenancy: { ...tenancy, ...more },
      methods: ['tenancy/mapping'],
    });
    expect(result.failure?.code).toBe(code);
  });
});

describe('who may not come in', () => {
  const encrypted = encryptedKey('the passphrase');
  const keyPath = 'authentication.keyPair.privateKey';
  test.each([
    ['a wrong password', { password: { password: 'x' } }, {}, 'PASSWORD_REFUSED', 'authentication.password.password'],
    ['an unknown user', WAYS.password, { username: 'nobody' }, 'PASSWORD_REFUSED', 'authentication.password.password'],
    ['no password', { password: {} }, {}, 'CREDENTIALS_REQUIRED', 'authentication.password.password'],
    ['another key', { keyPair: { privateKey: rsaKey(2048) } }, {}, 'KEY_REFUSED', keyPath],
    ['a key of an unknown user', WAYS.keyPair, { username: 'nobody' }, 'KEY_REFUSED', 'username'],
    ['no key', { keyPair: {} }, {}, 'CREDENTIALS_REQUIRED', keyPath],
    ['a short key', { keyPair: { privateKey: rsaKey(1024) } }, {}, 'KEY_UNUSABLE', keyPath],
    ['a broken key', { keyPair: { privateKey: PRIVATE_KEY } }, {}, 'KEY_UNUSABLE', keyPath],
    [
      'an encrypted key with another passphrase',
      { keyPair: { privateKey: encrypted, passphrase: 'another' } },
      {},
      'PASSPHRASE_REFUSED',
      'authentication.keyPair.passphrase',
    ],
    ['another token', { accessToken: { token: 'x' } }, {}, 'KEY_REFUSED', 'authentication.accessToken.token'],
  ])('%s', async (_title, authentication, more, code, configPath) => {
    const peer = await startSnowflake();
    const result = await trySnowflake(peer, configFor({ authentication, ...more }));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('an encrypted key opens with its passphrase', async () => {
    const peer = await startSnowflake();
    const keyPair = { privateKey: encrypted, passphrase: 'the passphrase' };
    const result = await trySnowflake(peer, configFor({ authentication: { keyPair } }));
    expect(result.failure).toBeNull();
  });

  test('a key that would take minutes to open is refused at once', async () => {
    const peer = await startSnowflake();
    const keyPair = { privateKey: withRounds(encrypted, 0x7fff_ffff), passphrase: 'the passphrase' };
    const result = await trySnowflake(peer, configFor({ authentication: { keyPair } }));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_UNUSABLE', configPath: keyPath });
    // with fewer rounds the same bytes are a key again, though one that does not open
    const cheap = { privateKey: withRounds(encrypted, 4_096), passphrase: 'the passphrase' };
    const control = await trySnowflake(peer, configFor({ authentication: { keyPair: cheap } }));
    expect(control.failure?.code).toBe('PASSPHRASE_REFUSED');
    expect(peer.requests).toEqual([]);
  });

  test('a clock that is an hour behind', async () => {
    const peer = await startSnowflake({ clockAhead: 3600 });
    const result = await trySnowflake(peer, configFor({ authentication: WAYS.keyPair }));
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'CLOCK_SKEW' });
  });

  test.each([
    ['390422', 'PERMISSION_DENIED', 'account'],
    ['390318', 'TOKEN_EXPIRED', 'authentication.accessToken.token'],
    ['390189', 'RESOURCE_NOT_FOUND', 'role'],
    ['003001', 'PERMISSION_DENIED', 'role'],
    ['390102', 'PASSWORD_REFUSED', 'authentication.password.password'],
    ['999999', 'SERVER_ERROR', null],
  ])('code %s', async (refused, code, configPath) => {
    const peer = await startSnowflake({ refusal: { code: refused, message: 'In words of the server.' } });
    const result = await trySnowflake(peer);
    expect(result.failure).toMatchObject({ code });
    if (configPath) expect(result.failure?.configPath).toBe(configPath);
    expect(JSON.stringify(result.failure)).not.toContain('words of the server');
  });

  test.each(['database', 'warehouse', 'schema'])('390201 about a %s', async (kind) => {
    const message = `The requested ${kind} does not exist or not authorized.`;
    const peer = await startSnowflake({ refusal: { code: '390201', message } });
    expect(gist(await trySnowflake(peer))).toMatchObject({ at: 'session/authenticate', configPath: kind });
  });

  test.each([403, 404, 513])('an account that is not there: %i', async (status) => {
    const peer = await startSnowflake({ misbehave: { status } });
    const at = 'session/authenticate';
    expect(gist(await trySnowflake(peer))).toEqual({ at, code: 'RESOURCE_NOT_FOUND', configPath: 'account' });
  });
});

describeHttpFaults({
  connector: snowflake,
  start: startSnowflake,
  name: HOST,
  fixedHost: true,
  config: () => configFor(),
  ways: (port, extraCa) => ({ names: { [`${HOST}:443`]: `127.0.0.1:${port}` }, extraCa }),
  hostPath: 'account',
  portPath: 'account',
});

describe('the account', () => {
  test.each([
    ['MyOrg-Account1', HOST, 'MYORG-ACCOUNT1'],
    ['myorg-my_account', 'myorg-my-account.snowflakecomputing.com', 'MYORG-MY_ACCOUNT'],
    [' myorg-account1.snowflakecomputing.com ', HOST, 'MYORG-ACCOUNT1'],
    ['xy12345.eu-central-1.snowflakecomputing.com', 'xy12345.eu-central-1.snowflakecomputing.com', 'XY12345'],
    [
      'myorg-account1.privatelink.snowflakecomputing.com',
      'myorg-account1.privatelink.snowflakecomputing.com',
      'MYORG-ACCOUNT1',
    ],
  ])('%s leads to %s', (account, host) => {
    const config = snowflake.config.parse(configFor({ account }));
    expect(snowflake.targets(config)).toMatchObject([{ host, port: 443, hostPath: 'account' }]);
  });
});

const badConfigs: readonly { name: string; config: unknown; path: string; code: IssueCode }[] = [
  {
    name: 'an encrypted key without its passphrase',
    config: configFor({ authentication: { keyPair: { privateKey: encryptedKey('the passphrase') } } }),
    path: 'authentication.keyPair.passphrase',
    code: 'REQUIRED',
  },
  ...[
    'evil.example/#',
    'evil.example',
    'https://myorg-account1.snowflakecomputing.com',
    'myorg-account1.snowflakecomputing.com/',
    'myorg-account1.snowflakecomputing.com.evil.example',
    'evil.example#.snowflakecomputing.com',
    'a@evil.example.snowflakecomputing.com:1',
    'noorganisation',
    'myorg-account1.snowflakecomputing.com.',
    'ⓜyorg-account1',
    '.snowflakecomputing.com',
    '..snowflakecomputing.com',
  ].map((account) => ({
    name: `account ${account}`,
    config: configFor({ account }),
    path: 'account',
    code: 'INVALID_FORMAT' as const,
  })),
  {
    name: 'two ways to sign in',
    config: configFor({ authentication: { ...WAYS.password, ...WAYS.accessToken } }),
    path: 'authentication',
    code: 'EXACTLY_ONE',
  },
  { name: 'no way to sign in', config: configFor({ authentication: {} }), path: 'authentication', code: 'EXACTLY_ONE' },
  {
    name: 'a key that is a path',
    config: configFor({ authentication: { keyPair: { privateKey: '/etc/key.p8' } } }),
    path: 'authentication.keyPair.privateKey',
    code: 'INVALID_FORMAT',
  },
];

describe('the config', () => {
  test.each(badConfigs)('refuses $name', ({ config, path, code }) => {
    const { error } = snowflake.config.safeParse(config);
    const issues = error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]);
    expect(issues).toEqual([[path, code]]);
  });
});

function table(name: string, columns: number): FakeTable {
  return {
    schema: 'PUBLIC',
    name,
    columns: Array.from({ length: columns }, (_, index) => ({ name: `C${index}`, type: 'TEXT' })),
  };
}

function rsaKey(modulusLength: number): string {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function encryptedKey(passphrase: string): string {
  return createPrivateKey(privateKey)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
    .toString();
}

/** The same key with another number of rounds in it, so that it says to take long. */
function withRounds(pem: string, rounds: number): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  // INTEGER 2048 (0x0800) behind the salt; the number grows by its extra bytes, as do the sequences around it
  const at = der.indexOf(Buffer.from('02020800', 'hex'));
  if (at < 0) throw new Error('the key holds no 2048 rounds');
  const number = Buffer.from(rounds.toString(16).padStart(8, '0'), 'hex');
  const extra = number.length - 2;
  const grown = Buffer.concat([der.subarray(0, at), Buffer.from([0x02, number.length]), number, der.subarray(at + 4)]);
  grown.writeUInt16BE(grown.readUInt16BE(2) + extra, 2);
  for (let offset = 4; offset < at; ) {
    if (grown[offset] === 0x30) {
      const end = offset + 2 + (grown[offset + 1] ?? 0);
      if (end > at) grown[offset + 1] = (grown[offset + 1] ?? 0) + extra;
      offset += 2;
    } else offset += 2 + (grown[offset + 1] ?? 0);
  }
  const lines = grown.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${lines.join('\n')}\n-----END ENCRYPTED PRIVATE KEY-----\n`;
}
