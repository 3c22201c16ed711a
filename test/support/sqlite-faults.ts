import Sqlite from 'better-sqlite3';

/** Makes the SQLite of this process fail like a full disk, at a write that a test chooses. */
export interface SqliteFaults {
  /** How many statements that write, and commits, were asked for. */
  writes(): number;
  /** Lets the n-th writing statement from now on fail, and all that come within some milliseconds. */
  failAt(write: number, forMs: number): void;
  /** Lets every writing statement fail until the function that it returns is called. */
  fail(): () => void;
  restore(): void;
}

const WRITING = /^\s*(?:insert|update|delete|commit)\b/i;

/**
 * SQLite's own functions are called in between, so that a transaction that fails is really open and has to be rolled
 * back.
 */
export function breakSqlite(): SqliteFaults {
  const database = Sqlite.prototype as { exec(sql: string): unknown };
  const probe = new Sqlite(':memory:');
  const statement = Object.getPrototypeOf(probe.prepare('select 1')) as Record<'run' | 'all', Method>;
  probe.close();
  const { exec } = database;
  const { run, all } = statement;
  let count = 0;
  let failsAt = Number.POSITIVE_INFINITY;
  let forMs = 0;
  let failsUntil = 0;

  const passing = (sql: string) => {
    if (!WRITING.test(sql)) return;
    count += 1;
    if (count >= failsAt) {
      failsAt = Number.POSITIVE_INFINITY;
      failsUntil = performance.now() + forMs;
    }
    if (performance.now() < failsUntil) throw new Sqlite.SqliteError('database or disk is full', 'SQLITE_FULL');
  };
  database.exec = function (this: unknown, sql) {
    passing(sql);
    return exec.call(this, sql);
  };
  const wrapped = (original: Method): Method =>
    function (this: { readonly source: string }, ...parameters) {
      passing(this.source);
      return original.apply(this, parameters);
    };
  statement.run = wrapped(run);
  statement.all = wrapped(all);

  return {
    writes: () => count,
    failAt(write, ms) {
      failsAt = count + write;
      forMs = ms;
    },
    fail() {
      failsAt = Number.POSITIVE_INFINITY;
      failsUntil = Number.POSITIVE_INFINITY;
      return () => {
        failsUntil = 0;
      };
    },
    restore() {
      Object.assign(database, { exec });
      Object.assign(statement, { run, all });
    },
  };
}

type Method = (this: { readonly source: string }, ...parameters: unknown[]) => unknown;
