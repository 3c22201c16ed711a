import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasMoreValues } from '../../../../src/connectors/kit/http/json-values.ts';

/** How many values a text is counted to have. */
function counted(json: string): number {
  const bytes = Buffer.from(json);
  let count = 0;
  while (hasMoreValues(bytes, count)) count += 1;
  return count;
}

function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, one) => sum + valuesIn(one), 1);
}

test.each([
  ['7', 1],
  ['[1,2]', 3],
  ['{"a":1,"b":[2]}', 4],
  ['"a,[{\\",,"', 1],
  ['{"a,b\\\\":"[,]"}', 2],
])('the values of %s are counted, and not what stands in its texts', (json, values) => {
  expect(counted(json)).toBe(values);
});

test('no value is missed, and none is counted more than twice', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (json) => {
      const values = valuesIn(JSON.parse(json));
      expect(counted(json)).toBeGreaterThanOrEqual(values);
      expect(counted(json)).toBeLessThanOrEqual(2 * values);
    }),
  );
});
