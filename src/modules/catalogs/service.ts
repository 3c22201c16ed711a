import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { Database } from '../../platform/database.ts';
import { appendJournal } from '../../platform/journal.ts';
import type { Keyring } from '../../platform/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { CatalogsTable } from '../../platform/tables.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { CatalogSink } from '../connection-tests/catalog-sink.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { deleteEntries, deleteLeftovers, exchangeCatalog, findCatalogs, insertEntries, listEntries } from './store.ts';

/** A datastore's catalog in use. */
export type Catalog = CatalogsTable;

/** Catalogs: read by connection tests, kept whole, searched and paged. */
export class CatalogService implements CatalogSink {
  readonly #database: Database;
  readonly #keyring: Keyring;

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /** In the order of the datastores' ids; null where none was read yet. */
  async find(access: Access, datastoreIds: readonly string[]): Promise<(Catalog | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = await findCatalogs(this.#database, access, datastoreIds);
    const catalogs = new Map(found.map((catalog) => [catalog.datastore_id, catalog]));
    return datastoreIds.map((id) => catalogs.get(id) ?? null);
  }

  entries(access: Access, catalog: Catalog, search: string | null, page: PageArguments): Promise<Page<CatalogEntry>> {
    requireScope(access, 'DATASTORES_READ');
    return listEntries(this.#database, catalog.refresh_id, search, readPageArguments(page, 'CATALOG'));
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
    const { datastoreId } = test;
    if (datastoreId === null) return false;
    return this.#database.change(async (change) => {
      if (!(await exchangeCatalog(change, datastoreId, test.id, new Date().toISOString()))) return false;
      await appendJournal(change, this.#keyring, {
        environmentId: test.environmentId,
        kind: 'CATALOG_REFRESHED',
        action: 'datastore.catalog_refreshed',
        actor: test.requestedBy,
        subjectType: 'datastore',
        subjectId: datastoreId,
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
