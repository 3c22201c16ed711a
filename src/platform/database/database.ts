import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Expression,
  expressionBuilder,
  Kysely,
  type LogEvent,
  type QueryResult,
  type SqlBool,
  sql,
  type Transaction,
} from 'kysely';
import type { PostgresDriverParts } from '../postgres/dialect.ts';
import type { DatabasePlace, OnDatabasePeer } from '../postgres/peers.ts';
import { openSqliteDialect, type SqliteDriverParts } from '../sqlite/dialect.ts';
import { WriteAheadLog } from '../sqlite/write-ahead-log.ts';
import type { GroupWork } from '../sqlite/writer.ts';
import { type Doorbell, doorbellChannel, LocalDoorbell } from '../streams/doorbell.ts';
import { DatabaseClock } from './clock.ts';
import { DatabaseUnavailableError, explainDatabaseError, isTransactionConflict } from './errors.ts';
import { guardDialect, innerConnection } from './guarded-dialect.ts';
import { keptOf, type PlaceOf, PreparedStatements } from './prepared-statements.ts';
import type { Tables } from './tables.ts';

export type { DatabasePlace } from '../postgres/peers.ts';
export type { GroupWork } from '../sqlite/writer.ts';
export { DatabaseUnavailableError, isForeignKeyViolation, isUniqueViolation } from './errors.ts';

/**
 * What each database calls the function that finds a text within another: it counts from 1 on, and gives 0 when it is
 * not there.
 */
export const positionFunction = { sqlite: 'instr', postgres: 'strpos' } as const;

/** `datastores.id` and its like: each column of each table that holds a `Value`. */
export type ColumnOf<Value> = {
  [Table in keyof Tables]: {
    [Column in keyof Tables[Table]]: Value extends Tables[Table][Column] ? `${Table}.${Column & string}` : never;
  }[keyof Tables[Table]];
}[keyof Tables];

/**
 * The condition that a column holds one of the values; with no values nothing does, where `in ()` would be no SQL on
 * Postgres.
 */
export function isOneOf(column: ColumnOf<string>, values: readonly string[]): Expression<SqlBool> {
  if (values.length === 0) return sql<SqlBool>`false`;
  // a list may name the same value more often than a statement takes parameters
  const distinct = [...new Set(values)];
  return expressionBuilder<Tables>()(sql.ref<string>(column), 'in', distinct);
}

/**
 * The same for a query that finds its rows by something else: no index serves this condition, where SQLite might take
 * one that has the rows in another order, or more of them.
 */
export function isAlsoOneOf(column: ColumnOf<string>, values: readonly string[]): Expression<SqlBool> {
  return values.length === 0
    ? sql<SqlBool>`false`
    : sql<SqlBool>`${unsought(column)} in (${sql.join([...new Set(values)])})`;
}

/** A column by which nothing is sought: SQLite would make a join of `exists` as well, and begin at its other table. */
export function unsought(column: ColumnOf<string>): Expression<string> {
  return sql<string>`(${sql.ref(column)} || '')`;
}

/** The condition that a column holds one of many values, which are one parameter however many there are. */
export function isOneOfMany(
  kind: Database['kind'],
  column: ColumnOf<string>,
  values: readonly string[],
): Expression<SqlBool> {
  return kind === 'postgres'
    ? sql<SqlBool>`${sql.ref(column)} = any(${[...values]}::text[])`
    : sql<SqlBool>`${sql.ref(column)} in (select value from json_each(${JSON.stringify(values)}))`;
}

/** The end of a chain of the journal. */
export interface JournalHead {
  /** '' for the gateway's own chain. */
  readonly environmentId: string;
  readonly sequence: number;
  readonly mac: string;
}

/**
 * Runs a statement without waiting for anything, which Kysely does several times for each; undefined where that cannot
 * be. It throws what `query` rejects with.
 */
export type RunsAtOnce = <Row>(statement: CompiledQuery) => QueryResult<Row> | undefined;

