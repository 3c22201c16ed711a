import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';

const REVERT = `mutation ($input: RevertDatastoreInput!) { answer: revertDatastore(input: $input) {
  __typename ... on UserError { code issues { path configPath code } } ... on ConflictError { current { version } }
  ... on RevertDatastoreSuccess { datastore { id name label version configJson tags { key } secrets { path isSet } } } } }`;
const PURGE = `mutation ($id: ID!) { answer: purgeRevisionSecrets(datastoreId: $id) {
  __typename ... on PurgeRevisionSecretsSuccess { purgedCount datastore { id } } } }`;
const HISTORY = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { datastore(id: $id) {
  revisions(first: $first, after: $after, last: $last, before: $before) {
    nodes { version at actor onBehalfOf secretsKept changes { path isSecret before after } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;

interface Revision {
  readonly version: number;
  readonly actor: string;
  readonly secretsKept: boolean;
  readonly changes: readonly { path: string; isSecret: boolean; before: unknown; after: unknown }[];
}
interface Answer {
  readonly __typename: string;
  readonly [field: string]: unknown;
}

describeEachGateway('revisions', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const query = () => gateway.app.database.query;
  const send = async (document: string, variables: object) => {
    const { json } = await gateway.send({ query: document, variables });
    if (json.errors) throw new Error(JSON.stringify(json.errors));
    return json.data as Record<string, Answer>;
  };
  const revert = async (input: object) => (await send(REVERT, { input })).answer as Answer;
  const purge = async (id: string) => (await send(PURGE, { id })).answer as Answer;
  const pageOf = async (id: string, page: object = {}) =>
    (await send(HISTORY, { id, ...page })).datastore?.revisions as unknown as {
      nodes: Revision[];
      pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
    };
  const historyOf = async (id: string) => (await pageOf(id, { first: 100 })).nodes;
  const make = async (more: object = {}) =>
    (await api.created({ environmentId, config: { postgres: postgresConfig({ password: 'first' }) }, ...more })).id;
  /** The password that is in use, as a test would send it. */
  const passwordOf = async (id: string, is: string) => {
    const before = (await api.read(id))?.version;
    const after = (await api.updated({ id, config: { postgres: { password: is } } })).version;
    return before === after;
  };
  const keysOf = (id: string) =>
    query().selectFrom('revision_keys').select('version').where('datastore_id', '=', id).orderBy('version').execute();

  test('keep the secrets of what changes at once replace, which Postgres stores together', async () => {
    const ids = await Promise.all(Array.from({ length: 16 }, () => make()));
    await Promise.all(ids.map((id) => api.updated({ id, label: `Renamed ${id}` })));
    for (const id of ids) expect(await keysOf(id)).toEqual([{ version: 1 }]);
    if (gateway.app.database.kind === 'postgres') {
      const found = sql`select distinct xmin::text from revision_keys where datastore_id in (${sql.join(ids)})`;
      expect((await found.execute(query())).rows.length).toBeLessThan(ids.length);
    }
    for (const id of ids.slice(0, 3)) {
      await api.updated({ id, config: { postgres: { password: 'second' } } });
      expect(await revert({ id, toVersion: 1 })).toMatchObject({ __typename: 'RevertDatastoreSuccess' });
      expect(await passwordOf(id, 'first')).toBe(true);
    }
  });

  test('say who changed which places from what to what, and of a secret that it changed', async () => {
    const id = await make({ label: 'One', tags: [{ key: 'team', value: 'a' }] });
    await api.updated({ id, label: 'Two', config: { postgres: { database: 'other', password: 'second' } } });
    await api.updated({ id, config: { postgres: { tls: { serverName: 'db.example' }, password: 'third' } }, tags: [] });
    const [third, second, first] = await historyOf(id);
    expect(second).toMatchObject({ version: 2, actor: expect.any(String), secretsKept: true });
    expect(second?.changes).toEqual([
      { path: 'label', isSecret: false, before: 'One', after: 'Two' },
      { path: 'config.database', isSecret: false, before: 'app', after: 'other' },
      { path: 'config.password', isSecret: true, before: null, after: null },
    ]);
    expect(third?.changes).toEqual([
      { path: 'tags', isSecret: false, before: [{ key: 'team', value: 'a' }], after: null },
      { path: 'config.tls.serverName', isSecret: false, before: null, after: 'db.example' },
      { path: 'config.password', isSecret: true, before: null, after: null },
    ]);
    expect(first?.changes).toContainEqual({ path: 'config.password', isSecret: true, before: null, after: null });
    expect(first?.changes).toContainEqual({ path: 'config.host', isSecret: false, before: null, after: '127.0.0.1' });
    expect(JSON.stringify([first, second, third])).not.toMatch(/"(first|second|third)"/);
  });

  test('are paged from the newest on, in both directions', async () => {
    const id = await make();
    for (let at = 2; at <= 5; at += 1) await api.updated({ id, label: `l${at}` });
    const versions = (page: { nodes: Revision[] }) => page.nodes.map(({ version }) => version);
    const first = await pageOf(id, { first: 2 });
    expect(versions(first)).toEqual([5, 4]);
    const rest = await pageOf(id, { first: 5, after: first.pageInfo.endCursor });
    expect(versions(rest)).toEqual([3, 2, 1]);
    expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect(versions(await pageOf(id, { last: 2, before: rest.pageInfo.startCursor }))).toEqual([5, 4]);
    const made = Buffer.from(JSON.stringify(['REVISION', '99999999999'])).toString('base64url');
    expect(versions(await pageOf(id, { after: made }))).toEqual([]);
  });

  test('can be gone back to: all of it, with their own secrets, as a new version', async () => {
    const id = await make({ name: randomUUID(), label: 'One', tags: [{ key: 'team', value: 'a' }] });
    const one = await api.read(id);
    // to another host, whose secret must never go back to the first, nor the other way
    await api.updated({ id, label: 'Two', tags: [], config: { postgres: { port: 2, password: 'second' } } });
    const back = await revert({ id, toVersion: 1, expectedVersion: 2 });
    expect(back).toMatchObject({
      __typename: 'RevertDatastoreSuccess',
      datastore: { version: 3, label: 'One', name: one?.name, configJson: one?.configJson, tags: [{ key: 'team' }] },
    });
    expect(await passwordOf(id, 'first')).toBe(true);
    await revert({ id, toVersion: 2 });
    expect(await passwordOf(id, 'second')).toBe(true);
    expect((await historyOf(id)).map(({ version }) => version)).toEqual([4, 3, 2, 1]);
    // the present version is there already
    expect(await revert({ id, toVersion: 4 })).toMatchObject({ datastore: { version: 4 } });
  });

  test('a revert is refused for another version, a missing one, a taken name', async () => {
    const name = `n${randomUUID()}`;
    const id = await make({ name });
    await api.updated({ id, name: `${name}-2` });
    expect(await revert({ id, toVersion: 1, expectedVersion: 1 })).toMatchObject({
      code: 'VERSION_CONFLICT',
      current: { version: 2 },
    });
    expect(await revert({ id, toVersion: 9 })).toMatchObject({
      issues: [{ path: ['input', 'toVersion'], code: 'NOT_FOUND' }],
    });
    await make({ name });
    expect(await revert({ id, toVersion: 1 })).toMatchObject({
      __typename: 'NameTakenError',
      issues: [{ path: ['input', 'toVersion'] }],
    });
  });

  test('a revert that leads elsewhere asks for the secrets, and so does one whose secrets were purged', async () => {
    const id = await make();
    await api.updated({ id, config: { postgres: { port: 2, password: 'second' } } });
    const again = {
      path: ['input', 'config', 'postgres', 'password'],
      configPath: 'password',
      code: 'SECRET_REQUIRED',
    };
    expect(await revert({ id, toVersion: 1, config: { postgres: { port: 3 } } })).toMatchObject({
      __typename: 'SecretsRequiredError',
      issues: [again],
    });
    expect(await purge(id)).toMatchObject({ purgedCount: 1, datastore: { id } });
    expect(await purge(id)).toMatchObject({ purgedCount: 0 });
    expect((await historyOf(id)).map(({ secretsKept }) => secretsKept)).toEqual([true, false]);
    expect(await revert({ id, toVersion: 1 })).toMatchObject({ __typename: 'SecretsRequiredError', issues: [again] });
    expect((await api.read(id))?.version).toBe(2);
    const given = await revert({ id, toVersion: 1, config: { postgres: { password: 'again' } } });
    expect(given).toMatchObject({ datastore: { version: 3, configJson: { port: 1 } } });
    expect(await passwordOf(id, 'again')).toBe(true);
  });

  test('a revert with an idempotency key takes effect once', async () => {
    const id = await make();
    await api.updated({ id, label: 'Two' });
    const input = { id, toVersion: 1, idempotencyKey: randomUUID() };
    const answers = await Promise.all(Array.from({ length: 5 }, () => revert(input)));
    for (const answer of answers) expect(answer).toMatchObject({ datastore: { version: 3 } });
  });

  test('a version that does not fit its type any more stays readable, and a revert to it says what is wrong', async () => {
    const id = await make();
    await api.updated({ id, label: 'Two' });
    await query()
      .updateTable('datastore_revisions')
      .set({ config: JSON.stringify({ ...postgresConfig(), password: undefined, port: 'x', gone: 1 }) })
      .where('datastore_id', '=', id)
      .where('version', '=', 1)
      .execute();
    await purge(id);
    expect(await historyOf(id)).toHaveLength(2);
    const refused = await revert({ id, toVersion: 1, config: { postgres: { password: 'x' } } });
    expect(refused).toMatchObject({ __typename: 'ValidationError' });
    expect(refused.issues).toContainEqual({
      path: ['input', 'config', 'postgres', 'port'],
      configPath: 'port',
      code: 'INVALID_TYPE',
    });
  });

  test('keep the secrets of ten older versions, and of none for longer than thirty days', async () => {
    const id = await make();
    for (let at = 2; at <= 13; at += 1) await api.updated({ id, label: `l${at}` });
    expect((await keysOf(id)).map(({ version }) => version)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const age = (version: number, days: number) =>
      query()
        .updateTable('revision_keys')
        .set({ superseded_at: new Date(Date.now() - days * 24 * 3_600_000).toISOString() })
        .where('datastore_id', '=', id)
        .where('version', '<=', version)
        .execute();
    await age(12, 29);
    await age(5, 31);
    await gateway.app.chores.run();
    expect((await keysOf(id)).map(({ version }) => version)).toEqual([6, 7, 8, 9, 10, 11, 12]);
    const sealed = query().selectFrom('datastore_revisions').select('version').where('sealed', 'is not', null);
    expect((await sealed.where('datastore_id', '=', id).execute()).length).toBe(7);
    await api.removed(id);
    expect(await keysOf(id)).toEqual([]);
    const left = query().selectFrom('datastore_revisions').select('version').where('datastore_id', '=', id);
    expect(await left.execute()).toEqual([]);
  });

  describe('whose rows were changed outside of the gateway', () => {
    const unreadable = async (id: string) => {
      const { json } = await gateway.send({ query: REVERT, variables: { input: { id, toVersion: 1 } } });
      return json.errors?.map(({ extensions }) => extensions?.code);
    };
    const rowOf = (id: string, version: number) =>
      query()
        .selectFrom('datastore_revisions')
        .innerJoin('revision_keys', (join) =>
          join
            .onRef('revision_keys.datastore_id', '=', 'datastore_revisions.datastore_id')
            .onRef('revision_keys.version', '=', 'datastore_revisions.version'),
        )
        .select(['sealed', 'wrapped', 'revision_keys.id'])
        .where('datastore_revisions.datastore_id', '=', id)
        .where('datastore_revisions.version', '=', version)
        .executeTakeFirstOrThrow();
    const put = async (id: string, from: { sealed: string | null; wrapped: string; id: string }) => {
      await query().deleteFrom('revision_keys').where('id', '=', from.id).execute();
      await query()
        .updateTable('revision_keys')
        .set({ id: from.id, wrapped: from.wrapped })
        .where('datastore_id', '=', id)
        .where('version', '=', 1)
        .execute();
      await query()
        .updateTable('datastore_revisions')
        .set({ sealed: from.sealed })
        .where('datastore_id', '=', id)
        .where('version', '=', 1)
        .execute();
    };

    test('do not open: the secrets of another version, of another datastore, or beside another host', async () => {
      const [one, two, three] = [await make(), await make(), await make()];
      for (const id of [one, two, three]) for (const label of ['Two', 'Three']) await api.updated({ id, label });
      await put(one, await rowOf(one, 2));
      expect(await unreadable(one)).toEqual(['SECRETS_UNREADABLE']);
      await put(two, await rowOf(three, 1));
      expect(await unreadable(two)).toEqual(['SECRETS_UNREADABLE']);
      const four = await make();
      await api.updated({ id: four, label: 'Two' });
      const elsewhere = JSON.stringify({ ...postgresConfig({ port: 9 }), password: undefined });
      await query()
        .updateTable('datastore_revisions')
        .set({ config: elsewhere })
        .where('datastore_id', '=', four)
        .where('version', '=', 1)
        .execute();
      expect(await unreadable(four)).toEqual(['SECRETS_UNREADABLE']);
    });
  });

  test('are read and gone back to as the page about history says, and so are usages', async () => {
    const page = await readFile(new URL('../../docs/history.md', import.meta.url), 'utf8');
    const blocks = [...page.matchAll(/^```graphql\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
    const { id } = await api.created({ environmentId, label: 'One', config: { postgres: postgresConfig() } });
    await api.updated({ id, label: 'Two', configSecret: 'another' });
    await api.ended((await api.testStarted({ target: { datastoreId: id } })).id);
    const told: Record<string, unknown> = {};
    for (const block of blocks) {
      const [, name = ''] = /(\w+)\(/.exec(block) ?? [];
      const { json, text } = await gateway.send({ query: block, variables: { id, key: randomUUID() } });
      expect(json.errors, text).toBeUndefined();
      [told[name]] = Object.values(json.data ?? {});
    }
    expect(told).toMatchObject({
      Versions: {
        version: 2,
        revisions: { nodes: [{ version: 2, secretsKept: true, changes: [{ path: 'label' }, { isSecret: true }] }, {}] },
      },
      GoBack: { datastore: { version: 3, label: 'One' } },
      Forget: { purgedCount: 2 },
      Depend: { usage: { kind: 'dashboard', name: 'Sales', url: 'https://bi.example/sales' } },
      Delete: { code: 'CONFIRMATION_REQUIRED', usages: [{ kind: 'dashboard', name: 'Sales' }] },
      Tests: { nodes: [{ outcome: 'SUCCEEDED', detail: { purpose: 'REQUESTED', version: 2 } }] },
    });
    expect(Object.keys(told)).toHaveLength(blocks.length);
  });
});
