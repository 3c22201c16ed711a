import type { Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { PostgresMessages } from '../../src/connectors/families/postgres/messages.ts';
import { ownTime } from '../support/own-time.ts';
import { type FakePostgresOptions, int16, int32, message } from '../support/peers/fake-postgres.ts';
import { fakePostgresStand } from '../support/stands/postgres.ts';
import { useStand } from '../support/use-stand.ts';

const { start, tryAt, tryWith } = useStand(fakePostgresStand);
const DEADLINE_MS = 4_000;

async function attack(options: Partial<FakePostgresOptions>, catalog = false) {
  const before = ownTime();
  const result = await tryWith(options, {}, { deadline: DEADLINE_MS, catalog });
  expect(ownTime() - before).toBeLessThan(DEADLINE_MS + 2_000);
  return result;
}

/** Writes for ever, as fast as the other side reads. */
function pump(socket: Socket, piece: Buffer, first: Buffer = piece): void {
  socket.write(first);
  const write = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', write);
  write();
}

const notice = (length: number) => message('N', `SNOTICE\0M${'x'.repeat(length)}\0\0`);
const field = Buffer.concat([Buffer.from('one\0'), Buffer.alloc(18)]);
const description = message('T', Buffer.concat([int16(1), field]));
const row = message('D', Buffer.concat([int16(1), int32(1000), Buffer.alloc(1000, 'x')]));

describe('a server that signs us in and then', () => {
  test.each<[string, (socket: Socket) => void, string]>([
    ['sends notices without end', (socket) => pump(socket, notice(10_000)), 'TOO_MUCH_DATA'],
    [
      'sends parameters without end',
      (socket) => pump(socket, message('S', `a\0${'b'.repeat(1000)}\0`)),
      'TOO_MUCH_DATA',
    ],
    ['sends rows without end', (socket) => pump(socket, row, description), 'TOO_MUCH_DATA'],
    [
      'sends notifications without end',
      (socket) => pump(socket, message('A', Buffer.concat([int32(1), Buffer.from(`a\0${'b'.repeat(1000)}\0`)]))),
      'TOO_MUCH_DATA',
    ],
    [
      'announces a row of a gigabyte',
      (socket) => socket.write(message('D', int16(1), 0x4000_0000)),
      'PROTOCOL_MISMATCH',
    ],
    ['announces a message of no length', (socket) => socket.write(message('D', '', 0)), 'PROTOCOL_MISMATCH'],
    ['sends zeros', (socket) => pump(socket, Buffer.alloc(65_536)), 'PROTOCOL_MISMATCH'],
    [
      'describes 32,767 columns that are not there',
      (socket) => socket.write(message('T', int16(32_767))),
      'PROTOCOL_MISMATCH',
    ],
    [
      'sends a row whose value is longer than the row',
      (socket) =>
        socket.write(Buffer.concat([description, message('D', Buffer.concat([int16(1), int32(0x7fff_ffff)]))])),
      'PROTOCOL_MISMATCH',
    ],
    [
      'sends a row that ends before its values do',
      (socket) => socket.write(message('D', int16(3))),
      'PROTOCOL_MISMATCH',
    ],
    ['hangs up', (socket) => socket.end(), 'CONNECTION_LOST'],
  ])('%s', async (_title, asked, code) => {
    const result = await attack({ asked });
    expect(result.failure).toMatchObject({ code });
    expect(result.failedAt).toBe('database/select');
  });

  test('says nothing more, or asks for patience for ever', async () => {
    const patience = (socket: Socket) => {
      const timer = setInterval(() => socket.write(notice(10)), 50);
      socket.on('close', () => clearInterval(timer));
    };
    const results = await Promise.all([attack({ asked: () => undefined }), attack({ asked: patience })]);
    expect(results.map((result) => result.failure?.code)).toEqual(['TIMEOUT', 'TIMEOUT']);
  });
});

describe('a server that is asked for its catalog', () => {
  test('and has tables without end, is left in the end', async () => {
    let last = 0;
    const rows = () =>
      Array.from({ length: 5_000 }, () => {
        last += 1;
        const name = String(last).padStart(12, '0');
        return {
          namespace: 'public',
          name,
          kind: 'r',
          column_name: 'x'.repeat(4_000),
          data_type: 'text',
          nullable: true,
        };
      });
    const { failure, evidence } = await attack({ answer: rows }, true);
    // how far it comes within the deadline is the machine's speed
    const end = failure?.code ?? evidence['catalog/read']?.leftOutAfter;
    expect(['TOO_MUCH_DATA', 'TIMEOUT', '100000 entries']).toContain(end);
  });

  test('and names the same table again and again, is asked no more', async () => {
    const same = {
      namespace: 'public',
      name: 'orders',
      kind: 'r',
      column_name: 'id',
      data_type: 'int',
      nullable: true,
    };
    const peer = await start({ answer: () => [same] });
    const result = await tryAt(peer, {}, { catalog: true });
    expect(result.status).toBe('PASSED');
    expect(peer.statements).toHaveLength(2);
  });
});

test('a long message in small pieces is put together once', () => {
  const concat = vi.spyOn(Buffer, 'concat');
  try {
    const long = notice(100_000);
    const messages = new PostgresMessages({ takesClearText: false });
    const whole: Buffer[] = [];
    for (let at = 0; at < long.length; at += 10) whole.push(...messages.push(long.subarray(at, at + 10)));
    expect(whole).toHaveLength(1);
    expect(whole[0]?.equals(long)).toBe(true);
    expect(concat.mock.calls.length).toBeLessThan(5);
  } finally {
    concat.mockRestore();
  }
});

test('messages are cut where they end, however they come in', () => {
  const stream = Buffer.concat([message('R', int32(0)), notice(3), message('Z', 'I'), notice(0), message('Z', 'I')]);
  for (let size = 1; size <= stream.length; size += 1) {
    const messages = new PostgresMessages({ takesClearText: false });
    const whole: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) whole.push(...messages.push(stream.subarray(at, at + size)));
    expect(whole.map((each) => String.fromCharCode(each[0] ?? 0)).join('')).toBe('RNZNZ');
    expect(Buffer.concat(whole).equals(stream)).toBe(true);
  }
});
