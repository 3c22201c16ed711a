import { randomUUID, timingSafeEqual } from 'node:crypto';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { Change, JournalHead } from './database.ts';
import type { Keyring } from './keyring.ts';
import { PreparedStatements, placesOf } from './prepared-statements.ts';
import type { JournalTable, Tables } from './tables.ts';

/** Who did something: the name of a token or a command, and for whom, where a session token says so. */
export interface Actor {
  readonly name: string;
  readonly onBehalfOf: string | null;
}

/** What came of what somebody wanted done. */
export type AuditOutcome = 'SUCCEEDED' | 'REFUSED' | 'FAILED';

/** What was done, by whom, to what. */
export interface JournalEntry {
  /** '' for what belongs to no environment: the gateway's own chain. */
  readonly environmentId: string;
  /** A datastore event's kind, which its subscribers get; '' when it is none. */
  readonly kind: string;
  readonly action: string;
  readonly actor: Actor;
  readonly subjectType: string;
  readonly subjectId: string;
  /** JSON; never a secret. */
  readonly detail: Record<string, unknown>;
  /** Left out: SUCCEEDED. */
  readonly outcome?: AuditOutcome;
}

/** What is rung when any chain gets longer by a datastore event. */
export const anyJournalTopic = 'journal';

/** What is rung when an environment's chain gets longer by a datastore event. */
export function journalTopic(environmentId: string): string {
  return `journal:${environmentId}`;
}

const heads = new PreparedStatements<{ readonly environmentId: string; readonly mac: string }>();
const entries = new PreparedStatements<Selectable<JournalTable>>();

/**
 * Adds an entry to its environment's chain, in the change that it is about. It locks the chain's head until the change
 * ends, so sequences are given out in commit order; call it last. A datastore event rings the environment's topic.
 */
export async function appendJournal(
  change: Change,
  keyring: Keyring,
  entry: JournalEntry,
): Promise<{ sequence: number }> {
  const { environmentId } = entry;
  const {
    rows: [head],
  } = await heads.run(
    change,
    'lock',
    (place) =>
      change.query
        .insertInto('journal_heads')
        .values({ environment_id: place((values) => values.environmentId), sequence: 1, mac: '' })
        .onConflict((conflict) =>
          conflict.column('environment_id').doUpdateSet({ sequence: sql`journal_heads.sequence + 1` }),
        )
        .returning(['sequence', 'mac']),
    { environmentId, mac: '' },
  );
  if (!head) throw new Error('a chain of the journal has no head');
  const row = {
    environment_id: environmentId,
    sequence: head.sequence,
    id: randomUUID(),
    at: change.clock.timestamp(),
    kind: entry.kind,
    action: entry.action,
    actor: entry.actor.name,
    on_behalf_of: entry.actor.onBehalfOf,
    subject_type: entry.subjectType,
    subject_id: entry.subjectId,
    detail: JSON.stringify(entry.detail),
    outcome: entry.outcome ?? 'SUCCEEDED',
  };
  const mac = macOf(keyring, head.mac, row);
  const stored = { ...row, mac };
  await entries.runLater(
    change,
    '',
    (place) => change.query.insertInto('journal').values(placesOf(stored, place)),
    stored,
  );
  await heads.runLater(
    change,
    'set',
    (place) =>
      change.query
        .updateTable('journal_heads')
        .set({ mac: place((values) => values.mac) })
        .where(
          'environment_id',
          '=',
          place((values) => values.environmentId),
        ),
    { environmentId, mac },
  );
  change.journaled({ environmentId, sequence: head.sequence, mac });
  if (entry.kind !== '') {
    change.ring(journalTopic(environmentId));
    change.ring(anyJournalTopic);
  }
  return { sequence: head.sequence };
}

/** What a look at a whole chain found. */
export interface JournalVerdict {
  /** How many entries are as they were written, from the first on. */
  readonly intact: number;
  /** The sequence of the first entry that was changed, moved or removed; null when the chain is whole. */
  readonly brokenAt: number | null;
}

/** How many entries are read at a time. */
const PAGE = 500;

/** Recomputes an environment's chain up to its head. It does not look at entries that are added meanwhile. */
export async function verifyJournal(
  query: Kysely<Tables>,
  keyring: Keyring,
  environmentId: string,
): Promise<JournalVerdict> {
  const head = await query
    .selectFrom('journal_heads')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .executeTakeFirst();
  let mac = '';
  let sequence = 0;
  for (;;) {
    const rows = await query
      .selectFrom('journal')
      .selectAll()
      .where('environment_id', '=', environmentId)
      .where('sequence', '>', sequence)
      .where('sequence', '<=', head?.sequence ?? Number.MAX_SAFE_INTEGER)
      .orderBy('sequence')
      .limit(PAGE)
      .execute();
    for (const row of rows) {
      if (row.sequence !== sequence + 1 || !sameText(row.mac, macOf(keyring, mac, row)))
        return { intact: sequence, brokenAt: sequence + 1 };
      ({ mac, sequence } = row);
    }
    if (rows.length < PAGE) break;
  }
  const whole = sequence === (head?.sequence ?? 0) && mac === (head?.mac ?? '');
  return { intact: sequence, brokenAt: whole ? null : sequence + 1 };
}

/** Tells the chains that there are: those of deleted environments, and those whose end is gone, too. */
export async function journalChains(query: Kysely<Tables>): Promise<string[]> {
  const rows = await query
    .selectFrom('journal_heads')
    .select('environment_id')
    .union(query.selectFrom('journal').select('environment_id'))
    .orderBy('environment_id')
    .execute();
  return rows.map((row) => row.environment_id);
}

/** Reads a whole chain, in steps. */
export async function* readJournal(
  query: Kysely<Tables>,
  environmentId: string,
): AsyncGenerator<Selectable<JournalTable>> {
  for (let after = 0; ; ) {
    const rows = await query
      .selectFrom('journal')
      .selectAll()
      .where('environment_id', '=', environmentId)
      .where('sequence', '>', after)
      .orderBy('sequence')
      .limit(PAGE)
      .execute();
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = last.sequence;
  }
}

/** Tells whether a chain still has the entry with which it once ended. */
export async function holdsLoggedHead(query: Kysely<Tables>, head: JournalHead): Promise<boolean> {
  const row = await query
    .selectFrom('journal')
    .select('mac')
    .where('environment_id', '=', head.environmentId)
    .where('sequence', '=', head.sequence)
    .executeTakeFirst();
  return row?.mac === head.mac;
}

/** The MAC over an entry and the MAC before it: without the key no entry can be changed, moved or taken out. */
function macOf(keyring: Keyring, previous: string, row: Omit<Selectable<JournalTable>, 'mac'>): string {
  const canonical = JSON.stringify([
    row.environment_id,
    row.sequence,
    row.id,
    row.at,
    row.kind,
    row.action,
    row.actor,
    row.subject_type,
    row.subject_id,
    row.detail,
    // an entry without it has the MAC that versions before it have made
    ...(row.on_behalf_of === null ? [] : [row.on_behalf_of]),
    // as an object it cannot pass for the text before it
    ...(row.outcome === 'SUCCEEDED' ? [] : [{ outcome: row.outcome }]),
  ]);
  return keyring.mac('journal', previous, canonical).toString('base64url');
}

function sameText(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
