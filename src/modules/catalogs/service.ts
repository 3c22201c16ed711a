import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import { pathTo } from '../../errors/field-issues.ts';
import type { Database } from '../../platform/database/database.ts';
import type { CatalogsTable } from '../../platform/database/tables.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { TestOptions } from '../connection-tests/plan.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { requireCatalog } from '../datastores/draft.ts';
import type { DraftReader } from '../datastores/draft-reader.ts';
import { findCatalogs, listEntries } from './store.ts';

/** The catalog of a datastore that is in use. */
export type Catalog = CatalogsTable;

/** Which catalog to read, and how. */
export interface CatalogRefresh extends Omit<TestOptions, 'validationMethods'> {
  readonly datastoreId: string;
}

/** Searches and pages the stored catalogs, and has them read anew. */
export class CatalogService {
  readonly #database: Database;
  readonly #drafts: DraftReader;
  readonly #connectionTests: ConnectionTestService;

  constructor(database: Database, drafts: DraftReader, connectionTests: ConnectionTestService) {
    this.#database = database;
    this.#drafts = drafts;
    this.#connectionTests = connectionTests;
  }

  /** Returns catalogs in the order of the datastores' ids, with null where none was read yet. */
  async find(access: Access, datastoreIds: readonly string[]): Promise<(Catalog | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = await findCatalogs(this.#database, access, datastoreIds);
    const catalogs = new Map(found.map((catalog) => [catalog.datastore_id, catalog]));
    return datastoreIds.map((id) => catalogs.get(id) ?? null);
  }

  /** Reads a page of a catalog, or of the one that took its place while the page was read. */
  async entries(
    access: Access,
    catalog: Catalog,
    search: string | null,
    page: PageArguments,
  ): Promise<Page<CatalogEntry>> {
    requireScope(access, 'DATASTORES_READ');
    const request = readPageArguments(page, 'CATALOG');
    for (let current = catalog; ; ) {
      const entries = await listEntries(this.#database, current.refresh_id, search, request);
      // the entries of a catalog that is no longer in use are removed step by step
      const [inUse] = await findCatalogs(this.#database, access, [catalog.datastore_id]);
      if (!inUse || inUse.refresh_id === current.refresh_id) return entries;
      current = inUse;
    }
  }

  /**
   * Starts reading the catalog of what is stored, and returns at once. When it fails the old catalog stays.
   * @throws ValidationError for a type without a catalog, NotFoundError, ConflictError
   */
  async refresh(access: Access, refresh: CatalogRefresh): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const { subject } = await this.#drafts.stored(access, refresh.datastoreId);
    requireCatalog(subject.connector, pathTo(refresh, 'datastoreId'));
    return this.#connectionTests.start(access, subject, 'CATALOG', refresh);
  }
}
