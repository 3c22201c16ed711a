import { timingSafeEqual } from 'node:crypto';
import { type CompiledQuery, type Kysely, type Selectable, sql } from 'kysely';
import type { Change, JournalHead } from '../database/database.ts';
import { type PlaceOf, PreparedStatements } from '../database/prepared-statements.ts';
import type { JournalTable, Tables } from '../database/tables.ts';
import { insertAll } from '../database/taken-rows.ts';
import { timeOrderedId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { type ChainEnd, type ChainLink, endsElsewhere } from './chain-link.ts';

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

type Row = Selectable<JournalTable>;

/** The end of a chain moves from a MAC to a row. */
interface Moved {
  readonly row: Row;
  readonly from: string;
}

const locks = new PreparedStatements<{ readonly environmentId: string; readonly count: number }>();
const entries = new PreparedStatements<readonly Row[]>({ takesRows: true });
const ends = new PreparedStatements<Moved>();
const found = new PreparedStatements<string>();

/**
 * Adds an entry to its environment's chain, in the change that it is about. It locks the chain's end until the change
 * ends, so sequences are given out in commit order; call it last. A datastore event rings the environment's topic.
 * @returns its place, which is not known before the change is stored
 */
export async function appendJournal(
  change: Change,
  keyring: Keyring,
  entry: JournalEntry,
): Promise<{ readonly sequence: number }> {
  const { environmentId } = entry;
  const link = new JournalLink(change, keyring, entry);
  const query = link.query();
  if (!change.runAtOnce(query)) await change.query.executeQuery(query);
  if (entry.kind !== '') {
    change.ring(journalTopic(environmentId));
    change.ring(anyJournalTopic);
  }
  return link.place;
}

/** An entry that is not stored yet. */
class JournalLink implements ChainLink {
  readonly chain: string;
  readonly subject: string;
  readonly place = { sequence: 0 };
  readonly #change: Change;
  readonly #keyring: Keyring;
  #row: Row;

  constructor(change: Change, keyring: Keyring, entry: JournalEntry) {
    this.chain = entry.environmentId;
    this.subject = entry.subjectId;
    this.#change = change;
    this.#keyring = keyring;
    this.#row = {
      environment_id: entry.environmentId,
      sequence: 0,
      id: timeOrderedId(change.clock.now()),
      at: '',
      kind: entry.kind,
      action: entry.action,
      actor: entry.actor.name,
      on_behalf_of: entry.actor.onBehalfOf,
      subject_type: entry.subjectType,
      subject_id: entry.subjectId,
      detail: JSON.stringify(entry.detail),
      outcome: entry.outcome ?? 'SUCCEEDED',
      mac: '',
    };
  }

  /** Stands for it in a change: what is not known yet is 0 and ''. */
  query(): CompiledQuery {
    return { ...this.entry(), link: this } as CompiledQuery;
  }

  findEnd(): CompiledQuery {
    const { kind, query } = this.#change;
    const select = (place: PlaceOf<string>) =>
      query
        .selectFrom('journal_heads')
        .select(['sequence', 'mac'])
        .where(
          'environment_id',
          '=',
          place((chain) => chain),
        );
    return found.of(kind, '', select, this.chain);
  }

  lock(count: number): CompiledQuery {
    const { kind, query } = this.#change;
    const lock = (place: PlaceOf<{ readonly environmentId: string; readonly count: number }>) => {
      const by = place((values) => values.count);
      return query
        .insertInto('journal_heads')
        .values({ environment_id: place((values) => values.environmentId), sequence: by, mac: '' })
        .onConflict((conflict) =>
          conflict.column('environment_id').doUpdateSet({ sequence: sql`journal_heads.sequence + ${by}` }),
        )
        .returning(['sequence', 'mac']);
    };
    return locks.of(kind, '', lock, { environmentId: this.chain, count });
  }

  placeBehind(head: ChainEnd): ChainEnd {
    // times follow the order of the chain, whatever waits for it
    const row = { ...this.#row, sequence: head.sequence + 1, at: this.#change.clock.timestamp() };
    const mac = macOf(this.#keyring, head.mac, row);
    this.#row = { ...row, mac };
    const { sequence } = row;
    this.place.sequence = sequence;
    this.#change.journaled({ environmentId: this.chain, sequence, mac });
    return { sequence, mac };
  }

  entry(): CompiledQuery {
    const { kind, query } = this.#change;
    const insert = (place: PlaceOf<readonly Row[]>) =>
      insertAll(kind, query.insertInto('journal'), { rows: [this.#row], numbers: ['sequence'], place });
    return entries.of(kind, '', insert, [this.#row]);
  }

  moveEnd({ mac: from }: ChainEnd): CompiledQuery {
    const { kind, query } = this.#change;
    const sequence = (place: PlaceOf<Moved>) => place(({ row }) => row.sequence);
    const mac = (place: PlaceOf<Moved>) => place(({ row }) => row.mac);
    const chain = (place: PlaceOf<Moved>) => place(({ row }) => row.environment_id);
    const before = (place: PlaceOf<Moved>) => place((values) => values.from);
    const move = (place: PlaceOf<Moved>) =>
      query
        .updateTable('journal_heads')
        .set({ sequence: sequence(place), mac: mac(place) })
        .where('environment_id', '=', chain(place))
        .where('mac', '=', before(place));
    // where lock() has not made it, there may be no row yet
    const moveOrBegin = (place: PlaceOf<Moved>) =>
      query
        .insertInto('journal_heads')
        .values({ environment_id: chain(place), sequence: sequence(place), mac: mac(place) })
        .onConflict((conflict) =>
          conflict
            .column('environment_id')
            .doUpdateSet(({ ref }) => ({ sequence: ref('excluded.sequence'), mac: ref('excluded.mac') }))
            .where('journal_heads.mac', '=', before(place)),
        );
    return ends.of(kind, '', kind === 'sqlite' ? moveOrBegin : move, { row: this.#row, from }, endsElsewhere);
  }
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
