import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type pg from 'pg';
import {
  DatabaseUnavailableError,
  explainDatabaseError,
  isOutdated,
  isTransactionConflict,
} from '../database/errors.ts';
import { type ChainEnd, type ChainLink, endBefore, endsElsewhere, linksPlaced } from '../journal/chain-link.ts';
import {
  type Answer,
  answerToLast,
  COMMIT,
  type Failure,
  joinStatements,
  named,
  prepareAnew,
  ROLLBACK,
  reasonOf,
  type Statement,
  statementOf,
} from './packet.ts';

/** How many changes one transaction stores. */
const MOST_TOGETHER = 32;
/** How many groups of changes are on their way at a time: while Postgres stores one, the next one is made. */
const MOST_ON_THEIR_WAY = 2;
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
const PATIENCE = named(`set local lock_timeout = '500ms'`);

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

/** What stores links that have their places, and the end that they make. */
interface PlacedLinks {
  readonly moves: Statement[];
  readonly entries: Statement[];
  readonly end: ChainEnd;
}

/** Places links behind an end of their chain. */
export function placeLinks(links: readonly ChainLink[], found: ChainEnd): PlacedLinks {
  const { moves, entries, end } = linksPlaced(links, found);
  return { moves: moves.map(statementOf), entries: entries.map(statementOf), end };
}

/**
 * Stores changes that make the same chain longer in one transaction, where they come while others are stored: they
 * would only wait for one another. One that Postgres refuses is taken out, and the others are stored without it.
 */
export class PostgresChains {
  readonly #pool: pg.Pool;
  readonly #chains = new Map<string, Chain>();
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
      const { chain: name } = change.link;
      const served = this.#chains.get(name);
      const chain = served ?? new Chain(this.#pool, this.#ends);
      chain.add({ ...change, tell, fail });
      if (served) return;
      this.#chains.set(name, chain);
      void this.#serve(name, chain);
    });
  }

  /** Stores what waits for a chain, until nothing does. */
  async #serve(name: string, chain: Chain): Promise<void> {
    await turnOfLoop();
    while (chain.isWaitedFor) await chain.storeSome();
    this.#chains.delete(name);
  }
}

/** Changes that are on their way to Postgres. */
interface Sent {
  readonly changes: readonly Waiting[];
  /** The end that they make of their chain; undefined where that depends on what Postgres answers. */
  readonly end: ChainEnd | undefined;
  /** What has failed: then nothing is stored. Rejects when nobody knows what is. */
  readonly outcome: Promise<Failure | undefined>;
}

/** A chain for which changes wait, and groups of them that are on their way, over one connection. */
class Chain {
  readonly #pool: pg.Pool;
  readonly #ends: KnownEnds;
  readonly #waiting: Waiting[] = [];
  /** In the order in which Postgres gets them: each goes on where the one before it has the chain end. */
  readonly #sent: Sent[] = [];
  #client: pg.PoolClient | undefined;
  #isDue = false;

  constructor(pool: pg.Pool, ends: KnownEnds) {
    this.#pool = pool;
    this.#ends = ends;
  }

