import { Connection } from 'tedious';
import { describe, expect, test, vi } from 'vitest';
import { changedDestinations } from '../../src/connectors/kit/config/shape.ts';
import { mssql } from '../../src/connectors/mssql/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { type FakeMssqlOptions, preloginAnswer, refusal } from '../support/peers/fake-mssql.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { md4 } from '../support/peers/ntlm.ts';
import { startTarpit, type TarpitOptions } from '../support/peers/tarpit.ts';
import { ANSWER, PRELOGIN, tdsPackets } from '../support/peers/tds-channel.ts';
import { doneToken, errorToken, loginToken, rowTokens } from '../support/peers/tds-tokens.ts';
import { describeReach } from '../support/reach-table.ts';
import { mssqlStand } from '../support/stands/mssql.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const secure = useStand(mssqlStand);
const clear = useStand(inClearText(mssqlStand));
const { configFor, keep, start, tryAt, tryIt, tryWith } = clear;
const PASSWORD = String(configFor().password);
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];

/** A text as it stands in a login and in statements. */
const wide = (text: string) => Buffer.from(text, 'utf16le');
/** The same as a password stands in a login. */
const hidden = (text: string) => Buffer.from(wide(text).map((byte) => (((byte << 4) | (byte >> 4)) & 0xff) ^ 0xa5));

describe('the fake', () => {
  test.each([
    ['optional', true],
    ['required', true],
    ['strict', 'strict'],
    ['optional', false],
  ] as const)(
    'with %s encryption is a server that the driver by itself gets along with: %s',
    async (encryption, encrypt) => {
      const peer = await secure.start({ encryption });
      const connection = new Connection({
        server: '127.0.0.1',
        authentication: { type: 'default', options: { userName: 'app', password: PASSWORD } },
        options: {
          port: peer.port,
          database: 'shop',
          encrypt,
          trustServerCertificate: true,
          serverName: 'db.example',
          cryptoCredentialsDetails: { ca: secure.authority.certificate },
        },
      });
      await new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));
      connection.close();
    },
  );

  test('knows MD4', () => {
    expect(md4(Buffer.from('')).toString('hex')).toBe('31d6cfe0d16ae931b73c59d7e0c089c0');
    const long = '12345678901234567890123456789012345678901234567890123456789012345678901234567890';
    expect(md4(Buffer.from(long)).toString('hex')).toBe('e33b4ddc9c38f2199c3e7b164fcc0536');
  });
});

describe('a server that works', () => {
  test('passes every check over one connection, the writing one too, and says what it found', async () => {
    const peer = await secure.start({ encryption: 'required' });
    const result = await secure.tryAt(peer, { username: 'builder' }, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
      'schema/create: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'tls/handshake': {
        protocol: 'TLSv1.2',
        names: 'db.example',
        issuer: 'CN=Test Authority',
        daysUntilExpiry: '89',
        tds: '7.4',
      },
      'session/authenticate': { server: 'SQL Server 16.0.1135', user: 'builder', method: 'password' },
      'database/select': { database: 'shop', schema: 'sales' },
      'query/execute': { rows: '1' },
      'tables/list': { tables: '2', views: '1', readable: '3' },
      'schema/create': { created: 'true', removed: 'true' },
    });
    expect(peer.statements.filter((sql) => /schema \[|transaction$/.test(sql))).toEqual([
      'begin transaction',
      expect.stringMatching(/^create schema \[dsg_test_[0-9a-f]{32}\]$/),
      expect.stringMatching(/^drop schema \[dsg_test_[0-9a-f]{32}\]$/),
      'rollback transaction',
    ]);
    expect(peer.connections()).toBe(1);
    await expect.poll(() => peer.open()).toBe(0);
  });

  test('is not written to by default, and learns nothing about the gateway', async () => {
    const peer = await start();
    expect(await tryAt(peer)).toMatchObject({ status: 'PASSED' });
    expect(peer.statements.some((sql) => sql.includes('schema ['))).toBe(false);
    expect(peer.login()).toEqual({
      host: 'datastore-gateway',
      username: 'app',
      application: 'datastore-gateway',
      server: 'db.example',
      database: 'shop',
    });
  });

  test('warns when there are tables, but none may be read', async () => {
    expect((await tryIt({ username: 'blind' })).steps.at(-1)).toBe('tables/list: WARNING');
  });

  test('does not warn a user who reads views alone', async () => {
    const result = await tryIt({ username: 'viewer' });
    expect(result.steps.at(-1)).toBe('tables/list: PASSED');
    expect(result.evidence['tables/list']).toMatchObject({ tables: '2', views: '1', readable: '1' });
  });

  test.each([
    ['CORP', undefined],
    ['corp', undefined],
    ['OTHER', 'SIGN_IN_METHOD_REFUSED'],
  ])('signs in by NTLM, with the domain %s', async (domain, code) => {
    const result = await secure.tryIt({ username: 'Jo', domain });
    if (code) expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath: 'domain' });
    else expect(result).toMatchObject({ status: 'PASSED', evidence: { 'session/authenticate': { method: 'NTLM' } } });
  });

  test('by NTLM no password is sent, and a wrong one is refused', async () => {
    const peer = await start();
    expect(await tryAt(peer, { username: 'Jo', domain: 'CORP' })).toMatchObject({ status: 'PASSED' });
    const sent = Buffer.concat(peer.wire);
    expect([sent.includes(wide(PASSWORD)), sent.includes(hidden(PASSWORD))]).toEqual([false, false]);
    const wrong = await tryAt(peer, { username: 'Jo', domain: 'CORP', password: 'wrong' });
    expect(gist(wrong)).toMatchObject({ at: 'session/authenticate', code: 'SIGN_IN_METHOD_REFUSED' });
  });
});

