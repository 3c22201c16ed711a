import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
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
import { HeldConnections } from '../database/held-connections.ts';
import { SqliteConnection, type SqliteFiles } from './connection.ts';
import { DeferredChanges } from './deferred-changes.ts';
import { fileId, openToWrite, SqliteFile } from './file.ts';
import { BUSY_TIMEOUT_MS, type GroupWork, SqliteWriter } from './writer.ts';

export interface SqliteDialectOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** Told when the thread has ended that stores changes, or could not be started. */
  readonly onThreadEnd: (error: unknown) => void;
}

/**
 * Kysely on better-sqlite3. One connection writes, one statement or transaction at a time, in the order of asking; see
 * SqliteWriter for what they share. Another one reads what is committed, so that a list neither waits for a change nor
 * sees half of one. (A database in memory has one connection for both.) A third one writes in a thread, by turns with
 * the first: see DeferredChanges.
 */
export function openSqliteDialect(options: SqliteDialectOptions): SqliteDriverParts {
  const driver = new SqliteFileDriver(options);
  const dialect: Dialect = {
    createDriver: () => driver,
    createAdapter: () => new TransactionalDdlAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SteadyQueryCompiler(),
  };
  return {
    dialect,
    readAtOnce: (query) => driver.readAtOnce(query),
    runAtOnce: (connection, query) => own(connection).runAtOnce(query),
    leave: (connection, work) => own(connection).leave(work),
    keepTemporaryInMemory: () => driver.keepTemporaryInMemory(),
  };
}

/** A driver of SQLite. */
export interface SqliteDriverParts {
  readonly dialect: Dialect;
  /**
   * Runs a `select` at once, on what is committed: nothing of what Kysely does for a connection is needed there.
   * Undefined where it has to wait for its turn: before the file is open, and in memory.
   */
  readonly readAtOnce: <Row>(query: CompiledQuery) => QueryResult<Row> | undefined;
  /** Runs a statement of a connection's transaction without waiting; undefined where it has to wait for its turn. */
  readonly runAtOnce: <Row>(connection: DatabaseConnection, query: CompiledQuery) => QueryResult<Row> | undefined;
  /** Leaves some work of a connection's transaction to the end of the changes that share a COMMIT with it. */
  readonly leave: (connection: DatabaseConnection, work: GroupWork) => void;
  /** See SqliteFile. */
  readonly keepTemporaryInMemory: () => void;
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

/**
 * Writes `+?` where a value is bound, which means the same as `?`. SQLite may look at what is bound to the latter while
 * it plans, and takes the plan back when better-sqlite3 takes back the values, after each run: each time it compiled
 * the statement anew, a third of the time of a list. There are no statistics here by which a value could change a plan;
 * but an index `where active = 1` is found only where a statement has that 1 in its text, by `sql.lit`.
 */
class SteadyQueryCompiler extends SqliteQueryCompiler {
  protected override getCurrentParameterPlaceholder(): string {
    return '+?';
  }
}

class SqliteFileDriver implements Driver {
  readonly #options: SqliteDialectOptions;
  readonly #held = new HeldConnections();
  #files: SqliteFiles | undefined;

  constructor(options: SqliteDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    this.#files = openFiles(this.#options);
  }

  readAtOnce<Row>(query: CompiledQuery): QueryResult<Row> | undefined {
    if (!this.#files || this.#files.reader === this.#files.written) return undefined;
    return this.#files.reader.run<Row>(query);
  }

  keepTemporaryInMemory(): void {
    this.#files?.written.keepTemporaryInMemory();
  }

  async acquireConnection(): Promise<SqliteConnection> {
    if (!this.#files) throw new Error('The database is closed');
    this.#held.acquired();
    return new SqliteConnection(this.#files);
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).rollback();
  }

  async releaseConnection(): Promise<void> {
    this.#held.released();
  }

  async destroy(): Promise<void> {
    const files = this.#files;
    if (!files) return;
    await this.#held.allReleased();
    await files.writer.close();
    await files.deferred?.close();
    this.#files = undefined;
    for (const file of new Set([files.reader, files.written])) file.close();
  }
}

function own(connection: DatabaseConnection): SqliteConnection {
  if (!(connection instanceof SqliteConnection)) throw new Error('Not a connection of this driver');
  return connection;
}

function openFiles({ path, onThreadEnd }: SqliteDialectOptions): SqliteFiles {
  if (path === ':memory:') {
    const file = new SqliteFile(new Sqlite(':memory:'));
    // what is read there would be seen before the COMMIT, which takes no time
    return { writer: new SqliteWriter(file, false), written: file, reader: file, deferred: undefined };
  }
  mkdirSync(dirname(resolve(path)), { recursive: true, mode: 0o700 });
  // it is made before SQLite makes it, for its mode; the -wal and -shm files take theirs from it
  closeSync(openSync(path, 'a', 0o600));
  const written = openToWrite(path, BUSY_TIMEOUT_MS);
  // from here on the writer waits for another process's turn, which does not hold the event loop
  written.execute('pragma busy_timeout = 0');
  const writer = new SqliteWriter(written, true);
  const reader = new SqliteFile(new Sqlite(path, { readonly: true, timeout: BUSY_TIMEOUT_MS }));
  const deferred = new DeferredChanges({ path, id: fileId(path), writer, reader, onThreadEnd });
  return { writer, written, reader, deferred };
}
