import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { listOf } from '../../../../src/connectors/kit/http/answers.ts';

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
