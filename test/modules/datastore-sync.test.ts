import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { CERTIFICATE, PRIVATE_KEY, postgresConfig, qdrantConfig } from '../support/inputs.ts';

const UPSERT = `mutation ($input: UpsertDatastoreInput!) { upsertDatastore(input: $input) {
  __typename ... on UserError { code issues { path code } } ... on ConflictError { current { id } }
  ... on UpsertDatastoreSuccess { outcome datastore { id version label ownerName configJson secrets { path isSet } lastTest { id } } }
} }`;

const RESULTS = `__typename ... on UserError { issues { path code } }`;
const ITEMS = `results { index datastore { id name version label } error {
  __typename code issues { path code } ... on NotFoundError { ids } ... on ConflictError { current { id } } } }`;
const CREATE_MANY = `mutation ($input: CreateDatastoresInput!) { createDatastores(input: $input) {
  ${RESULTS} ... on CreateDatastoresSuccess { ${ITEMS} } } }`;
const UPDATE_MANY = `mutation ($input: UpdateDatastoresInput!) { updateDatastores(input: $input) {
  ${RESULTS} ... on UpdateDatastoresSuccess { ${ITEMS} } } }`;
const DELETE = `mutation ($input: DeleteDatastoresInput!) { deleteDatastores(input: $input) {
  __typename ... on NotFoundError { ids } ... on DeleteDatastoresSuccess { deletedIds } } }`;

interface Many {
  readonly __typename: string;
  readonly issues?: readonly { readonly path: readonly string[]; readonly code: string }[];
  readonly results: readonly {
    readonly index: number;
    readonly datastore: { readonly id: string; readonly version: number } | null;
    readonly error: object | null;
  }[];
}

interface Result {
  readonly __typename: string;
  readonly outcome?: string;
  readonly datastore?: {
    readonly id: string;
    readonly version: number;
    readonly configJson: Record<string, unknown>;
    readonly secrets: readonly { readonly path: string; readonly isSet: boolean }[];
  };
}

const config = { postgres: postgresConfig() };

