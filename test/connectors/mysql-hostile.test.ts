import fc from 'fast-check';
import { describe, expect, type MockInstance, test, vi } from 'vitest';
import { ownTime } from '../support/own-time.ts';
import type { FakeMysqlOptions } from '../support/peers/fake-mysql.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { errorBody, OK, type PacketChannel, packetOf, resultBodies } from '../support/peers/mysql-packets.ts';
import { startTarpit, type TarpitOptions } from '../support/peers/tarpit.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { ACCOUNT } from '../support/stands/mysql-family.ts';
import { inClearText } from '../support/stands/stand.ts';
import { gist, type TestConnectionOptions, type TestedConnection } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { issue, keep, start, tryAt } = useStand(inClearText(mysqlStand));
const DEADLINE_MS = 8_000;
const TLS = { mode: 'REQUIRE' };
const CLEAR = { mode: 'DISABLE' };

/** A test of a server, which ends in time and does not make the driver pass its words on to the console. */
async function attack(
  peer: { readonly port: number },
  tls: Record<string, unknown> = CLEAR,
  how: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const silence = (method: 'error' | 'warn' | 'trace' | 'log'): MockInstance =>
    vi.spyOn(console, method).mockImplementation(() => undefined);
  // of a length that is none the driver tells only where it was, in its own code
  silence('trace');
  const printed = (['error', 'warn', 'log'] as const).map(silence);
  const { deadline = DEADLINE_MS } = how;
  const before = ownTime();
  const result = await tryAt(peer, { tls }, { ...how, deadline });
  expect(ownTime() - before).toBeLessThan(deadline + 2_000);
  const lines = printed.flatMap((each) => each.mock.calls);
  vi.restoreAllMocks();
  expect(lines).toEqual([]);
  return result;
}

async function tryStranger(options: TarpitOptions, tls?: Record<string, unknown>): Promise<TestedConnection> {
  return attack(await keep(startTarpit(options)), tls);
}

async function tryHostile(
  options: Partial<FakeMysqlOptions>,
  tls?: Record<string, unknown>,
  how?: TestConnectionOptions,
): Promise<TestedConnection> {
  return attack(await start({ cached: true, databases: { shop: [] }, ...options }), tls, how);
}

/** What a server of today opens with, without TLS. */
const GREETING = Buffer.concat([
  Buffer.from('\x0a8.4.3\0\x01\0\0\0scramble\0', 'latin1'),
  Buffer.from([0xff, 0xf7, 0xff, 2, 0, 0xff, 0xdf, 21]),
  Buffer.alloc(10),
  Buffer.from('of20 bytes..\0caching_sha2_password\0'),
]);

