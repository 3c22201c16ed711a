import { resealTests } from './modules/connection-tests/resealing.ts';
import { resealDatastores } from './modules/datastores/resealing.ts';
import type { Database } from './platform/database/database.ts';
import { endOldForm } from './platform/keys/key-file.ts';
import type { Keyring } from './platform/keys/keyring.ts';
import { Sealer } from './platform/keys/sealer.ts';
import type { Logger } from './platform/telemetry/logger.ts';

export interface SealUpgradeOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  /** Undefined where a command fetches the keys: there the mark is the operator's to make. */
  readonly keyFile: string | undefined;
  readonly logger: Logger;
}

/**
 * Ends the form in which older versions sealed secrets: what is stored is sealed anew, and the key file refuses that
 * form from then on, in every gateway that starts with it. The key file stays as it is while secrets do not open.
 * @returns how many datastores' secrets were sealed anew, and how many do not open
 */
export async function upgradeSeals({ database, keyring, keyFile, logger }: SealUpgradeOptions) {
  const sealer = new Sealer(database, keyring);
  await resealTests(database, sealer);
  const count = await resealDatastores({ database, sealer, logger });
  if (count.unreadable === 0 && keyFile !== undefined) await endOldForm(keyFile);
  return count;
}
