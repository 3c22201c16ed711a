import { setImmediate as immediate } from 'node:timers/promises';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { Database } from '../../platform/database/database.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { CatalogSink } from '../connection-tests/catalog-sink.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { journalDatastore } from '../datastores/journal.ts';
import { queueMessages } from '../webhooks/outbox.ts';
import { compareReadings, insertChange } from './change-store.ts';
import { toldDetails } from './changes.ts';
import {
  beginRefresh,
  exchangeCatalog,
  findInUse,
  findNeedlessRefreshes,
  insertEntries,
  removeEntries,
} from './store.ts';

/** How many steps of removing what nobody needs are taken in one round; the rest has time until the next. */
const STEPS_OF_A_ROUND = 20;

/** Stores what connection tests read: beside the catalog in use, until the new one is whole. */
export class CatalogWriter implements CatalogSink {
  readonly #database: Database;
  readonly #keyring: Keyring;

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  async begin(test: ConnectionTest): Promise<void> {
    const { datastoreId } = test;
    if (datastoreId === null) return;
    await this.#remove(test.id);
    await this.#database.change((change) => beginRefresh(change, datastoreId, test.id));
  }

  async add({ id, datastoreId }: ConnectionTest, entries: readonly CatalogEntry[]): Promise<boolean> {
    if (datastoreId === null) return false;
    return this.#database.change((change) => insertEntries(change, datastoreId, id, entries));
  }

  async finish(test: ConnectionTest): Promise<boolean> {
    const { datastoreId, environmentId } = test;
    if (datastoreId === null) return false;
    for (;;) {
      const before = await findInUse(this.#database, datastoreId);
      // a reading that is in use already was stored by a try whose answer was lost
      const changes =
        before && before.id !== test.id ? await compareReadings(this.#database, before.id, test.id) : undefined;
      const done = await this.#database.change(async (change) => {
        const at = change.clock.timestamp();
        const exchanged = await exchangeCatalog(change, datastoreId, test.id, { at, replaces: before?.id });
        if (exchanged !== true) return exchanged;
        const datastore = { id: datastoreId, environmentId };
        if (before && changes && !changes.isEmpty) {
          const { counts, details } = changes;
          const one = { at, since: before.at, counts, details };
          await insertChange(change, datastoreId, one);
          const facts = { testId: test.id, since: before.at, counts, ...toldDetails(details) };
          await queueMessages(change, { kind: 'CATALOG_CHANGED', datastore, facts });
        }
        await journalDatastore(change, this.#keyring, {
          kind: 'CATALOG_REFRESHED',
          datastore,
          actor: { name: test.requestedBy, onBehalfOf: test.requestedOnBehalfOf },
          detail: { testId: test.id },
          facts: { testId: test.id },
        });
        return true;
      });
      if (done !== 'another') return done;
    }
  }

  async discard(test: ConnectionTest): Promise<void> {
    await this.#remove(test.id);
  }

  async tidy(): Promise<void> {
    let steps = STEPS_OF_A_ROUND;
    for (const refreshId of await findNeedlessRefreshes(this.#database, STEPS_OF_A_ROUND))
      steps -= await this.#remove(refreshId, steps);
  }

  /**
   * Removes a refresh in steps, so that a large one holds neither the event loop nor other changes.
   * @returns how many steps it took
   */
  async #remove(refreshId: string, most = Number.POSITIVE_INFINITY): Promise<number> {
    let last: string | undefined;
    for (let steps = 1; steps <= most; steps += 1) {
      const after = last;
      last = await this.#database.change((change) => removeEntries(change, refreshId, after));
      if (last === undefined) return steps;
      await immediate();
    }
    return most;
  }
}
