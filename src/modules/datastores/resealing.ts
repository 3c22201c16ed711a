import type { Change, Database } from '../../platform/database/database.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Datastore } from './datastore.ts';
import { openSecrets, SECRETS_DO_NOT_OPEN } from './draft-reader.ts';
import { createSecretKey } from './secret-key.ts';
import { lockOldForm, readSealed, replaceSealed } from './store.ts';

/** How many datastores are sealed anew in one change. */
const AT_ONCE = 100;

export interface ResealingOptions {
  readonly database: Database;
  readonly sealer: Sealer;
  readonly logger: Logger;
}

/**
 * Seals the secrets that an older version has sealed in today's form, while gateways run. When it is ended half way, it
 * goes on from there the next time. What does not open stays as it is, and is told in the log.
 * @returns how many datastores' secrets were sealed anew, and how many do not open
 */
export async function resealDatastores({ database, sealer, logger }: ResealingOptions) {
  const count = { resealed: 0, unreadable: 0 };
  for (let after: string | undefined = ''; after !== undefined; ) {
    const from: string = after;
    const opened = await database.change(async (change) => {
      const datastores = await lockOldForm(change, from, AT_ONCE);
      const done: (readonly [id: string, isResealed: boolean])[] = [];
      for (const datastore of datastores)
        done.push([datastore.id, await reseal(change, datastore, sealer, logger)] as const);
      return done;
    });
    for (const [, isResealed] of opened) count[isResealed ? 'resealed' : 'unreadable'] += 1;
    after = opened.at(-1)?.[0];
  }
  return count;
}

/** The datastore, its version and the ids of its secrets stay: whoever has read it goes on with what it read. */
async function reseal(change: Change, datastore: Datastore, sealer: Sealer, logger: Logger): Promise<boolean> {
  const { id, environmentId } = datastore;
  const sealed = await readSealed(
    change,
    datastore.secrets.map((secret) => secret.id),
  );
  try {
    const secrets = await openSecrets(sealer, datastore, sealed, change.query);
    const key = await createSecretKey(change, sealer, datastore, change.clock.timestamp());
    for (const secret of datastore.secrets)
      await replaceSealed(change, secret.id, key.seal(secret.path, secrets.get(secret.path) ?? ''));
    return true;
  } catch (error) {
    if (!(error instanceof UnsealError)) throw error;
    logger.error({ datastoreId: id, environmentId, err: error }, SECRETS_DO_NOT_OPEN);
    return false;
  }
}
