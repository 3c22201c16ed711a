import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { Database } from '../../platform/database.ts';
import type { Keyring } from '../../platform/keyring.ts';
import type { CatalogSink } from '../connection-tests/catalog-sink.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { journalDatastore } from '../datastores/journal.ts';
import { deleteEntries, deleteLeftovers, exchangeCatalog, insertEntries } from './store.ts';

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
    await this.#database.change(async (change) => {
      await deleteEntries(change, datastoreId, test.id);
      await deleteLeftovers(change, datastoreId);
    });
  }

  async add(test: ConnectionTest, entries: readonly CatalogEntry[]): Promise<boolean> {
    const { datastoreId } = test;
    if (datastoreId === null) return false;
    return this.#database.change((change) => insertEntries(change, test.id, datastoreId, entries));
  }

  async finish(test: ConnectionTest): Promise<boolean> {
    const { datastoreId, environmentId } = test;
    if (datastoreId === null) return false;
    return this.#database.change(async (change) => {
      if (!(await exchangeCatalog(change, datastoreId, test.id, new Date().toISOString()))) return false;
      await journalDatastore(change, this.#keyring, {
        kind: 'CATALOG_REFRESHED',
        datastore: { id: datastoreId, environmentId },
        actor: test.requestedBy,
        detail: { testId: test.id },
      });
      return true;
    });
  }

  async discard(test: ConnectionTest): Promise<void> {
    const { datastoreId } = test;
    if (datastoreId === null) return;
    await this.#database.change((change) => deleteEntries(change, datastoreId, test.id));
  }
}
