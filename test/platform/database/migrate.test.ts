import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { describe, expect, it } from 'vitest';
import { migrations } from '../../../migrations/index.ts';
import type { Database } from '../../../src/platform/database/database.ts';
import { migrateDown, migrateToLatest, OLDEST_KEY } from '../../../src/platform/database/migrate.ts';
import { describeEachDatabase } from '../../support/databases.ts';

const ALL = Object.keys(migrations);

/** SQLite's index of texts, and what it keeps it in. */
const SEARCH_TABLES = ['', '_config', '_data', '_docsize', '_idx', '_terms'].map((part) => `datastore_search${part}`);

describeEachDatabase('the migrations', (open, kind) => {
  it('go up, down and up again', async () => {
    const { database } = await open({ migrated: false });
    expect(await migrateToLatest(database)).toEqual(ALL);
    const first = await schemaOf(database);
    expect(first.map((table) => table.name)).toEqual([
      'api_token_environments',
      'api_tokens',
      'catalog_changes',
      'catalog_entries',
      'catalog_refreshes',
      'catalogs',
      'connection_tests',
      'data_keys',
      'data_structures',
      'datastore_counts',
      'datastore_facets',
      'datastore_health',
      'datastore_revisions',
      ...(kind === 'sqlite' ? SEARCH_TABLES : ['datastore_search']),
      'datastore_tags',
      'datastore_usages',
      'datastores',
      'environments',
      'health_hours',
      'idempotency_keys',
      'journal',
      'journal_heads',
      'managed_records',
      'managed_stores',
      'processes',
      'record_events',
      'retired_ids',
      'revision_keys',
      ...(kind === 'sqlite' ? ['search_backlog'] : []),
      'secret_keys',
      'secret_versions',
      'settings',
      'test_events',
      'webhook_deliveries',
      'webhooks',
    ]);
    expect(await migrateToLatest(database)).toEqual([]);
    expect(await migrateDown(database)).toEqual([...ALL].reverse());
    expect(await schemaOf(database)).toEqual([]);
    expect(await migrateToLatest(database)).toEqual(ALL);
    expect(await schemaOf(database)).toEqual(first);
  });

  it('keep the catalogs in use through 004-catalog-bounds, up and down', async () => {
    const { database } = await open({ migrated: false });
    const migrator = migratorOf(database);
    await migrator.migrateTo('003-journal-seeks');
    const id = 'd';
    const stamps = { created_at: '', updated_at: '', created_by: '' };
    await database.query
      .insertInto('environments')
      .values({ id, name: 'e', ...stamps })
      .execute();
    const named = {
      type: 'POSTGRES',
      name: 'd',
      label: 'd',
      label_folded: 'd',
      config: '{}',
      secrets: '[]',
      version: 1,
    };
    const datastore = { id, environment_id: id, ...named, ...stamps, updated_by: '' };
    await database.query.insertInto('datastores').values(datastore).execute();
    const inUse = { datastore_id: id, refresh_id: 'in use', refreshed_at: '', entry_count: 2 };
    await database.query.insertInto('catalogs').values(inUse).execute();
    for (const [refreshId, key, name] of [
      ['in use', 'a', 't'],
      ['in use', 'b', 'x'.repeat(1_025)],
      ['left over', 'a', 't'],
    ])
      await sql`
        insert into catalog_entries (refresh_id, sort_key, datastore_id, namespace, name, kind, columns, search)
        values (${refreshId}, ${key}, ${id}, null, ${name}, 'TABLE', '[]', '.t')`.execute(database.query);
    await migrator.migrateTo('004-catalog-bounds');
    const read = () => database.query.selectFrom('catalog_entries').select(['refresh_id', 'name']).execute();
    expect(await read()).toEqual([{ refresh_id: 'in use', name: 't' }]);
    expect(await database.query.selectFrom('catalog_entries').select('size').execute()).toEqual([{ size: 4 }]);
    expect(await database.query.selectFrom('catalogs').select('entry_count').execute()).toEqual([{ entry_count: 1 }]);
    expect(await database.query.selectFrom('catalog_refreshes').selectAll().execute()).toMatchObject([
      { id: 'in use', datastore_id: id },
    ]);
    await migrator.migrateTo('003-journal-seeks');
    const { rows } = await sql`select refresh_id, sort_key, datastore_id, name from catalog_entries`.execute(
      database.query,
    );
    expect(rows).toEqual([{ refresh_id: 'in use', sort_key: 'a', datastore_id: id, name: 't' }]);
  });

  it('find the environment of a deleted datastore’s id through 019-reused-ids', async () => {
    const { database } = await open({ migrated: false });
    const migrator = migratorOf(database);
    await migrator.migrateTo('018-data-key-seeks');
    for (const id of ['datastore', 'environment'])
      await sql`insert into retired_ids (id, at) values (${id}, '')`.execute(database.query);
    for (const [sequence, kind] of ['CREATED', 'UPDATED', 'DELETED'].entries())
      await sql`
        insert into journal
          (environment_id, sequence, id, at, kind, action, actor, subject_type, subject_id, detail, mac)
        values ('e', ${sequence}, ${kind}, '', ${kind}, '', '', 'datastore', 'datastore', '{}', '')`.execute(
        database.query,
      );
    await migrator.migrateTo('019-reused-ids');
    expect(await database.query.selectFrom('retired_ids').selectAll().orderBy('id').execute()).toEqual([
      { id: 'datastore', at: '', environment_id: 'e', last_version: 3 },
      { id: 'environment', at: '', environment_id: null, last_version: null },
    ]);
    await migrator.migrateTo('018-data-key-seeks');
    expect(await sql`select * from retired_ids where id = 'datastore'`.execute(database.query)).toMatchObject({
      rows: [{ id: 'datastore', at: '' }],
    });
  });

  it('have stores outlive their datastores through 029-abandoned-stores, up and down', async () => {
    const { database } = await open({ migrated: false });
    const { query } = database;
    const migrator = migratorOf(database);
    await migrator.migrateTo('028-catalog-changes');
    const stamps = { created_at: '', updated_at: '', created_by: '' };
    await query
      .insertInto('environments')
      .values({ id: 'e', name: 'e', ...stamps })
      .execute();
    const insert = async (id: string) => {
      const named = { type: 'MANAGED', name: id, label: id, label_folded: id, config: '{}', secrets: '[]', version: 1 };
      const datastore = { id, environment_id: 'e', ...named, ...stamps, updated_by: '' };
      await query.insertInto('datastores').values(datastore).execute();
    };
    const fill = async (id: string) => {
      await insert(id);
      const counts = { max_bytes: 9, used_bytes: 3, record_count: 1, last_event: 1 };
      await query
        .insertInto('managed_stores')
        .values({ datastore_id: id, ...counts })
        .execute();
      const record = { datastore_id: id, key: 'k', size: 3, version: 1, updated_at: '', data: '{}' };
      await query.insertInto('managed_records').values(record).execute();
      const event = { datastore_id: id, sequence: 1, at: '', kind: 'PUT' as const, key: 'k', actor: 'a' };
      await query.insertInto('record_events').values(event).execute();
    };
    const remove = (id: string) => query.deleteFrom('datastores').where('id', '=', id).execute();
    const counts = async () =>
      Promise.all(
        (['managed_stores', 'managed_records', 'record_events'] as const).map(
          async (table) => (await query.selectFrom(table).select('datastore_id').execute()).length,
        ),
      );
    for (const id of ['stays', 'goes', 'comes again']) await fill(id);
    await migrateToLatest(database);
    expect(await counts()).toEqual([3, 3, 3]);
    for (const id of ['goes', 'comes again']) await remove(id);
    const abandoned = await query.selectFrom('managed_stores').select(['datastore_id', 'abandoned']).execute();
    expect(Object.fromEntries(abandoned.map((row) => [row.datastore_id, row.abandoned]))).toEqual({
      stays: 0,
      goes: 1,
      'comes again': 1,
    });
    expect(await counts()).toEqual([3, 3, 3]);
    await insert('comes again');
    expect(await counts()).toEqual([2, 2, 2]);
    await migrator.migrateTo('028-catalog-changes');
    expect(await counts()).toEqual([1, 1, 1]);
    await remove('stays');
    expect(await counts()).toEqual([0, 0, 0]);
  });

  it('run once when several processes start together', async () => {
    const { database, openAgain } = await open({ migrated: false });
    const others = await Promise.all([openAgain(), openAgain()]);
    const ran = await Promise.all(
      [database, ...others.map((other) => other.database)].map((one) => migrateToLatest(one)),
    );
    expect(ran.flat()).toEqual(ALL);
    const heads = await database.query.selectFrom('journal_heads').selectAll().execute();
    expect(heads).toEqual([{ environment_id: '', sequence: 0, mac: '' }]);
  });

  it('leave nothing behind when they fail half way', async () => {
    const { database } = await open({ migrated: false });
    await database.query.schema.createTable('journal').addColumn('in_the_way', 'integer').execute();
    await expect(migrateToLatest(database)).rejects.toThrow('could not be migrated');
    expect((await schemaOf(database)).map((table) => table.name)).toEqual(['journal']);
    await database.query.schema.dropTable('journal').execute();
    expect(await migrateToLatest(database)).toEqual(ALL);
  });

  describe('beside a newer version', () => {
    const open999 = async (oldest?: string) => {
      const { database } = await open();
      const { query } = database;
      await query.schema.alterTable('settings').addColumn('of_the_future', 'integer').execute();
      // they run later than ours, whose times may lie some milliseconds ahead
      const future = { name: '999-future', timestamp: new Date(Date.now() + 60_000).toISOString() };
      await query
        .withTables<{ kysely_migration: typeof future }>()
        .insertInto('kysely_migration')
        .values(future)
        .execute();
      if (oldest) await query.insertInto('settings').values({ key: OLDEST_KEY, value: oldest }).execute();
      return database;
    };

    it('leave its tables as they are and tell of them: an older process that starts beside it goes on', async () => {
      for (const oldest of [undefined, ALL.at(-1)]) {
        const database = await open999(oldest);
        const before = await schemaOf(database);
        const told: string[][] = [];
        expect(await migrateToLatest(database, (newer) => told.push([...newer]))).toEqual([]);
        expect(told).toEqual([['999-future']]);
        expect(await schemaOf(database)).toEqual(before);
        await database.checkWritable();
      }
    });

    it('refuse where it says that this one is too old, and never undo what they do not know', async () => {
      const database = await open999('999-future');
      await expect(migrateToLatest(database)).rejects.toMatchObject({
        message: 'The database could not be migrated',
        cause: { message: expect.stringMatching(/\(999-future\): this one is too old/) },
      });
      const before = await schemaOf(database);
      await expect(migrateDown(database)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('999-future') },
      });
      expect(await schemaOf(database)).toEqual(before);
    });
  });

  if (kind === 'sqlite')
    it('make tables that refuse values of another type, as Postgres does', async () => {
      const { database } = await open();
      const wrong = { environment_id: 'e', sequence: 'one' as unknown as number, mac: '' };
      await expect(database.query.insertInto('journal_heads').values(wrong).execute()).rejects.toThrow(
        'cannot store TEXT value in INTEGER',
      );
    });
});

function migratorOf({ query: db }: Database): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
}

async function schemaOf(database: Database) {
  const tables = await database.query.introspection.getTables();
  return tables
    .map((table) => ({
      name: table.name,
      columns: table.columns.map(({ name, dataType, isNullable }) => ({ name, dataType, isNullable })),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
