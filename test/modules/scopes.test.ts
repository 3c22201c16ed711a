import { type GraphQLField, type GraphQLObjectType, isObjectType } from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateDatastore,
  CreateEnvironment,
  DeleteDatastores,
  ReadDatastore,
  StartTest,
} from '../support/operations.ts';

/**
 * What a token may do without any scope: see who it is, what types there are and its environments, have a text read,
 * and pass on what it may.
 */
const OPEN = [
  'viewer',
  'connectors',
  'connector',
  'parseConnection',
  'environments',
  'environment',
  'createSessionToken',
];

type Field = GraphQLField<unknown, unknown>;
const fieldsOf = (type: GraphQLObjectType | null | undefined): Field[] => Object.values(type?.getFields() ?? {});
const scopeSaid = ({ description }: Field) => /The token needs ([A-Z_]+)/.exec(description ?? '')?.[1];

test('every field declares the scope that its description names, and every operation has one', () => {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap(fieldsOf);
  const without = roots.filter(({ extensions }) => extensions.scope === undefined).map(({ name }) => name);
  expect(without.toSorted()).toEqual(OPEN.toSorted());
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  const told = types.flatMap(fieldsOf).filter(({ description, extensions }) => description || extensions.scope);
  const asked = ({ extensions, name }: Field) => [name, extensions.scope];
  expect(told.map(asked)).toEqual(told.map((field) => [field.name, scopeSaid(field)]));
});

describeEachGateway('a token without scopes', (open) => {
  test('is refused before what it gives is judged', async () => {
    const gateway = await open();
    const token = await gateway.createToken('nobody', []);
    const wrong = 'x'.repeat(100_000);
    const config = { postgres: postgresConfig({ host: wrong }) };
    const answers = [
      await gateway.execute(CreateDatastore, { input: { config, label: wrong } }, token),
      await gateway.execute(StartTest, { input: { target: { draft: { config } } } }, token),
      await gateway.execute(DeleteDatastores, { input: { select: { ids: [wrong] } } }, token),
      await gateway.execute(CreateEnvironment, { input: { name: wrong } }, token),
      await gateway.execute(ReadDatastore, { id: wrong }, token),
    ];
    for (const { errors } of answers) expect(errors?.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN']);
    const mayWrite = await gateway.createToken('writer', ['DATASTORES_WRITE']);
    const { createDatastore } = await gateway.run(CreateDatastore, { input: { config, label: wrong } }, mayWrite);
    expect(createDatastore.__typename).toBe('ValidationError');
  });
});
