import type DataLoader from 'dataloader';
import type { CatalogColumn, CatalogEntry, CatalogEntryKind } from '../../connectors/kit/contract/catalog-entry.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { searchField, uuid } from '../../graphql/fields.ts';
import { ConnectionTestRef, testIdField, testTimeoutField } from '../connection-tests/schema.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import { DatastoreRef } from '../datastores/schema.ts';
import { KEPT_CHANGES } from './change-store.ts';
import type { CatalogChange, ColumnChange, ColumnChangeKind, EntryName } from './changes.ts';
import type { Catalog, CatalogService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly catalogs: CatalogService;
  }
  interface Loaders {
    readonly catalog: DataLoader<string, Catalog | null>;
    readonly catalogChanges: DataLoader<string, readonly CatalogChange[]>;
  }
}

const CatalogEntryKindRef = builder.enumType('CatalogEntryKind', {
  description: 'What an entry of a catalog is.',
  values: {
    TABLE: { description: 'A table, external and foreign ones included.' },
    VIEW: { description: 'A view, materialized or not, or an alias of a search engine.' },
    COLLECTION: { description: 'A collection of documents or of vectors, or a data stream.' },
    INDEX: { description: 'An index of a search engine.' },
    OBJECT: { description: 'Anything else, such as a sequence.' },
  } satisfies Record<CatalogEntryKind, object>,
});

const CatalogColumnRef = builder.objectRef<CatalogColumn>('CatalogColumn').implement({
  description: 'A column of a table or view, or a field that the documents of a collection have.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The column’s name, as the server writes it.' }),
    dataType: t.exposeString('dataType', { description: 'The column’s type, as the server names it.' }),
    nullable: t.exposeBoolean('nullable', {
      nullable: true,
      description: 'Whether the column may hold NULL; null where the server does not say.',
    }),
  }),
});

const CatalogEntryRef = builder.objectRef<CatalogEntry>('CatalogEntry').implement({
  description: 'A table, view, collection, index or object.',
  fields: (t) => ({
    namespace: t.exposeString('namespace', {
      nullable: true,
      description: 'The schema, dataset or database that it is in; null where the type has no such level.',
    }),
    name: t.exposeString('name', { description: 'The entry’s name within its namespace, as the server writes it.' }),
    kind: t.field({ type: CatalogEntryKindRef, description: 'What it is.', resolve: (entry) => entry.kind }),
    readable: t.exposeBoolean('readable', {
      nullable: true,
      description:
        'Whether the datastore’s user may read rows of it, of one column at least. False where it is listed and lacks the right: grant that to read it. Null where the server does not say, and until the catalog is next refreshed where it was read by an older version of the gateway.',
    }),
    columns: t.field({
      type: [CatalogColumnRef],
      description: 'Its columns, in the server’s order: at most 10,000. Empty for what has none.',
      resolve: (entry) => [...entry.columns],
    }),
  }),
});

const CatalogEntryConnection = connectionType('CatalogEntry', CatalogEntryRef);

const CatalogEntryNameRef = builder.objectRef<EntryName>('CatalogEntryName').implement({
  description: 'Which entry of a catalog a change is about.',
  fields: (t) => ({
    namespace: t.exposeString('namespace', {
      nullable: true,
      description: 'The schema, dataset or database that it is in; null where the type has no such level.',
    }),
    name: t.exposeString('name', { description: 'The entry’s name within its namespace.' }),
    kind: t.field({ type: CatalogEntryKindRef, description: 'What it is.', resolve: ({ kind }) => kind }),
  }),
});

const CatalogColumnChangeKindRef = builder.enumType('CatalogColumnChangeKind', {
  description: 'How a column differs from the reading before.',
  values: {
    ADDED: { description: 'It is new.' },
    REMOVED: { description: 'It is gone.' },
    RETYPED: { description: 'It has another type.' },
  } satisfies Record<ColumnChangeKind, object>,
});

const CatalogColumnChangeRef = builder.objectRef<ColumnChange>('CatalogColumnChange').implement({
  description: 'A column that is otherwise, of an entry that both readings have.',
  fields: (t) => ({
    entry: t.field({ type: CatalogEntryNameRef, description: 'The entry that it is of.', resolve: (change) => change }),
    column: t.exposeString('column', { description: 'The column’s name.' }),
    change: t.field({
      type: CatalogColumnChangeKindRef,
      description: 'How it differs.',
      resolve: ({ change }) => change,
    }),
    before: t.exposeString('before', { nullable: true, description: 'Its type before; null where it is ADDED.' }),
    after: t.exposeString('after', { nullable: true, description: 'Its type now; null where it is REMOVED.' }),
  }),
});

const SHOWN = 'the first 100 of them, or fewer where their names are long';

