import type { Logger } from 'pino';
import type { Database } from './database.ts';
import { isOneOf } from './database.ts';
import { type Keyring, proofKey, renewProof } from './keyring.ts';
import { dataKeyAad } from './sealer.ts';

/** How many data keys are wrapped anew in one change. */
const AT_ONCE = 100;

export interface RotationOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  /** Ends it between two changes; the next one goes on from there. */
  readonly signal?: AbortSignal;
  /** Told after each change. */
  readonly onProgress?: (done: number, all: number) => void;
}

/** How many data keys each key-encryption key wraps, by its id, and whether the database's proof is under it. */
export async function countWrapped(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await database.query
    .selectFrom('data_keys')
    .select(({ fn }) => ['key_id', fn.countAll<number | string>().as('count')])
    .groupBy('key_id')
    .execute();
  const counts = new Map(rows.map(({ key_id, count }) => [key_id, Number(count)]));
  const proof = await proofKey(database);
  if (proof !== undefined) counts.set(proof, (counts.get(proof) ?? 0) + 1);
  return counts;
}

/** True while something is wrapped by a key that is not the active one any more. */
export async function needsRotation(database: Database, keyring: Keyring): Promise<boolean> {
  if ((await proofKey(database)) !== keyring.activeKeyId) return true;
  const row = await database.query
    .selectFrom('data_keys')
    .select('id')
    .where(isOneOf('data_keys.key_id', keyring.otherKeyIds))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Wraps every data key with the active key, while gateways run: a data key stays what it is, and so do the secrets
 * under it. It may be ended at any moment, and run by several at once.
 */
export async function rotate({ database, keyring, signal, onProgress }: RotationOptions): Promise<void> {
  const all = [...(await countWrapped(database))].reduce(
    (sum, [id, count]) => sum + (id === keyring.activeKeyId ? 0 : count),
    0,
  );
  let done = 0;
  while (!signal?.aborted) {
    const count = await rewrapSome(database, keyring);
    if (count === 0) break;
    done += count;
    onProgress?.(done, Math.max(all, done));
  }
  // the proof comes last: while it is under the old key, a start knows that something is left to do
  if (!signal?.aborted && (await renewProof(database, keyring))) onProgress?.(done + 1, Math.max(all, done + 1));
}

/** Goes on with a rotation that was ended half way, beside what else a gateway does. */
export async function goOnRotating({
  logger,
  ...options
}: RotationOptions & { readonly logger: Logger }): Promise<void> {
  const { database, keyring, signal } = options;
  const { activeKeyId } = keyring;
  if (!(await needsRotation(database, keyring))) return;
  const onProgress = (done: number, all: number) =>
    logger.info({ activeKeyId, done, all }, 'data keys are wrapped by the active key');
  await rotate({ ...options, onProgress });
  if (!signal?.aborted) logger.info({ activeKeyId }, 'the rotation of the key-encryption key is over');
}

function rewrapSome(database: Database, keyring: Keyring): Promise<number> {
  const { activeKeyId, otherKeyIds } = keyring;
  return database.change(async (change) => {
    const select = change.query
      .selectFrom('data_keys')
      .select(['id', 'environment_id', 'wrapped'])
      .where(isOneOf('data_keys.key_id', otherKeyIds))
      .orderBy('id')
      .limit(AT_ONCE);
    const rows = await (change.kind === 'postgres' ? select.forUpdate() : select).execute();
    for (const { id, environment_id, wrapped } of rows) {
      const aad = dataKeyAad(environment_id, id);
      const anew = keyring.wrap(await keyring.unwrap(wrapped, aad), aad);
      await change.query
        .updateTable('data_keys')
        .set({ wrapped: anew, key_id: activeKeyId })
        .where('id', '=', id)
        .execute();
    }
    return rows.length;
  });
}
