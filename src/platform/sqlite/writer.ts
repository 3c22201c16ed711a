import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { CompiledQuery, type QueryResult } from 'kysely';
import { GroupRefusedError } from '../database/errors.ts';
import { type ChainEnd, type ChainLink, endFound } from '../journal/chain-link.ts';
import type { SqliteFile } from './file.ts';

/** How long another process's lock is waited for, and the longest pause between two tries. */
export const BUSY_TIMEOUT_MS = 5_000;
const MAX_BUSY_PAUSE_MS = 25;
/** How old a group gets, and how many changes it has, while others want to write: then it is stored. */
const GROUP_MS = 25;
const MOST_IN_GROUP = 100;
/** For how long changes are stored one by one after a group was refused, so that who caused it is told alone. */
const ALONE_MS = 1_000;
/** What a COMMIT takes where the disk is slow, and after how many of them in a row it is taken for that. */
const SLOW_MS = 2;
const SLOW_IN_A_ROW = 3;
/**
 * How many turns of the event loop a group waits for others: of new connections each turn takes one, and a turn takes
 * next to nothing beside a COMMIT of a slow disk.
 */
const TURNS = { quick: 1, slow: 25 };
/** For how long changes have savepoints after one was taken back, since more may be. */
const SAVEPOINTS_MS = 10_000;
/** Each change of a group that has them is a savepoint of this name. */
const CHANGE = 'gateway_change';

/** What several changes of a group need to have done once: by these statements at its end, before the COMMIT. */
export interface GroupWork {
  /** Tells the database that from now on it is left to the end. */
  readonly begin: string;
  readonly end: readonly string[];
}

/** A chain that a group has made longer. */
interface GrownChain {
  readonly found: ChainEnd;
  readonly end: ChainEnd;
  readonly last: ChainLink;
}

/** The changes that one COMMIT stores. */
export class Group {
  readonly since = performance.now();
  /** Resolves when they are stored, and rejects when none of them is. */
  readonly stored: Promise<void>;
  /** Whether each of its changes can be taken back by itself. */
  readonly hasSavepoints: boolean;
  /** What is left to its end. */
  readonly left = new Set<GroupWork>();
  /** The chains that it has made longer, whose ends are written at its own: until then nobody else writes. */
  chains = new Map<string, GrownChain>();
  /** The same before the change that has the turn, where that can be taken back by itself. */
  chainsBefore = this.chains;
  changes = 0;
  store!: () => void;
  fail!: (error: unknown) => void;

  constructor(hasSavepoints: boolean) {
    this.hasSavepoints = hasSavepoints;
    this.stored = new Promise((resolve, reject) => {
      [this.store, this.fail] = [resolve, reject];
    });
    // where all of its changes were taken back, nobody waits for it
    this.stored.catch(() => undefined);
  }
}

/**
 * Writes to a file, one change at a time in the order of asking. Changes that wait for one another share a COMMIT, for
 * writing to the disk is what takes the time: each is told to be stored only after the COMMIT. A change by itself is
 * stored at the next turn of the event loop, or some turns later where the disk is slow.
 *
 * One that fails takes back its own alone. A savepoint of each is 6 % of a small change's time, and hardly any fails:
 * the first that does takes back all of its group, which are made again, and for a while there are savepoints.
 */
export class SqliteWriter {
  readonly #file: SqliteFile;
  readonly #shares: boolean;
  readonly #turn = new Turn();
  #group: Group | undefined;
  #aloneUntil = 0;
  #slowInARow = 0;
  #savepointsUntil = 0;

  /** `shares` says whether changes may share a COMMIT. */
  constructor(file: SqliteFile, shares: boolean) {
    this.#file = file;
    this.#shares = shares;
  }

