import { setImmediate as turnOfLoop } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { CompiledQuery } from 'kysely';
import { DatabaseUnavailableError, explainDatabaseError } from '../database/errors.ts';
import { keptOf } from '../database/prepared-statements.ts';
import { type ChainLink, endFound, linksPlaced } from '../journal/chain-link.ts';
import type { SqliteFile } from './file.ts';
import { StoringThread } from './thread.ts';
import type { Step, ThreadData, ThreadGroup, ThreadRefused, ThreadStored } from './thread-group.ts';
import { BUSY_TIMEOUT_MS, type GroupWork, type SqliteWriter } from './writer.ts';

/** How many changes one COMMIT stores. */
const MOST_TOGETHER = 100;
/** For how long no thread is started after one has ended by itself. */
const START_AGAIN_MS = 10_000;

/** A change of which nothing has been done yet, for it waits for no answer. */
export interface DeferredChange {
  readonly works: ReadonlySet<GroupWork>;
  readonly statements: readonly CompiledQuery[];
  readonly links: readonly ChainLink[];
}

/** One that waits to be stored. */
interface Waiting extends DeferredChange {
  /** Says whether it was stored. */
  readonly tell: (isStored: boolean) => void;
  readonly fail: (error: unknown) => void;
}

export interface DeferredChangesOptions extends Pick<ThreadData, 'path' | 'id'> {
  readonly writer: SqliteWriter;
  /** Reads where chains end. */
  readonly reader: SqliteFile;
  readonly onThreadEnd: (error: unknown) => void;
}

/**
 * Stores changes that wait for no answer in a thread, many by one COMMIT, so that the event loop goes on meanwhile. The
 * thread has the writer's turn for as long as that takes. What is refused is made again by itself, by the writer, which
 * says in SQLite's own words why. So is a change that nobody waits beside, where the disk is quick: the way to the
 * thread and back takes longer than its COMMIT.
 */
export class DeferredChanges {
  readonly #options: DeferredChangesOptions;
  readonly #waiting: Waiting[] = [];
  #isServing = false;
  #thread: StoringThread | undefined;
  #isClosed = false;
  #startsFrom = 0;

  constructor(options: DeferredChangesOptions) {
    this.#options = options;
  }

  /**
   * Stores a change together with others.
   * @returns false when it has to be stored by itself. It rejects when the database cannot do its work.
   */
  store(change: DeferredChange): Promise<boolean> {
    return new Promise((tell, fail) => {
      this.#waiting.push({ ...change, tell, fail });
      if (!this.#isServing) void this.#serve();
    });
  }

  /** Stores what waits, until nothing does. */
  async #serve(): Promise<void> {
    this.#isServing = true;
    await turnOfLoop();
    while (this.#waiting.length > 0) {
      const thread = this.#waiting.length > 1 || this.#options.writer.isSlow ? this.#readyThread() : undefined;
      if (thread) await this.#options.writer.whileIdle(() => this.#storeSome(thread));
      else for (const { tell } of this.#waiting.splice(0)) tell(false);
    }
    this.#isServing = false;
  }

  /** The thread, once it is ready: it is started when it is asked for. */
  #readyThread(): StoringThread | undefined {
    const { path, id, onThreadEnd } = this.#options;
    if (!this.#thread && performance.now() >= this.#startsFrom)
      this.#thread = new StoringThread({ path, id, busyMs: BUSY_TIMEOUT_MS }, (error) => {
        if (this.#isClosed) return;
        this.#thread = undefined;
        this.#startsFrom = performance.now() + START_AGAIN_MS;
        onThreadEnd(error);
      });
    return this.#thread?.isReady ? this.#thread : undefined;
  }

  async #storeSome(thread: StoringThread): Promise<void> {
    // it may have ended before the turn came
    if (!thread.isReady) return;
    const changes = this.#take();
    try {
      const tasks = tasksOf(changes, this.#options.reader);
      const answer = await thread.store(threadGroupOf(tasks));
      if (answer.isStored) this.#tellStored(changes, tasks, answer);
      else this.#tellRefused(changes, tasks, answer);
    } catch (error) {
      for (const { fail } of changes) fail(error);
    }
  }

