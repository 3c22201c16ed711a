import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type pg from 'pg';
import {
  DatabaseUnavailableError,
  explainDatabaseError,
  isOutdated,
  isTransactionConflict,
} from '../database/errors.ts';
import { type ChainEnd, type ChainLink, endBefore } from '../journal/chain-link.ts';
import {
  answerToLast,
  type Failure,
  joinStatements,
  prepareAnew,
  reasonOf,
  type Statement,
  statementOf,
} from './packet.ts';

/** How many changes one transaction stores. */
const MOST_TOGETHER = 32;
/** After how many transactions without anybody else's in between none is expected. */
const ALONE_AFTER = 8;
/** Of how many chains is remembered where they end. */
const MOST_ENDS = 1_000;
/** Postgres has refused to wait any longer for a lock. */
const LOCK_TIMEOUT = '55P03';
/**
 * A change that has to wait for a row that somebody else holds does not hold up the others for longer than that, first
 * as one of them and then by itself.
 */
const PATIENCE: Statement = {
  sql: `select set_config('lock_timeout', '500ms', true)`,
  values: [],
  name: 'patience_together',
};
const COMMIT: Statement = { sql: 'commit', values: [] };
const ROLLBACK: Statement = { sql: 'rollback', values: [] };

/** A change of which nothing has been sent yet. */
export interface ChainedChange {
  readonly begin: Statement;
  readonly statements: readonly Statement[];
  readonly link: ChainLink;
  /** What is told once it is stored, which may be told several times. */
  readonly rings: readonly Statement[];
}

/** One that waits to be stored. */
interface Waiting extends ChainedChange {
  /** Says whether it was stored. */
  readonly tell: (isStored: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/** Places links behind an end of their chain. @returns what stores them, and the end that they make */
export function placeLinks(
  links: readonly ChainLink[],
  found: ChainEnd,
): { readonly moves: Statement[]; readonly entries: Statement[]; readonly end: ChainEnd } {
  let end = found;
  for (const link of links) end = link.placeBehind(end);
  const moves = links.slice(-1).map((last) => statementOf(last.moveEnd(found, elsewhere)));
  return { moves, entries: links.map((link) => statementOf(link.entry())), end };
}

/**
 * Stores changes that make the same chain longer in one transaction, where they come while another one is stored: they
 * would only wait for one another. One that Postgres refuses is taken out, and the others are stored without it.
 */
export class PostgresChains {
  readonly #pool: pg.Pool;
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #ends = new KnownEnds();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * Stores a change together with others.
   * @returns false when it has to be stored by itself, for something has come in between. It rejects when its row is
   * gone or the database is away.
   */
  store(change: ChainedChange): Promise<boolean> {
    return new Promise((tell, fail) => {
      const { chain } = change.link;
      const waiting = this.#waiting.get(chain);
      this.#waiting.set(chain, [...(waiting ?? []), { ...change, tell, fail }]);
      if (waiting === undefined) void this.#serve(chain);
    });
  }

  /** Stores what waits for a chain, until nothing does. */
  async #serve(chain: string): Promise<void> {
    await turnOfLoop();
    for (let waiting = this.#waiting.get(chain) ?? []; waiting.length > 0; waiting = this.#waiting.get(chain) ?? []) {
      const changes = oneOfEachSubject(waiting);
      this.#waiting.set(
        chain,
        waiting.filter((one) => !changes.includes(one)),
      );
      await this.#storeAll(changes);
    }
    this.#waiting.delete(chain);
  }

  async #storeAll(changes: readonly Waiting[]): Promise<void> {
    try {
      const client = await this.#pool.connect();
      let isBroken = true;
      try {
        await storeTogether(client, changes, this.#ends);
        isBroken = false;
      } finally {
        client.release(isBroken);
      }
    } catch (error) {
      // who was told already hears nothing of it
      for (const { fail } of changes) fail(error);
    }
  }
}

/** Two changes of the same row would take turns, and the second of them find another version than it has read. */
function oneOfEachSubject(waiting: readonly Waiting[]): Waiting[] {
  const bySubject = new Map<string, Waiting>();
  for (const change of waiting) {
    if (bySubject.size === MOST_TOGETHER) break;
    if (!bySubject.has(change.link.subject)) bySubject.set(change.link.subject, change);
  }
  // whatever process stores them, they take their locks in the same order
  return [...bySubject.values()].toSorted((a, b) => (a.link.subject < b.link.subject ? -1 : 1));
}

/** Where this process has left a chain. */
interface Left {
  readonly end: ChainEnd;
  /** How often in a row it has found it as it had left it. */
  readonly alone: number;
}

/** Where chains are expected to end. */
class KnownEnds {
  readonly #left = new Map<string, Left>();

  /** The end of a chain that nobody else seems to make longer. */
  expected(chain: string): ChainEnd | undefined {
    const left = this.#left.get(chain);
    return left && left.alone >= ALONE_AFTER ? left.end : undefined;
  }

