import { describe, expect, test } from 'vitest';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import {
  informationSchemaColumns,
  type RowSet,
  readInformationSchema,
  type Statement,
} from '../../../../src/connectors/kit/http/information-schema.ts';
import { askInformationSchema, type FakeTable, quoted } from '../../../support/peers/fake-information-schema.ts';

const table = (schema: string, name: string, columns = 3): FakeTable => ({
  schema,
  name,
  columns: Array.from({ length: columns }, (_, index) => ({ name: `c${index}`, type: 'TEXT' })),
});

/** A warehouse that gives `most` rows at once. */
function warehouse(tables: readonly FakeTable[], most = Number.POSITIVE_INFINITY) {
  const statements: string[] = [];
  const ask = async (statement: Statement): Promise<RowSet> => {
    const sql = statement(quoted);
    statements.push(sql);
    const rows = askInformationSchema(sql, tables);
    if (!rows) throw new Error(`The warehouse does not know ${sql}`);
    return { rows: rows.slice(0, most), complete: rows.length <= most };
  };
  return { ask, statements };
}

async function namesOf(...parameters: Parameters<typeof readInformationSchema>): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of readInformationSchema(...parameters))
    found.push(...batch.map(({ namespace, name, columns }) => `${namespace}.${name} ${columns.length}`));
  return found;
}

describe('the catalog', () => {
  test('is read over several statements and schemas, each table once', async () => {
    const tables = Array.from({ length: 400 }, (_, index) =>
      table(`s${index % 3}`, `t${String(index).padStart(3, '0')}`),
    );
    const { ask, statements } = warehouse(tables);
    const names = await namesOf(ask);
    expect(names.toSorted()).toEqual(tables.map(({ schema, name }) => `${schema}.${name} 3`).toSorted());
    expect(statements.length).toBeGreaterThan(2);
  });

  test('is that of one schema where one is named', async () => {
    const { ask } = warehouse([table('a', 'x'), table("b'", 'y'), table('c', 'z')]);
    expect(await namesOf(ask, { schema: "b'" })).toEqual(["b'.y 3"]);
  });

  test('goes on behind the last whole table where rows are held back', async () => {
    const { ask } = warehouse([table('s', 'a'), table('s', 'b'), table('s', 'c'), table('s', 'd')], 7);
    expect(await namesOf(ask)).toEqual(['s.a 3', 's.b 3', 's.c 3', 's.d 3']);
  });

  test('fails, and does not go on for ever, where one table is larger than what comes at once', async () => {
    const { ask } = warehouse([table('s', 'a', 10)], 7);
    await expect(namesOf(ask)).rejects.toMatchObject({ report: { code: 'TOO_MUCH_DATA' } });
  });

  test('asks for fewer tables at a time where an answer is too long', async () => {
    const tables = Array.from({ length: 200 }, (_, index) => table('s', `t${String(index).padStart(3, '0')}`));
    const { ask, statements } = warehouse(tables);
    const sizes: number[] = [];
    const limited = async (statement: Statement) => {
      const answer = await ask(statement);
      sizes.push(Number(/limit (\d+)/.exec(statements.at(-1) ?? '')?.[1]));
      if (answer.rows.length > 60) throw new Failure('TOO_MUCH_DATA');
      return answer;
    };
    expect(await namesOf(limited)).toEqual(tables.map(({ name }) => `s.${name} 3`));
    expect(sizes.slice(0, 4)).toEqual([150, 19, 38, 5]);
  });

  test('gives up where every answer is too long', async () => {
    let asked = 0;
    const ask = async () => {
      asked += 1;
      throw new Failure('TOO_MUCH_DATA');
    };
    await expect(namesOf(ask)).rejects.toMatchObject({ report: { code: 'TOO_MUCH_DATA' } });
    expect(asked).toBe(4);
  });

  test('may be empty', async () => {
    expect(await namesOf(warehouse([]).ask)).toEqual([]);
  });
});

test('the columns of a table, or null', async () => {
  const { ask } = warehouse([table('s', "o'brien", 1)]);
  expect(await informationSchemaColumns(ask, { schema: 's', table: "o'brien" })).toEqual([
    { name: 'c0', dataType: 'TEXT' },
  ]);
  expect(await informationSchemaColumns(ask, { schema: 's', table: 'nope' })).toBeNull();
});
