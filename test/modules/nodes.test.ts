import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';

const NODES =
  'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on PostgresDatastore { config { host } } } }';

describeEachGateway('a node', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let ids: {
    readonly environment: string;
    readonly datastore: string;
    readonly test: string;
    readonly structure: string;
  };

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    const environment = await api.newEnvironment();
    const { id: datastore } = await api.created({ environmentId: environment, config: { postgres: postgresConfig() } });
    const { id } = await api.testStarted({ target: { datastoreId: datastore } });
    await api.ended(id);
    const made = await gateway.send({
      query: `mutation ($input: CreateDataStructureInput!) { createDataStructure(input: $input) {
        ... on CreateDataStructureSuccess { dataStructure { id } } } }`,
      variables: { input: { environmentId: environment, name: 'orders', fields: [{ name: 'a', type: 'TEXT' }] } },
    });
    const { createDataStructure } = made.json.data as { createDataStructure: { dataStructure: { id: string } } };
    ids = { environment, datastore, test: id, structure: createDataStructure.dataStructure.id };
  });

  const ask = async (of: readonly string[], token?: string) => {
    const { json } = await gateway.send({ query: NODES, variables: { ids: of } }, token);
    return json as { data?: { nodes: unknown[] }; errors?: { extensions: Record<string, unknown> }[] };
  };
  const typesOf = async (of: readonly string[], token?: string) =>
    (await ask(of, token)).data?.nodes.map((node) => (node as { __typename: string } | null)?.__typename ?? null);

  test('is found by its id, whatever its type is, in the order of the ids', async () => {
    const { environment, datastore, test, structure } = ids;
    const before = gateway.statements.length;
    expect(
      (await ask([test, randomUUID(), datastore.toUpperCase(), environment, datastore, structure])).data?.nodes,
    ).toEqual([
      { __typename: 'ConnectionTest', id: test },
      null,
      { __typename: 'PostgresDatastore', id: datastore, config: { host: postgresConfig().host } },
      { __typename: 'Environment', id: environment },
      { __typename: 'PostgresDatastore', id: datastore, config: { host: postgresConfig().host } },
      { __typename: 'DataStructure', id: structure },
    ]);
    const tables = gateway.statements.slice(before).flatMap((sql) => / where "(\w+)"\."id" /.exec(sql)?.[1] ?? []);
    expect(tables.toSorted()).toEqual(['connection_tests', 'data_structures', 'datastores', 'environments']);
    const query =
      'query ($id: ID!) { node(id: $id) { id ... on Datastore { connectionTests(first: 1) { nodes { id } } } } }';
    const { json } = await gateway.send({ query, variables: { id: datastore } });
    expect(json.data).toEqual({ node: { id: datastore, connectionTests: { nodes: [{ id: test }] } } });
  });

  test('is null for whoever may not see it, as its own query has it', async () => {
    const all = [ids.environment, ids.datastore, ids.test, ids.structure];
    const scopeless = await gateway.createToken(`no scope ${randomUUID()}`, []);
    expect(await typesOf(all, scopeless)).toEqual(['Environment', null, null, null]);
    const elsewhere = await gateway.createToken(
      `elsewhere ${randomUUID()}`,
      ['DATASTORES_READ'],
      [await api.newEnvironment()],
    );
    expect(await typesOf(all, elsewhere)).toEqual([null, null, null, null]);
  });

  test('is asked for by at most 100 ids, each of them a UUID', async () => {
    const refused = async (of: readonly string[]) => (await ask(of)).errors?.map(({ extensions }) => extensions);
    const issue = (path: string[], code: string) => [
      expect.objectContaining({ code: 'BAD_USER_INPUT', issues: [expect.objectContaining({ path, code })] }),
    ];
    expect(await refused([ids.datastore, 'RGF0YXN0b3JlOjE='])).toEqual(issue(['ids', '1'], 'INVALID_ID'));
    expect(await refused(Array.from({ length: 101 }, randomUUID))).toEqual(issue(['ids'], 'TOO_LONG'));
    expect(await typesOf([])).toEqual([]);
  });
});
