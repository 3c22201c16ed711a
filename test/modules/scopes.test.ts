import SchemaBuilder from '@pothos/core';
import { type GraphQLField, type GraphQLObjectType, isObjectType } from 'graphql';
import { expect, test } from 'vitest';
import { type Right, rights } from '../../src/modules/access/rights.ts';
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

type Field = GraphQLField<unknown, unknown>;
const fieldsOf = (type: GraphQLObjectType | null | undefined): Field[] => Object.values(type?.getFields() ?? {});
const scopeSaid = ({ description }: Field) => /The token needs ([A-Z_]+)/.exec(description ?? '')?.[1];

test('every field asks for the scope that its description names, as the table says', () => {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  const fields = types.flatMap((type) => fieldsOf(type).map((field) => [`${type.name}.${field.name}`, field] as const));
  const asked = fields.filter(([name, { extensions }]) => name in rights || extensions.scope !== undefined);
  const table: Readonly<Record<string, Right>> = rights;
  expect(asked.map(([name, { extensions }]) => [name, extensions.scope ?? null])).toEqual(
    asked.map(([name]) => [name, table[name]?.scope]),
  );
  expect(asked).toHaveLength(Object.keys(rights).length);
  expect(fields.map(([name, { extensions }]) => [name, extensions.scope])).toEqual(
    fields.map(([name, field]) => [name, scopeSaid(field)]),
  );
});

test.each([
  ['an operation without a line', { 'Query.here': { scope: null } }, 'Mutation.there has no line'],
  [
    'a line without an operation',
    { 'Query.here': { scope: null }, 'Mutation.there': { scope: null }, 'Query.gone': { scope: null } },
    'a line for Query.gone',
  ],
] as const)('%s keeps the schema from being built', (_, some, message) => {
  const builder = new SchemaBuilder({ plugins: ['scopes'] });
  builder.queryType({ fields: (t) => ({ here: t.boolean({ resolve: () => true }) }) });
  builder.mutationType({ fields: (t) => ({ there: t.boolean({ resolve: () => true }) }) });
  expect(() => builder.toSchema({ rights: some })).toThrow(message);
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
