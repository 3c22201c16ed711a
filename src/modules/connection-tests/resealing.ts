import type { Database } from '../../platform/database/database.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import { openSecrets } from './secrets.ts';
import { insertSecretKey, lockOldForm, replaceSealed } from './store.ts';
import { draftPath, secretOwner } from './test.ts';

/** How many tests are sealed anew in one change. */
const AT_ONCE = 100;

/**
 * Seals the secrets of tests that an older version has queued in today's form, while gateways run. A test whose secrets
 * do not open stays as it is: it fails when it runs.
 */
export async function resealTests(database: Database, sealer: Sealer): Promise<void> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const from: string = after;
    after = await database.change(async (change) => {
      const rows = await lockOldForm(change, from, AT_ONCE);
      for (const row of rows) {
        try {
          const secrets = await openSecrets(sealer, row, undefined, change.query);
          const key = await sealer.newKey(change, secretOwner(row, row.draft_config ?? '{}'));
          await insertSecretKey(change, row.id, key, change.clock.timestamp());
          await replaceSealed(change, row.id, key.seal(draftPath, JSON.stringify([...secrets])));
        } catch (error) {
          if (!(error instanceof UnsealError)) throw error;
        }
      }
      return rows.at(-1)?.id;
    });
  }
}
