import { type Compilable, type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Change, Database } from '../../../src/platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../../src/platform/database/prepared-statements.ts';
import type { Tables } from '../../../src/platform/database/tables.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { type NewDatabase, newTestDatabase } from '../../support/databases.ts';

let place: NewDatabase;
let database: Database;
const doorbell = new LocalDoorbell();

beforeAll(async () => {
  place = await newTestDatabase('postgres', false);
  database = await Database.open({ url: place.url, doorbell });
  await sql`create table things (id integer primary key, name text)`.execute(database.query);
  await sql`insert into things values (0, 'nothing'), (1, 'one'), (2, 'two')`.execute(database.query);
});

afterAll(async () => {
  await database.close();
  await doorbell.close();
  await place.remove();
});

type Query = Pick<Kysely<Tables>, 'getExecutor' | 'executeQuery'>;

/** What PreparedStatements take, of SQL that stands there as it is. */
function built<Row>(query: Query, statement: ReturnType<typeof sql<Row>>): Compilable<Row> {
  return { compile: () => statement.compile(query) };
}

const quotients = new PreparedStatements<number>({ isShort: true });

/** Divides by a number: 0 fails. */
async function hundredBy(
  asked: Pick<Database, 'kind' | 'query'> | Change,
  divisor: number,
): Promise<number | undefined> {
  const quotient = (at: PlaceOf<number>) =>
    built(asked.query, sql<{ quotient: number }>`select 100 / ${at((value) => value)}::integer as quotient`);
  return (await quotients.run(asked, '', quotient, divisor)).rows[0]?.quotient;
}

const things = new PreparedStatements<number>();

/** Reads all columns of a thing. */
async function thing(asked: Pick<Database, 'kind' | 'query'> | Change, id: number): Promise<object | undefined> {
  const all = (at: PlaceOf<number>) =>
    built<object>(asked.query, sql`select * from things where id = ${at((it) => it)}`);
  return (await things.run(asked, '', all, id)).rows[0];
}

const renames = new PreparedStatements<{ readonly id: number; readonly name: string }>();

async function renameLater(change: Change, id: number, name: string, orElse?: () => Error): Promise<void> {
  const update = (at: PlaceOf<{ readonly id: number; readonly name: string }>) =>
    built(change.query, sql`update things set name = ${at((it) => it.name)} where id = ${at((it) => it.id)}`);
  await renames.runLater(change, '', update, { id, name }, orElse);
}

