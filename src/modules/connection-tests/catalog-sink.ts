import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { ConnectionTest } from './test.ts';

/** Where a test of purpose CATALOG puts what it reads. The old catalog stays until the new one is whole. */
export interface CatalogSink {
  /** Forgets what an earlier attempt of the same test has put in. */
  begin(test: ConnectionTest): Promise<void>;
  /** @returns false when the datastore is gone: there is nothing to read for any more */
  add(test: ConnectionTest, entries: readonly CatalogEntry[]): Promise<boolean>;
  /** Puts the new catalog in the place of the old one. @returns false when the datastore is gone */
  finish(test: ConnectionTest): Promise<boolean>;
  /** Forgets what was read. */
  discard(test: ConnectionTest): Promise<void>;
}
