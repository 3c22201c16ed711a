import type { Change } from '../../platform/database/database.ts';
import { type Actor, appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { TestRow } from './store.ts';

type Started = Pick<
  TestRow,
  | 'id'
  | 'type'
  | 'purpose'
  | 'environment_id'
  | 'datastore_id'
  | 'datastore_version'
  | 'requested_by'
  | 'requested_on_behalf_of'
  | 'target'
  | 'created_at'
>;

/**
 * Journals the start of a test, which sends secrets to its target. Health checks would bury what people do: of those
 * of a datastore the first of each version and of each day (UTC) is entered. Call it last in a change.
 */
export async function journalStart(change: Change, keyring: Keyring, test: Started): Promise<void> {
  if (test.purpose === 'HEALTH' && (await isLaterCheck(change, test))) return;
  const actor = { name: test.requested_by, onBehalfOf: test.requested_on_behalf_of };
  await append(change, keyring, 'connection_test.start', actor, test);
}

/** Journals that somebody has ended a test. Call it last in a change. */
export async function journalCancel(change: Change, keyring: Keyring, actor: Actor, test: Started): Promise<void> {
  await append(change, keyring, 'connection_test.cancel', actor, test);
}

/** A draft has no id yet by which its tests could be found: they stand for themselves. */
async function append(change: Change, keyring: Keyring, action: string, actor: Actor, test: Started): Promise<void> {
  const { id, type, purpose, datastore_id: datastoreId, datastore_version: version, target } = test;
  const subject =
    datastoreId === null
      ? { subjectType: 'connection_test', subjectId: id }
      : { subjectType: 'datastore', subjectId: datastoreId };
  const detail = { testId: id, type, purpose, version, target };
  await appendJournal(change, keyring, {
    environmentId: test.environment_id,
    kind: '',
    action,
    actor,
    ...subject,
    detail,
  });
}

/** Tells whether the datastore had a health check of the same version on the same day before this one. */
async function isLaterCheck(change: Change, test: Started): Promise<boolean> {
  const today = `${test.created_at.slice(0, 'YYYY-MM-DD'.length)}T00:00:00.000Z`;
  const earlier = await change.query
    .selectFrom('connection_tests')
    .select('id')
    .where('datastore_id', '=', test.datastore_id)
    .where('created_at', '>=', today)
    .where('purpose', '=', 'HEALTH')
    .where('datastore_version', '=', test.datastore_version)
    .where('id', '<>', test.id)
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirst();
  return earlier !== undefined;
}
