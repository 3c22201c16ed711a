import { createPrivateKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { snowflake } from '../../src/connectors/snowflake/index.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { PRIVATE_KEY } from '../support/inputs.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import { rsaKey, snowflakeStand, USER, WAYS } from '../support/stands/snowflake.ts';
import { describeStrangers } from '../support/stranger-table.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(snowflakeStand);
const { configFor, start, tryAt, tryIt, tryWith } = stand;

describe.each(Object.entries(WAYS))('by %s', (way, authentication) => {
  test('a database that works passes every check over one connection', async () => {
    const peer = await start();
    const result = await tryAt(peer, { authentication, schema: 'public', role: 'reporter' });
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
    const result = await tryWith({ slowBy: 2 }, { authentication });
    expect(result.failure).toBeNull();
  });

  test.each([
    ['database', { database: 'nope' }, 'DATABASE_NOT_FOUND', 'database'],
    ['schema', { schema: 'nope' }, 'SCHEMA_NOT_FOUND', 'schema'],
    ['warehouse', { warehouse: 'nope' }, 'RESOURCE_NOT_FOUND', 'warehouse'],
  ])('a missing %s is named', async (_title, more, code, configPath) => {
    const result = await tryIt({ authentication, ...more });
    expect(gist(result)).toEqual({ at: 'query/execute', code, configPath });
    expect(result.failure?.hint).toContain(`\`${configPath}\``);
  });

  test('a role that the user does not have is named', async () => {
    const result = await tryIt({ authentication, role: 'accountadmin' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'role' });
  });

  test('the catalog is read, odd names and all', async () => {
    const result = await tryIt({ authentication }, { catalog: true });
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
    const result = await tryWith({ tables: many, rowsInFirstPart: 400 }, { authentication }, { catalog: true });
    expect(result.failure).toBeNull();
    const entries = result.batches.flat();
    expect(entries.map((entry) => entry.name)).toEqual(many.map((each) => each.name));
    expect(entries.every((entry) => entry.columns.length === 3)).toBe(true);
    expect(Math.max(...result.batches.map((batch) => batch.length))).toBeLessThanOrEqual(200);
  });

  test('only the schema that the config names is read', async () => {
    const result = await tryIt({ authentication, schema: '"Sales ""EU"""' }, { catalog: true });
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(["o'brien\\"]);
  });

  test(`secrets stay out of evidence and log (${way})`, async () => {
    const result = await tryWith(
      { refusal: { code: '390100', message: `no ${USER.password} ${USER.token}` } },
      { authentication },
    );
    const told = JSON.stringify(result);
    expect(told).not.toContain(JSON.stringify(USER.password).slice(1, -1));
    expect(told).not.toContain(USER.token);
  });
});

describeTenancy(stand);

describe('who may not come in', () => {
  const encrypted = encryptedKey('the passphrase');
  const keyPath = 'authentication.keyPair.privateKey';
  test.each([
    ['a wrong password', { password: { password: 'x' } }, {}, 'PASSWORD_REFUSED', 'authentication.password.password'],
    ['an unknown user', WAYS.password, { username: 'nobody' }, 'PASSWORD_REFUSED', 'authentication.password.password'],
    ['another key', { keyPair: { privateKey: rsaKey(2048) } }, {}, 'KEY_REFUSED', keyPath],
    ['a key of an unknown user', WAYS.keyPair, { username: 'nobody' }, 'KEY_REFUSED', 'username'],
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
    const result = await tryIt({ authentication, ...more });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('an encrypted key opens with its passphrase', async () => {
    const keyPair = { privateKey: encrypted, passphrase: 'the passphrase' };
    const result = await tryIt({ authentication: { keyPair } });
    expect(result.failure).toBeNull();
  });

  test('a key that would take minutes to open is refused at once', async () => {
    const peer = await start();
    const keyPair = { privateKey: withRounds(encrypted, 0x7fff_ffff), passphrase: 'the passphrase' };
    const result = await tryAt(peer, { authentication: { keyPair } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_UNUSABLE', configPath: keyPath });
    // with fewer rounds the same bytes are a key again, though one that does not open
    const cheap = { privateKey: withRounds(encrypted, 4_096), passphrase: 'the passphrase' };
    const control = await tryAt(peer, { authentication: { keyPair: cheap } });
    expect(control.failure?.code).toBe('PASSPHRASE_REFUSED');
    expect(peer.requests).toEqual([]);
  });

  test('a clock that is an hour behind', async () => {
    const result = await tryWith({ clockAhead: 3600 }, { authentication: WAYS.keyPair });
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
    const result = await tryWith({ refusal: { code: refused, message: 'In words of the server.' } });
    expect(result.failure).toMatchObject({ code });
    if (configPath) expect(result.failure?.configPath).toBe(configPath);
    expect(JSON.stringify(result.failure)).not.toContain('words of the server');
  });

  test.each(['database', 'warehouse', 'schema'])('390201 about a %s', async (kind) => {
    const message = `The requested ${kind} does not exist or not authorized.`;
    expect(gist(await tryWith({ refusal: { code: '390201', message } }))).toMatchObject({
      at: 'session/authenticate',
      configPath: kind,
    });
  });

  // a proxy may answer the first two as well as a host that no account has
  test.each([
    [403, 'PROTOCOL_MISMATCH'],
    [404, 'PROTOCOL_MISMATCH'],
    [513, 'RESOURCE_NOT_FOUND'],
  ])('an account that is not there: %i', async (status, code) => {
    const result = await tryWith({ misbehave: { status } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath: 'account' });
    expect(result.failure?.hint).toContain('Snowflake has none there');
  });
});

describeHttpFaults(snowflakeStand);
describe('by key', () => describeStrangers({ ...snowflakeStand, config: configFor({ authentication: WAYS.keyPair }) }));

describe('the account', () => {
  test.each([
    ['MyOrg-Account1', 'myorg-account1.snowflakecomputing.com', 'MYORG-ACCOUNT1'],
    ['myorg-my_account', 'myorg-my-account.snowflakecomputing.com', 'MYORG-MY_ACCOUNT'],
    [' myorg-account1.snowflakecomputing.com ', 'myorg-account1.snowflakecomputing.com', 'MYORG-ACCOUNT1'],
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

test.each([
  ['ab12345', 'ab12345.snowflakecomputing.com'],
  ['AB12345.eu-central-1', 'ab12345.eu-central-1.snowflakecomputing.com'],
  ['acme.west-europe.azure', 'acme.west-europe.azure.snowflakecomputing.com'],
  ['myorg-my_account.privatelink', 'myorg-my-account.privatelink.snowflakecomputing.com'],
  ['ab12345.us-east-1.privatelink', 'ab12345.us-east-1.privatelink.snowflakecomputing.com'],
  ['ab12345.cn-northwest-1', 'ab12345.cn-northwest-1.snowflakecomputing.cn'],
  ['myorg-account1.snowflakecomputing.cn', 'myorg-account1.snowflakecomputing.cn'],
])('the account %s is at %s', (account, host) => {
  expect(snowflake.targets(snowflake.config.parse(configFor({ account })))[0]?.host).toBe(host);
});

describeBadConfigs(snowflakeStand, [
  [
    'an encrypted key without its passphrase',
    { authentication: { keyPair: { privateKey: encryptedKey('the passphrase') } } },
    'authentication.keyPair.passphrase',
    'REQUIRED',
  ],
  ...[
    'evil.example/#',
    'evil.example',
    'https://myorg-account1.snowflakecomputing.com',
    'myorg-account1.snowflakecomputing.com/',
    'myorg-account1.snowflakecomputing.com.evil.example',
    'evil.example#.snowflakecomputing.com',
    'a@evil.example.snowflakecomputing.com:1',
    'noorganisation',
    'evil.example.privatelink',
    'ab12345.eu-central-1.evil',
    'myorg-account1.snowflakecomputing.com.',
    'ⓜyorg-account1',
    '.snowflakecomputing.com',
    '..snowflakecomputing.com',
  ].map((account): BadConfig => [`account ${account}`, { account }, 'account', 'INVALID_FORMAT']),
  [
    'two ways to sign in',
    { authentication: { ...WAYS.password, ...WAYS.accessToken } },
    'authentication',
    'EXACTLY_ONE',
  ],
  ['no way to sign in', { authentication: {} }, 'authentication', 'EXACTLY_ONE'],
  [
    'a key that is a path',
    { authentication: { keyPair: { privateKey: '/etc/key.p8' } } },
    'authentication.keyPair.privateKey',
    'INVALID_FORMAT',
  ],
]);

function table(name: string, columns: number): FakeTable {
  return {
    schema: 'PUBLIC',
    name,
    columns: Array.from({ length: columns }, (_, index) => ({ name: `C${index}`, type: 'TEXT' })),
  };
}

function encryptedKey(passphrase: string): string {
  return createPrivateKey(USER.privateKey)
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
