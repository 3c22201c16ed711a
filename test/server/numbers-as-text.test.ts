import { type GraphQLInputType, getNamedType, isInputObjectType, isListType, isNonNullType, parse } from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { readNumbers } from '../../src/server/numbers-as-text.ts';

/** Every whole number that an input type has at first hand: its path, with 0 for a place in a list. */
const numbers = Object.values(schema.getTypeMap()).flatMap((type) =>
  isInputObjectType(type)
    ? Object.values(type.getFields()).flatMap((field) =>
        getNamedType(field.type).name === 'Int' ? [[type.name, field.name, field.type] as const] : [],
      )
    : [],
);

function read(type: string, value: unknown): unknown {
  const [operation] = parse(`query ($value: ${type}) { __typename }`).definitions;
  if (operation?.kind !== 'OperationDefinition') throw new Error('no operation');
  const variables = { value };
  readNumbers(schema, operation, variables);
  return variables.value;
}

const inList = (type: GraphQLInputType, value: unknown): unknown => {
  if (isNonNullType(type)) return inList(type.ofType, value);
  return isListType(type) ? [inList(type.ofType, value)] : value;
};

test.each(numbers)('%s.%s reads a whole number that came as text, and nothing else', (type, name, field) => {
  const given = (value: unknown) => read(type, { [name]: inList(field, value) });
  expect(given('5432')).toEqual(given(5432));
  for (const other of ['', ' 1', '1.5', '1e3', '0x10', 'one', '9'.repeat(16), null, true, 5432])
    expect(given(other)).toEqual({ [name]: inList(field, other) });
});

test('they are the ports and the limits, and stand deep in an input too', () => {
  expect(numbers.length).toBeGreaterThan(20);
  const text = { config: { postgres: { port: '5432', password: '12', sshTunnel: { port: '22' } } }, label: '7' };
  expect(read('CreateDatastoreInput', text)).toEqual({
    config: { postgres: { port: 5432, password: '12', sshTunnel: { port: 22 } } },
    label: '7',
  });
  expect(read('CreateDatastoresInput', { items: [text, 'no item', null] })).toMatchObject({
    items: [{ config: { postgres: { port: 5432 } } }, 'no item', null],
  });
  expect(read('Int', '20')).toBe(20);
  expect(read('[Int!]', ['1', 'two'])).toEqual([1, 'two']);
  expect(read('ID', '20')).toBe('20');
});