/** What a piece of work gets inside of its transaction. */
export interface Change {
  readonly kind: Database['kind'];
  readonly clock: DatabaseClock;
  readonly query: Transaction<Tables>;
  /** SQLite can; Postgres where nobody waits for it, for it goes with the next statement. */
  readonly runAtOnce: RunsAtOnce;
  /** Leaves some work to the end of the changes that share a COMMIT with this one: on SQLite, where there are any. */
  leave(work: GroupWork): void;
  /** Rings the doorbell of a topic once the change is stored; never when it is not. At most 1,000 characters. */
  ring(topic: string): void;
  /** Calls something once the change is stored, before anybody is rung; never when it is not. It must not throw. */
  onStored(listener: () => void): void;
  /** Says that the change has made a chain of the journal longer, which is told once it is stored. */
  journaled(head: JournalHead): void;
  /** Says that the change removes secrets: once it is stored, they are soon taken out of SQLite's files too. */
  erases(): void;
}

export interface DatabaseOptions {
  /** `sqlite:PATH`, `sqlite::memory:`, `postgres://…` or `postgresql://…`. */
  readonly url: string;
  /** Rung in process by SQLite; Postgres rings every replica's by NOTIFY. */
  readonly doorbell: Doorbell;
  /** Sees each statement but those that begin and end transactions, so that a test can count and explain them. */
  readonly onStatement?: OnStatement;
  readonly onPeer?: OnDatabasePeer;
  /** Told when a chain of the journal has got longer by what is stored. */
  readonly onJournaled?: (head: JournalHead) => void;
  /** Told when the thread has ended that stores changes on SQLite, or could not be started: it goes on without. */
  readonly onThreadEnd?: (error: unknown) => void;
  /** Told once when the database cannot do its work any more, and once when something could be written again. */
  readonly onAvailability?: (change: AvailabilityChange) => void;
}

/** Told of a statement when it has run, and how many milliseconds it took. */
export type OnStatement = (sql: string, parameters: readonly unknown[], ms: number) => void;

/** The connections of a pool, and the statements that wait for one. */
export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

/** The database went away, or came back after some milliseconds. */
export type AvailabilityChange =
  | { readonly available: false; readonly error: unknown }
  | { readonly available: true; readonly awayMs: number };

/**
 * What a database URL points at. Throws an Error that says which forms there are, without the URL, which may hold a
 * password.
 */
export function parseDatabaseUrl(url: string): { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string } {
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgres', url };
  const path = /^sqlite:(?!\/\/)(.+)$/s.exec(url)?.[1];
  if (path) return { kind: 'sqlite', path };
  throw new Error(
    'The database URL must be sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/DATABASE',
  );
}

/**
 * The doorbell that goes with a database: within this process for SQLite, over all replicas for Postgres. It is opened
 * first and closed last.
 */
export async function openDoorbell(url: string, onPeer?: OnDatabasePeer): Promise<Doorbell> {
  const place = parseDatabaseUrl(url);
  if (place.kind === 'sqlite') return new LocalDoorbell();
  const { PostgresDoorbell } = await import('../postgres/doorbell.ts');
  return await PostgresDoorbell.open({ url: place.url, onPeer });
}

/** Where the driver will look for the database, before it has; undefined for SQLite. */
export async function databasePlace(url: string): Promise<DatabasePlace | undefined> {
  const place = parseDatabaseUrl(url);
  if (place.kind === 'sqlite') return undefined;
  const { placeOfPostgresUrl } = await import('../postgres/peers.ts');
  return placeOfPostgresUrl(place.url);
}

/** A database URL as it may be shown: without the password and the parameters, which may hold one. */
export function shownDatabaseUrl(url: string): string {
  if (!/^postgres(ql)?:/.test(url)) return url;
  if (!URL.canParse(url)) return 'postgres://…';
  return Object.assign(new URL(url), { password: '', search: '', hash: '' }).href;
}

/** Open while a change's work runs: whoever then asks the database itself would wait for its own transaction. */
interface ChangeScope {
  open: boolean;
}

interface DatabaseParts {
  readonly scopes: AsyncLocalStorage<ChangeScope>;
  readonly availability: Availability;
  readonly driver: DriverParts;
  readonly beforeAcquire: () => void;
}

/** What either driver has, and some of what one of them has. */
type DriverParts = (
  | Pick<SqliteDriverParts, 'dialect' | 'runAtOnce'>
  | Pick<PostgresDriverParts, 'dialect' | 'runAtOnce'>
) &
  Partial<Omit<SqliteDriverParts & PostgresDriverParts, 'dialect' | 'runAtOnce'>>;

