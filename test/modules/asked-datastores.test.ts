import {
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  isAbstractType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';
import { beforeAll, expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';

const MAX_DEPTH = 2;

/** Everything that can be asked of a type without arguments, some levels deep. */
function all(type: GraphQLNamedType, depth = 0): string {
  if (isAbstractType(type)) return '{ __typename }';
  if (!isObjectType(type)) return '';
  const fields = fieldsOf(type).filter(({ type: of }) => depth < MAX_DEPTH || !isObjectType(getNamedType(of)));
  return `{ __typename ${fields.map((field) => `${field.name} ${all(getNamedType(field.type), depth + 1)}`).join(' ')} }`;
}

function fieldsOf(type: GraphQLObjectType) {
  return Object.values(type.getFields()).filter((field) => !field.args.some(isRequiredArgument));
}

const selectionsOf = (name: string) => {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`There is no ${name}`);
  return fieldsOf(type).map((field) => `${field.name} ${all(getNamedType(field.type), 1)}`);
};
const selections = [
  ...selectionsOf('PostgresDatastore'),
  ...selectionsOf('Environment').map((selection) => `environment { ${selection} }`),
  ...selectionsOf('ConnectionTest').map((selection) => `lastTest { ${selection} }`),
  'id',
  '... on Node { id }',
  '... on Datastore { tags { key } } description',
  'lastTest { datastore { tags { key } ownerName } }',
  'environment { id } lastTest { ... on Node { id } status }',
];

describeEachGateway('what is asked for of datastores', (open) => {
  let gateway: TestGateway;
  let id: string;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    const api = apiOf(gateway);
    environmentId = await api.newEnvironment();
    const details = {
      label: 'Shop',
      description: 'What it is for',
      ownerName: 'Ann',
      tags: [{ key: 'team', value: 'shop' }],
      tenancy: { level: 'DATABASE' as const },
    };
    ({ id } = await api.created({ environmentId, config: { postgres: postgresConfig() }, ...details }));
    const { id: testId } = await api.testStarted({ target: { datastoreId: id } });
    await api.ended(testId);
  });

  test.each(selections)('%s is the same however a datastore is read', async (selection) => {
    const fields = `... on PostgresDatastore { ${selection} }`;
    const ask = async (query: string, variables: Record<string, string>) => {
      const { json } = await gateway.send({ query, variables });
      expect(json.errors).toBeUndefined();
      return json.data as Record<string, unknown>;
    };
    const { whole } = await ask(`query ($id: ID!) { whole: node(id: $id) { ${fields} } }`, { id });
    expect(whole).toBeTruthy();
    const { datastore } = await ask(`query ($id: ID!) { datastore(id: $id) { ${fields} } }`, { id });
    expect(datastore).toEqual(whole);
    for (const order of ['LABEL', 'NAME', 'TYPE', 'CREATED_AT', 'UPDATED_AT']) {
      const list = `datastores(environmentId: $environmentId, first: 5, orderBy: { field: ${order} }) { nodes { ${fields} } }`;
      const { datastores } = await ask(`query ($environmentId: ID!) { ${list} }`, { environmentId });
      expect(datastores).toEqual({ nodes: [whole] });
    }
  });

  test.each([
    'edges { cursor }',
    'pageInfo { startCursor }',
    'pageInfo { endCursor }',
    'pageInfo { ...Place }',
    '... on DatastoreConnection { edges { ... on DatastoreEdge { cursor } } }',
  ])('%s has the cursors of a page, whatever it is sorted by', async (selection) => {
    const Place = selection.includes('...Place') ? 'fragment Place on PageInfo { endCursor }' : '';
    for (const order of ['LABEL', 'NAME', 'TYPE', 'CREATED_AT', 'UPDATED_AT']) {
      const list = `datastores(environmentId: $environmentId, orderBy: { field: ${order} })`;
      const ask = async (fields: string, fragment = '') => {
        const query = `query ($environmentId: ID!) { ${list} { ${fields} } } ${fragment}`;
        const { json } = await gateway.send({ query, variables: { environmentId } });
        expect(json.errors).toBeUndefined();
        return JSON.stringify(json.data);
      };
      const whole = JSON.parse(await ask('edges { cursor node { label name type createdAt updatedAt } }'));
      const [{ cursor }] = whole.datastores.edges;
      const [, inOrder] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
      expect(inOrder).toEqual(expect.any(String));
      expect(await ask(selection, Place)).toContain(`"${cursor}"`);
    }
  });
});