  /** Begins a change, which has the turn until commit() or rollback(). */
  async begin(): Promise<Group> {
    const group = await this.#enter();
    try {
      if (group.hasSavepoints) {
        this.#file.execute(`savepoint ${CHANGE}`);
        group.chainsBefore = new Map(group.chains);
      }
      return group;
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Whether the disk takes long for a COMMIT, as far as the last ones tell. */
  get isSlow(): boolean {
    return this.#slowInARow >= SLOW_IN_A_ROW;
  }

  /** Takes down what a COMMIT took, whoever has made it. */
  noteCommit(ms: number): void {
    this.#slowInARow = ms < SLOW_MS ? 0 : this.#slowInARow + 1;
  }

  /** Runs a statement of a change of this group, which has the turn. */
  run<Row>(query: CompiledQuery, group: Group): QueryResult<Row> {
    if (this.#group !== group) throw lost();
    try {
      return this.#file.run<Row>(query);
    } catch (error) {
      // after a full disk, for example, SQLite takes back all of it by itself
      if (!this.#file.inTransaction) this.#lose(error);
      throw error;
    }
  }

  /** Makes a chain longer by what a change of this group, which has the turn, adds to it. */
  append(link: ChainLink, group: Group): void {
    const known = group.chains.get(link.chain);
    const before = known?.end ?? endFound(this.run(link.findEnd(), group).rows);
    const end = link.placeBehind(before);
    this.run(link.entry(), group);
    group.chains.set(link.chain, { found: known?.found ?? before, end, last: link });
  }

  /**
   * Leaves some of the work of a change of this group, which has the turn, to the end of the group. The first of them,
   * which may stay the only one, does it by itself.
   */
  leave(work: GroupWork, group: Group): void {
    if (group.changes === 1 || group.left.has(work)) return;
    this.run(CompiledQuery.raw(work.begin), group);
    group.left.add(work);
  }

  /** Ends the change, and resolves once it is stored. */
  async commit(group: Group): Promise<void> {
    this.#end(group, group.hasSavepoints ? `release ${CHANGE}` : null);
    await group.stored;
  }

  /**
   * Takes the change back. What led to that may be what others have written of its group, so it is told no sooner than
   * these are.
   * @throws GroupRefusedError where these are taken back as well: then all are to be made again
   */
  async rollback(group: Group): Promise<void> {
    this.#savepointsUntil = performance.now() + SAVEPOINTS_MS;
    if (!group.hasSavepoints) return this.#takeAllBack(group);
    group.chains = group.chainsBefore;
    this.#end(group, `rollback to ${CHANGE}; release ${CHANGE}`);
    await group.stored.catch(() => undefined);
  }

  /** Runs one statement that is a change by itself. */
  async change<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    for (;;)
      try {
        return await this.#tryChange<Row>(query);
      } catch (error) {
        if (!(error instanceof GroupRefusedError)) throw error;
      }
  }

  async #tryChange<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const group = await this.begin();
    let result: QueryResult<Row>;
    try {
      result = this.run<Row>(query, group);
    } catch (error) {
      // it has done nothing, but what it was refused by may be of its group, and not be stored yet
      await this.commit(group);
      throw error;
    }
    await this.commit(group);
    return result;
  }

  /** Runs a statement in no transaction: a read, or one that would not run in any. */
  async alone<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return this.whileIdle(() => untilFree(() => this.#file.run<Row>(query)));
  }

  /** Does something while no change has begun that is not stored. */
  async whileIdle<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn.take();
    try {
      if (this.#group) this.#commit(this.#group);
      return await work();
    } finally {
      this.#turn.give();
    }
  }

  /** Waits for the running change, stores what is not stored yet, and lets nobody write any more. */
  async close(): Promise<void> {
    await this.#turn.take();
    if (this.#group) this.#commit(this.#group);
  }

  async #enter(): Promise<Group> {
    await this.#turn.take();
    try {
      if (this.#group === undefined) {
        await untilFree(() => this.#file.execute('begin immediate'));
        this.#group = new Group(performance.now() < this.#savepointsUntil);
      }
      this.#group.changes += 1;
      return this.#group;
    } catch (error) {
      this.#turn.give();
      throw error;
    }
  }

  #end(group: Group, sql: string | null): void {
    try {
      if (sql !== null && this.#group === group) this.#file.execute(sql);
    } catch (error) {
      this.#lose(error);
    } finally {
      this.#leave();
    }
  }

  #takeAllBack(group: Group): void {
    const refusal = new GroupRefusedError('one of them was taken back');
    const isOpen = this.#group === group;
    if (isOpen) this.#lose(refusal);
    this.#leave();
    // by itself it has failed by what is stored
    if (isOpen && group.changes > 1) throw refusal;
  }

  #leave(): void {
    const group = this.#group;
    if (group && this.#isFull(group)) this.#commit(group);
    else if (group && !this.#turn.isWanted) this.#commitSoon(group, this.isSlow ? TURNS.slow : TURNS.quick);
    this.#turn.give();
  }

  #commitSoon(group: Group, turns: number): void {
    setImmediate(() => {
      // whoever has the turn by now leaves it later
      if (this.#group !== group || this.#turn.isTaken) return;
      if (turns > 1) this.#commitSoon(group, turns - 1);
      else this.#commit(group);
    });
  }

  #isFull({ since, changes }: Group): boolean {
    const now = performance.now();
    return !this.#shares || now < this.#aloneUntil || now - since >= GROUP_MS || changes >= MOST_IN_GROUP;
  }

  #commit(group: Group): void {
    this.#group = undefined;
    try {
      for (const { end } of group.left) for (const sql of end) this.#file.run(CompiledQuery.raw(sql));
      for (const { found, last } of group.chains.values()) this.#file.run(last.moveEnd(found));
      const began = performance.now();
      this.#file.execute('commit');
      this.noteCommit(performance.now() - began);
      group.store();
    } catch (error) {
      group.fail(this.#refusal(error, group));
      this.#takeBack();
    }
  }

  /** Some constraints are judged by COMMIT alone, which does not say whose change violates them. */
  #refusal(error: unknown, { changes }: Group): unknown {
    const isJudged = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_CONSTRAINT');
    if (!isJudged || changes === 1) return error;
    this.#aloneUntil = performance.now() + ALONE_MS;
    return new GroupRefusedError(error);
  }

  /** Nothing of the group is stored. */
  #lose(error: unknown): void {
    const group = this.#group;
    this.#group = undefined;
    group?.fail(error);
    this.#takeBack();
  }

  #takeBack(): void {
    if (this.#file.inTransaction) this.#file.execute('rollback');
  }
}

function lost(): Error {
  return new Error('SQLite has rolled the transaction back');
}

/** Does what takes the write lock, again and again for 5 s while another process has it. */
async function untilFree<T>(work: () => T): Promise<T> {
  const giveUpAt = performance.now() + BUSY_TIMEOUT_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, MAX_BUSY_PAUSE_MS)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > giveUpAt) throw error;
    }
    await sleep(pause);
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** The writer's turn, which is given first come, first served. */
class Turn {
  isTaken = false;
  readonly #waiting: (() => void)[] = [];

  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  async take(): Promise<void> {
    if (!this.isTaken) {
      this.isTaken = true;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.isTaken = false;
  }
}
