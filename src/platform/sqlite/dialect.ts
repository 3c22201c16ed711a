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
import type { ChainEnd } from '../journal/chain-link.ts';
import { SqliteFile } from './file.ts';
import { BUSY_TIMEOUT_MS, type Group, type GroupWork, SqliteWriter } from './writer.ts';

export interface SqliteDialectOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
}

/**
 * Kysely on better-sqlite3. One connection writes, one statement or transaction at a time, in the order of asking; see
 * SqliteWriter for what they share. Another one reads what is committed, so that a list neither waits for a change nor
 * sees half of one. (A database in memory has one connection for both.)
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
    runInTurn: (query) => driver.runInTurn(query),
    leave: (work) => driver.leave(work),
    chainEnds: () => driver.chainEnds(),
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
  /** Runs a statement of the change that has the turn, which is the one that calls. */
  readonly runInTurn: <Row>(query: CompiledQuery) => QueryResult<Row> | undefined;
  /** Leaves some work of the change that has the turn, which is the one that calls, to the end of its group. */
  readonly leave: (work: GroupWork) => void;
  /** Where chains end by what the group of the change that has the turn, which is the one that calls, has added. */
  readonly chainEnds: () => Map<string, ChainEnd>;
  /**
   * From now on what SQLite would write to a temporary file stays in memory: the pages as they were before a change,
   * above all, which took a sixth of a small one's time. A migration may need more room than that.
   */
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
  #files: SqliteFiles | undefined;

  constructor(options: SqliteDialectOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {
    this.#files = openFiles(this.#options.path);
  }

  readAtOnce<Row>(query: CompiledQuery): QueryResult<Row> | undefined {
    if (!this.#files || this.#files.reader === this.#files.written) return undefined;
    return this.#files.reader.run<Row>(query);
  }

  runInTurn<Row>(query: CompiledQuery): QueryResult<Row> | undefined {
    return this.#files?.writer.runInTurn<Row>(query);
  }

  leave(work: GroupWork): void {
    this.#files?.writer.leave(work);
  }

  chainEnds(): Map<string, ChainEnd> {
    if (!this.#files) throw new Error('The database is closed');
    return this.#files.writer.chainEnds();
  }

  keepTemporaryInMemory(): void {
    this.#files?.written.execute('pragma temp_store = MEMORY');
  }

  async acquireConnection(): Promise<SqliteConnection> {
    if (!this.#files) throw new Error('The database is closed');
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
    // nothing is held outside of a transaction
  }

  async destroy(): Promise<void> {
    const files = this.#files;
    if (!files) return;
    await files.writer.close();
    this.#files = undefined;
    for (const file of new Set([files.reader, files.written])) file.close();
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
  /** While a change is made: the group that it belongs to. */
  #group: Group | undefined;

  constructor(files: SqliteFiles) {
    this.#files = files;
  }

  async begin(): Promise<void> {
    this.#group = await this.#files.writer.begin();
  }

  async commit(): Promise<void> {
    const group = this.#end();
    if (group) await this.#files.writer.commit(group);
  }

  async rollback(): Promise<void> {
    const group = this.#end();
    if (group) await this.#files.writer.rollback(group);
  }

  #end(): Group | undefined {
    const group = this.#group;
    this.#group = undefined;
    return group;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const { writer, written, reader } = this.#files;
    if (this.#group) return writer.run<Row>(query, this.#group);
    if (reader.onlyReads(query.sql)) return reader === written ? writer.alone<Row>(query) : reader.run<Row>(query);
    return /^(insert|update|delete|with)\b/i.test(query.sql) ? writer.change<Row>(query) : writer.alone<Row>(query);
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Read SQLite in pages: it does not stream');
  }
}

interface SqliteFiles {
  /** What writes, to `written`. */
  readonly writer: SqliteWriter;
  readonly written: SqliteFile;
  readonly reader: SqliteFile;
}

function openFiles(path: string): SqliteFiles {
  if (path === ':memory:') {
    const file = new SqliteFile(new Sqlite(':memory:'));
    // what is read there would be seen before the COMMIT, which takes no time
    return { writer: new SqliteWriter(file, false), written: file, reader: file };
  }
  mkdirSync(dirname(resolve(path)), { recursive: true, mode: 0o700 });
  // it is made before SQLite makes it, for its mode; the -wal and -shm files take theirs from it
  closeSync(openSync(path, 'a', 0o600));
  const written = new SqliteFile(new Sqlite(path, { timeout: BUSY_TIMEOUT_MS }));
  written.execute('pragma journal_mode = WAL');
  // a page that many changes write goes to the file once for all of them; more than 4,062 take a second index to find
  written.execute('pragma wal_autocheckpoint = 4000');
  // from here on the writer waits for another process's turn, which does not hold the event loop
  written.execute('pragma busy_timeout = 0');
  return {
    writer: new SqliteWriter(written, true),
    written,
    reader: new SqliteFile(new Sqlite(path, { readonly: true, timeout: BUSY_TIMEOUT_MS })),
  };
}
