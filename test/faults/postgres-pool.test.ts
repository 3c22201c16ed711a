import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { Database, DatabaseUnavailableError } from '../../src/platform/database/database.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { newTestDatabase } from '../support/databases.ts';
import { startTarpit } from '../support/peers/tarpit.ts';

/** Longer than a connection may take to be made. */
const BUSY_S = 6;

test('a statement waits for one of the ten connections longer than for the network', async () => {
  const { url, remove } = await newTestDatabase('postgres');
  onTestFinished(async () => void (await remove()));
  const database = await Database.open({ url, doorbell: new LocalDoorbell() });
  onTestFinished(() => database.close());
  const busy = Array.from({ length: 10 }, () => sql`select pg_sleep(${sql.lit(BUSY_S)})`.execute(database.query));
  const waiting = sql<{ one: number }>`select 1 as one`.execute(database.query);
  expect((await waiting).rows).toEqual([{ one: 1 }]);
  await Promise.all(busy);
});

test('a server that takes the connection and says nothing is unavailable after five seconds', async () => {
  const tarpit = await startTarpit();
  onTestFinished(() => tarpit.close());
  const url = `postgres://gateway:password@127.0.0.1:${tarpit.port}/gateway`;
  const begun = performance.now();
  const failure = await Database.open({ url, doorbell: new LocalDoorbell() }).catch((error: unknown) => error);
  // at the start the driver's own words are told
  expect(failure).not.toBeInstanceOf(DatabaseUnavailableError);
  expect(String(failure)).toContain('timeout expired');
  expect(performance.now() - begun).toBeGreaterThan(4_900);
});
