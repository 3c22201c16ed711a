import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { DatastoreEventsSubscription, DatastoreEventsSubscriptionVariables } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateEnvironment, DatastoreEvents, DeleteEnvironment } from '../support/operations.ts';
import { expectType } from '../support/results.ts';

type Event = DatastoreEventsSubscription['datastoreEvents'];
type Follow = 'follow' | 'followSse';

/** What a subscription asks when it begins, and nobody else: where its caller's chains end. */
const STARTS = /from "journal_heads" where .+ and /;

describeEachGateway('datastore events', (open, kind) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
  });

  const make = (environmentId: string, label?: string) =>
    api.created({ environmentId, label: label ?? null, config: { postgres: postgresConfig() } });

  /** Follows until so many events have come. */
  async function take(
    count: number,
    variables: DatastoreEventsSubscriptionVariables,
    { token, by = 'follow', of = gateway }: { token?: string; by?: Follow; of?: TestGateway } = {},
  ): Promise<Event[]> {
    const enough = (results: readonly unknown[]) => results.length >= count;
    const results = await of[by](DatastoreEvents, variables, { enough, ...(token ? { token } : {}) });
    return results.map(({ data, errors }) => {
      if (!data) throw new Error(JSON.stringify(errors));
      return data.datastoreEvents;
    });
  }

  /** The same from now on: resolves once it listens. */
  async function listening(...given: Parameters<typeof take>): Promise<{ events: Promise<Event[]> }> {
    const { statements } = given[2]?.of ?? gateway;
    const looks = () => statements.filter((sql) => STARTS.test(sql)).length;
    const before = looks();
    const events = take(...given);
    await eventually(() => looks() > before);
    return { events };
  }

  const failure = async (variables: DatastoreEventsSubscriptionVariables, by: Follow) => {
    const results = await gateway[by](DatastoreEvents, variables);
    expect(results).toHaveLength(1);
    expect(results[0]?.data ?? null).toBeNull();
    return results[0]?.errors?.[0];
  };

  const gist = ({ kind: what, datastoreId, environmentId }: Event) => ({ what, datastoreId, environmentId });

  test.each<Follow>(['follow', 'followSse'])('come in order, with the datastore as it is now: %s', async (by) => {
    const environmentId = await api.newEnvironment();
    const { events } = await listening(3, { environmentId }, { by });
    const { id, createdBy } = await make(environmentId, 'One');
    await api.updated({ id, label: 'Two' });
    await api.removed(id);
    const seen = await events;
    expect(seen.map(gist)).toEqual(
      ['CREATED', 'UPDATED', 'DELETED'].map((what) => ({ what, datastoreId: id, environmentId })),
    );
    for (const { actor, at } of seen) {
      expect(actor).toBe(createdBy);
      expect(new Date(at).toISOString()).toBe(at);
    }
    expect(seen[2]?.datastore).toBeNull();
    // read again they are about what is left by now
    const again = await take(2, { environmentId, after: seen[0]?.cursor ?? '' }, { by });
    expect(again).toEqual(seen.slice(1).map((event) => ({ ...event, datastore: null })));
  });

  test('show a datastore that lives on', async () => {
    const environmentId = await api.newEnvironment();
    const { events } = await listening(1, { environmentId });
    const { id } = await make(environmentId, 'One');
    const [created] = await events;
    await api.updated({ id, label: 'Two' });
    const [updated] = await take(1, { environmentId, after: created?.cursor ?? '' });
    expect(updated).toMatchObject({ kind: 'UPDATED', datastore: { id, label: 'Two', version: 2 } });
  });

  test('go on from any cursor after a reconnection: no gap, nothing twice', async () => {
    const [one, other] = [await api.newEnvironment(), await api.newEnvironment()];
    const token = await gateway.createToken(`two ${one}`, ['DATASTORES_READ'], [one, other]);
    const { events } = await listening(1, {}, { token });
    const { id } = await make(one);
    const sofar = await events;
    // nobody listens meanwhile
    const elsewhere = await make(other);
    for (let at = 0; at < 12; at += 1)
      await api.updated({ id: at % 3 === 0 ? elsewhere.id : id, label: `label ${at}` });
    await api.removed(id, elsewhere.id);
    const rest = await take(15, { after: sofar[0]?.cursor ?? '' }, { token });
    const ofOne = (event: Event) => event.environmentId === one;
    const kinds = (some: readonly Event[]) => some.map((event) => event.kind);
    expect(kinds(rest.filter(ofOne))).toEqual([...Array.from({ length: 8 }, () => 'UPDATED'), 'DELETED']);
    expect(kinds(rest.filter((event) => !ofOne(event)))).toEqual([
      'CREATED',
      ...Array.from({ length: 4 }, () => 'UPDATED'),
      'DELETED',
    ]);
    for (let at = 0; at < rest.length - 1; at += 1) {
      const left = rest.slice(at + 1);
      const again = await take(
        left.length,
        { after: rest[at]?.cursor ?? '' },
        { token, by: at % 2 ? 'follow' : 'followSse' },
      );
      expect(again).toEqual(left);
    }
  });

  test('are read by a hundred at a time without a gap', async () => {
    const environmentId = await api.newEnvironment();
    const { events } = await listening(1, { environmentId });
    const { id } = await make(environmentId);
    const [first] = await events;
    for (let at = 0; at < 130; at += 1) await api.updated({ id, label: `label ${at}` });
    const seen = await take(130, { environmentId, after: first?.cursor ?? '' });
    expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(130);
    expect(seen.every((event) => event.kind === 'UPDATED')).toBe(true);
  });

  test('of changes from all sides come in the order in which they were stored', async () => {
    const environmentId = await api.newEnvironment();
    const { events } = await listening(20, { environmentId });
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { id } = await make(environmentId);
        await api.removed(id);
      }),
    );
    const rows = await gateway.app.database.query
      .selectFrom('journal')
      .select(['kind', 'subject_id'])
      .where('environment_id', '=', environmentId)
      .orderBy('sequence')
      .execute();
    expect((await events).map((event) => ({ kind: event.kind, subject_id: event.datastoreId }))).toEqual(rows);
  });

  test('tell nothing of what was refused, changed nothing, or is no datastore', async () => {
    const environmentId = await api.newEnvironment();
    const { events } = await listening(2, {});
    const { id, name } = await make(environmentId);
    await api.create({ environmentId, name, config: { postgres: postgresConfig() } });
    await api.update({ id, expectedVersion: 5, label: 'x' });
    await api.updated({ id, config: { postgres: postgresConfig() } });
    await api.ended((await api.testStarted({ target: { datastoreId: id } })).id);
    await gateway.run(CreateEnvironment, { input: { name: `silent ${randomUUID()}` } });
    await api.removed(id);
    expect((await events).map(gist)).toEqual([
      { what: 'CREATED', datastoreId: id, environmentId },
      { what: 'DELETED', datastoreId: id, environmentId },
    ]);
  });

  test('are filtered by environment and by datastore', async () => {
    const [one, other] = [await api.newEnvironment(), await api.newEnvironment()];
    const watched = await make(one);
    const byEnvironment = await listening(3, { environmentId: one.toUpperCase() });
    const byDatastore = await listening(2, { datastoreId: watched.id.toUpperCase() });
    const byBoth = await listening(2, { environmentId: one, datastoreId: watched.id });
    const unwatched = await make(other);
    const neighbour = await make(one);
    await api.updated({ id: watched.id, label: 'x' });
    await api.removed(unwatched.id);
    await api.removed(watched.id);
    const [updated, deleted] = ['UPDATED', 'DELETED'].map((what) => ({
      what,
      datastoreId: watched.id,
      environmentId: one,
    }));
    expect((await byDatastore.events).map(gist)).toEqual([updated, deleted]);
    expect((await byBoth.events).map(gist)).toEqual([updated, deleted]);
    expect((await byEnvironment.events).map(gist)).toEqual([
      { what: 'CREATED', datastoreId: neighbour.id, environmentId: one },
      updated,
      deleted,
    ]);
  });

  describe('walls', () => {
    test('a token of one environment sees that one alone, whatever it asks for', async () => {
      const [inside, outside] = [await api.newEnvironment(), await api.newEnvironment()];
      const token = await gateway.createToken(`inside ${inside}`, ['DATASTORES_READ'], [inside]);
      const hidden = await make(outside);
      const all = await listening(1, {}, { token });
      const asking = await listening(1, { environmentId: outside }, { token });
      const naming = await listening(1, { datastoreId: hidden.id }, { token });
      let leaked = 0;
      const count = () => {
        leaked += 1;
      };
      void asking.events.then(count, count);
      void naming.events.then(count, count);
      const everything = await listening(3, {});
      await api.updated({ id: hidden.id, label: 'x' });
      await api.removed(hidden.id);
      const seen = await make(inside);
      expect((await all.events).map(gist)).toEqual([{ what: 'CREATED', datastoreId: seen.id, environmentId: inside }]);
      await everything.events;
      expect(leaked).toBe(0);
      // a cursor of somebody who sees more opens nothing either
      const [foreign] = await everything.events;
      const { events } = await listening(1, { after: foreign?.cursor ?? '' }, { token });
      expect((await events).map(gist)).toEqual([{ what: 'CREATED', datastoreId: seen.id, environmentId: inside }]);
    });

    test('an environment that is made later is seen by who sees all of them, from its first event on', async () => {
      const { events } = await listening(2, {});
      const environmentId = await api.newEnvironment();
      const { id } = await make(environmentId);
      await api.updated({ id, label: 'x' });
      const seen = await events;
      expect(seen.map(gist)).toEqual([
        { what: 'CREATED', datastoreId: id, environmentId },
        { what: 'UPDATED', datastoreId: id, environmentId },
      ]);
    });
  });

  describe('cursors', () => {
    const cursor = (at: string, positions: unknown) =>
      Buffer.from(JSON.stringify({ at, positions })).toString('base64url');
    const now = () => new Date().toISOString();
    const day = 86_400_000;

    test.each<Follow>(['follow', 'followSse'])('that are older than a week are told so: %s', async (by) => {
      const environmentId = await api.newEnvironment();
      await make(environmentId);
      const old = cursor(new Date(Date.now() - 7 * day - 1_000).toISOString(), { [environmentId]: 0 });
      expect(await failure({ environmentId, after: old }, by)).toMatchObject({
        extensions: { code: 'CURSOR_EXPIRED' },
      });
      const young = cursor(new Date(Date.now() - 7 * day + 60_000).toISOString(), { [environmentId]: 0 });
      expect(await take(1, { environmentId, after: young }, { by })).toMatchObject([{ kind: 'CREATED' }]);
    });

    test.each([
      ['nothing at all', ''],
      ['no base64', '%%%'],
      ['no JSON', 'garbage'],
      ['no time', cursor('soon', {})],
      ['no positions', cursor(now(), null)],
      ['a list of positions', cursor(now(), [1])],
      ['a text for a position', cursor(now(), { [randomUUID()]: '1' })],
      ['half a position', cursor(now(), { [randomUUID()]: 0.5 })],
      ['no environment', cursor(now(), { x: 1 })],
      ['a zero byte', cursor(now(), { [`${randomUUID()}\u0000`]: 1 })],
    ])('that are none are told so: %s', async (_name, after) => {
      for (const by of ['follow', 'followSse'] as const) {
        const error = await failure({ after }, by);
        const issues = [{ path: ['after'], code: 'INVALID_VALUE' }];
        expect(error).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', issues } });
        expect(error?.message).toMatch(/^after: /);
      }
    });

    test('over thousands of environments work', async () => {
      const rows = Array.from({ length: 3_000 }, () => ({ environment_id: randomUUID(), sequence: 1, mac: '' }));
      await gateway.app.database.query.insertInto('journal_heads').values(rows).execute();
      const { events } = await listening(1, {});
      const environmentId = await api.newEnvironment();
      const { id } = await make(environmentId);
      const [created] = await events;
      expect(created).toMatchObject({ datastoreId: id });
      await api.removed(id);
      expect(await take(1, { after: created?.cursor ?? '' })).toMatchObject([{ kind: 'DELETED', datastoreId: id }]);
    });
  });

  test('need DATASTORES_READ', async () => {
    const token = await gateway.createToken(`blind ${randomUUID()}`, [
      'DATASTORES_WRITE',
      'DATASTORES_TEST',
      'ENVIRONMENTS_WRITE',
    ]);
    const [result] = await gateway.follow(DatastoreEvents, {}, { token });
    expect(result?.errors?.[0]).toMatchObject({ extensions: { code: 'FORBIDDEN' } });
  });

  if (kind === 'postgres')
    test('reach those who listen on another replica', async () => {
      const replica = await open({ databaseUrl: gateway.databaseUrl, folder: gateway.folder });
      const environmentId = await api.newEnvironment();
      const { events } = await listening(2, { environmentId }, { of: replica });
      const { id } = await make(environmentId);
      await api.removed(id);
      expect((await events).map((event) => event.kind)).toEqual(['CREATED', 'DELETED']);
    });

  test('deleted environments keep their history', async () => {
    const result = await gateway.run(CreateEnvironment, { input: { name: `short-lived ${randomUUID()}` } });
    const { environment } = expectType(result.createEnvironment, 'CreateEnvironmentSuccess');
    const { events } = await listening(2, { environmentId: environment.id });
    const { id } = await make(environment.id);
    await api.removed(id);
    await events;
    await gateway.run(DeleteEnvironment, { id: environment.id });
    const after = cursorBefore(environment.id);
    expect((await take(2, { environmentId: environment.id, after })).map(gist)).toEqual((await events).map(gist));
  });
});

function cursorBefore(environmentId: string): string {
  const cursor = { at: new Date().toISOString(), positions: { [environmentId]: 0 } };
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}
