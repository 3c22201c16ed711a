import type { Kysely } from 'kysely';

type Schema = Kysely<unknown>;

/** An entry of a catalog says whether it may be read: 0 or 1, or null where that is not known. */
export async function up(db: Schema): Promise<void> {
  await db.schema.alterTable('catalog_entries').addColumn('readable', 'integer').execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.alterTable('catalog_entries').dropColumn('readable').execute();
}
