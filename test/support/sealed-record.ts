import { existsSync, readFileSync } from 'node:fs';
import type { OnStatement } from '../../src/platform/database/database.ts';

/**
 * `v1.<key id>.…`, as secrets and the keys of secrets are stored; what wraps the keys of environments has an id of
 * another form.
 */
const SEALED = /^v1\.([0-9a-f-]{36})\./;

/** Remembers all that a gateway ever seals, by looking at what it writes. */
export class SealedRecord {
  /** Wrapped keys of secrets, by their ids. */
  readonly #keys = new Map<string, string>();
  /** Sealed texts, by the ids of the keys that open them. */
  readonly #texts = new Map<string, Set<string>>();

  readonly onStatement: OnStatement = (sql, parameters) => {
    // on Postgres rows are lists, one for each column
    const values = parameters.flat();
    const sealed = values.filter((each): each is string => typeof each === 'string' && SEALED.test(each));
    if (/^insert into "(secret|revision)_keys"/.test(sql)) {
      const [wrapped] = sealed;
      if (wrapped) this.#keys.set(String(values[0]), wrapped);
      return;
    }
    for (const text of sealed) {
      const id = SEALED.exec(text)?.[1] ?? '';
      this.#texts.set(id, (this.#texts.get(id) ?? new Set()).add(text));
    }
  };

  /** The ids of all keys that ever were. */
  ids(): string[] {
    return [...this.#keys.keys()];
  }

  /** The ids of the keys that stand in some bytes. */
  keysIn(content: Buffer): string[] {
    return [...this.#keys].filter(([, wrapped]) => content.includes(wrapped)).map(([id]) => id);
  }

  /** The ids of the keys that stand in some bytes beside a text that they open. */
  openableIn(content: Buffer): string[] {
    return this.keysIn(content).filter((id) => [...(this.#texts.get(id) ?? [])].some((text) => content.includes(text)));
  }
}

/** Reads a SQLite database's files, as they are on the disk. */
export function sqliteFiles(databaseUrl: string): Buffer {
  const path = databaseUrl.slice('sqlite:'.length);
  const files = [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file));
  return Buffer.concat(files.map((file) => readFileSync(file)));
}