  /** Takes what is stored next: of two changes of a row the second would find another version than it has read. */
  #take(): Waiting[] {
    const subjects = new Set<string>();
    const taken: Waiting[] = [];
    for (const change of this.#waiting.splice(0)) {
      const own = change.links.map(({ subject }) => subject);
      if (taken.length < MOST_TOGETHER && !own.some((one) => subjects.has(one))) taken.push(change);
      else this.#waiting.push(change);
      for (const one of own) subjects.add(one);
    }
    return taken;
  }

  #tellStored(changes: readonly Waiting[], tasks: readonly Task[], { counts, commitMs }: ThreadStored): void {
    this.#options.writer.noteCommit(commitMs);
    for (const [at, { query }] of tasks.entries()) if (counts[at]) keptOf(query).onWritten?.();
    for (const { tell } of changes) tell(true);
  }

  #tellRefused(changes: readonly Waiting[], tasks: readonly Task[], { step, message, code }: ThreadRefused): void {
    const error = new Sqlite.SqliteError(message, code);
    if (explainDatabaseError(error) instanceof DatabaseUnavailableError) throw error;
    const refused = tasks[step]?.change;
    // the others are not at fault, as far as anybody knows
    if (refused) this.#waiting.unshift(...changes.filter((one) => one !== refused));
    for (const { tell } of refused ? [refused] : changes) tell(false);
  }

  /** Ends the thread; nothing waits any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.close();
  }
}

/** A statement of a group. */
interface Task {
  readonly query: CompiledQuery;
  /** Whose it is, where it is one change's. */
  readonly change?: Waiting;
}

/** What stores some changes, in this order. */
function tasksOf(changes: readonly Waiting[], reader: SqliteFile): Task[] {
  const works = sharedWorks(changes);
  const links = changes.flatMap((change) => change.links.map((link) => ({ link, change })));
  return [
    ...works.map(({ begin }) => ({ query: CompiledQuery.raw(begin) })),
    ...changes.flatMap((change) => change.statements.map((query) => ({ query, change }))),
    ...works.flatMap(({ end }) => end.map((sql) => ({ query: CompiledQuery.raw(sql) }))),
    ...[...Map.groupBy(links, ({ link }) => link.chain).values()].flatMap((ofChain) => tasksOfChain(ofChain, reader)),
  ];
}

/** What makes a chain longer, where it still ends where the reader finds its end. */
function tasksOfChain(
  links: readonly { readonly link: ChainLink; readonly change: Waiting }[],
  reader: SqliteFile,
): Task[] {
  const found = endFound(links.slice(0, 1).flatMap(({ link }) => reader.run(link.findEnd()).rows));
  const { entries, moves } = linksPlaced(
    links.map(({ link }) => link),
    found,
  );
  return [
    ...links.map(({ change }, at) => ({ query: entries[at] as CompiledQuery, change })),
    ...moves.map((query) => ({ query })),
  ];
}

/** The same as a thread gets it, which needs each text once. */
function threadGroupOf(tasks: readonly Task[]): ThreadGroup {
  const texts = new Map<string, number>();
  const steps = tasks.map(({ query }): Step => {
    const text = texts.get(query.sql) ?? texts.size;
    texts.set(query.sql, text);
    return [text, query.parameters, keptOf(query).orElse !== undefined];
  });
  return { texts: [...texts.keys()], steps };
}

/** What several changes leave to the end: one alone does it by itself. */
function sharedWorks(changes: readonly DeferredChange[]): GroupWork[] {
  const works = Map.groupBy(
    changes.flatMap((change) => [...change.works]),
    (work) => work,
  );
  return [...works].flatMap(([work, all]) => (all.length > 1 ? [work] : []));
}
