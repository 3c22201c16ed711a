import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { ConnectionTest } from './test.ts';

/** Takes what a test of purpose CATALOG reads. The old catalog stays until the new one is whole. */
export interface CatalogSink {
  /** Forgets what an earlier attempt of the same test has put in. */
  begin(test: ConnectionTest): Promise<void>;
  /** Stores entries. @returns false when the datastore is gone, so that there is nothing to read for any more */
  add(test: ConnectionTest, entries: readonly CatalogEntry[]): Promise<boolean>;
  /** Puts the new catalog in the place of the old one. @returns false when the datastore is gone */
  finish(test: ConnectionTest): Promise<boolean>;
  /** Forgets what the test has read. */
  discard(test: ConnectionTest): Promise<void>;
  /** Removes some of what nobody needs any more: of old catalogs, deleted datastores, and tests whose process died. */
  tidy(): Promise<void>;
}
