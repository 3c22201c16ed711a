import type Sqlite from 'better-sqlite3';
import type { CompiledQuery, QueryResult } from 'kysely';

/** How many prepared statements a connection keeps. */
const MAX_CACHED_STATEMENTS = 500;

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