describe('encryption', () => {
  test.each([
    ['optional', '7.4', 'TLSv1.2', 1],
    ['required', '7.4', 'TLSv1.2', 1],
    ['strict', '8.0', 'TLSv1.3', 2],
  ] as const)('%s: TDS %s over %s', async (encryption, tds, protocol, connections) => {
    const peer = await secure.start({ encryption });
    const result = await secure.tryAt(peer);
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'tls/handshake': { tds, protocol } } });
    expect(peer.connections()).toBe(connections);
    const sent = Buffer.concat(peer.wire);
    for (const word of [wide('app'), wide('shop'), hidden(PASSWORD)]) expect(sent.includes(word)).toBe(false);
  });

  test('a flight of the handshake is one message', async () => {
    const peer = await secure.start();
    await secure.tryAt(peer);
    let rest = peer.wire[0] ?? Buffer.alloc(0);
    const statuses: (number | undefined)[] = [];
    for (; rest[0] === PRELOGIN; rest = rest.subarray(rest.readUInt16BE(2))) statuses.push(rest[1]);
    // PRELOGIN itself, what the client begins with, what it ends with; then records of application data
    expect([statuses, rest[0]]).toEqual([[1, 1, 1], 0x17]);
  });

  test('a server that says it has none gets nothing but the question', async () => {
    const tls = await secure.issue();
    for (const options of [{}, { tls, claims: 2 }, { tls, claims: 0 }]) {
      const peer = await start(options);
      const result = await tryAt(peer, { tls: { mode: 'REQUIRE' } });
      expect(gist(result)).toEqual({ at: 'tls/handshake', code: 'TLS_NOT_OFFERED', configPath: 'tls.mode' });
      expect(peer.wire.map((sent) => [sent[0], sent.length < 100])).toEqual([[PRELOGIN, true]]);
      expect(peer.login()).toBeUndefined();
    }
  });

  test('DISABLE sends all in clear text, and fails where that is not taken', async () => {
    const open = await secure.start({ encryption: 'optional' });
    expect(await tryAt(open)).toMatchObject({ status: 'PASSED' });
    expect(open.wire[0]?.includes(hidden(PASSWORD))).toBe(true);
    const closed = await secure.start({ encryption: 'required' });
    expect(gist(await tryAt(closed))).toEqual({
      at: 'session/authenticate',
      code: 'TLS_REQUIRED',
      configPath: 'tls.mode',
    });
    expect(closed.login()).toBeUndefined();
    const strict = await tryAt(await secure.start({ encryption: 'strict' }));
    expect(gist(strict)).toMatchObject({ at: 'session/authenticate', code: 'CONNECTION_LOST' });
    expect(strict.failure?.hint).toContain('tls.mode');
  });

  describe.each([
    ['optional', 'TLSv1.2'],
    ['strict', 'TLSv1.3'],
  ] as const)('%s', (encryption, protocol) => {
    describeTls(
      { ...mssqlStand, start: (certificate, options) => mssqlStand.start(certificate, { encryption, ...options }) },
      { heard: (peer) => [peer.login()].filter(Boolean), protocol },
    );
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a login that is disabled', { username: 'retired' }, 'session/authenticate', 'PERMISSION_DENIED', 'username'],
    ['a login that is locked', { username: 'locked' }, 'session/authenticate', 'PERMISSION_DENIED', 'username'],
    ['a password that has expired', { username: 'expired' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['too many connections', { username: 'crowded' }, 'session/authenticate', 'TOO_MANY_REQUESTS', null],
    ['a firewall', { username: 'walled' }, 'session/authenticate', 'PERMISSION_DENIED', 'host'],
    ['a database that is moving', { username: 'moving' }, 'session/authenticate', 'SERVER_UNAVAILABLE', null],
    ['a number that nobody knows', { username: 'strange' }, 'session/authenticate', 'SERVER_ERROR', null],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    [
      'a database that the login may not open',
      { username: 'guest' },
      'database/select',
      'PERMISSION_DENIED',
      'database',
    ],
    [
      'a database that a login of another one may not open',
      { username: 'contained' },
      'database/select',
      'DATABASE_NOT_FOUND',
      'database',
    ],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['no right to create', {}, 'schema/create', 'PERMISSION_DENIED', 'username'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await secure.tryIt(more, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain(PASSWORD);
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('talks too much');
  });

  test('an unknown database also where only a later check is asked for, and over strict encryption', async () => {
    const peer = await secure.start({ encryption: 'strict' });
    const later = await secure.tryAt(peer, { database: 'nope' }, { methods: ['tables/list'] });
    expect(gist(later)).toEqual({ at: 'tables/list', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
    const guest = await secure.tryAt(peer, { username: 'guest' });
    expect(gist(guest)).toEqual({ at: 'database/select', code: 'PERMISSION_DENIED', configPath: 'database' });
  });

  test('a server that sends on to another one, which nobody connects to', async () => {
    const stranger = await keep(startTarpit());
    const peer = await start({ routesTo: { host: '127.0.0.1', port: stranger.port } });
    const result = await tryAt(peer);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'UNEXPECTED_ANSWER', configPath: 'host' });
    expect(result.failure?.hint).toContain('Proxy');
    expect([stranger.connections(), peer.connections()]).toEqual([0, 1]);
  });

  describeReach(clear);
});

/** A packet whose header says what it likes. */
function packet(body: Buffer | string, length: number, type = ANSWER, status = 1): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), Buffer.from(body)]);
  bytes.writeUInt8(type);
  bytes.writeUInt8(status, 1);
  bytes.writeUInt16BE(length, 2);
  return bytes;
}

