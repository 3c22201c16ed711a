import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type pg from 'pg';
import { type ChainLink, endBefore } from './chain-link.ts';
import {
  DatabaseUnavailableError,
  explainDatabaseError,
  isOutdated,
  isTransactionConflict,
} from './database-errors.ts';
import {
  type Answer,
  answerToLast,
  type Failure,
  prepareAnew,
  reasonOf,
  type Statement,
  statementOf,
} from './postgres-packet.ts';

/** How many changes one transaction stores. */
const MOST_TOGETHER = 32;
/** Postgres has refused to wait any longer for a lock. */
const LOCK_TIMEOUT = '55P03';
/** A change that has to wait for a row that somebody else holds does not hold up the others for longer. */
const PATIENCE: Statement = {
  sql: `select set_config('lock_timeout', '1s', true)`,
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

/** Places links behind the end that lock() has answered with. @returns what stores them */
export function placeLinks(links: readonly ChainLink[], { rows }: Answer): Statement[] {
  let end = endBefore(rows, links.length);
  for (const link of links) end = link.placeBehind(end);
  return [...links.map((link) => link.entry()), ...links.slice(-1).map((link) => link.end())].map(statementOf);
}

/**
 * Stores changes that make the same chain longer in one transaction, where they come while another one is stored: they
 * would only wait for one another. One that Postgres refuses is taken out, and the others are stored without it.
 */
export class PostgresChains {
  readonly #pool: pg.Pool;
  readonly #waiting = new Map<string, Waiting[]>();

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
        await storeTogether(client, changes);
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

/** Stores changes, and tells each what has come of it. Rejects when nobody knows what the connection is in. */
async function storeTogether(client: pg.PoolClient, changes: readonly Waiting[]): Promise<void> {
  for (let left = changes; left.length > 0; ) {
    const failure = await attempt(client, left);
    if (failure === undefined) {
      for (const { tell } of left) tell(true);
      return;
    }
    if (isAway(failure.error)) throw failure.error;
    if (isOutdated(failure.error)) prepareAnew();
    const rolledBack = await answerToLast(client, [ROLLBACK]);
    if ('error' in rolledBack) throw rolledBack.error;
    const failed = failure.unanswered[0]?.statement;
    const refused = left.filter(({ statements }) => failed && statements.includes(failed));
    for (const change of refused.length > 0 ? refused : left) refuse(change, failure);
    left = refused.length > 0 ? left.filter((change) => !refused.includes(change)) : [];
  }
}

/** Does what stores changes in two ways to Postgres. @returns what has failed, and nothing is stored */
async function attempt(client: pg.PoolClient, changes: readonly Waiting[]): Promise<Failure | undefined> {
  const links = changes.map(({ link }) => link);
  const [{ begin, link }] = changes as [Waiting];
  const lock = statementOf(link.lock(links.length));
  const written = changes.flatMap(({ statements }) => statements);
  const locked = await answerToLast(client, [begin, PATIENCE, ...written, lock]);
  if ('error' in locked) return locked;
  const rings = new Map(changes.flatMap((change) => change.rings).map((ring) => [JSON.stringify(ring), ring]));
  const stored = await answerToLast(client, [...placeLinks(links, locked), ...rings.values(), COMMIT]);
  return 'error' in stored ? stored : undefined;
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
