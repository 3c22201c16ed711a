import type { Change, Database } from '../../src/platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../src/platform/database/prepared-statements.ts';
import { insertAll, updateAll } from '../../src/platform/database/taken-rows.ts';
import { appendJournal } from '../../src/platform/journal/journal.ts';
import type { Keyring } from '../../src/platform/keys/keyring.ts';

/** A setting that is changed where it has the value that it was read with. */
export interface SettingUpdate {
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

interface Setting {
  readonly key: string;
  readonly value: string;
}

/** A setting has another value than it was read with. */
export class NotAsReadError extends Error {}

const updates = new PreparedStatements<readonly SettingUpdate[]>({ takesRows: true });
const inserts = new PreparedStatements<readonly Setting[]>({ takesRows: true });
const deletions = new PreparedStatements<string>();

/** Changes that wait for no answer, each with an entry in the journal, as those of datastores have it. */
export class LinkedChanges {
  readonly #database: Database;
  readonly #keyring: Keyring;

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  update(setting: SettingUpdate, chain = 'e'): Promise<{ readonly sequence: number }> {
    return this.#database.change(async (change) => {
      const set = (place: PlaceOf<readonly SettingUpdate[]>) =>
        updateAll(change.kind, change.query.updateTable('settings'), {
          table: 'settings',
          set: { value: 'to' },
          where: { key: 'key', value: 'from' },
          numbers: [],
          place,
        });
      await updates.runLater(change, '', set, [setting], () => new NotAsReadError(setting.key));
      return this.#journal(change, setting.key, chain);
    });
  }

  insert(key: string, value = 'new', chain = 'e'): Promise<{ readonly sequence: number }> {
    return this.#database.change(async (change) => {
      const rows = [{ key, value }];
      const add = (place: PlaceOf<readonly Setting[]>) =>
        insertAll(change.kind, change.query.insertInto('settings'), { rows, numbers: [], place });
      await inserts.runLater(change, '', add, rows);
      return this.#journal(change, key, chain);
    });
  }

  /** Deletes a setting, and says whether there was one. */
  async delete(key: string): Promise<boolean> {
    let wasThere = false;
    await this.#database.change(async (change) => {
      const remove = (place: PlaceOf<string>) =>
        change.query.deleteFrom('settings').where(
          'key',
          '=',
          place((one) => one),
        );
      await deletions.runLater(change, '', remove, key, undefined, () => {
        wasThere = true;
      });
      await this.#journal(change, key, 'e');
    });
    return wasThere;
  }

  #journal(change: Change, subjectId: string, environmentId: string): Promise<{ readonly sequence: number }> {
    return appendJournal(change, this.#keyring, {
      ...{ environmentId, kind: 'UPDATED', action: 'test', subjectType: 'setting', subjectId, detail: {} },
      actor: { name: 'tests', onBehalfOf: null },
    });
  }
}