/** A list of options that points where there is nothing. */
const LYING_OPTIONS = Buffer.from([0, 0, 200, 0, 6, 0xff]);
const ENDLESS_OPTIONS = Buffer.alloc(64);

describe('what is no SQL Server, or a hostile one', () => {
  const answers = (says: Buffer): FakeMssqlOptions => ({ says: () => says });

  test.each<[string, FakeMssqlOptions, string]>([
    ['a length of zero', answers(packet('', 0)), 'PROTOCOL_MISMATCH'],
    ['a length that is all header', answers(packet('', 8)), 'PROTOCOL_MISMATCH'],
    ['a length that is far too long', answers(packet('', 65_000)), 'PROTOCOL_MISMATCH'],
    ['a packet that is not the last', answers(packet(preloginAnswer(2), 26, ANSWER, 0)), 'PROTOCOL_MISMATCH'],
    ['a packet of another type', answers(packet(preloginAnswer(2), 26, PRELOGIN)), 'PROTOCOL_MISMATCH'],
    [
      'more than it was asked for',
      answers(Buffer.concat([tdsPackets(preloginAnswer(1)), Buffer.from([22])])),
      'PROTOCOL_MISMATCH',
    ],
    ['options that lie elsewhere', answers(tdsPackets(LYING_OPTIONS)), 'PROTOCOL_MISMATCH'],
    ['options without an end', answers(tdsPackets(ENDLESS_OPTIONS)), 'PROTOCOL_MISMATCH'],
    ['no options', answers(tdsPackets(Buffer.from([0xff]))), 'PROTOCOL_MISMATCH'],
    ['a kind of encryption that does not exist', answers(tdsPackets(preloginAnswer(9))), 'PROTOCOL_MISMATCH'],
  ])('PRELOGIN answered by %s', async (_title, options, code) => {
    for (const tls of [{ mode: 'DISABLE' }, {}]) {
      const result = await tryWith(options, { tls });
      expect(gist(result)).toMatchObject({ code, configPath: 'port' });
    }
  });

  test.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'PROTOCOL_MISMATCH'],
    ['neither yes nor no', doneToken(), 'PROTOCOL_MISMATCH'],
    ['a token that does not exist', Buffer.from([0x42, 1, 2, 3]), 'PROTOCOL_MISMATCH'],
    ['a token that is cut off', errorToken(18_456, 'no').subarray(0, 9), 'PROTOCOL_MISMATCH'],
    ['a token that is not due', rowTokens([[1]], 1), 'PROTOCOL_MISMATCH'],
    ['tokens of no length', Buffer.from([0xaa, 0, 0, 0xe3, 0, 0, 0xad, 0, 0]), 'PROTOCOL_MISMATCH'],
    ['a version that nobody knows', Buffer.concat([loginToken(0x1234_5678), doneToken()]), 'PROTOCOL_MISMATCH'],
    ['a challenge that nobody asked for', Buffer.from([0xed, 4, 0, 1, 2, 3, 4]), 'PROTOCOL_MISMATCH'],
    [
      '20,000 changes of the environment',
      Buffer.concat(Array(20_000).fill(Buffer.from([0xe3, 0, 0]))),
      'PROTOCOL_MISMATCH',
    ],
    ['a message of 100 KiB', errorToken(18_456, 'x'.repeat(30_000)), 'PASSWORD_REFUSED'],
    ['200 KiB', Buffer.alloc(200_000, errorToken(1, 'x')), 'TOO_MUCH_DATA'],
  ])('a login answered by %s', async (_title, body, code) => {
    // the driver prints a line for each change that it does not know
    const printed = vi.spyOn(console, 'error').mockReturnValue();
    const peer = await start({ misbehave: (step) => (step === 'login' ? body : undefined) });
    const result = await tryAt(peer, {}, { deadline: 5_000 });
    printed.mockRestore();
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code });
    await expect.poll(() => peer.open()).toBe(0);
  });

  const select = (body: Buffer): FakeMssqlOptions => ({
    misbehave: (step, text) => (step === 'statement' && text === 'select 1' ? body : undefined),
  });
  const hugeColumn = Buffer.concat([
    Buffer.from([0x81, 1, 0, 0, 0, 0, 0, 9, 0, 0xe7, 0xff, 0xff, 9, 4, 0xd0, 0, 0x34, 0, 0xd1]),
    Buffer.from([0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40]),
  ]);

  test.each<[string, Buffer, string]>([
    ['another number', Buffer.concat([rowTokens([[2]], 1), doneToken({ procedure: true })]), 'UNEXPECTED_ANSWER'],
    ['no rows', doneToken({ procedure: true }), 'UNEXPECTED_ANSWER'],
    ['a token that does not exist', Buffer.from([0x42]), 'PROTOCOL_MISMATCH'],
    ['a row before its columns', Buffer.from([0xd1, 4, 1, 0, 0, 0]), 'PROTOCOL_MISMATCH'],
    ['a value of a gigabyte that does not come', hugeColumn, 'PROTOCOL_MISMATCH'],
    ['65,000 columns that do not come', Buffer.from([0x81, 0xe8, 0xfd]), 'PROTOCOL_MISMATCH'],
    ['no right to select', refusal(229), 'PERMISSION_DENIED'],
    ['nothing of that name', refusal(208), 'RESOURCE_NOT_FOUND'],
  ])('a query answered by %s', async (_title, body, code) => {
    const peer = await start(select(body));
    const result = await tryAt(peer, {}, { deadline: 5_000 });
    expect(gist(result)).toMatchObject({ at: 'query/execute', code });
    await expect.poll(() => peer.open()).toBe(0);
  });

  test.each<[string, TarpitOptions, string]>([
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['a MySQL server', { says: Buffer.from('4a0000000a382e302e3336000800', 'hex') }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
    ['one that begins the handshake with something else', { answers: tdsPackets(preloginAnswer(1)) }, 'TIMEOUT'],
  ])('%s', async (_title, options, code) => {
    const stranger = await keep(startTarpit(options));
    const overTls = await tryAt(stranger, { tls: {} }, { deadline: 1_500 });
    expect(gist(overTls)).toMatchObject({ at: 'tls/handshake', code });
    if (code === 'TIMEOUT') return;
    const inTheClear = await tryAt(stranger);
    expect(gist(inTheClear)).toMatchObject({ at: 'session/authenticate', code });
  });

  test('garbage in the midst of the handshake', async () => {
    for (const garbage of [packet('', 0, PRELOGIN), packet('x', 9, 0x99), packet('x'.repeat(50), 58, PRELOGIN)]) {
      let isFirst = true;
      const result = await tryWith(
        {
          says: () => {
            if (!isFirst) return garbage;
            isFirst = false;
            return tdsPackets(preloginAnswer(1));
          },
        },
        { tls: {} },
      );
      expect(result).toMatchObject({ failedAt: 'tls/handshake' });
      expect(['PROTOCOL_MISMATCH', 'TLS_FAILED']).toContain(result.failure?.code);
    }
  });

  test('an HTTP server', async () => {
    const peer = await keep(startHttpPeer(() => ({ status: 200 })));
    for (const tls of [{ mode: 'DISABLE' }, {}]) {
      expect((await tryAt(peer, { tls })).failure).toMatchObject({ code: 'PROTOCOL_MISMATCH' });
    }
  });

  test('silence, and a byte a second, end at the deadline', async () => {
    const cases: [TarpitOptions, object, string][] = [
      [{}, { mode: 'DISABLE' }, 'session/authenticate'],
      [{}, {}, 'tls/handshake'],
      [{ says: '\x04\x01\x00\x20', slowly: true }, { mode: 'DISABLE' }, 'session/authenticate'],
    ];
    const strangers = await Promise.all(cases.map(([options]) => keep(startTarpit(options))));
    const results = await Promise.all(
      cases.map(([, tls], index) => tryAt({ port: strangers[index]?.port ?? 0 }, { tls }, { deadline: 1_500 })),
    );
    expect(results.map(gist)).toEqual(cases.map(([, , at]) => ({ at, code: 'TIMEOUT', configPath: null })));
    await expect.poll(() => strangers.map((stranger) => stranger.open())).toEqual([0, 0, 0]);
  });

  test('silence after the login ends at the deadline, and leaves nothing behind', async () => {
    const peer = await start({ misbehave: (step) => (step === 'login' ? Buffer.from([0xaa, 200, 0]) : undefined) });
    const half = await start({ says: () => packet(preloginAnswer(2), 200) });
    for (const server of [peer, half]) {
      const result = await tryAt(server, {}, { deadline: 1_000 });
      expect(['TIMEOUT', 'PROTOCOL_MISMATCH']).toContain(result.failure?.code);
      await expect.poll(() => server.open()).toBe(0);
    }
  });
});

