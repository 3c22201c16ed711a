import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database, openDoorbell } from '../../src/platform/database/database.ts';
import { migrateToLatest } from '../../src/platform/database/migrate.ts';
import { PostgresDoorbell } from '../../src/platform/postgres/doorbell.ts';
import type { Doorbell } from '../../src/platform/streams/doorbell.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

let server: PostgresServer;
let doorbell: Doorbell;
let database: Database;

beforeAll(async () => {
  server = await startPostgres({ settings: { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' } });
  const url = server.databaseUrl('postgres');
  doorbell = await openDoorbell(url);
  database = await Database.open({ url, doorbell });
  await migrateToLatest(database);
});

afterAll(async () => {
  await database.close();
  await doorbell.close();
  await server.stop();
});

it.each(['fast', 'crash'] as const)(
  'goes on after a restart of Postgres (%s), with what was acknowledged',
  async (how) => {
    const gate = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const interrupted = database.change(async ({ query }) => {
      await query
        .insertInto('retired_ids')
        .values({ id: `${how} lost`, at: '' })
        .execute();
      written.resolve();
      await gate.promise;
    });
    await database.query
      .insertInto('retired_ids')
      .values({ id: `${how} kept`, at: '' })
      .execute();
    await written.promise;
    await server.restart(how);
    const back = performance.now();
    gate.resolve();
    await expect(interrupted).rejects.toThrow();
    await until(() => database.ping());
    const recoveryMs = performance.now() - back;
    const rows = await database.query.selectFrom('retired_ids').select('id').where('id', 'like', `${how}%`).execute();
    const found = comparedWith(
      [`${how} kept`],
      rows.map(({ id }) => id),
    );
    recordFault({ fault: `Postgres stopped (${how}) and started`, times: 1, ...found, recoveryMs });
    expect(rows).toEqual([{ id: `${how} kept` }]);
    await until(async () => {
      const heard = new Promise<void>((resolve) => doorbell.on(how, resolve));
      await database.change(async (change) => change.ring(how));
      await heard;
    });
  },
);

it('rings everyone after a lost connection, for what was missed', async () => {
  const patient = await PostgresDoorbell.open({ url: server.databaseUrl('postgres'), pollMs: 3_600_000 });
  const heard = new Promise<void>((resolve) => patient.on('rung by nobody', resolve));
  await server.restart();
  await heard;
  await patient.close();
});

it('says that it is away, and closes all the same', async () => {
  await until(() => database.ping());
  await server.stop();
  await expect(database.ping()).rejects.toThrow();
  await expect(database.change(async () => undefined)).rejects.toThrow();
});

async function until(work: () => Promise<unknown>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