describeEachGateway('keeping datastores by program', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  async function ask<Answer>(query: string, input: object): Promise<Answer> {
    const { json, text } = await gateway.send({ query, variables: { input } });
    const [result] = Object.values(json.data ?? {});
    if (!result || json.errors) throw new Error(text);
    return result as Answer;
  }
  const upsert = (input: object) => ask<Result>(UPSERT, { environmentId, ...input });
  const newName = () => `n-${randomUUID()}`;
  const outcomeOf = async (input: object) => {
    const { outcome, datastore, ...other } = await upsert(input);
    return outcome ? `${outcome} ${datastore?.version}` : other;
  };
  const setSecrets = (result: Result) => result.datastore?.secrets.filter(({ isSet }) => isSet).map(({ path }) => path);
  const rows = async () => {
    const { query } = gateway.app.database;
    const tables = ['datastores', 'secret_versions', 'secret_keys', 'journal', 'connection_tests'] as const;
    return Promise.all(
      tables.map((table) =>
        query
          .selectFrom(table)
          .selectAll()
          .orderBy('id' as never)
          .execute(),
      ),
    );
  };

  test('creates, changes what differs, and otherwise touches no row', async () => {
    const name = newName();
    const given = { name, config, ownerName: 'Ann', tags: [{ key: 'team', value: 'payments' }] };
    expect(await outcomeOf(given)).toBe('CREATED 1');
    const before = await rows();
    const { password: _, ...withoutPassword } = config.postgres;
    for (const same of [
      given,
      { name, config },
      { name, config: { postgres: withoutPassword } },
      { ...given, test: {} },
    ])
      expect(await outcomeOf(same)).toBe('UNCHANGED 1');
    expect(await rows()).toEqual(before);

    expect(await outcomeOf({ name, config: { postgres: { ...withoutPassword, password: 'another' } } })).toBe(
      'UPDATED 2',
    );
    expect(await outcomeOf({ name, config: { postgres: withoutPassword }, configSecret: 'another' })).toBe(
      'UNCHANGED 2',
    );
    const { datastore } = await upsert({ name, config: { postgres: withoutPassword }, ownerName: null });
    expect(datastore).toMatchObject({ version: 3, ownerName: null, label: name });
  });

  test('takes the config for the whole: what is left out goes, but for secrets whose block stays', async () => {
    const name = newName();
    const tls = { mode: 'VERIFY_CA', caCertificate: CERTIFICATE, clientCertificate: CERTIFICATE };
    const full = postgresConfig({ schema: 'sales', tls: { ...tls, clientKey: PRIVATE_KEY } as never });
    expect(setSecrets(await upsert({ name, config: { postgres: full } }))).toEqual(['password', 'tls.clientKey']);
    const { password: _, schema: __, ...rest } = full;
    const kept = await upsert({ name, config: { postgres: { ...rest, tls } } });
    expect(kept).toMatchObject({ outcome: 'UPDATED' });
    expect(setSecrets(kept)).toEqual(['password', 'tls.clientKey']);
    expect(kept.datastore?.configJson.schema).not.toBe('sales');
    const without = { mode: 'VERIFY_CA', caCertificate: CERTIFICATE };
    const taken = await upsert({ name, config: { postgres: { ...rest, tls: { ...without, clientKey: null } } } });
    expect(setSecrets(taken)).toEqual(['password']);
    await upsert({ name, config: { postgres: full } });
    expect(setSecrets(await upsert({ name, config: { postgres: { ...full, tls: null } } }))).toEqual(['password']);
  });

  test('tells what a new datastore lacks, as a form would', async () => {
    const { host: _, ...withoutHost } = config.postgres;
    expect(await upsert({ name: newName(), config: { postgres: { ...withoutHost, database: null } } })).toMatchObject({
      __typename: 'ValidationError',
      issues: [
        { path: ['input', 'config', 'postgres', 'host'], code: 'REQUIRED' },
        { path: ['input', 'config', 'postgres', 'database'], code: 'REQUIRED' },
      ],
    });
  });

  test('refuses another type, and to send a kept secret elsewhere', async () => {
    const name = newName();
    await upsert({ name, config });
    expect(await upsert({ name, config: { qdrant: qdrantConfig() } })).toMatchObject({
      issues: [{ path: ['input', 'config', 'qdrant'], code: 'WRONG_TYPE' }],
    });
    const { password, ...elsewhere } = postgresConfig({ port: 2 });
    expect(await upsert({ name, config: { postgres: elsewhere } })).toMatchObject({
      __typename: 'SecretsRequiredError',
      issues: [{ path: ['input', 'config', 'postgres', 'password'], code: 'SECRET_REQUIRED' }],
    });
    expect(await outcomeOf({ name, config: { postgres: { ...elsewhere, password } } })).toBe('UPDATED 2');
  });

  test('stores nothing when the test that is asked for fails', async () => {
    const name = newName();
    expect(await upsert({ name, config, test: {} })).toMatchObject({ __typename: 'ConnectionTestFailedError' });
    expect(await outcomeOf({ name, config })).toBe('CREATED 1');
    expect(await upsert({ name, config, label: 'new', test: {} })).toMatchObject({
      __typename: 'ConnectionTestFailedError',
    });
    expect(await outcomeOf({ name, config })).toBe('UNCHANGED 1');
  });

  describe('several at once', () => {
    test('of the same: one creates, and none is refused', async () => {
      const name = newName();
      const outcomes = await Promise.all(Array.from({ length: 4 }, () => outcomeOf({ name, config })));
      expect(outcomes.toSorted()).toEqual(['CREATED 1', 'UNCHANGED 1', 'UNCHANGED 1', 'UNCHANGED 1']);
    });

    test('that differ: one creates, and each other changes what it finds', async () => {
      const name = newName();
      const owners = ['Ann', 'Bob', 'Cem', 'Dee'];
      const outcomes = await Promise.all(owners.map((ownerName) => outcomeOf({ name, config, ownerName })));
      expect(outcomes.toSorted()).toEqual(['CREATED 1', 'UPDATED 2', 'UPDATED 3', 'UPDATED 4']);
    });
  });

  describe('many in one call', () => {
    const newItem = (more: object = {}) => ({ environmentId, name: newName(), config, ...more });
    const createMany = (items: object[], atomic?: boolean) => ask<Many>(CREATE_MANY, { items, atomic });
    const updateMany = (items: object[], atomic?: boolean) => ask<Many>(UPDATE_MANY, { items, atomic });
    const versions = ({ results }: Many) => results.map(({ datastore, error }) => datastore?.version ?? error);
    const none = randomUUID();
    const metadata = { postgres: postgresConfig({ host: '169.254.169.254' }) };

    test('each has its own result, in the order of the items', async () => {
      const [first, last] = [newItem(), newItem()];
      const lost = newItem({ environmentId: none });
      const created = await createMany([
        first,
        { ...first, label: 'again' },
        newItem({ config: metadata }),
        lost,
        last,
      ]);
      expect(created.results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
      const sameName = created.results.slice(0, 2);
      const one = sameName.find(({ datastore }) => datastore);
      const again = sameName.find(({ error }) => error);
      expect([one?.datastore?.version, again?.error]).toMatchObject([1, { code: 'NAME_TAKEN' }]);
      expect(versions(created).slice(2)).toMatchObject([
        { issues: [{ path: ['input', 'items', '2', 'config', 'postgres', 'host'], code: 'ADDRESS_NOT_ALLOWED' }] },
        { __typename: 'NotFoundError', ids: [none] },
        1,
      ]);

      const ids = [one, created.results[4]].map((result) => result?.datastore?.id);
      const updated = await updateMany([
        { id: ids[0], label: 'changed' },
        { id: none, label: 'changed' },
        { id: ids[1], expectedVersion: 7, label: 'changed' },
        { id: ids[1]?.toUpperCase(), label: 'changed' },
      ]).then(({ issues }) => issues);
      expect(updated).toMatchObject([{ path: ['input', 'items', '3', 'id'], code: 'INVALID_COMBINATION' }]);
      expect(
        versions(
          await updateMany([
            { id: ids[0], label: 'changed' },
            { id: none, label: 'changed' },
            { id: ids[1], expectedVersion: 7, label: 'changed' },
          ]),
        ),
      ).toMatchObject([2, { ids: [none] }, { code: 'VERSION_CONFLICT', current: { id: ids[1] } }]);
    });

    test('atomic: all or none, be it found out before or while they are stored', async () => {
      const known = newItem();
      const [stored] = (await createMany([known], true)).results;
      expect(stored?.datastore).toMatchObject({ name: known.name, version: 1 });
      const before = await rows();
      const twice = newItem();
      for (const [items, refused] of [
        [
          [newItem(), { ...known, label: 'again' }, newItem()],
          [null, { code: 'NAME_TAKEN' }, null],
        ],
        [
          [newItem(), twice, { ...twice, label: 'again' }],
          [null, null, { code: 'NAME_TAKEN' }],
        ],
      ] as const)
        expect(versions(await createMany([...items], true))).toMatchObject(refused);
      const id = stored?.datastore?.id;
      expect(versions(await updateMany([{ id, label: 'changed' }, { id: none }], true))).toMatchObject([
        null,
        { ids: [none] },
      ]);
      expect(await rows()).toEqual(before);
    });

    test('atomic: two calls of the same names, in opposite orders, do not wait for one another for ever', async () => {
      const items = Array.from({ length: 6 }, () => newItem());
      const both = await Promise.all([createMany(items, true), createMany(items.toReversed(), true)]);
      expect(both.map(({ results }) => results.filter(({ datastore }) => datastore).length).toSorted()).toEqual([0, 6]);
      const found = both.flatMap(({ results }) => results.flatMap(({ datastore }) => datastore?.id ?? []));
      const change = (label: string, ids: readonly string[]) =>
        updateMany(
          ids.map((id) => ({ id, label })),
          true,
        );
      const changed = await Promise.all([change('one', found), change('other', found.toReversed())]);
      const counts = changed.map(({ results }) => results.filter(({ datastore }) => datastore).length);
      expect(counts).toContain(6);
      expect(counts.every((count) => count === 0 || count === 6)).toBe(true);
    });

    test('the fields of all items are judged before anything is done, and their number', async () => {
      const before = await rows();
      const wrong = [newItem(), newItem({ label: '' }), newItem({ config: { postgres: postgresConfig({ port: 0 }) } })];
      expect(await createMany(wrong)).toMatchObject({
        __typename: 'ValidationError',
        issues: [
          { path: ['input', 'items', '1', 'label'], code: 'TOO_SHORT' },
          { path: ['input', 'items', '2', 'config', 'postgres', 'port'], code: 'OUT_OF_RANGE' },
        ],
      });
      const tooMany = Array.from({ length: 101 }, () => newItem());
      for (const [items, code] of [
        [[], 'TOO_SHORT'],
        [tooMany, 'TOO_LONG'],
      ] as const)
        expect(await createMany([...items])).toMatchObject({ issues: [{ path: ['input', 'items'], code }] });
      expect(await rows()).toEqual(before);
    });

    test('are deleted although some are missing, when that is to be ignored', async () => {
      const ids = (await createMany([newItem(), newItem()])).results.map(({ datastore }) => datastore?.id);
      const select = { ids: [...ids, none] };
      expect(await ask(DELETE, { select })).toMatchObject({ __typename: 'NotFoundError', ids: [none] });
      expect(await ask(DELETE, { select, missing: 'REFUSE' })).toMatchObject({ ids: [none] });
      const deleted = await ask<{ deletedIds: string[] }>(DELETE, { select, missing: 'IGNORE' });
      expect(deleted.deletedIds.toSorted()).toEqual(ids.toSorted());
      expect(await ask(DELETE, { select, missing: 'IGNORE' })).toMatchObject({ deletedIds: [] });
    });
  });
});
