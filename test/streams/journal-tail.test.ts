import { randomUUID } from 'node:crypto';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Access } from '../../src/modules/access/access.ts';
import { type DatastoreEvent, DatastoreEvents, type EventFilter } from '../../src/modules/datastores/events.ts';
import { anyJournalTopic, journalTopic } from '../../src/platform/journal/journal.ts';
import { describeEachDatabase, type TestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';

const EVERYTHING: EventFilter = { environmentId: null, datastoreId: null };
/** More than the tail keeps. */
const MANY = 1_200;

describeEachDatabase('those who follow datastore events', (open) => {
  let place: TestDatabase;
  let events: DatastoreEvents;

  beforeAll(async () => {
    place = await open();
    events = new DatastoreEvents(place.database, place.doorbell);
  });

  const access = (environmentIds: Access['environmentIds'] = 'all'): Access => ({
    tokenId: 'test',
    actor: { name: 'test', onBehalfOf: null },
    isSession: false,
    scopes: new Set(['DATASTORES_READ']),
    environmentIds,
    expiresAt: null,
  });

  /** Puts so many events into an environment's chain, as one change would. */
  async function store(environmentId: string, count: number, datastoreId: string = randomUUID()): Promise<void> {
    await place.database.change(async (change) => {
      const { query } = change;
      const head = await query
        .insertInto('journal_heads')
        .values({ environment_id: environmentId, sequence: count, mac: '' })
        .onConflict((conflict) =>
          conflict
            .column('environment_id')
            .doUpdateSet((eb) => ({ sequence: eb('journal_heads.sequence', '+', count) })),
        )
        .returning('sequence')
        .executeTakeFirstOrThrow();
      const rows = Array.from({ length: count }, (_, at) => ({
        environment_id: environmentId,
        sequence: head.sequence - count + 1 + at,
        id: randomUUID(),
        at: new Date().toISOString(),
        kind: 'UPDATED',
        action: 'datastore.updated',
        actor: 'test',
        subject_type: 'datastore',
        subject_id: datastoreId,
        detail: '{}',
        mac: '',
      }));
      await query.insertInto('journal').values(rows).execute();
      change.ring(journalTopic(environmentId));
      change.ring(anyJournalTopic);
    });
  }

  /** Begins to follow, and resolves once what is stored from now on is told. */
  async function follow(filter = EVERYTHING, of = access(), after: string | null = null, by = events) {
    const gone = new AbortController();
    onTestFinished(() => gone.abort());
    const stream = by.follow(of, filter, after, gone.signal);
    const before = begun();
    let first: Promise<IteratorResult<DatastoreEvent>> | undefined = stream.next();
    // whoever takes it hears of its failure, which may come before
    first.catch(() => undefined);
    await eventually(() => begun() > before);
    return async (count: number): Promise<DatastoreEvent[]> => {
      const taken: DatastoreEvent[] = [];
      while (taken.length < count) {
        const { value, done } = await (first ?? stream.next());
        first = undefined;
        if (done) throw new Error('the stream ended');
        taken.push(value);
      }
      return taken;
    };
  }

  const begun = () => place.statements.filter((sql) => /from "journal_heads" where .+ and /.test(sql)).length;
  const readings = () => place.statements.filter((sql) => /from "journal" /.test(sql)).length;
  const sequences = (some: readonly DatastoreEvent[], environmentId: string) =>
    some.map(({ cursor }) => JSON.parse(Buffer.from(cursor, 'base64url').toString()).positions[environmentId]);
  const counted = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

  test('share one reading of each, however many they are and whatever they want', async () => {
    const [environmentId, datastoreId] = [randomUUID(), randomUUID()];
    const followers = [];
    for (let at = 0; at < 10; at += 1) {
      followers.push(await follow());
      followers.push(await follow({ environmentId, datastoreId: null }, access(new Set([environmentId]))));
      followers.push(await follow({ environmentId: null, datastoreId }));
    }
    place.statements.length = 0;
    for (let round = 1; round <= 3; round += 1) {
      await store(environmentId, 1, datastoreId);
      for (const take of followers) expect(await take(1)).toMatchObject([{ datastoreId, environmentId }]);
      expect(readings()).toBe(round);
    }
  });

  test('lose nothing and get nothing twice when they lag behind what is kept', async () => {
    const environmentId = randomUUID();
    const slow = await follow({ environmentId, datastoreId: null });
    const quick = await follow({ environmentId, datastoreId: null });
    await store(environmentId, 1);
    const seen = { slow: await slow(1), quick: await quick(1) };
    for (let stored = 0; stored < MANY; stored += 300) {
      await store(environmentId, 300);
      seen.quick.push(...(await quick(300)));
    }
    await store(environmentId, 3);
    seen.quick.push(...(await quick(3)));
    seen.slow.push(...(await slow(MANY + 3)));
    await store(environmentId, 2);
    seen.quick.push(...(await quick(2)));
    seen.slow.push(...(await slow(2)));
    expect(sequences(seen.quick, environmentId)).toEqual(counted(1, MANY + 6));
    expect(seen.slow).toEqual(seen.quick);
  });

  test('read on where they were when more was stored at once than is kept', async () => {
    const [one, other] = [randomUUID(), randomUUID()];
    const take = await follow(EVERYTHING, access(new Set([one, other])));
    await store(one, 2);
    const seen = await take(1);
    await store(one, MANY);
    await store(other, MANY);
    seen.push(...(await take(2 * MANY + 1)));
    for (const [id, count] of [
      [one, MANY + 2],
      [other, MANY],
    ] as const) {
      const own = seen.filter(({ environmentId }) => environmentId === id);
      expect(sequences(own, id)).toEqual(counted(1, count));
    }
  });

  test('hear of many environments at once', async () => {
    const ids = Array.from({ length: 130 }, () => randomUUID());
    const before = await follow(EVERYTHING, access(new Set(ids)));
    for (const id of ids) await store(id, 1);
    const seen = await before(ids.length);
    expect(new Set(seen.map(({ environmentId }) => environmentId))).toEqual(new Set(ids));
    const cursor = Buffer.from(JSON.stringify({ at: new Date().toISOString(), positions: {} })).toString('base64url');
    const again = await (await follow(EVERYTHING, access(new Set(ids)), cursor))(ids.length);
    expect(new Set(again.map(({ environmentId }) => environmentId))).toEqual(new Set(ids));
  });

  test('end with the error of a reading that failed, and those who come later do not', async () => {
    let isAway = false;
    const database = new Proxy(place.database, {
      get(target, name) {
        if (isAway && name === 'query') throw new Error('the database is away');
        return Reflect.get(target, name);
      },
    });
    const flaky = new DatastoreEvents(database, place.doorbell);
    const environmentId = randomUUID();
    const early = await follow(EVERYTHING, access(), null, flaky);
    isAway = true;
    await store(environmentId, 1);
    await expect(early(1)).rejects.toThrow('the database is away');
    isAway = false;
    const late = await follow(EVERYTHING, access(), null, flaky);
    await store(environmentId, 1);
    expect(sequences(await late(1), environmentId)).toEqual([2]);
  });
});