/** How long the database may take to answer whether it is there. */
const ANSWER_TIMEOUT_MS = 3_000;
/** How long it takes between two looks at whether a database that is away is back. */
const RECHECK_MS = 1_000;
const WRITABLE_KEY = 'writable_at';
/** How often a change is tried that conflicts with another one, and the longest pause before the second try. */
const MAX_ATTEMPTS = 3;
const CONFLICT_PAUSE_MS = 20;
/** The longest topic, in characters; NOTIFY takes 8,000 bytes. */
const MAX_TOPIC = 1_000;

/**
 * Whether the database can do its work. While it cannot, it is asked every second, so that its return is noticed
 * without a request.
 */
class Availability {
  readonly #onChange: DatabaseOptions['onAvailability'];
  #awaySince: number | undefined;
  #recheck: NodeJS.Timeout | undefined;
  #check: (() => Promise<void>) | undefined;

  constructor(onChange: DatabaseOptions['onAvailability']) {
    this.#onChange = onChange;
  }

  /** From now on changes are told, and a database that is away is asked again. */
  watch(check: () => Promise<void>): void {
    this.#check = check;
  }

  lost(error: DatabaseUnavailableError): void {
    // a conflict of two transactions says nothing about the database
    if (!this.#check || this.#awaySince !== undefined || isTransactionConflict(error)) return;
    this.#awaySince = performance.now();
    this.#onChange?.({ available: false, error: error.cause });
    this.#recheckLater();
  }

  restored(): void {
    if (this.#awaySince === undefined) return;
    const awayMs = Math.round(performance.now() - this.#awaySince);
    this.#awaySince = undefined;
    clearTimeout(this.#recheck);
    this.#onChange?.({ available: true, awayMs });
  }

  close(): void {
    this.#check = undefined;
    clearTimeout(this.#recheck);
  }

  #recheckLater(): void {
    this.#recheck = setTimeout(() => {
      // a success is told by restored(); a failure has been told already
      void this.#check?.().catch(() => this.#awaySince !== undefined && this.#recheckLater());
    }, RECHECK_MS).unref();
  }
}

/** The gateway's own database. What it cannot do because of itself rejects with DatabaseUnavailableError. */
export class Database {
  readonly kind: 'sqlite' | 'postgres';
  /** Single statements, each by itself. Inside of change() use the change's own query: this one throws there. */
  readonly query: Kysely<Tables>;
  /** Its time, which all its processes have in common. */
  readonly clock: DatabaseClock;
  readonly #doorbell: Doorbell;
  readonly #scopes: AsyncLocalStorage<ChangeScope>;
  readonly #availability: Availability;
  readonly #driver: DriverParts;
  readonly #beforeAcquire: () => void;
  readonly #onStatement: DatabaseOptions['onStatement'];
  readonly #log: WriteAheadLog | undefined;
  readonly #onJournaled: DatabaseOptions['onJournaled'];

  private constructor(
    kind: Database['kind'],
    query: Kysely<Tables>,
    { doorbell, onJournaled, onStatement }: DatabaseOptions,
    { scopes, availability, driver, beforeAcquire }: DatabaseParts,
  ) {
    this.kind = kind;
    this.query = query;
    this.#doorbell = doorbell;
    this.#scopes = scopes;
    this.#availability = availability;
    this.#driver = driver;
    this.#beforeAcquire = beforeAcquire;
    this.#onStatement = onStatement;
    this.#onJournaled = onJournaled;
    this.#log = kind === 'sqlite' ? new WriteAheadLog(query) : undefined;
    this.clock = new DatabaseClock(kind === 'postgres' ? () => readClock(query) : null);
  }

  /**
   * Opens the database, making a SQLite file (0600) and its directory (0700) when they are missing. Rejects when it
   * does not answer.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const place = parseDatabaseUrl(options.url);
    const scopes = new AsyncLocalStorage<ChangeScope>();
    const beforeAcquire = () => {
      if (scopes.getStore()?.open) throw new Error('Inside of a change use its own query, never the database');
    };
    const availability = new Availability(options.onAvailability);
    const { onPeer } = options;
    const driver: DriverParts =
      place.kind === 'sqlite'
        ? openSqliteDialect({ path: place.path, onThreadEnd: (error) => options.onThreadEnd?.(error) })
        : (await import('../postgres/dialect.ts')).openPostgresDialect({ url: place.url, onPeer });
    const dialect = guardDialect(driver.dialect, {
      beforeAcquire,
      onUnavailable: (error) => availability.lost(error),
      onWritten: () => availability.restored(),
    });
    const query = new Kysely<Tables>({ dialect, log: options.onStatement && statementLog(options.onStatement) });
    const database = new Database(place.kind, query, options, { scopes, availability, driver, beforeAcquire });
    try {
      await (place.kind === 'postgres' ? requireUtf8(query) : database.ping());
      await database.clock.start();
    } catch (error) {
      await database.close();
      // at the start the operator reads the database's own words
      throw error instanceof DatabaseUnavailableError ? error.cause : error;
    }
    availability.watch(() => database.checkWritable());
    return database;
  }

  /** Runs a `select` by itself, as RunsAtOnce has it: SQLite in a file can. */
  runAtOnce<Row>(statement: CompiledQuery): QueryResult<Row> | undefined {
    const { readAtOnce } = this.#driver;
    if (!readAtOnce || statement.query.kind !== 'SelectQueryNode') return undefined;
    this.#beforeAcquire();
    return this.#atOnce<Row>(readAtOnce, statement);
  }

  #atOnce<Row>(run: RunsAtOnce, statement: CompiledQuery): QueryResult<Row> | undefined {
    const started = performance.now();
    try {
      const result = run<Row>(statement);
      if (result) this.#onStatement?.(statement.sql, statement.parameters, performance.now() - started);
      return result;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Reads by a short kept statement without the promises that Kysely makes for a connection: Postgres can. */
  readShort<Row>(statement: CompiledQuery): Promise<QueryResult<Row>> | undefined {
    const { readShort } = this.#driver;
    if (!readShort || !keptOf(statement).isShort) return undefined;
    this.#beforeAcquire();
    const started = performance.now();
    return readShort<Row>(statement).then(
      (result) => {
        this.#onStatement?.(statement.sql, statement.parameters, performance.now() - started);
        return result;
      },
      (error) => {
        throw this.#explained(error);
      },
    );
  }

  #explained(error: unknown): unknown {
    const explained = explainDatabaseError(error);
    if (explained instanceof DatabaseUnavailableError) this.#availability.lost(explained);
    return explained;
  }

  /**
   * From now on statements are short ones; migrations come before. One that Postgres has not answered within 30 s
   * breaks its connection, as one that it lost; SQLite keeps in memory what a change may have to take back.
   */
  expectShortStatements(): void {
    this.#driver.boundSilence?.();
    this.#driver.keepTemporaryInMemory?.();
  }

  /** The connections of this process; undefined for SQLite, which has one. */
  connections(): PoolCounts | undefined {
    const { pool } = this.#driver;
    if (pool === undefined) return undefined;
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = pool;
    return { total, idle, waiting };
  }

  /**
   * Does the work in one transaction: all of it is stored, or nothing when it throws. Rings go out after the commit. On
   * SQLite one change runs at a time; on Postgres (read committed) a deadlock or serialization failure runs the work
   * again, up to 3 times, so it must have no effects of its own. A DatabaseUnavailableError means that nothing was
   * stored, but when the connection broke during the commit: then the caller has to look.
   */
  async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(work);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isTransactionConflict(error)) throw error;
        await sleep(Math.random() * CONFLICT_PAUSE_MS * attempt);
      }
    }
  }

  async #attempt<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const topics = new Set<string>();
    const scope: ChangeScope = { open: true };
    const listeners: (() => void)[] = [];
    const onStored = (listener: () => void) => {
      listeners.push(listener);
    };
    // an entry may get another place before it is stored
    const heads = new Map<string, JournalHead>();
    const journaled = (head: JournalHead) => {
      heads.set(head.environmentId, head);
    };
    let isErasure = false;
    const erases = () => {
      isErasure = true;
    };
    const ring = (topic: string) => {
      if (topic.length > MAX_TOPIC) throw new Error('A topic is an id, nothing longer');
      topics.add(topic);
    };
    const requireOpen = () => {
      if (!scope.open) throw new Error('The change is over');
    };
    const driver = this.#driver;
    let connection: DatabaseConnection;
    const runAtOnce: RunsAtOnce = (statement) => {
      requireOpen();
      return this.#atOnce((query) => driver.runAtOnce(connection, query), statement);
    };
    const leave = (work: GroupWork) => {
      requireOpen();
      driver.leave?.(connection, work);
    };
    try {
      const transaction = this.query.transaction();
      const started = this.kind === 'postgres' ? transaction.setIsolationLevel('read committed') : transaction;
      const result = await started.execute(async (query) => {
        // asked for once, where Kysely would ask for it with each statement
        connection = await query.getExecutor().provideConnection(async (one) => innerConnection(one));
        const done = await this.#scopes.run(scope, () =>
          work({
            kind: this.kind,
            clock: this.clock,
            ...{ query, runAtOnce, leave, ring, onStored, journaled, erases },
          }),
        );
        if (this.kind === 'postgres' && topics.size > 0) await notify(query, runAtOnce, topics);
        return done;
      });
      for (const listener of listeners) listener();
      if (this.kind === 'sqlite') for (const topic of topics) this.#doorbell.ring(topic);
      for (const head of heads.values()) this.#onJournaled?.(head);
      if (isErasure) this.#log?.emptySoon();
      return result;
    } finally {
      scope.open = false;
    }
  }

  /** Rejects when the database does not answer within 3 s. */
  async ping(): Promise<void> {
    const statement = this.kind === 'sqlite' ? sql`select count(*) from sqlite_master` : sql`select 1`;
    await answered(statement.execute(this.query));
  }

  /** Writes a row of its own. Rejects when nothing can be written, or not within 3 s. Needs the migrated tables. */
  async checkWritable(): Promise<void> {
    const value = this.clock.timestamp();
    await answered(
      this.query
        .insertInto('settings')
        .values({ key: WRITABLE_KEY, value })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
        .execute(),
    );
  }

  /** Waits for the running change, then closes. */
  async close(): Promise<void> {
    this.clock.stop();
    this.#availability.close();
    await this.#log?.close();
    await this.query.destroy();
  }
}

