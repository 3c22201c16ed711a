import { expect, test } from 'vitest';
import type { FakeMysqlOptions } from '../../../support/peers/fake-mysql.ts';
import { mysqlStand } from '../../../support/stands/mysql.ts';
import { useStand } from '../../../support/use-stand.ts';

/* A statement that runs on when a test ends is killed, if it is certain that it is the test's own. */

const { start, tryAt } = useStand(mysqlStand);

/** Cancels a test while the server is at one of its statements. */
async function cancelAmidst(options: Partial<FakeMysqlOptions>) {
  const stalled = Promise.withResolvers<void>();
  const stalls = (sql: string) => {
    if (sql !== 'select 1') return false;
    stalled.resolve();
    return true;
  };
  const peer = await start({ ...options, stalls });
  const end = new AbortController();
  const outcome = tryAt(peer, {}, { cancel: end.signal, deadline: 60_000, cleanUpMs: 20_000 });
  await stalled.promise;
  end.abort();
  const { status, log } = await outcome;
  expect(status).toBe('CANCELLED');
  return { peer, log, kills: peer.statements.filter((sql) => sql.startsWith('kill')) };
}

test('it is killed over a second connection', async () => {
  const { peer, log, kills } = await cancelAmidst({});
  expect({ log, kills, connections: peer.connections() }).toEqual({ log: [], kills: ['kill query 1'], connections: 2 });
});

test('nothing is killed at another server, where the number is somebody else’s', async () => {
  const { log, kills } = await cancelAmidst({ serverOf: (connection) => `server ${connection}` });
  expect(kills).toEqual([]);
  expect(log).toEqual([expect.stringContaining('Another server answers')]);
});

test('nothing is killed that is not the user’s', async () => {
  const { peer, log, kills } = await cancelAmidst({ shows: '0' });
  expect({ log, kills }).toEqual({ log: [], kills: [] });
  expect(peer.statements.at(-1)).toContain('and user = (select user from information_schema.processlist');
});

test('nothing is killed behind a proxy, whose number is not the server’s', async () => {
  const { peer, log, kills } = await cancelAmidst({ numberAtServer: (connection) => connection + 40 });
  expect({ log, kills, connections: peer.connections() }).toEqual({ log: [], kills: [], connections: 1 });
});

test('a server that does not tell who it is is tested all the same, and nothing is killed there', async () => {
  const { peer, log, kills } = await cancelAmidst({ lacks: '@@server_id' });
  expect({ log, kills, connections: peer.connections() }).toEqual({ log: [], kills: [], connections: 1 });
  expect(peer.statements).toContain('select version()');
});

test('a test that passes asks nothing more', async () => {
  const peer = await start();
  expect((await tryAt(peer)).failure).toBeNull();
  expect(peer.connections()).toBe(1);
  expect(peer.statements.map((sql) => sql.split(' ').slice(0, 2).join(' '))).toEqual([
    'select version(),',
    'use `shop`',
    'select 1',
    'select count(*),',
  ]);
});
