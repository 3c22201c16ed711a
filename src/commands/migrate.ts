import { readEnv } from '../env.ts';
import { Database, openDoorbell, shownDatabaseUrl } from '../platform/database/database.ts';
import { migrateToLatest, vacuumOnce } from '../platform/database/migrate.ts';
import { withSetting } from '../setting-error.ts';
import { options, print } from './command.ts';

/** It needs no keys, so that it may run where there are none. */
export async function migrate(args: readonly string[]): Promise<void> {
  options(args, {});
  await withDatabase(readEnv('serve').databaseUrl, async (database) => {
    const done = await migrateToLatest(database);
    await vacuumOnce(database);
    print(done.length > 0 ? `Migrated: ${done.join(', ')}\n` : 'The tables are up to date.\n');
  });
}

function withDatabase(url: string, work: (database: Database) => Promise<void>): Promise<void> {
  return withSetting({ variable: 'DATABASE_URL', value: shownDatabaseUrl(url) }, async () => {
    const doorbell = await openDoorbell(url);
    try {
      const database = await Database.open({ url, doorbell });
      try {
        await work(database);
      } finally {
        await database.close();
      }
    } finally {
      await doorbell.close();
    }
  });
}