describe('the catalog', () => {
  test('tables, views and columns of every schema', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(
      result.batches.flat().map(({ namespace, name, kind, readable }) => [namespace, name, kind, readable]),
    ).toEqual([
      ['dbo', 'nothing', 'TABLE', true],
      ['sales', 'Orders2', 'TABLE', true],
      ['sales', 'orders', 'TABLE', true],
      ['sales', 'recent', 'VIEW', true],
    ]);
    expect(result.batches.flat()[2]?.columns.map(({ name, dataType, nullable }) => [name, dataType, nullable])).toEqual(
      [
        ['id', 'int', false],
        ['client', 'nvarchar(50)', false],
        ['note', 'nvarchar(max)', true],
        ['code', 'varchar(12)', true],
        ['file', 'varbinary(max)', true],
        ['total', 'decimal(10,2)', true],
        ['at', 'datetime2(7)', true],
        ['row', 'uniqueidentifier', true],
        ['tenant', 'TenantId', true],
      ],
    );
  });

  test.each([
    ['blind', [false, false, false, false]],
    ['viewer', [false, false, false, true]],
  ])('says of each table whether %s may read it', async (username, readable) => {
    const { batches } = await tryIt({ username }, { catalog: true });
    expect(batches.flat().map((entry) => entry.readable)).toEqual(readable);
  });

  test('many tables come some at a time', async () => {
    const columns = Array.from({ length: 20 }, (_, number) => ({ name: `column ${number}`, type: 'int' }));
    const tables = Array.from({ length: 1_050 }, (_, number) => ({ schema: 'dbo', name: `t${number}`, columns }));
    const result = await tryWith({ databases: { shop: tables } }, {}, { catalog: true });
    expect(result.evidence['catalog/read']).toEqual({ entries: '1050', columns: '21000' });
    expect(Math.max(...result.batches.map((batch) => batch.length))).toBeLessThanOrEqual(200);
    expect(new Set(result.batches.flat().map(({ name }) => name)).size).toBe(1_050);
  });

  test('a server that does not go forward is not asked for ever', async () => {
    const again = Buffer.concat([
      rowTokens([['dbo', 't', 'U', 1, 'a', 'int', 4, 10, 0, true]], 10),
      doneToken({ procedure: true }),
    ]);
    const misbehave = (_step: string, text: string) => (text.includes('top (100)') ? again : undefined);
    expect((await tryWith({ misbehave }, {}, { catalog: true })).evidence['catalog/read']).toMatchObject({
      entries: '2',
    });
  });
});