async function preparedNames(change: Change): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements`.execute(change.query);
  return rows.map(({ name }) => name);
}

it('reads together what a few ask for at once, over one connection', async () => {
  const divisors = [1, 2, 4, 5, 10, 20];
  expect(await Promise.all(divisors.map((divisor) => hundredBy(database, divisor)))).toEqual([100, 50, 25, 20, 10, 5]);
  expect(database.connections()).toEqual({ total: 1, idle: 1, waiting: 0 });
});

it('reads what a great many ask for at once', async () => {
  const divisors = Array.from({ length: 500 }, (_, at) => at + 1);
  const read = await Promise.all(divisors.map((divisor) => hundredBy(database, divisor)));
  expect(read).toEqual(divisors.map((divisor) => Math.floor(100 / divisor)));
});

it('fails what Postgres refuses when it commits a statement by itself', async () => {
  await sql`create table parts (thing integer references things deferrable initially deferred)`.execute(database.query);
  const refused = { code: '23503' };
  await expect(sql`insert into parts values (77)`.execute(database.query)).rejects.toMatchObject(refused);
  const changed = database.change(({ query }) => sql`insert into parts values (77)`.execute(query));
  await expect(changed).rejects.toMatchObject(refused);
  expect((await sql`select * from parts`.execute(database.query)).rows).toEqual([]);
});

it('fails what fails of the reads that go together, and nothing else', async () => {
  const divisors = [1, 0, 2, 0, 0, 4];
  const outcomes = await Promise.allSettled(divisors.map((divisor) => hundredBy(database, divisor)));
  expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code))).toEqual(
    divisors.map((divisor) => (divisor === 0 ? '22012' : 100 / divisor)),
  );
});

it('fails a value that cannot be read, and nothing else', async () => {
  const big = new PreparedStatements<string>();
  const read = async (text: string) => {
    const number = (at: PlaceOf<string>) =>
      built(database.query, sql<{ number: number }>`select ${at((it) => it)}::bigint as number`);
    return (await big.run(database, '', number, text)).rows[0]?.number;
  };
  const outcomes = await Promise.allSettled(['1', '9007199254740993', '3'].map(read));
  expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.message))).toEqual([
    1,
    'An integer from the database is beyond 2^53',
    3,
  ]);
});

it('prepares a statement once, under a name', async () => {
  const names = await database.change(async (change) => {
    const before = await preparedNames(change);
    for (let divisor = 1; divisor < 5; divisor += 1) await hundredBy(change, divisor);
    return (await preparedNames(change)).length - before.length;
  });
  expect(names).toBeLessThanOrEqual(1);
});

it('keeps a bounded number of prepared statements on a connection, however many there are', async () => {
  const many = new PreparedStatements<number>();
  const prepared = await database.change(async (change) => {
    for (let count = 0; count < 300; count += 1) {
      const numbered = (at: PlaceOf<number>) =>
        built(change.query, sql<{ it: number }>`select ${at((it) => it)}::integer as ${sql.ref(`it_${count}`)}`);
      const { rows } = await many.run(change, String(count), numbered, count);
      expect(Object.values(rows[0] ?? {})).toEqual([count]);
    }
    return preparedNames(change);
  });
  expect(prepared.length).toBeLessThanOrEqual(100);
});

it('prepares anew what a change of a table has made useless, for reads and in changes', async () => {
  expect(await thing(database, 1)).toEqual({ id: 1, name: 'one' });
  await sql`alter table things add column size integer default 7`.execute(database.query);
  const all = await Promise.all([1, 2].map((id) => thing(database, id)));
  expect(all).toEqual([
    { id: 1, name: 'one', size: 7 },
    { id: 2, name: 'two', size: 7 },
  ]);
  await database.change((change) => thing(change, 1));
  await sql`alter table things drop column size`.execute(database.query);
  expect(await database.change((change) => thing(change, 1))).toEqual({ id: 1, name: 'one' });
});

it('prepares anew what is gone from a connection, as behind a pooler', async () => {
  const deallocated = () => Promise.all(Array.from({ length: 10 }, () => sql`deallocate all`.execute(database.query)));
  await hundredBy(database, 1);
  await deallocated();
  expect(await hundredBy(database, 4)).toBe(25);
  await deallocated();
  expect(await database.change((change) => hundredBy(change, 5))).toBe(20);
});

it('goes on after a statement that was prepared and then failed', async () => {
  const once = new PreparedStatements<number>();
  const quotient = (at: PlaceOf<number>) =>
    built(database.query, sql<{ it: number }>`select 1 / ${at((value) => value)}::integer as it`);
  await expect(once.run(database, '', quotient, 0)).rejects.toMatchObject({ code: '22012' });
  expect((await once.run(database, '', quotient, 1)).rows).toEqual([{ it: 1 }]);
});

it('sends what nobody waits for with the next statement, before it', async () => {
  const seen = await database.change(async (change) => {
    await renameLater(change, 1, 'first');
    return thing(change, 1);
  });
  expect(seen).toMatchObject({ name: 'first' });
});

it('sends what nobody waits for with the commit', async () => {
  await database.change((change) => renameLater(change, 1, 'last'));
  expect(await thing(database, 1)).toMatchObject({ name: 'last' });
});

it('stores nothing of a change in which something fails that nobody waited for, and says what', async () => {
  const name = 'not text \0';
  const failed = database.change(async (change) => {
    await sql`update things set name = 'stored' where id = 2`.execute(change.query);
    await renameLater(change, 2, name);
  });
  await expect(failed).rejects.toMatchObject({ code: '22021' });
  expect(await thing(database, 2)).toMatchObject({ name: 'two' });
});

it('breaks off a change that finds no row where one was to be written, in the words for that', async () => {
  const rename = (id: number) =>
    database.change(async (change) => {
      await renameLater(change, 2, 'before');
      await renameLater(change, id, 'after', () => new Error(`no thing ${id}`));
      await renameLater(change, 0, 'behind');
    });
  await expect(rename(3)).rejects.toThrow('no thing 3');
  expect([await thing(database, 0), await thing(database, 2)]).toMatchObject([{ name: 'nothing' }, { name: 'two' }]);
  await rename(1);
  expect(await thing(database, 1)).toMatchObject({ name: 'after' });
  await database.change((change) => renameLater(change, 2, 'two'));
});

it('stores nothing of a change that throws before anything was sent', async () => {
  const failed = database.change(async (change) => {
    await renameLater(change, 2, 'never');
    throw new Error('changed its mind');
  });
  await expect(failed).rejects.toThrow('changed its mind');
  expect(await thing(database, 2)).toMatchObject({ name: 'two' });
  expect(database.connections()).toMatchObject({ waiting: 0 });
});

it('does not call a change stored of which a failed statement was passed over', async () => {
  const change = database.change(async (change) => {
    await sql`update things set name = 'passed over' where id = 2`.execute(change.query);
    await hundredBy(change, 0).catch(() => undefined);
  });
  await expect(change).rejects.toThrow('A statement of the transaction has failed');
  expect(await thing(database, 2)).toMatchObject({ name: 'two' });
});

it('tells where a failed statement was asked for', async () => {
  const error = await sql`select * from nowhere`.execute(database.query).catch((error: Error) => error);
  expect((error as Error).stack).toContain('postgres/driver.test.ts');
});

it('sends texts, numbers, booleans, bytes and lists of texts as they are', async () => {
  const texts = ['', 'a b', 'it’s "quoted" \\ {a,b}', 'NULL', 'zwei\nZeilen', '😀'];
  const { rows } = await sql<object>`select ${'ü'}::text as text, ${null}::text as nothing, ${1.5}::float8 as number,
    ${9n}::bigint as integer, ${true}::boolean as flag, ${Buffer.from([0, 255])}::bytea as bytes,
    ${texts}::text[] as texts, ${[]}::text[] as none`.execute(database.query);
  expect(rows).toEqual([
    { text: 'ü', nothing: null, number: 1.5, integer: 9, flag: true, bytes: Buffer.from([0, 255]), texts, none: [] },
  ]);
  await expect(sql`select ${{}}`.execute(database.query)).rejects.toThrow(TypeError);
  expect(await hundredBy(database, 1)).toBe(100);
});