describe('what is no MySQL server', () => {
  const STRANGERS: readonly [string, TarpitOptions, string][] = [
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['an SSH server', { says: 'SSH-2.0-OpenSSH_9.2\r\n' }, 'PROTOCOL_MISMATCH'],
    ['MySQL’s X protocol', { says: Buffer.from('050000000b08051a00', 'hex') }, 'PROTOCOL_MISMATCH'],
    ['the protocol of old', { says: packetOf('\x093.20.32\0\x01\0\0\0scramble', 0) }, 'PROTOCOL_MISMATCH'],
    ['a greeting that says nothing', { says: packetOf('\x0a', 0) }, 'PROTOCOL_MISMATCH'],
    ['a greeting that is cut off', { says: packetOf('\x0a8.4.3\0\x01', 0) }, 'PROTOCOL_MISMATCH'],
    ['a packet of nothing', { says: packetOf('', 0) }, 'PROTOCOL_MISMATCH'],
    ['a packet of 16 MiB', { says: packetOf(GREETING, 0, 0xffffff) }, 'PROTOCOL_MISMATCH'],
    ['a greeting of 100 KiB', { says: packetOf(`\x0a${'8'.repeat(100_000)}`, 0) }, 'TOO_MUCH_DATA'],
    ['a greeting that is not the first', { says: packetOf(GREETING, 1) }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { says: '', hangsUp: true }, 'CONNECTION_LOST'],
  ];

  test.each(STRANGERS)('%s', async (_title, options, code) => {
    for (const [at, tls] of [
      ['session/authenticate', CLEAR],
      ['tls/handshake', TLS],
    ] as const) {
      const result = await tryStranger(options, tls);
      expect(result).toMatchObject({ failedAt: at, failure: { code } });
      expect(result.failure?.hint).toBeTruthy();
    }
  });

  test('silence, a byte a second, and a server that waits for the client to speak, end at the deadline', async () => {
    const http = await keep(startHttpPeer(() => ({ status: 200 })));
    const slow = await keep(startTarpit({ says: packetOf(GREETING, 0), slowly: true }));
    const silent = await keep(startTarpit());
    for (const tls of [CLEAR, TLS]) {
      const at = tls === TLS ? 'tls/handshake' : 'session/authenticate';
      for (const peer of [http, slow, silent]) {
        const result = await attack(peer, tls, { deadline: 500 });
        expect(gist(result)).toEqual({ at, code: 'TIMEOUT', configPath: null });
      }
    }
    await expect.poll(() => [slow.open(), silent.open()]).toEqual([0, 0]);
  });

  test('any greeting with some bytes changed gets a clear answer', async () => {
    const change = fc.tuple(fc.nat(GREETING.length - 1), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const body = Buffer.from(GREETING);
        for (const [at, byte] of changes) body[at] = byte;
        const stranger = await startTarpit({
          says: packetOf(body, 0),
          answers: packetOf('\xff\x15\x04#28000no', 2),
          hangsUp: false,
        });
        try {
          const { failure } = await attack(stranger, CLEAR, { deadline: 4_000 });
          expect(['PROTOCOL_MISMATCH', 'PASSWORD_REFUSED', 'SERVER_ERROR', 'SIGN_IN_METHOD_REFUSED']).toContain(
            failure?.code,
          );
        } finally {
          await stranger.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('on the way to TLS', () => {
  test.each<[string, Buffer]>([
    ['another packet', packetOf(OK, 1)],
    ['the packet that would be due then', packetOf('\xfesha256_password\0twenty bytes scramble\0', 2)],
    ['half a packet', packetOf(OK, 2).subarray(0, 3)],
  ])('%s in the clear, right after the greeting, is refused, and nothing is said', async (_title, afterGreeting) => {
    const peer = await start({ certificate: await issue(), afterGreeting });
    const result = await attack(peer, TLS);
    expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: 'PROTOCOL_MISMATCH' } });
    expect(peer.overTls).toEqual([]);
    expect(Buffer.concat(peer.inTheClear).includes(ACCOUNT.username)).toBe(false);
  });

  test('the same in a packet of its own, once TLS was asked for', async () => {
    const greeting = Buffer.from(GREETING);
    greeting[GREETING.indexOf('scramble') + 10] = 0xff;
    const answers = packetOf('\xfesha256_password\0twenty bytes scramble\0', 2);
    const result = await tryStranger({ says: packetOf(greeting, 0), answers }, TLS);
    expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: 'TLS_FAILED' } });
  });
});

describe('a server that, asked to sign us in,', () => {
  const again = async (channel: PacketChannel, body: Buffer) => {
    for (let said: Buffer | undefined = body; said; said = await channel.next()) channel.send(body);
  };
  const switchTo = Buffer.from('\xfemysql_native_password\0twenty bytes scramble\0', 'latin1');

  const FAST = Buffer.from([1, 3]);

  test.each<[string, (channel: PacketChannel) => Promise<void>, string]>([
    ['asks for the same again and again', (channel) => again(channel, switchTo), 'TOO_MUCH_DATA'],
    ['has more to say without end', (channel) => channel.sendForEver(Buffer.from([1, 3])), 'TOO_MUCH_DATA'],
    ['says yes twice', async (channel) => channel.send(FAST, FAST), 'PROTOCOL_MISMATCH'],
    ['says it with a wrong number', async (channel) => channel.sendRaw(packetOf(OK, 9)), 'PROTOCOL_MISMATCH'],
    ['greets once more', async (channel) => channel.send(GREETING), 'PROTOCOL_MISMATCH'],
    ['sends a packet of nothing', async (channel) => channel.send(Buffer.alloc(0)), 'PROTOCOL_MISMATCH'],
    ['sends an error of one byte', async (channel) => channel.send(Buffer.from([0xff])), 'PROTOCOL_MISMATCH'],
    ['hangs up', async () => undefined, 'CONNECTION_LOST'],
  ])('%s', async (_title, insteadOfSignIn, code) => {
    const result = await tryHostile({ insteadOfSignIn });
    expect(result).toMatchObject({ failedAt: 'session/authenticate', failure: { code } });
    expect(result.failure?.hint).toBeTruthy();
  });
});

