import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GraphQLInputType, getNamedType, isInputObjectType, isListType, isNonNullType } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { CreateEnvironmentInput, UpdateEnvironmentInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateDataStructure,
  CreateEnvironment,
  DeleteEnvironment,
  ListEnvironments,
  ReadEnvironment,
  ReadViewer,
  UpdateEnvironment,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

/** The paths to every environment that a mutation's arguments name: `input.select.all.environmentId`. */
function environmentPaths(type: GraphQLInputType, path: readonly string[]): string[][] {
  if (isNonNullType(type)) return environmentPaths(type.ofType, path);
  if (isListType(type)) return environmentPaths(type.ofType, [...path, '0']);
  const named = getNamedType(type);
  if (!isInputObjectType(named))
    return /^environmentIds?$/.test(path.findLast((part) => part !== '0') ?? '') ? [[...path]] : [];
  // no environment stands in a config, nor among the fields of a structure, which hold one another
  return Object.values(named.getFields()).flatMap((field) =>
    field.name === 'config' || field.name === 'fields' ? [] : environmentPaths(field.type, [...path, field.name]),
  );
}

const places = Object.values(schema.getMutationType()?.getFields() ?? {}).flatMap(({ name, args }) =>
  args.flatMap((argument) => environmentPaths(argument.type, [argument.name]).map((path) => [name, path] as const)),
);

/** What an input needs besides the environment, by what holds it. */
const besides: Record<string, object> = {
  createDatastore: { config: { postgres: postgresConfig() } },
  createDatastores: { config: { postgres: postgresConfig() } },
  startConnectionTest: { config: { postgres: postgresConfig() } },
  upsertDatastore: { name: 'one', config: { postgres: postgresConfig() } },
  createDataStructure: { name: 'one', fields: [{ name: 'a', type: 'TEXT' }] },
  cloneDataStructure: {},
  createWebhook: { url: 'https://192.0.2.1/hook', events: ['DELETED'] },
  applyManifest: { manifest: 'manifest: 1\ndatastores: {}' },
  createApiToken: { name: 'one', scopes: ['DATASTORES_READ'] },
  createSessionToken: { scopes: ['DATASTORES_READ'] },
};

/** Puts a value at a path of the arguments, and what else is needed beside it. */
function argumentsWith(path: readonly string[], value: unknown, beside: object): unknown {
  const [head = '', ...rest] = path;
  if (path.length === 0) return value;
  const inner = argumentsWith(rest, value, beside);
  if (head === '0') return [inner];
  return { ...(/^environmentIds?$/.test(head) ? beside : {}), [head]: inner };
}

/** How often a call comes while its environment is being deleted, each time a little later than the last. */
const MEANWHILE = 8;

function mutationOf(name: string): string {
  const Name = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return `mutation ($input: ${Name}Input!) { answer: ${name}(input: $input) { ...Refusal
    ${name === 'createDatastores' ? '... on CreateDatastoresSuccess { results { error { ...Refusal } } }' : ''} } }
    fragment Refusal on UserError { __typename issues { path code } }`;
}

describeEachGateway('environments', (open) => {
  let gateway: TestGateway;
  let api: Api;

  let structureId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    const input = { environmentId: await api.newEnvironment(), name: 'one', fields: [] };
    const { createDataStructure } = await gateway.run(CreateDataStructure, { input });
    structureId = expectType(createDataStructure, 'CreateDataStructureSuccess').dataStructure.id;
  });

  const create = async (input: CreateEnvironmentInput, token?: string) =>
    (await gateway.run(CreateEnvironment, { input }, token)).createEnvironment;
  const created = async (input: CreateEnvironmentInput) =>
    expectType(await create(input), 'CreateEnvironmentSuccess').environment;
  const update = async (input: UpdateEnvironmentInput, token?: string) =>
    (await gateway.run(UpdateEnvironment, { input }, token)).updateEnvironment;
  const remove = async (id: string, token?: string) =>
    (await gateway.run(DeleteEnvironment, { id }, token)).deleteEnvironment;
  const read = async (id: string, token?: string) => (await gateway.run(ReadEnvironment, { id }, token)).environment;
  const newName = () => `n ${randomUUID()}`;

  test('a fresh gateway has one, and datastores go there', async () => {
    const fresh = await open();
    const { environments } = await fresh.run(ListEnvironments, {});
    expect(environments.nodes).toEqual([{ id: expect.any(String), name: 'default' }]);
    const { environment } = await apiOf(fresh).created({ config: { postgres: postgresConfig() } });
    expect(environment).toEqual(environments.nodes[0]);
  });

  test('are created, read, renamed and deleted', async () => {
    const [id, name, other] = [randomUUID(), newName(), newName()];
    const environment = await created({ id: id.toUpperCase(), name });
    expect(environment).toMatchObject({ id, name });
    expect(await read(id.toUpperCase())).toEqual({ id, name });
    const renamed = expectType(await update({ id, name: other }), 'UpdateEnvironmentSuccess').environment;
    expect(renamed).toEqual({ ...environment, name: other });
    expect(expectType(await update({ id }), 'UpdateEnvironmentSuccess').environment).toEqual(renamed);
    expect(await read(id)).toEqual({ id, name: other });
    expect(await remove(id)).toEqual({ __typename: 'DeleteEnvironmentSuccess', deletedId: id });
    expect(await read(id)).toBeNull();
    for (const gone of [await remove(id), await update({ id, name })])
      expect(gone).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
  });

  test('are named in every mutation that may name one', () => {
    expect(places.map(([name]) => name).toSorted()).toEqual([...Object.keys(besides), 'deleteDatastores'].toSorted());
  });

  test.each(places)('%s says at %j that there is no such environment, and that an id is none', async (name, path) => {
    const query = mutationOf(name);
    const id = randomUUID();
    for (const [value, type, code] of [
      [id, 'NotFoundError', 'NOT_FOUND'],
      ['no id', 'ValidationError', 'INVALID_ID'],
    ]) {
      const beside = name === 'cloneDataStructure' ? { id: structureId } : (besides[name] ?? {});
      const variables = argumentsWith(path, value, beside) as object;
      const { json } = await gateway.send({ query, variables });
      expect(json.errors).toBeUndefined();
      const answer = json.data?.answer as { results?: { error: unknown }[] };
      expect(answer.results?.[0]?.error ?? answer).toEqual({ __typename: type, issues: [{ path, code }] });
    }
  });

  test.each(places)('%s with the environment of %j deleted meanwhile is done or refused', async (name, path) => {
    const query = mutationOf(name);
    const codes = new Set<unknown>();
    for (let round = 0; round < MEANWHILE; round += 1) {
      const { id } = await created({ name: newName() });
      const beside = name === 'cloneDataStructure' ? { id: structureId } : (besides[name] ?? {});
      const asking = gateway.send({ query, variables: argumentsWith(path, id, beside) as object });
      const removing = sleep(round / 2).then(() => remove(id));
      for (const { extensions } of (await asking).json.errors ?? []) codes.add(extensions?.code);
      expect(['DeleteEnvironmentSuccess', 'InUseError']).toContain((await removing).__typename);
    }
    expect([...codes]).toEqual([]);
  });

  test.each(['a', 'Production EU', '7', 'a.b-c_d', 'x'.repeat(63)])('the name %j is taken', async (name) => {
    const { id } = await created({ name });
    await remove(id);
  });

  test.each([
    ['', 'TOO_SHORT'],
    ['x'.repeat(64), 'TOO_LONG'],
    [' a', 'INVALID_FORMAT'],
    ['-a', 'INVALID_FORMAT'],
    ['ä', 'INVALID_FORMAT'],
    ['a/b', 'INVALID_FORMAT'],
    ['a\nb', 'INVALID_FORMAT'],
    ['a\n', 'INVALID_FORMAT'],
    ['a\u0000', 'INVALID_FORMAT'],
  ])('the name %j is refused: %s', async (name, code) => {
    const { id } = await created({ name: newName() });
    for (const result of [await create({ name }), await update({ id, name })])
      expect(issueList(expectType(result, 'ValidationError'))).toContain(`input.name ${code}`);
  });

  test('a name is unique', async () => {
    const [one, other] = [await created({ name: newName() }), await created({ name: newName() })];
    for (const result of [await create({ name: one.name }), await update({ id: other.id, name: one.name })])
      expect(issueList(expectType(result, 'NameTakenError'))).toEqual(['input.name NAME_TAKEN']);
    expect(await read(other.id)).toMatchObject({ name: other.name });
    expectType(await remove(one.id), 'DeleteEnvironmentSuccess');
    await created({ name: one.name });
  });

  test('say from which network their datastores are reached; a change of it is in the journal', async () => {
    const { id, name, network } = await created({ name: newName() });
    expect(network).toBeNull();
    const states = [];
    for (const change of [
      { network: 'vpc-a' },
      { name },
      { network: 'vpc-a' },
      { network: 'b.2_c' },
      { network: null },
    ])
      states.push(expectType(await update({ id, ...change }), 'UpdateEnvironmentSuccess').environment.network);
    expect(states).toEqual(['vpc-a', 'vpc-a', 'vpc-a', 'b.2_c', null]);
    const journaled = await gateway.app.database.query
      .selectFrom('journal')
      .select('detail')
      .where('subject_id', '=', id)
      .where('action', '=', 'environment.update')
      .orderBy('sequence')
      .execute();
    expect(journaled.map(({ detail }) => JSON.parse(detail))).toEqual([
      { network: { before: null, after: 'vpc-a' } },
      { network: { before: 'vpc-a', after: 'b.2_c' } },
      { network: { before: 'b.2_c', after: null } },
    ]);
    expect((await created({ name: newName(), network: '7' })).network).toBe('7');
    for (const [wrong, code] of [
      ['', 'TOO_SHORT'],
      ['x'.repeat(64), 'TOO_LONG'],
      ['vpc a', 'INVALID_FORMAT'],
      ['-a', 'INVALID_FORMAT'],
    ] as const)
      for (const result of [await create({ name: newName(), network: wrong }), await update({ id, network: wrong })])
        expect(issueList(expectType(result, 'ValidationError'))).toContain(`input.network ${code}`);
  });

  test('an id is used once', async () => {
    const { id } = await created({ name: newName() });
    expect(await create({ id, name: newName() })).toMatchObject({ code: 'ID_TAKEN', current: null });
    await remove(id);
    expect(await create({ id, name: newName() })).toMatchObject({ code: 'ID_TAKEN', current: null });
    expect(issueList(expectType(await create({ id: 'x', name: newName() }), 'ValidationError'))).toEqual([
      'input.id INVALID_ID',
    ]);
  });

  describe('deleting', () => {
    test('is refused while it holds datastores, which it names', async () => {
      const { id } = await created({ name: newName() });
      const held = [];
      for (const name of ['b', 'a'])
        held.unshift(await api.created({ environmentId: id, name, config: { postgres: postgresConfig() } }));
      const refused = expectType(await remove(id), 'InUseError');
      expect(refused).toMatchObject({
        code: 'IN_USE',
        datastores: held.map(({ id: each, name }) => ({ id: each, name })),
      });
      expect(await api.count(id)).toBe(2);
      await api.removed(...held.map((each) => each.id));
      expectType(await remove(id), 'DeleteEnvironmentSuccess');
    });

    test('takes its tests and its key along', async () => {
      const { id } = await created({ name: newName() });
      const draft = { environmentId: id, config: { postgres: postgresConfig() } };
      const started = await api.testStarted({ target: { draft } });
      await api.ended(started.id);
      expectType(await remove(id), 'DeleteEnvironmentSuccess');
      expect(await api.readTest(started.id)).toBeNull();
      const { query } = gateway.app.database;
      for (const table of ['data_keys', 'connection_tests'] as const)
        expect(await query.selectFrom(table).select('id').where('environment_id', '=', id).execute()).toEqual([]);
    });

    test('five times at once: once', async () => {
      const { id } = await created({ name: newName() });
      const kinds = (await Promise.all(Array.from({ length: 5 }, () => remove(id)))).map((result) => result.__typename);
      expect(kinds.toSorted()).toEqual([
        'DeleteEnvironmentSuccess',
        ...Array.from({ length: 4 }, () => 'NotFoundError'),
      ]);
    });

    test('while datastores are put in: either it goes and they are refused, or it stays with them', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { id } = await created({ name: newName() });
        const make = () => api.create({ environmentId: id, config: { postgres: postgresConfig() } });
        const [first, deleted, ...rest] = await Promise.all([make(), remove(id), make(), make(), make()]);
        const stored = [first, ...rest].filter((result) => result.__typename === 'CreateDatastoreSuccess').length;
        for (const result of [first, ...rest])
          expect(result.__typename).toMatch(/CreateDatastoreSuccess|NotFoundError/);
        expect(await api.count(id)).toBe(stored);
        expect(deleted.__typename).toBe(stored > 0 ? 'InUseError' : 'DeleteEnvironmentSuccess');
      }
    });
  });

  describe('the list', () => {
    test('is by name, is searched, and has pages', async () => {
      const mark = randomUUID().slice(0, 8);
      const names = ['B', 'a', 'C', 'a2', '9'].map((name) => `${name} ${mark}`);
      for (const name of names) await created({ name });
      const list = async (more: object) =>
        (await gateway.run(ListEnvironments, { search: mark, ...more })).environments;
      const sorted = names.toSorted((one, other) => (one < other ? -1 : 1));
      expect((await list({})).nodes.map(({ name }) => name)).toEqual(sorted);
      const first = await list({ first: 2 });
      expect(first.nodes.map(({ name }) => name)).toEqual(sorted.slice(0, 2));
      expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
      const rest = await list({ first: 10, after: first.pageInfo.endCursor });
      expect(rest.nodes.map(({ name }) => name)).toEqual(sorted.slice(2));
      const last = await list({ last: 2 });
      expect(last.nodes.map(({ name }) => name)).toEqual(sorted.slice(3));
      const before = await list({ last: 10, before: last.pageInfo.startCursor });
      expect(before.nodes.map(({ name }) => name)).toEqual(sorted.slice(0, 3));
      expect((await list({ search: `%${mark}` })).nodes).toEqual([]);
      const alike = await list({ search: ` A2 ${mark.toUpperCase()}\n` });
      expect(alike.nodes.map(({ name }) => name)).toEqual([`a2 ${mark}`]);
    });
  });

  describe('a token of one environment', () => {
    const tokenFor = (...ids: string[]) =>
      gateway.createToken(`of ${randomUUID()}`, ['ENVIRONMENTS_WRITE', 'DATASTORES_READ'], ids);

    test('sees that one, renames and deletes it, and makes no others', async () => {
      const [inside, outside] = [await created({ name: newName() }), await created({ name: newName() })];
      const token = await tokenFor(inside.id);
      const { environments } = await gateway.run(ListEnvironments, {}, token);
      expect(environments.nodes).toEqual([{ id: inside.id, name: inside.name }]);
      const { viewer } = await gateway.run(ReadViewer, {}, token);
      expect(viewer.token.environments).toEqual([{ id: inside.id }]);
      expect(await read(outside.id, token)).toBeNull();
      const { errors } = await gateway.execute(CreateEnvironment, { input: { name: newName() } }, token);
      expect(errors?.[0]?.extensions?.code).toBe('FORBIDDEN');
      expectType(await update({ id: inside.id, name: newName() }, token), 'UpdateEnvironmentSuccess');
      expectType(await remove(inside.id, token), 'DeleteEnvironmentSuccess');
      const left = await gateway.run(ReadViewer, {}, token);
      expect(left.viewer.token.environments).toEqual([]);
    });

    test('of all sees those that are made later', async () => {
      const token = await gateway.createToken(`all ${randomUUID()}`, []);
      const { id, name } = await created({ name: newName() });
      expect(await read(id, token)).toEqual({ id, name });
      expect((await gateway.run(ReadViewer, {}, token)).viewer.token.environments).toBeNull();
    });
  });
});