const CatalogChangeRef = builder.objectRef<CatalogChange>('CatalogChange').implement({
  description:
    'What was otherwise in a catalog than in the reading before it. An entry whose kind has changed was removed and added; whether a column may hold NULL does not count.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When the catalog was read.', resolve: ({ at }) => at }),
    since: t.field({ type: 'DateTime', description: 'When it was read before that.', resolve: ({ since }) => since }),
    addedEntryCount: t.int({ description: 'How many entries were new.', resolve: ({ counts }) => counts.addedEntries }),
    removedEntryCount: t.int({
      description: 'How many entries were gone.',
      resolve: ({ counts }) => counts.removedEntries,
    }),
    addedColumnCount: t.int({
      description: 'How many columns were new, in entries that were there before.',
      resolve: ({ counts }) => counts.addedColumns,
    }),
    removedColumnCount: t.int({
      description: 'How many columns were gone, in entries that are still there.',
      resolve: ({ counts }) => counts.removedColumns,
    }),
    retypedColumnCount: t.int({
      description: 'How many columns had another type.',
      resolve: ({ counts }) => counts.retypedColumns,
    }),
    addedEntries: t.field({
      type: [CatalogEntryNameRef],
      description: `The new entries, sorted by namespace and name: ${SHOWN}.`,
      resolve: ({ details }) => [...details.addedEntries],
    }),
    removedEntries: t.field({
      type: [CatalogEntryNameRef],
      description: `The entries that were gone, sorted by namespace and name: ${SHOWN}.`,
      resolve: ({ details }) => [...details.removedEntries],
    }),
    columns: t.field({
      type: [CatalogColumnChangeRef],
      description: `The columns that were otherwise, sorted by their entries: ${SHOWN}.`,
      resolve: ({ details }) => [...details.columns],
    }),
  }),
});

const CatalogRef = builder.objectRef<Catalog>('Catalog').implement({
  description: 'The stored list of a datastore’s tables, collections and columns, as it was last read.',
  fields: (t) => ({
    refreshedAt: t.field({
      type: 'DateTime',
      description: 'When it was read.',
      resolve: (catalog) => catalog.refreshed_at,
    }),
    entryCount: t.int({
      description: 'How many entries it has: at most 100,000.',
      resolve: (catalog) => catalog.entry_count,
    }),
    changes: t.field({
      type: [CatalogChangeRef],
      description: `What has changed from one reading to the next, the newest first: the last ${KEPT_CHANGES} changes. A reading that found all as it was is none. Where a catalog has more than is kept of it, what was left out may look added or removed.`,
      // a change may show hundreds of names
      extensions: { cost: 1_000 },
      resolve: async ({ datastore_id: id }, _arguments, { loaders }) => [...(await loaders.catalogChanges.load(id))],
    }),
    entries: t.field({
      type: CatalogEntryConnection,
      description: 'The entries, sorted by namespace and name.',
      args: {
        search: t.arg.string(searchField('`namespace.name`')),
        ...pageArguments,
      },
      // one entry may have thousands of columns
      extensions: { cost: 5_000 },
      resolve: (catalog, { search, ...page }, { access, services }) =>
        services.catalogs.entries(access, catalog, search || null, page),
    }),
  }),
});

builder.interfaceField(DatastoreRef, 'catalog', (t) =>
  t.field({
    type: CatalogRef,
    nullable: true,
    description: 'What refreshCatalog last read; null until it has read something.',
    resolve: (datastore, _arguments, { loaders }) => loaders.catalog.load(datastore.id),
  }),
);

const RefreshCatalogInput = builder.inputType('RefreshCatalogInput', {
  description: 'Whose catalog to read, and how.',
  fields: (t) => ({
    datastoreId: t.id({
      required: true,
      description: 'The datastore whose catalog is read. `supportsCatalog` of its connector says whether it has one.',
      validate: { schema: uuid },
    }),
    testId: t.id(testIdField),
    timeoutMs: t.int(testTimeoutField),
  }),
});

const RefreshCatalogSuccess = builder.objectRef<{ test: ConnectionTest }>('RefreshCatalogSuccess').implement({
  description: 'The reading of the catalog is queued.',
  fields: (t) => ({
    test: t.field({
      type: ConnectionTestRef,
      description: 'The test as which it runs: follow it with connectionTestProgress.',
      resolve: (result) => result.test,
    }),
  }),
});

builder.mutationField('refreshCatalog', (t) =>
  t.field({
    type: RefreshCatalogSuccess,
    description:
      'Reads the datastore’s tables, collections and columns and stores them. This runs as a connection test of purpose CATALOG, which you follow like any other; when it fails, the old catalog stays. The token needs DATASTORES_TEST.',
    errors: { types: [ValidationError, NotFoundError, ConflictError], union: { name: 'RefreshCatalogResult' } },
    args: { input: t.arg({ type: RefreshCatalogInput, required: true, description: 'Whose catalog to read.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      test: await services.catalogs.refresh(access, { ...input, path: ['input'] }),
    }),
  }),
);
