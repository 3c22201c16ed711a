import { closeSync, openSync, type Stats, statSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { parseDatabaseUrl } from '../database/database.ts';

/** Behind the name of the database's file: who has this file locked serves that one. Its lock ends with the process. */
const SUFFIX = '-gateway';
/** How often it looks whether the database's file is still there, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * Keeps a SQLite file to one gateway, whose doorbell no other one would ring, and notices when the file goes: what is
 * written to one that was removed is lost with it. Commands beside the gateway may use the file.
 */
export class SqliteHold {
  readonly #path: string;
  readonly #opened: Stats;
  readonly #lock: Sqlite.Database;
  readonly #timer: NodeJS.Timeout;
  #isThere = true;

  private constructor(path: string, lock: Sqlite.Database, onChange: (isThere: boolean) => void) {
    this.#path = path;
    this.#opened = statSync(path);
    this.#lock = lock;
    this.#timer = setInterval(() => {
      const isThere = this.#look();
      if (isThere !== this.#isThere) onChange(isThere);
      this.#isThere = isThere;
    }, LOOK_MS).unref();
  }

  /**
   * Takes the file of a database that is open; undefined where there is none to take. `onChange` is told when it is
   * gone or replaced, and when it is back.
   * @throws Error with the code SQLITE_HELD while another gateway has it
   */
  static take(databaseUrl: string, onChange: (isThere: boolean) => void): SqliteHold | undefined {
    const place = parseDatabaseUrl(databaseUrl);
    if (place.kind !== 'sqlite' || place.path === ':memory:') return undefined;
    const file = `${place.path}${SUFFIX}`;
    closeSync(openSync(file, 'a', 0o600));
    const lock = new Sqlite(file, { timeout: 0 });
    try {
      lock.exec('begin exclusive');
      return new SqliteHold(place.path, lock, onChange);
    } catch (error) {
      lock.close();
      if (!(error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY'))) throw error;
      throw Object.assign(new Error('Another gateway has the file', { cause: error }), { code: 'SQLITE_HELD' });
    }
  }

  /** Whether the file that was opened is still at its path, as it was seen within the last second. */
  get isThere(): boolean {
    return this.#isThere;
  }

  release(): void {
    clearInterval(this.#timer);
    this.#lock.close();
  }

  #look(): boolean {
    const now = statSync(this.#path, { throwIfNoEntry: false });
    return now !== undefined && now.ino === this.#opened.ino && now.dev === this.#opened.dev;
  }
}