/** What a statement gives, within 3 s. */
async function answered<T>(statement: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const error = new Error(`The database did not answer within ${ANSWER_TIMEOUT_MS} ms`);
    timer = setTimeout(() => reject(new DatabaseUnavailableError(error)), ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([statement, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

const rings = new PreparedStatements<readonly string[]>();

/** Rings as part of the transaction, since Postgres delivers at commit; one statement rings all topics. */
async function notify(query: Transaction<Tables>, runAtOnce: RunsAtOnce, topics: ReadonlySet<string>): Promise<void> {
  const ring = (place: PlaceOf<readonly string[]>) => {
    const all = place((values) => values);
    const rung = sql`select pg_notify(${doorbellChannel}, topic) from unnest(${all}::text[]) as topic`;
    return { compile: () => rung.compile(query) };
  };
  const statement = { ...rings.of('postgres', '', ring, [...topics]), isDeferred: true, isRing: true };
  if (!runAtOnce(statement)) await query.executeQuery(statement);
}

async function requireUtf8(query: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ encoding: string }>`select current_setting('server_encoding') as encoding`.execute(
    query,
  );
  if (rows[0]?.encoding !== 'UTF8') throw new Error('The Postgres database must have the encoding UTF8');
}

const CLOCK = sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`;

async function readClock(query: Kysely<Tables>): Promise<number> {
  const { rows } = await CLOCK.execute(query);
  if (rows[0] === undefined) throw new Error('The database does not say what time it is');
  return rows[0].now;
}

/** Statements that come by themselves, or with any piece of work, tell nothing of it. */
const UNTOLD = /^(begin|start transaction|commit|rollback|select \(extract\(epoch from clock_timestamp)\b/;

function statementLog(onStatement: OnStatement): (event: LogEvent) => void {
  return ({ level, query, queryDurationMillis: ms }) => {
    if (level === 'query' && !UNTOLD.test(query.sql)) onStatement(query.sql, query.parameters, ms);
  };
}