  add(change: Waiting): void {
    this.#waiting.push(change);
    if (this.#isDue || this.#client === undefined) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#sendMore();
    });
  }

  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /** Stores what waits and what comes meanwhile, until nothing does or somebody else waits for a connection. */
  async storeSome(): Promise<void> {
    const first = this.#take();
    try {
      const client = await this.#pool.connect();
      let isBroken = true;
      try {
        this.#client = client;
        this.#send(client, first);
        await this.#storeSent(client);
        isBroken = false;
      } finally {
        this.#client = undefined;
        client.release(isBroken);
      }
    } catch (error) {
      // who was told already hears nothing of it
      for (const { fail } of [first, ...this.#sent.splice(0).map(({ changes }) => changes)].flat()) fail(error);
    }
  }

  async #storeSent(client: pg.PoolClient): Promise<void> {
    for (let sent = this.#sent[0]; sent !== undefined; sent = this.#sent[0]) {
      const failure = await sent.outcome;
      if (failure) await this.#storeAnew(client, sent, failure);
      else for (const { tell } of sent.changes) tell(true);
      this.#sent.shift();
      this.#sendMore();
    }
  }

  /** Sends what waits: behind what is on its way only where it is known what that leaves. */
  #sendMore(): void {
    const last = this.#sent.at(-1);
    if (this.#client === undefined || this.#sent.length === MOST_ON_THEIR_WAY || this.#pool.waitingCount > 0) return;
    if (last !== undefined && last.end === undefined) return;
    const changes = this.#take(last?.changes);
    if (changes.length > 0) this.#send(this.#client, changes, last?.end);
  }

  #send(client: pg.PoolClient, changes: readonly Waiting[], from?: ChainEnd): void {
    try {
      const sent = send(client, changes, { ends: this.#ends, isJoined: changes.length > 1, from });
      // it is waited for in its turn, which does not come where nobody knows what came of the one before it
      sent.outcome.catch(() => undefined);
      this.#sent.push(sent);
    } catch (error) {
      for (const { fail } of changes) fail(error);
    }
  }

  /** Stores what of some changes can be stored, after they have failed together. */
  async #storeAnew(client: pg.PoolClient, { changes, outcome }: Sent, failure: Failure): Promise<void> {
    // nothing goes behind them meanwhile, and what expected them to be stored is refused as well and waits once more
    const [, ...behind] = this.#sent.splice(0, MOST_ON_THEIR_WAY, { changes, outcome, end: undefined });
    this.#waiting.unshift(...behind.flatMap((sent) => sent.changes));
    for (const sent of behind) await sent.outcome;
    await storeAfter(failure, client, changes, this.#ends);
  }

  /**
   * Takes what is sent next. Two changes of the same row would take turns, and the second of them find another version
   * than it has read: it waits until the first one is over.
   */
  #take(onTheirWay: readonly Waiting[] = []): Waiting[] {
    const subjects = new Set(onTheirWay.map(({ link }) => link.subject));
    const taken: Waiting[] = [];
    for (const change of this.#waiting.splice(0)) {
      const { subject } = change.link;
      if (taken.length < MOST_TOGETHER && !subjects.has(subject)) taken.push(change);
      else this.#waiting.push(change);
      subjects.add(subject);
    }
    // whatever process stores them, they take their locks in the same order
    return taken.toSorted((a, b) => (a.link.subject < b.link.subject ? -1 : 1));
  }
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

/**
 * Stores changes that have failed together, and tells each what has come of it. Rejects when nobody knows what the
 * connection is in.
 */
async function storeAfter(
  first: Failure,
  client: pg.PoolClient,
  changes: readonly Waiting[],
  ends: KnownEnds,
): Promise<void> {
  let isJoined = changes.length > 1;
  let [left, failure] = [changes, first];
  for (;;) {
    if (isOutdated(failure.error)) prepareAnew();
    const rolledBack = await answerToLast(client, [ROLLBACK]);
    if ('error' in rolledBack) throw rolledBack.error;
    if (!isWronglyGuessed(left, failure, ends)) {
      // one by one, Postgres says which of them it refuses
      if (!isJoined) left = refuseSome(left, failure);
      isJoined = false;
    }
    if (left.length === 0) return;
    const again = await send(client, left, { ends, isJoined }).outcome;
    if (again === undefined) {
      for (const { tell } of left) tell(true);
      return;
    }
    failure = again;
  }
}

/** Whether nothing has failed but a guess of where the chain ends, which is not made again. */
function isWronglyGuessed(changes: readonly Waiting[], { unanswered: [failed] }: Failure, ends: KnownEnds): boolean {
  if (failed?.statement.orElse !== endsElsewhere) return false;
  for (const { link } of changes) ends.forget(link.chain);
  return true;
}

/** Takes out of some changes what Postgres has refused: all, where it is none of theirs. @returns the others */
function refuseSome(changes: readonly Waiting[], failure: Failure): readonly Waiting[] {
  const [failed] = failure.unanswered;
  const refused = changes.filter(({ statements }) => failed && statements.includes(failed.statement));
  for (const change of refused.length > 0 ? refused : changes) refuse(change, failure);
  return refused.length > 0 ? changes.filter((change) => !refused.includes(change)) : [];
}

interface SendOptions {
  readonly ends: KnownEnds;
  /** Whether what they do alike is done by one statement for all of them. */
  readonly isJoined: boolean;
  /** Where those leave the chain that are on their way, and behind which these go. */
  readonly from?: ChainEnd | undefined;
}

/** Stores changes of a chain, by one packet where its end is known, by two where Postgres is asked for it. */
function send(client: pg.PoolClient, changes: readonly Waiting[], { ends, isJoined, from }: SendOptions): Sent {
  const links = changes.map(({ link }) => link);
  const [{ begin, link }] = changes as [Waiting];
  const steps = isJoined ? joinSteps(changes) : changes.flatMap(({ statements }) => statements);
  const store = async (unsent: readonly Statement[], found: ChainEnd, { moves, entries, end }: PlacedLinks) => {
    const rings = new Map(changes.flatMap((change) => change.rings).map((ring) => [JSON.stringify(ring), ring]));
    const kept = isJoined ? joinStatements(entries) : entries;
    const statements = [...unsent, ...moves, ...kept, ...rings.values(), COMMIT];
    const stored = await answerUnlessAway(client, statements, from !== undefined);
    if ('error' in stored) return stored;
    ends.note(link.chain, found, end);
    return undefined;
  };
  const before = [begin, PATIENCE, ...steps];
  const expected = from ?? ends.expected(link.chain);
  if (expected !== undefined) {
    const placed = placeLinks(links, expected);
    return { changes, end: placed.end, outcome: store(before, expected, placed) };
  }
  const outcome = answerUnlessAway(client, [...before, statementOf(link.lock(links.length))]).then((locked) => {
    if ('error' in locked) return locked;
    const found = endBefore(locked.rows, links.length);
    return store([], found, placeLinks(links, found));
  });
  return { changes, end: undefined, outcome };
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

/** The answer to the last of some statements, or what has failed. Rejects when nobody knows what is stored. */
async function answerUnlessAway(
  client: pg.PoolClient,
  statements: readonly Statement[],
  isBehind = false,
): Promise<Answer | Failure> {
  const answer = await answerToLast(client, statements, { isBehind });
  if ('error' in answer && isAway(answer.error)) throw answer.error;
  return answer;
}

/** Nobody can say whether what was sent has been stored, or the connection is gone. */
function isAway(error: unknown): boolean {
  const isRefusal = isTransactionConflict(error) || (error as { code?: unknown }).code === LOCK_TIMEOUT;
  return !isRefusal && explainDatabaseError(error) instanceof DatabaseUnavailableError;
}
