import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { listOf, recordOf } from '../../../../src/connectors/kit/http/answers.ts';

describe('a list', () => {
  const list = z.object({ rows: listOf(z.tuple([z.string(), z.coerce.number()])) });

  test('has every element in its own form', () => {
    expect(
      list.parse({
        rows: [
          ['a', '1'],
          ['b', 2],
        ],
      }),
    ).toEqual({
      rows: [
        ['a', 1],
        ['b', 2],
      ],
    });
  });

  test('notes no more than the first wrong element', () => {
    const { error } = list.safeParse({ rows: Array.from({ length: 1_000_000 }, () => 0) });
    expect(error?.issues.map((issue) => issue.path)).toEqual([['rows']]);
  });

  test('is no list when it is something else', () => {
    expect(list.safeParse({ rows: 'ab' }).success).toBe(false);
    expect(list.safeParse({}).success).toBe(false);
  });
});

describe('an object of many names', () => {
  const record = recordOf(z.object({ size: z.coerce.number() }));

  test('has every value in its own form', () => {
    expect(record.parse({ a: { size: '1' }, b: { size: 2, more: 3 } })).toEqual({ a: { size: 1 }, b: { size: 2 } });
    expect(record.parse({})).toEqual({});
  });

  test('notes no more than the first wrong value', () => {
    const { error } = record.safeParse(Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`n${at}`, 0])));
    expect(error?.issues).toHaveLength(1);
  });

  test('is no object when it is something else', () => {
    for (const other of [null, [], 'a', 1]) expect(record.safeParse(other).success).toBe(false);
  });
});
