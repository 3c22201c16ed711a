import { type Kysely, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * Who is told of events, and the queue of what they are told. An older gateway beside this schema queues nothing. What
 * is due comes by the first index of deliveries, which holds nothing of those that are over.
 */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('webhooks')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('url', text, (column) => column.notNull())
    .addColumn('description', text)
    .addColumn('events', text, (column) => column.notNull())
    .addColumn('datastore_ids', text)
    .addColumn('tags', text)
    .addColumn('key_id', text, (column) => column.notNull())
    .addColumn('wrapped', text, (column) => column.notNull())
    .addColumn('sealed', text, (column) => column.notNull())
    .addColumn('previous_sealed', text)
    .addColumn('previous_until', text)
    .addColumn('failing_since', text)
    .addColumn('disabled_at', text)
    .addColumn('disabled_reason', text)
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('created_by', text, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addColumn('updated_by', text, (column) => column.notNull())
    .execute();
  await index(db, 'webhooks', ['environment_id', 'created_at', 'id']);
  await partialIndex(db, 'webhooks', 'previous_until');
  await table('webhook_deliveries')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('webhook_id', text, (column) => column.notNull().references('webhooks.id').onDelete('cascade'))
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('body', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('due_at', text)
    .addColumn('last_attempt_at', text)
    .addColumn('response_status', 'integer')
    .addColumn('last_error', text)
    .addColumn('ended_at', text)
    .execute();
  await partialIndex(db, 'webhook_deliveries', 'due_at');
  await index(db, 'webhook_deliveries', ['state', 'ended_at']);
  await index(db, 'webhook_deliveries', ['webhook_id', 'created_at', 'id']);
  await index(db, 'webhook_deliveries', ['webhook_id', 'state', 'created_at', 'id']);
}

async function partialIndex(db: Schema, table: string, column: string): Promise<void> {
  await db.schema
    .createIndex(`${table}_${column}_idx`)
    .on(table)
    .column(column)
    .where(sql.ref(column), 'is not', null)
    .execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('webhook_deliveries').execute();
  await db.schema.dropTable('webhooks').execute();
}
