import { expect, test } from 'vitest';
import { columnKind } from '../../../../src/connectors/kit/config/tenancy.ts';

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
