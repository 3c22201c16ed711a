import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

const LISTS = [
  ['label_folded', 'id'],
  ['environment_id', 'label_folded', 'id'],
  ['type', 'label_folded', 'id'],
  ['environment_id', 'type', 'label_folded', 'id'],
];

/**
 * A search looks at labels and names: with both in the index that has the order of the list, it reads no row of the
 * table but those that it finds.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const columns of LISTS) {
    await dropIndex(db, columns);
    await index(db, 'datastores', [...columns, 'name']);
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const columns of LISTS) {
    await dropIndex(db, [...columns, 'name']);
    await index(db, 'datastores', columns);
  }
}

async function dropIndex(db: Kysely<unknown>, columns: readonly string[]): Promise<void> {
  await db.schema.dropIndex(['datastores', ...columns, 'idx'].join('_')).execute();
}
