import { type Kysely, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

export async function up(db: Schema): Promise<void> {
  await createEnvironments(db);
  await createTokens(db);
  await createDatastores(db);
  await createConnectionTests(db);
  await createJournal(db);
}

export async function down(db: Schema): Promise<void> {
  const tables = [
    'retired_ids',
    'settings',
    'journal',
    'journal_heads',
    'test_events',
    'connection_tests',
    'secret_versions',
    'datastores',
    'api_token_environments',
    'api_tokens',
    'data_keys',
    'environments',
  ];
  for (const table of tables) await db.schema.dropTable(table).execute();
}

async function createEnvironments(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('environments')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('name', text, (column) => column.notNull().unique())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addColumn('created_by', text, (column) => column.notNull())
    .execute();
  await table('data_keys')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('wrapped', text, (column) => column.notNull())
    .addColumn('key_id', text, (column) => column.notNull())
    .addColumn('active', 'integer', (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .execute();
  await index(db, 'data_keys', ['environment_id']);
  await db.schema
    .createIndex('data_keys_active')
    .unique()
    .on('data_keys')
    .column('environment_id')
    .where(sql.ref('active'), '=', sql.lit(1))
    .execute();
}

async function createTokens(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('api_tokens')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('name', text, (column) => column.notNull().unique())
    .addColumn('prefix', text, (column) => column.notNull())
    .addColumn('hash', text, (column) => column.notNull().unique())
    .addColumn('scopes', text, (column) => column.notNull())
    .addColumn('all_environments', 'integer', (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('expires_at', text)
    .addColumn('last_used_at', text)
    .addColumn('revoked_at', text)
    .addColumn('created_by', text, (column) => column.notNull())
    .execute();
  await table('api_token_environments')
    .addColumn('token_id', text, (column) => column.notNull().references('api_tokens.id').onDelete('cascade'))
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addPrimaryKeyConstraint('api_token_environments_pkey', ['token_id', 'environment_id'])
    .execute();
  await index(db, 'api_token_environments', ['environment_id']);
}

async function createDatastores(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('datastores')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('restrict'))
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('label', text, (column) => column.notNull())
    .addColumn('label_folded', text, (column) => column.notNull())
    .addColumn('config', text, (column) => column.notNull())
    .addColumn('secrets', text, (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addColumn('created_by', text, (column) => column.notNull())
    .addColumn('updated_by', text, (column) => column.notNull())
    .addColumn('last_test_id', text)
    .addUniqueConstraint('datastores_environment_id_name_key', ['environment_id', 'name'])
    .execute();
  // each order of a list has one index within an environment and one over all: the id breaks ties, so that a cursor is
  // a position
  for (const order of ['label_folded', 'name', 'type', 'created_at', 'updated_at']) {
    await index(db, 'datastores', ['environment_id', order, 'id']);
    await index(db, 'datastores', [order, 'id']);
  }
  await table('secret_versions')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('path', text, (column) => column.notNull())
    .addColumn('sealed', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .execute();
  await index(db, 'secret_versions', ['datastore_id']);
  await table('retired_ids')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('at', text, (column) => column.notNull())
    .execute();
}

async function createConnectionTests(db: Schema): Promise<void> {
  const { text, real, table } = dialectOf(db);
  await table('connection_tests')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.references('datastores.id').onDelete('set null'))
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('purpose', text, (column) => column.notNull())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('is_stored', 'integer', (column) => column.notNull())
    .addColumn('requested_by', text, (column) => column.notNull())
    .addColumn('token_id', text, (column) => column.notNull())
    .addColumn('checks', text, (column) => column.notNull())
    .addColumn('failure', text)
    .addColumn('plan', text, (column) => column.notNull())
    .addColumn('draft_config', text)
    .addColumn('draft_secrets', text)
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('started_at', text)
    .addColumn('finished_at', text)
    .addColumn('deadline_at', text, (column) => column.notNull())
    .addColumn('duration_ms', real)
    .addColumn('owner', text)
    .addColumn('lease_expires_at', text)
    .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('sequence', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('cancel_requested', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await index(db, 'connection_tests', ['datastore_id', 'created_at', 'id']);
  await index(db, 'connection_tests', ['status', 'created_at']);
  await index(db, 'connection_tests', ['environment_id']);
  await table('test_events')
    .addColumn('test_id', text, (column) => column.notNull().references('connection_tests.id').onDelete('cascade'))
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('check_name', text)
    .addColumn('snapshot', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('test_events_pkey', ['test_id', 'sequence'])
    .execute();
}

async function createJournal(db: Schema): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  await table('journal_heads')
    .addColumn('environment_id', text, (column) => column.notNull().primaryKey())
    .addColumn('sequence', longInteger, (column) => column.notNull())
    .addColumn('mac', text, (column) => column.notNull())
    .execute();
  // this is the gateway's own chain
  await sql`insert into journal_heads (environment_id, sequence, mac) values ('', 0, '')`.execute(db);
  await table('journal')
    .addColumn('environment_id', text, (column) => column.notNull())
    .addColumn('sequence', longInteger, (column) => column.notNull())
    .addColumn('id', text, (column) => column.notNull().unique())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('action', text, (column) => column.notNull())
    .addColumn('actor', text, (column) => column.notNull())
    .addColumn('subject_type', text, (column) => column.notNull())
    .addColumn('subject_id', text, (column) => column.notNull())
    .addColumn('detail', text, (column) => column.notNull())
    .addColumn('mac', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('journal_pkey', ['environment_id', 'sequence'])
    .execute();
  await index(db, 'journal', ['subject_id']);
  await index(db, 'journal', ['environment_id', 'at']);
  await table('settings')
    .addColumn('key', text, (column) => column.notNull().primaryKey())
    .addColumn('value', text, (column) => column.notNull())
    .execute();
}
