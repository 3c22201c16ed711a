import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { DeleteDatastoresInput, RegisterUsageInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DeleteConfirmed, ListDatastores, ReadUsages, RegisterUsage, UnregisterUsage } from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

describeEachGateway('usages', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const make = async (environment = environmentId) =>
    (await api.created({ environmentId: environment, config: { postgres: postgresConfig() } })).id;
  const register = async (input: RegisterUsageInput, token?: string) =>
    (await gateway.run(RegisterUsage, { input }, token)).registerUsage;
  const registered = async (input: RegisterUsageInput) =>
    expectType(await register(input), 'RegisterUsageSuccess').usage;
  const unregister = async (id: string) => (await gateway.run(UnregisterUsage, { id })).unregisterUsage;
  const read = async (id: string, page: { first?: number; after?: string; last?: number; before?: string } = {}) =>
    (await gateway.run(ReadUsages, { id, ...page })).datastore?.usages;
  const remove = async (input: DeleteDatastoresInput) =>
    (await gateway.run(DeleteConfirmed, { input })).deleteDatastores;
  const journal = (subject: string) =>
    gateway.app.database.query
      .selectFrom('journal')
      .select(['environment_id', 'action', 'kind', 'detail'])
      .where('subject_id', '=', subject)
      .orderBy('sequence')
      .execute();

  test('are one for each kind and name, and registering it again stores the url', async () => {
    const datastoreId = await make();
    const usage = { datastoreId, kind: 'dashboard', name: 'Sales' };
    const first = await registered({ ...usage, url: 'https://bi.example/1' });
    expect(first).toMatchObject({ kind: 'dashboard', name: 'Sales', url: 'https://bi.example/1' });
    const again = await registered({ ...usage, url: 'https://bi.example/2' });
    expect(again).toEqual({ ...first, url: 'https://bi.example/2' });
    expect(await registered({ ...usage, url: 'https://bi.example/2' })).toEqual(again);
    expect(await registered(usage)).toEqual({ ...first, url: null });
    const other = await registered({ ...usage, kind: 'sync' });
    expect((await read(datastoreId))?.edges.map(({ node }) => node)).toEqual([
      { ...first, url: null, datastore: { id: datastoreId } },
      { ...other, datastore: { id: datastoreId } },
    ]);
    // what changes nothing leaves no entry, and none of them is an event of the datastore
    const entries = await journal(first.id);
    expect(entries.map(({ action, kind }) => [action, kind])).toEqual(Array(3).fill(['usage.register', '']));
    expect(entries[0]).toMatchObject({ environment_id: environmentId });
    expect(JSON.parse(entries[1]?.detail ?? '')).toEqual({ ...usage, url: 'https://bi.example/2' });
  });

  test('are there once when twenty register one at once', async () => {
    const datastoreId = await make();
    const same = { datastoreId, kind: 'scenario', name: 'Nightly' };
    const all = await Promise.all(Array.from({ length: 20 }, () => registered(same)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect((await read(datastoreId))?.totalCount).toBe(1);
  });

  test('are paged in both directions, sorted by kind and name', async () => {
    const datastoreId = await make();
    const names = ['b Zug', 'a Ähre', 'a z', 'a Z', 'c', 'b a'];
    for (const name of names) await registered({ datastoreId, kind: name.slice(0, 1), name });
    const sorted = ['a Z', 'a z', 'a Ähre', 'b Zug', 'b a', 'c'];
    const namesOf = (page: Awaited<ReturnType<typeof read>>) => page?.edges.map(({ node }) => node.name);
    const first = await read(datastoreId, { first: 4 });
    expect(namesOf(first)).toEqual(sorted.slice(0, 4));
    expect(first).toMatchObject({ totalCount: 6, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    const rest = await read(datastoreId, { first: 4, after: first?.pageInfo.endCursor ?? '' });
    expect(namesOf(rest)).toEqual(sorted.slice(4));
    const back = await read(datastoreId, { last: 2, before: rest?.pageInfo.startCursor ?? '' });
    expect(namesOf(back)).toEqual(sorted.slice(2, 4));
    expect(back?.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
  });

  test('come off the list, once', async () => {
    const datastoreId = await make();
    const { id } = await registered({ datastoreId, kind: 'sync', name: 'x' });
    const results = await Promise.all(Array.from({ length: 5 }, () => unregister(id.toUpperCase())));
    expect(results.filter(({ __typename }) => __typename === 'UnregisterUsageSuccess')).toEqual([
      expect.objectContaining({ deletedId: id }),
    ]);
    expect(results.filter(({ __typename }) => __typename === 'NotFoundError')).toHaveLength(4);
    expect((await read(datastoreId))?.edges).toEqual([]);
    expect((await journal(id)).map(({ action }) => action)).toEqual(['usage.register', 'usage.unregister']);
  });

  test.each([
    ['a url that is a script', { url: 'javascript:alert(1)' }, 'input.url INVALID_FORMAT'],
    ['a url with a password', { url: 'https://a:b@bi.example' }, 'input.url SECRET_IN_OPEN_FIELD'],
    ['a url of two lines', { url: 'https://bi.example/\nx' }, 'input.url INVALID_FORMAT'],
    ['no name', { name: ' ' }, 'input.name TOO_SHORT'],
    ['a name of two lines', { name: 'a\nb' }, 'input.name INVALID_FORMAT'],
    ['a long kind', { kind: 'x'.repeat(129) }, 'input.kind TOO_LONG'],
  ])('with %s are refused', async (_title, wrong, issue) => {
    const input = { datastoreId: randomUUID(), kind: 'a', name: 'b', ...wrong };
    expect(issueList(expectType(await register(input), 'ValidationError'))).toEqual([issue]);
  });

  test('of no datastore are refused', async () => {
    const datastoreId = randomUUID();
    expect(await register({ datastoreId, kind: 'a', name: 'b' })).toMatchObject({
      __typename: 'NotFoundError',
      ids: [datastoreId],
    });
  });

  test('find the datastores that something depends on, and the others', async () => {
    const own = await api.newEnvironment();
    const [used, unused] = [await make(own), await make(own)];
    await registered({ datastoreId: used, kind: 'a', name: '1' });
    await registered({ datastoreId: used, kind: 'a', name: '2' });
    const found = async (inUse: boolean | null) => {
      const { datastores } = await gateway.run(ListDatastores, { environmentId: own, filter: { inUse } });
      expect(datastores.totalCount).toBe(datastores.edges.length);
      return datastores.edges.map(({ node }) => node.id).toSorted();
    };
    expect(await found(true)).toEqual([used]);
    expect(await found(false)).toEqual([unused]);
    expect(await found(null)).toEqual([used, unused].toSorted());
  });

  describe('when a datastore is to be deleted', () => {
    test('ask for a confirmation: nothing is deleted before that', async () => {
      const [used, unused] = [await make(), await make()];
      const { id } = await registered({ datastoreId: used, kind: 'dashboard', name: 'Sales' });
      const select = { ids: [unused, used] };
      const refused = expectType(await remove({ select }), 'ConfirmationRequiredError');
      expect(refused).toMatchObject({
        code: 'CONFIRMATION_REQUIRED',
        usages: [{ id, kind: 'dashboard', name: 'Sales', datastore: { id: used } }],
      });
      expect(await api.read(unused)).not.toBeNull();
      expect(await api.read(used)).not.toBeNull();
      const { deletedIds } = expectType(await remove({ select, confirmed: true }), 'DeleteDatastoresSuccess');
      expect(deletedIds.toSorted()).toEqual([used, unused].toSorted());
      expect(await unregister(id)).toMatchObject({ __typename: 'NotFoundError' });
    });

    test('are listed up to a hundred, of all datastores of an environment too', async () => {
      const own = await api.newEnvironment();
      const ids = [await make(own), await make(own)];
      const rows = Array.from({ length: 102 }, (_, at) => ({
        id: randomUUID(),
        datastore_id: ids[at % 2] ?? '',
        kind: 'dashboard',
        name: String(at),
        registered_at: new Date().toISOString(),
      }));
      await gateway.app.database.query.insertInto('datastore_usages').values(rows).execute();
      const select = { all: { environmentId: own } };
      const refused = expectType(await remove({ select }), 'ConfirmationRequiredError');
      expect(refused.usages).toHaveLength(100);
      expect(expectType(await remove({ select, confirmed: true }), 'DeleteDatastoresSuccess').deletedIds).toHaveLength(
        2,
      );
      const left = gateway.app.database.query
        .selectFrom('datastore_usages')
        .select('id')
        .where('datastore_id', 'in', ids);
      expect(await left.execute()).toEqual([]);
    });

    test('that are registered at that moment: either they stop it, or there is nothing to register', async () => {
      const ids = await Promise.all(Array.from({ length: 6 }, () => make()));
      await Promise.all(
        ids.map(async (datastoreId) => {
          const [removed, used] = await Promise.all([
            remove({ select: { ids: [datastoreId] } }),
            register({ datastoreId, kind: 'a', name: 'b' }),
          ]);
          expect([removed.__typename, used.__typename]).toEqual(
            removed.__typename === 'DeleteDatastoresSuccess'
              ? ['DeleteDatastoresSuccess', 'NotFoundError']
              : ['ConfirmationRequiredError', 'RegisterUsageSuccess'],
          );
        }),
      );
    });
  });
});
