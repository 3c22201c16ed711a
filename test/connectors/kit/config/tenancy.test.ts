import { getDefaultFormState } from '@rjsf/utils';
import rjsfValidator from '@rjsf/validator-ajv8';
import { describe, expect, test } from 'vitest';
import { jsonSchemaDialects, tenancyJsonSchema } from '../../../../src/connectors/kit/config/json-schema.ts';
import { type ConfigValues, dropNulls } from '../../../../src/connectors/kit/config/shape.ts';
import { columnKind, tenancyLevels, tenancySchema } from '../../../../src/connectors/kit/config/tenancy.ts';

test.each([
  ['bigint', 'NUMBER'],
  ['Nullable(UInt64)', 'NUMBER'],
  ['decimal(20,0)', 'NUMBER'],
  ['unsigned_long', 'NUMBER'],
  ['scaled_float', 'NUMBER'],
  ['varchar(20)', 'STRING'],
  ['LowCardinality(Nullable(String))', 'STRING'],
  ['constant_keyword', 'STRING'],
  ['interval day to second', 'OTHER'],
  ['date', 'OTHER'],
  ['', 'OTHER'],
] as const)('the type %j holds %s', (dataType, kind) => {
  expect(columnKind(dataType)).toBe(kind);
});

describe('the form', () => {
  const table = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'public',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  };
  const without = (field: keyof typeof table) => ({ ...table, [field]: undefined });
  const schema = tenancyJsonSchema(tenancyLevels);
  const filledIn = (values: object) => getDefaultFormState(rjsfValidator, schema, values, schema) as ConfigValues;

  test.each([
    ['a whole mapping', table],
    ['a level alone', { level: 'DATABASE' }],
    ['a level with what the form fills in', filledIn({ level: 'DATABASE' })],
    ['nothing', {}],
    ['a level that is none', { level: 'ROW' }],
    ['a field that is none', { ...table, more: 'x' }],
    ['no type of the key column', { ...table, clientColumnType: null }],
    ['another type of the key column', { ...table, clientColumnType: 'UUID' }],
    ['no schema', without('schemaName')],
    ['no table', without('tableName')],
    ['an empty name', { ...table, tableName: '' }],
    ['a name that is too long', { ...table, tableName: 'n'.repeat(256) }],
    ['no column of the name', without('tableClientNameColumn')],
    ['no key column', without('tablePrimaryKeyColumn')],
  ])('judges %s as the server does', (_title, values) => {
    const { errors } = rjsfValidator.validateFormData(values, schema);
    const { success } = tenancySchema.strict().safeParse(dropNulls(values));
    expect(errors.length === 0, JSON.stringify(errors)).toBe(success);
  });

  test('offers the levels of the type alone, in either dialect', () => {
    const titled = { const: 'TABLE', title: expect.any(String) };
    for (const dialect of jsonSchemaDialects)
      expect(tenancyJsonSchema(['TABLE'], dialect)).toMatchObject({ properties: { level: { oneOf: [titled] } } });
    const { errors } = rjsfValidator.validateFormData({ level: 'DATABASE' }, tenancyJsonSchema(['TABLE']));
    expect(errors).not.toEqual([]);
  });
});
