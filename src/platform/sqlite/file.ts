import { statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import type { CompiledQuery, QueryResult } from 'kysely';

/** How many prepared statements a connection keeps. */
const MAX_CACHED_STATEMENTS = 500;

/** Tells the file at a path from every other one. */
export function fileId(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev} ${ino}`;
}

/** Opens a file to write to it, which is there already. It waits for another process's lock for so long. */
export function openToWrite(path: string, busyMs: number): SqliteFile {
  const file = new SqliteFile(new Sqlite(path, { timeout: busyMs, fileMustExist: true }));
  file.execute('pragma journal_mode = WAL');
  // a page that many changes write goes to the file once for all of them; more than 4,062 take a second index to find
  file.execute('pragma wal_autocheckpoint = 4000');
  return file;
}

/** One better-sqlite3 connection with its prepared statements. */
export class SqliteFile {
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

  /**
   * From now on what SQLite would write to a temporary file stays in memory: the pages as they were before a change,
   * above all, which took a sixth of a small one's time. A migration may need more room than that.
   */
  keepTemporaryInMemory(): void {
    this.execute('pragma temp_store = MEMORY');
  }

  onlyReads(sql: string): boolean {
    return /^select\b/i.test(sql) || (/^with\b/i.test(sql) && this.#prepare(sql).readonly);
  }

  run<Row>({ sql, parameters }: Pick<CompiledQuery, 'sql' | 'parameters'>): QueryResult<Row> {
    const statement = this.#prepare(sql);
    if (statement.reader) return { rows: statement.all(...parameters) as Row[] };
    const { changes } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  #prepare(sql: string): Sqlite.Statement<unknown[]> {
    const known = this.#statements.get(sql);
    if (known) {
      // which is the oldest matters only where one has to go
      if (this.#statements.size >= MAX_CACHED_STATEMENTS) {
        this.#statements.delete(sql);
        this.#statements.set(sql, known);
      }
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