  /** Takes down that a chain has got longer, and from where on. */
  note(chain: string, found: ChainEnd, end: ChainEnd): void {
    const left = this.#left.get(chain);
    const isAsLeft = left?.end.mac === found.mac;
    this.forget(chain);
    this.#left.set(chain, { end, alone: isAsLeft ? left.alone + 1 : 0 });
    const [oldest] = this.#left.keys();
    if (this.#left.size > MOST_ENDS && oldest !== undefined) this.forget(oldest);
  }

  forget(chain: string): void {
    this.#left.delete(chain);
  }
}

/** Stores changes, and tells each what has come of it. Rejects when nobody knows what the connection is in. */
async function storeTogether(client: pg.PoolClient, changes: readonly Waiting[], ends: KnownEnds): Promise<void> {
  let isJoined = changes.length > 1;
  for (let left = changes; left.length > 0; ) {
    const failure = await attempt(client, left, ends, isJoined);
    if (failure === undefined) {
      for (const { tell } of left) tell(true);
      return;
    }
    if (isAway(failure.error)) throw failure.error;
    if (isOutdated(failure.error)) prepareAnew();
    const rolledBack = await answerToLast(client, [ROLLBACK]);
    if ('error' in rolledBack) throw rolledBack.error;
    if (endsElsewhere(left, failure, ends)) continue;
    // one by one, Postgres says which of them it refuses
    if (!isJoined) left = refuseSome(left, failure);
    isJoined = false;
  }
}

/** Whether nothing has failed but a guess of where the chain ends, which is not made again. */
function endsElsewhere(changes: readonly Waiting[], { unanswered: [failed] }: Failure, ends: KnownEnds): boolean {
  const [chain = ''] = changes.map(({ link }) => link.chain);
  if (failed?.statement.orElse !== elsewhere || !ends.expected(chain)) return false;
  ends.forget(chain);
  return true;
}

/** Takes out of some changes what Postgres has refused: all, where it is none of theirs. @returns the others */
function refuseSome(changes: readonly Waiting[], failure: Failure): readonly Waiting[] {
  const [failed] = failure.unanswered;
  const refused = changes.filter(({ statements }) => failed && statements.includes(failed.statement));
  for (const change of refused.length > 0 ? refused : changes) refuse(change, failure);
  return refused.length > 0 ? changes.filter((change) => !refused.includes(change)) : [];
}

/** Makes what a change fails with when its chain ends elsewhere than was expected: it is made again. */
const elsewhere = () => new Error('The chain ends elsewhere');

/**
 * Does what stores changes of a chain, by one packet where its end is known, by two where Postgres is asked for it.
 * @returns what has failed: then nothing is stored
 */
async function attempt(
  client: pg.PoolClient,
  changes: readonly Waiting[],
  ends: KnownEnds,
  isJoined: boolean,
): Promise<Failure | undefined> {
  const links = changes.map(({ link }) => link);
  const [{ begin, link }] = changes as [Waiting];
  const unsent = [
    begin,
    PATIENCE,
    ...(isJoined ? joinSteps(changes) : changes.flatMap(({ statements }) => statements)),
  ];
  let found = ends.expected(link.chain);
  if (found === undefined) {
    const locked = await answerToLast(client, [...unsent.splice(0), statementOf(link.lock(links.length))]);
    if ('error' in locked) return locked;
    found = endBefore(locked.rows, links.length);
  }
  const { moves, entries, end } = placeLinks(links, found);
  const rings = new Map(changes.flatMap((change) => change.rings).map((ring) => [JSON.stringify(ring), ring]));
  const kept = isJoined ? joinStatements(entries) : entries;
  const stored = await answerToLast(client, [...unsent, ...moves, ...kept, ...rings.values(), COMMIT]);
  if ('error' in stored) return stored;
  ends.note(link.chain, found, end);
  return undefined;
}

/** The first statements of all changes, then the second ones, and so on, each joined with those that are like it. */
function joinSteps(changes: readonly ChainedChange[]): Statement[] {
  const steps = Math.max(...changes.map(({ statements }) => statements.length));
  return Array.from({ length: steps }, (_, step) =>
    changes.flatMap(({ statements }) => statements[step] ?? []),
  ).flatMap(joinStatements);
}

/** What Postgres refuses may be another one's fault, but where a change finds no row to write. */
function refuse({ tell, fail }: Waiting, { error, unanswered: [failed] }: Failure): void {
  const reason = reasonOf({ error, unanswered: failed ? [failed] : [] });
  if (reason === error) tell(false);
  else fail(reason);
}

/** Nobody can say whether what was sent has been stored, or the connection is gone. */
function isAway(error: unknown): boolean {
  const isRefusal = isTransactionConflict(error) || (error as { code?: unknown }).code === LOCK_TIMEOUT;
  return !isRefusal && explainDatabaseError(error) instanceof DatabaseUnavailableError;
}
