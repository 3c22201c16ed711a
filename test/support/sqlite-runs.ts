import Sqlite from 'better-sqlite3';

/** How many of the statements that SQLite ran by their texts in this thread were this one; `before` is told of each. */
export function countRuns(of: string, before?: () => void): { runs(): number; restore(): void } {
  const database = Sqlite.prototype as { exec(sql: string): unknown };
  const { exec } = database;
  let count = 0;
  database.exec = function (this: unknown, text) {
    if (text === of) {
      count += 1;
      before?.();
    }
    return exec.call(this, text);
  };
  return { runs: () => count, restore: () => Object.assign(database, { exec }) };
}
