import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/database.ts';
import { isOneOf } from '../database/database.ts';
import type { Logger } from '../telemetry/logger.ts';
import { insertDataKey } from './data-keys.ts';
import { type Keyring, proofKey, renewProof } from './keyring.ts';
import {
  countUnder,
  forgetDataKey,
  type RetiredKey,
  type RewrappingOptions,
  rewrapKeys,
  type Unreadable,
} from './rewrapping.ts';

/** How many data keys are made, or read, at once. */
const AT_ONCE = 100;
/**
 * How long a data key stays once nothing is under it, in milliseconds: who has just read a key that it wrapped still
 * looks for it.
 */
const READERS_MS = 2_000;
/** The pause before what others had locked is looked at again, in milliseconds. */
const LOCKED_MS = 50;

/** What a rotation does, one after the other. */
export type RotationStep = 'New data keys' | 'Keys wrapped anew' | 'Old data keys deleted';

export interface RotationOptions extends RewrappingOptions {
  /** Told as it goes on, of each percent of a step. */
  readonly onProgress?: (step: RotationStep, done: number, all: number) => void;
  /** For the project's own tests alone. */
  readonly readersMs?: number;
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
 * Gives every environment a new data key under the active key-encryption key, wraps what is under the old ones with the
 * new ones, and deletes the old ones, while gateways run. The keys of secrets stay what they are, and so do the secrets
 * under them. It may be ended at any moment, and run by several at once.
 * @returns the keys that do not open: they stay under their old data keys, which the active key wraps then
 * @throws Error while the keys still open what an older version has sealed, which is under the data keys themselves
 */
export async function rotate(options: RotationOptions): Promise<readonly Unreadable[]> {
  const { database, keyring, signal } = options;
  if (keyring.opensOldForm)
    throw new Error('Run "datastore-gateway key upgrade" first: older versions sealed otherwise.');
  let unreadable: readonly Unreadable[] = [];
  // an environment that is made meanwhile may still get its data key under the former key
  do {
    await makeDataKeys(options);
    unreadable = await replaceRetired(options);
  } while (!signal?.aborted && (await countFormer(database, keyring)) > 0);
  // the proof comes last: while it is under the old key, a start knows that something is left to do
  if (!signal?.aborted) await renewProof(database, keyring);
  return unreadable;
}

/** Goes on with a rotation that was ended half way, beside what else a gateway does. */
export async function goOnRotating({
  logger,
  ...options
}: RotationOptions & { readonly logger: Logger }): Promise<void> {
  const { database, keyring, signal } = options;
  const { activeKeyId } = keyring;
  if (keyring.opensOldForm || !(await needsRotation(database, keyring))) return;
  const onProgress = (step: RotationStep, done: number, all: number) =>
    logger.info({ activeKeyId, step, done, all }, 'the rotation of the keys goes on');
  logUnreadable(logger, await rotate({ ...options, onProgress }));
  if (!signal?.aborted) logger.info({ activeKeyId }, 'the rotation of the keys is over');
}

/** Logs what does not open: somebody has changed it, or its owner, outside of the gateway. */
export function logUnreadable(logger: Logger, unreadable: readonly Unreadable[]): void {
  for (const { id, environmentId, owner } of unreadable)
    logger.error(
      { row: id, environmentId, ...(owner ? { owner: owner.kind, ownerId: owner.id } : {}) },
      'the key of secrets does not open beside their config: it stays under an old data key',
    );
}

/** How many environments have their active data key under a former key-encryption key. */
async function countFormer(database: Database, { otherKeyIds }: Keyring): Promise<number> {
  const { count } = await database.query
    .selectFrom('data_keys')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where(isOneOf('data_keys.key_id', otherKeyIds))
    .where('active', '=', 1)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Makes a new data key for each environment whose active one is under a former key, and retires that one. */
async function makeDataKeys({ database, keyring, signal, onProgress }: RotationOptions): Promise<void> {
  const made = counter('New data keys', await countFormer(database, keyring), onProgress);
  for (const keyId of keyring.otherKeyIds) {
    for (let after: string | undefined = ''; after !== undefined && !signal?.aborted; ) {
      const page: MadeDataKeys = await makeSome(database, keyring, keyId, after);
      made(page.made);
      after = page.last;
    }
  }
}

interface MadeDataKeys {
  readonly made: number;
  /** The id of the last data key of the page; undefined where there was none. */
  readonly last: string | undefined;
}

function makeSome(database: Database, keyring: Keyring, keyId: string, after: string): Promise<MadeDataKeys> {
  return database.change(async (change) => {
    const rows = await change.query
      .selectFrom('data_keys')
      .select(['id', 'environment_id'])
      .where('key_id', '=', keyId)
      .where('id', '>', after)
      .where('active', '=', 1)
      .orderBy('id')
      .limit(AT_ONCE)
      // it makes nobody wait who seals under one of them
      .$if(change.kind === 'postgres', (query) => query.forNoKeyUpdate())
      .execute();
    for (const { id, environment_id } of rows) {
      await change.query.updateTable('data_keys').set({ active: 0 }).where('id', '=', id).execute();
      await insertDataKey(change, keyring, environment_id);
    }
    return { made: rows.length, last: rows.at(-1)?.id };
  });
}

/** Wraps anew what is under retired data keys, and deletes these. @returns what does not open */
async function replaceRetired(options: RotationOptions): Promise<Unreadable[]> {
  const { database, signal, onProgress, readersMs = READERS_MS } = options;
  let [dataKeys, all] = [0, 0];
  for await (const { id } of eachRetired(options)) {
    dataKeys += 1;
    all += await countUnder(database, id);
  }
  if (dataKeys === 0) return [];
  const rewrapped = counter('Keys wrapped anew', all, onProgress);
  const deleted = counter('Old data keys deleted', dataKeys, onProgress);
  const rewrap = (retired: RetiredKey) => rewrapKeys(options, retired, rewrapped);
  for await (const retired of eachRetired(options)) await rewrap(retired);
  await pause(readersMs, signal);
  const unreadable: Unreadable[] = [];
  for await (const retired of eachRetired(options)) {
    for (let isSettled = false; !isSettled && !signal?.aborted; ) {
      const left = await rewrap(retired);
      const fate = await forgetDataKey(options, retired, left);
      isSettled = fate !== 'used';
      if (!isSettled) await pause(LOCKED_MS, signal);
      if (fate === 'kept') unreadable.push(...left);
      if (fate === 'deleted') deleted(1);
    }
  }
  return unreadable;
}

/** Counts what a step has done. Others may do a part of it, and there may be more than there was when it began. */
function counter(step: RotationStep, all: number, onProgress: RotationOptions['onProgress']): (count: number) => void {
  let [done, told] = [0, 0];
  return (count) => {
    done += count;
    const percent = Math.floor((done * 100) / Math.max(all, done, 1));
    if (percent > told) onProgress?.(step, done, Math.max(all, done));
    told = percent;
  };
}

async function* eachRetired({ database, signal }: RotationOptions): AsyncGenerator<RetiredKey> {
  for (let after = ''; !signal?.aborted; ) {
    const rows = await database.query
      .selectFrom('data_keys')
      .select(['id', 'wrapped', 'environment_id as environmentId'])
      .where('active', '=', 0)
      .where('id', '>', after)
      .orderBy('id')
      .limit(AT_ONCE)
      .execute();
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  // what ends the rotation ends the pause, and is asked for after it
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
