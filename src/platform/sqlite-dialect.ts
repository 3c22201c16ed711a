import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

/** How long another process's lock is waited for, and the longest pause between two tries. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_BUSY_PAUSE_MS = 25;
/** How many prepared statements a connection keeps. */
const MAX_CACHED_STATEMENTS = 500;

export interface SqliteDialectOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
}

/**
 * Kysely on better-sqlite3. One connection writes, one statement or transaction at a time, in the order of asking.
 * Another one reads what is committed, so that a list neither waits for a change nor sees half of one. (A database in
 * memory has one connection for both.)
 */
export function openSqliteDialect(options: SqliteDialectOptions): Dialect {
  return {
    createDriver: () => new SqliteFileDriver(options),
    createAdapter: () => new TransactionalDdlAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** SQLite can roll back a CREATE TABLE, so a migration that fails or is killed half way leaves nothing. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /** Kysely need not queue what it asks, for the driver keeps the order of writers itself. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteFileDriver implements Driver {
  readonly #options: SqliteDialectOptions;
  #files: SqliteFiles | undefined;

  constructor(options: SqliteDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    this.#files = openFiles(this.#options.path);
  }

  async acquireConnection(): Promise<SqliteConnection> {
    if (!this.#files) throw new Error('The database is closed');
    return new SqliteConnection(this.#files);
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    own(connection).rollback();
  }

  async releaseConnection(): Promise<void> {
    // nothing is held outside of a transaction
  }

  async destroy(): Promise<void> {
    const files = this.#files;
    if (!files) return;
    await files.turn.take();
    this.#files = undefined;
    if (files.reader !== files.writer) files.reader.close();
    files.writer.close();
    files.turn.give();
  }
}

function own(connection: DatabaseConnection): SqliteConnection {
  if (!(connection instanceof SqliteConnection)) throw new Error('Not a connection of this driver');
  return connection;
}

/**
 * What an asker holds: its single statements go to the reader or, in turn, to the writer; its transaction keeps the
 * turn to the end.
 */
class SqliteConnection implements DatabaseConnection {
  readonly #files: SqliteFiles;
  #inTransaction = false;

  constructor(files: SqliteFiles) {
    this.#files = files;
  }

  async begin(): Promise<void> {
    await this.#files.turn.take();
    try {
      await untilFree(() => this.#files.writer.execute('begin immediate'));
      this.#inTransaction = true;
    } catch (error) {
      this.#files.turn.give();
      throw error;
    }
  }

  commit(): void {
    this.#files.writer.execute('commit');
    this.#end();
  }

  rollback(): void {
    if (!this.#inTransaction) return;
    try {
      // SQLite may have rolled it back already, after a full disk for example
      if (this.#files.writer.inTransaction) this.#files.writer.execute('rollback');
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#inTransaction = false;
    this.#files.turn.give();
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const { writer, reader, turn } = this.#files;
    if (this.#inTransaction) {
      if (!writer.inTransaction) throw new Error('SQLite has rolled the transaction back');
      return writer.run<Row>(query);
    }
    if (reader !== writer && reader.onlyReads(query.sql)) return reader.run<Row>(query);
    await turn.take();
    try {
      return await untilFree(() => writer.run<Row>(query));
    } finally {
      turn.give();
    }
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Read SQLite in pages: it does not stream');
  }
}

interface SqliteFiles {
  readonly writer: SqliteFile;
  readonly reader: SqliteFile;
  readonly turn: Turn;
}

function openFiles(path: string): SqliteFiles {
  if (path === ':memory:') {
    const file = new SqliteFile(new Sqlite(':memory:'));
    return { writer: file, reader: file, turn: new Turn() };
  }
  mkdirSync(dirname(resolve(path)), { recursive: true, mode: 0o700 });
  // it is made before SQLite makes it, for its mode; the -wal and -shm files take theirs from it
  closeSync(openSync(path, 'a', 0o600));
  const writer = new SqliteFile(new Sqlite(path, { timeout: BUSY_TIMEOUT_MS }));
  writer.execute('pragma journal_mode = WAL');
  // from here on untilFree waits for another process's turn, which does not hold the event loop
  writer.execute('pragma busy_timeout = 0');
  return {
    writer,
    reader: new SqliteFile(new Sqlite(path, { readonly: true, timeout: BUSY_TIMEOUT_MS })),
    turn: new Turn(),
  };
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

/** One better-sqlite3 connection with its prepared statements. */
class SqliteFile {
  readonly #handle: Sqlite.Database;
  readonly #statements = new Map<string, Sqlite.Statement<unknown[]>>();

  constructor(handle: Sqlite.Database) {
    handle.pragma('synchronous = FULL');
    handle.pragma('foreign_keys = ON');
    // deleted bytes are overwritten, so that no secret stays in free pages
    handle.pragma('secure_delete = ON');
    this.#handle = handle;
  }

  get inTransaction(): boolean {
    return this.#handle.inTransaction;
  }

  execute(sql: string): void {
    this.#handle.exec(sql);
  }

  onlyReads(sql: string): boolean {
    return /^select\b/i.test(sql) || (/^with\b/i.test(sql) && this.#prepare(sql).readonly);
  }

  run<Row>({ sql, parameters }: CompiledQuery): QueryResult<Row> {
    const statement = this.#prepare(sql);
    if (statement.reader) return { rows: statement.all(...parameters) as Row[] };
    const { changes } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  #prepare(sql: string): Sqlite.Statement<unknown[]> {
    const known = this.#statements.get(sql);
    if (known) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const statement = this.#handle.prepare<unknown[]>(sql);
    if (/^(select|insert|update|delete|with)\b/i.test(sql)) this.#remember(sql, statement);
    return statement;
  }

  #remember(sql: string, statement: Sqlite.Statement<unknown[]>): void {
    this.#statements.set(sql, statement);
    if (this.#statements.size <= MAX_CACHED_STATEMENTS) return;
    const [oldest] = this.#statements.keys();
    if (oldest !== undefined) this.#statements.delete(oldest);
  }

  close(): void {
    this.#statements.clear();
    this.#handle.close();
  }
}

/** The writer's turn, which is given first come, first served. */
class Turn {
  #taken = false;
  readonly #waiting: (() => void)[] = [];

  async take(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }
}