describeTenancy(clear, [
  ['whose key is a GUID', { clientColumnType: 'STRING', tablePrimaryKeyColumn: 'row' }, undefined],
  ['whose key has an alias type', { tablePrimaryKeyColumn: 'tenant' }, undefined],
  [
    'whose table has no columns',
    { schemaName: 'dbo', tableName: 'nothing' },
    'TENANCY_COLUMN_NOT_FOUND',
    'tableClientNameColumn',
  ],
]);

describeBadConfigs(mssqlStand, [
  ['a named instance', { host: 'db.example\\SQL1' }, 'host', 'INVALID_FORMAT'],
  ['a port in the host', { host: 'db.example,1433' }, 'host', 'INVALID_FORMAT'],
  ['a URL', { host: 'sqlserver://db.example' }, 'host', 'URL_IN_HOST'],
  ['a port of 65536', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
  ['no user', { username: undefined }, 'username', 'REQUIRED'],
  ['an empty database', { database: '' }, 'database', 'TOO_SHORT'],
  ['a password of 129 characters', { password: 'x'.repeat(129) }, 'password', 'TOO_LONG'],
  ['a user with a zero in it', { username: 'a\0b' }, 'username', 'INVALID_FORMAT'],
  ['a domain with a user in it', { domain: 'CORP\\jo' }, 'domain', 'INVALID_FORMAT'],
]);

describe('the config', () => {
  test('leads where it says', () => {
    expect(mssql.targets(mssql.config.parse(configFor()))).toMatchObject([{ host: 'db.example', port: 1433 }]);
  });

  test.each([
    ['host', {}, { host: 'other.example' }, ['host']],
    ['a domain that comes', {}, { domain: 'CORP' }, ['domain']],
    ['a domain that goes', { domain: 'CORP' }, {}, ['domain']],
    ['a domain that is another', { domain: 'CORP' }, { domain: 'LAB' }, []],
    ['user, database and schema', {}, { username: 'b', database: 'c', schema: 'd' }, []],
    ['a weaker TLS', {}, { tls: { mode: 'DISABLE' } }, ['tls.mode']],
  ])('a change of %s is one of destination: %j', (_title, before, change, paths) => {
    const parse = (more: object) => mssql.config.parse({ ...secure.configFor({ schema: undefined }), ...more });
    expect(changedDestinations(mssql, parse(before), parse(change))).toEqual(paths);
  });
});