describe('a server that signs us in and then', () => {
  const [width = OK, column = OK, end = OK, row = OK] = resultBodies([['8.4.3']]);
  const long = Buffer.concat([Buffer.from([0xfc, 0x00, 0x40]), Buffer.alloc(0x4000, 'x')]);
  const moreResults = Buffer.from([0x00, 0, 0, 0x0a, 0, 0, 0]);

  const ANSWERS: readonly [string, readonly Buffer[] | ((channel: PacketChannel) => Promise<void>), string][] = [
    ['asks for a file', [Buffer.from('\xfb/etc/passwd', 'latin1')], 'PROTOCOL_MISMATCH'],
    ['announces more columns than there are', [Buffer.from(`fe${'ff'.repeat(8)}`, 'hex'), end], 'PROTOCOL_MISMATCH'],
    ['sends columns that are none', [width, Buffer.from([0xfd]), end, row, end], 'PROTOCOL_MISMATCH'],
    ['sends no columns', [width, end], 'PROTOCOL_MISMATCH'],
    ['sends a packet of nothing', [width, column, end, Buffer.alloc(0)], 'PROTOCOL_MISMATCH'],
    ['sends a packet of 16 MiB', async (channel) => channel.sendRaw(packetOf(row, 1, 0xffffff)), 'PROTOCOL_MISMATCH'],
    ['leaves a packet out', async (channel) => channel.sendRaw(packetOf(width, 2)), 'PROTOCOL_MISMATCH'],
    [
      'sends rows without end',
      async (channel) => {
        channel.send(width, column, end);
        await channel.sendForEver(long);
      },
      'TOO_MUCH_DATA',
    ],
    [
      'sends columns without end',
      async (channel) => {
        channel.send(Buffer.from(`fe${'ff'.repeat(8)}`, 'hex'));
        await channel.sendForEver(Buffer.concat([column, Buffer.alloc(0x4000)]));
      },
      'TOO_MUCH_DATA',
    ],
    [
      'sends results without end',
      (channel) => channel.sendForEver(Buffer.concat([moreResults, Buffer.alloc(0x4000)])),
      'TOO_MUCH_DATA',
    ],
    [
      'shuts down',
      async (channel) => channel.sendRaw(packetOf(errorBody(1053, 'Server shutdown'), 0)),
      'SERVER_UNAVAILABLE',
    ],
    ['hangs up', async (channel) => channel.hangUp(), 'CONNECTION_LOST'],
  ];

  test.each(ANSWERS)('%s', async (_title, answer, code) => {
    const result = await tryHostile({ answers: { 'select version()': answer } });
    expect(result).toMatchObject({ failedAt: 'session/authenticate', failure: { code } });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('hangs up between two questions', async () => {
    const answer = async (channel: PacketChannel) => {
      channel.send(...resultBodies([['8.4.3']]));
      channel.hangUp();
    };
    const result = await tryHostile({ answers: { 'select version()': answer } });
    expect(result.failure?.code).toBe('CONNECTION_LOST');
  });

  test('says more than it was asked for', async () => {
    const result = await tryHostile({ answers: { 'use ': [OK, OK] } });
    expect(result.failure?.code).toBe('PROTOCOL_MISMATCH');
  });

  test.each([
    ['another number', 'select 1', resultBodies([['2']])],
    ['no row', 'select 1', resultBodies([])],
    ['no rows at all', 'select 1', [OK]],
    ['a length that is none', 'select 1', [width, column, end, Buffer.from(`fe${'09'.repeat(11)}`, 'hex'), end]],
    ['no count', 'select count(*)', resultBodies([])],
  ])('answers with %s', async (_title, statement, answer) => {
    const result = await tryHostile({ answers: { [statement]: answer } });
    expect(result.failure?.code).toBe('UNEXPECTED_ANSWER');
  });

  test('lists the same tables over and over', async () => {
    const page = resultBodies(Array.from({ length: 200 }, (_, index) => [`t${index + 100}`, 'BASE TABLE']));
    const result = await tryHostile({ answers: { 'select table_name, table_type': page } }, CLEAR, { catalog: true });
    expect(gist(result)).toMatchObject({ at: 'catalog/read', code: 'UNEXPECTED_ANSWER' });
  });
});
