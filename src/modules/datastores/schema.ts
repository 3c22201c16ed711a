import type DataLoader from 'dataloader';
import { secretPathsOf } from '../../connectors/kit/config/shape.ts';
import { clientColumnTypes, type Tenancy, type tenancyLevels } from '../../connectors/kit/config/tenancy.ts';
import { type Connector, pascalName } from '../../connectors/kit/contract/connector.ts';
import { connectorOf, connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { type ConfigTypes, deriveConfigTypes } from '../../graphql/derive-config.ts';
import { ConflictErrorRef, InUseErrorRef } from '../../graphql/errors.ts';
import { searchText, uuid } from '../../graphql/fields.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import type { Page } from '../../platform/paging.ts';
import { ConnectionTestConnection, ConnectionTestRef, TestPurposeRef } from '../connection-tests/schema.ts';
import { ConnectorRef, DatastoreTypeRef } from '../connectors/schema.ts';
import { EnvironmentRef } from '../environments/schema.ts';
import type { Datastore } from './datastore.ts';
import { type DatastoreEvent, type DatastoreEvents, datastoreEventKinds } from './events.ts';
import type { DatastoreService } from './service.ts';
import { type DatastoreQuery, orderFields } from './store.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly datastores: DatastoreService;
    readonly datastoreEvents: DatastoreEvents;
  }
  interface Loaders {
    readonly datastore: DataLoader<string, Datastore | null>;
  }
}

export const TenancyLevelRef = builder.enumType('TenancyLevel', {
  values: {
    TABLE: { description: 'One table maps each client to its rows.' },
    DATABASE: { description: 'Each client has a database of its own.' },
  } satisfies Record<(typeof tenancyLevels)[number], { description: string }>,
});
export const ClientColumnTypeRef = builder.enumType('ClientColumnType', { values: clientColumnTypes });
const TenancyRef = builder.objectRef<Tenancy>('Tenancy').implement({
  description: 'How clients (tenants) are laid out inside the datastore.',
  fields: (t) => ({
    level: t.field({ type: TenancyLevelRef, resolve: (tenancy) => tenancy.level }),
    clientColumnType: t.field({
      type: ClientColumnTypeRef,
      nullable: true,
      resolve: (tenancy) => tenancy.clientColumnType,
    }),
    schemaName: t.exposeString('schemaName', { nullable: true }),
    tableName: t.exposeString('tableName', { nullable: true }),
    tableClientNameColumn: t.exposeString('tableClientNameColumn', { nullable: true }),
    tablePrimaryKeyColumn: t.exposeString('tablePrimaryKeyColumn', { nullable: true }),
  }),
});

interface SecretState {
  readonly path: string;
  readonly updatedAt: string | null;
}

const SecretStateRef = builder.objectRef<SecretState>('SecretState').implement({
  description: 'Whether a secret is set. Its value is never readable.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'A config path: `tls.clientKey`.' }),
    isSet: t.boolean({ resolve: (secret) => secret.updatedAt !== null }),
    updatedAt: t.field({ type: 'DateTime', nullable: true, resolve: (secret) => secret.updatedAt }),
  }),
});

/** The config types of each connector: input, patch and object. */
const configTypes = new Map(connectors.map((connector) => [connector.type, deriveConfigTypes(connector)] as const));

export function configTypesOf(connector: Connector): ConfigTypes {
  const types = configTypes.get(connector.type);
  if (!types) throw new Error(`No config types for ${connector.type}`);
  return types;
}

interface TypedConfig {
  readonly type: string;
  readonly config: Datastore['config'];
}

const DatastoreConfigRef = builder.unionType('DatastoreConfig', {
  description:
    'One member for each type. In all of them together a field name has one type and one nullability, so that one document may select `host` from several without aliases.',
  types: connectors.map((connector) => configTypesOf(connector).output),
  resolveType: (config) => (config as typeof config & { [typeName]?: string })[typeName] as never,
});

/** Tells the union which member a config is. It is a symbol, so that no config field can be taken for it. */
const typeName = Symbol('typeName');

function typedConfig({ type, config }: TypedConfig): Datastore['config'] {
  return { ...config, [typeName]: `${pascalName(connectorOf(type))}Config` };
}

export const DatastoreRef = builder.interfaceRef<Datastore>('Datastore').implement({
  description:
    'One registered datastore: a type, a config, sealed secrets, an environment. Each type implements it with its own config.',
  resolveType: (datastore) => `${pascalName(connectorOf(datastore.type))}Datastore`,
  fields: (t) => ({
    id: t.exposeID('id', { description: 'The client may choose it at creation.' }),
    type: t.field({ type: DatastoreTypeRef, resolve: (datastore) => datastore.type }),
    connector: t.field({ type: ConnectorRef, resolve: (datastore) => connectorOf(datastore.type) }),
    name: t.exposeString('name', {
      description: 'Unique within the environment: lower-case letters, digits, `-`, `_`; 1 to 63 characters.',
    }),
    label: t.exposeString('label', { description: 'For people: at most 128 characters, need not be unique.' }),
    environment: t.field({
      type: EnvironmentRef,
      resolve: async (datastore, _arguments, { loaders }) => {
        const environment = await loaders.environment.load(datastore.environmentId);
        if (!environment) throw new Error('a datastore without its environment');
        return environment;
      },
    }),
    version: t.exposeInt('version', { description: 'Goes up by one with every change.' }),
    createdAt: t.field({ type: 'DateTime', resolve: (datastore) => datastore.createdAt }),
    updatedAt: t.field({ type: 'DateTime', resolve: (datastore) => datastore.updatedAt }),
    createdBy: t.exposeString('createdBy', {
      description: 'The acting token’s name, here and in every updatedBy, requestedBy and actor.',
    }),
    updatedBy: t.exposeString('updatedBy'),
    config: t.field({
      type: DatastoreConfigRef,
      description: 'The config without its secrets. Each type narrows it to its own.',
      resolve: (datastore) => typedConfig(datastore),
    }),
    configJson: t.field({
      type: 'JSON',
      description:
        'The same as one JSON object, for forms and tables made from Connector.configSchema: valid where a patch takes Connector.configKey.',
      resolve: (datastore) => datastore.config,
    }),
    secrets: t.field({
      type: [SecretStateRef],
      description: 'Every secret that the type knows, and whether it is set. Their values are never readable.',
      resolve: (datastore) => {
        const set = new Map(datastore.secrets.map((secret) => [secret.path, secret.updatedAt]));
        return secretPathsOf(connectorOf(datastore.type)).map((path) => ({ path, updatedAt: set.get(path) ?? null }));
      },
    }),
    tenancy: t.field({ type: TenancyRef, nullable: true, resolve: (datastore) => datastore.tenancy }),
    lastTest: t.field({
      type: ConnectionTestRef,
      nullable: true,
      description: 'The newest test of what is stored, catalog reads apart.',
      resolve: (datastore, _arguments, { loaders }) =>
        datastore.lastTestId === null ? null : loaders.connectionTest.load(datastore.lastTestId),
    }),
    connectionTests: t.field({
      type: ConnectionTestConnection,
      description: 'Newest first.',
      args: { purpose: t.arg({ type: [TestPurposeRef], description: 'Left out: all.' }), ...pageArguments },
      resolve: (datastore, { purpose, ...page }, { access, services }) =>
        services.connectionTests.list(access, datastore.id, purpose ?? null, page),
    }),
  }),
});

for (const connector of connectors) {
  builder.objectRef<Datastore>(`${pascalName(connector)}Datastore`).implement({
    description: connector.description,
    interfaces: [DatastoreRef],
    fields: (t) => ({
      config: t.field({ type: configTypesOf(connector).output, resolve: (datastore) => datastore.config }),
    }),
  });
}

builder.objectField(ConnectionTestRef, 'datastore', (t) =>
  t.field({
    type: DatastoreRef,
    nullable: true,
    description: 'Null for a draft, and once it is deleted.',
    resolve: (test, _arguments, { loaders }) =>
      test.datastoreId === null ? null : loaders.datastore.load(test.datastoreId),
  }),
);

builder.objectField(ConflictErrorRef, 'current', (t) =>
  t.field({
    type: DatastoreRef,
    nullable: true,
    description: 'As it is stored now; null when an id was used before. Needs DATASTORES_READ.',
    resolve: (error, _arguments, { loaders }) =>
      error.currentId === null ? null : loaders.datastore.load(error.currentId),
  }),
);

builder.objectField(InUseErrorRef, 'datastores', (t) =>
  t.field({
    type: [DatastoreRef],
    description: 'At most 100 of them. Needs DATASTORES_READ.',
    resolve: async (error, _arguments, { loaders }) => {
      const found = await loaders.datastore.loadMany(error.datastoreIds);
      return found.filter((one): one is Datastore => one !== null && !(one instanceof Error));
    },
  }),
);

/** A page that knows what it is a page of, so that it can be counted when somebody asks. */
interface DatastorePage extends Page<Datastore> {
  readonly query: DatastoreQuery;
}

const DatastoreConnection = connectionType<Datastore, DatastorePage>('Datastore', DatastoreRef);
builder.objectField(DatastoreConnection, 'totalCount', (t) =>
  t.int({
    description: 'How many there are on all pages.',
    resolve: (page, _arguments, { access, services }) => services.datastores.count(access, page.query),
  }),
);

const DatastoreFilter = builder.inputType('DatastoreFilter', {
  fields: (t) => ({
    types: t.field({ type: [DatastoreTypeRef] }),
    search: t.string({
      description: 'Matches label and name, case-insensitively, anywhere in the text.',
      validate: { schema: searchText },
    }),
  }),
});

const DatastoreOrderFieldRef = builder.enumType('DatastoreOrderField', { values: orderFields });
const OrderDirectionRef = builder.enumType('OrderDirection', { values: ['ASC', 'DESC'] as const });
const DatastoreOrder = builder.inputType('DatastoreOrder', {
  fields: (t) => ({
    field: t.field({ type: DatastoreOrderFieldRef, required: true }),
    direction: t.field({ type: OrderDirectionRef, required: true, defaultValue: 'ASC' }),
  }),
});

builder.queryFields((t) => ({
  datastore: t.field({
    type: DatastoreRef,
    nullable: true,
    description:
      'Null when it does not exist or the caller may not see it: the two look the same. Needs DATASTORES_READ.',
    args: { id: t.arg.id({ required: true, validate: { schema: uuid } }) },
    resolve: (_root, { id }, { loaders }) => loaders.datastore.load(id),
  }),
  datastoreByName: t.field({
    type: DatastoreRef,
    nullable: true,
    description: 'A name is unique within an environment. Needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'May be left out by a caller who has only one.',
        validate: { schema: uuid },
      }),
      name: t.arg.string({ required: true, validate: { schema: searchText } }),
    },
    resolve: (_root, wanted, { access, services }) => services.datastores.findByName(access, { ...wanted, path: [] }),
  }),
  datastores: t.field({
    type: DatastoreConnection,
    description: 'Needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Left out: every environment that the caller may see.',
        validate: { schema: uuid },
      }),
      filter: t.arg({ type: DatastoreFilter }),
      orderBy: t.arg({ type: DatastoreOrder, required: true, defaultValue: { field: 'LABEL', direction: 'ASC' } }),
      ...pageArguments,
      offset: t.arg.int({
        description: 'For pages by number: skips that many, at most 10,000. Not together with a cursor.',
      }),
    },
    resolve: async (_root, { environmentId, filter, orderBy, ...page }, { access, services }) => {
      const query: DatastoreQuery = {
        environmentId: environmentId ?? null,
        types: filter?.types ?? null,
        search: filter?.search || null,
        order: orderBy,
      };
      return { ...(await services.datastores.list(access, query, page)), query };
    },
  }),
}));

const DatastoreEventKindRef = builder.enumType('DatastoreEventKind', {
  description: 'May grow: keep a default branch.',
  values: datastoreEventKinds,
});

const DatastoreEventRef = builder.objectRef<DatastoreEvent>('DatastoreEvent').implement({
  description: 'One change of a datastore.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Give it as `after` to go on from here, for 7 days.' }),
    at: t.field({ type: 'DateTime', resolve: (event) => event.at }),
    kind: t.field({ type: DatastoreEventKindRef, resolve: (event) => event.kind }),
    datastoreId: t.exposeID('datastoreId'),
    environmentId: t.exposeID('environmentId'),
    actor: t.exposeString('actor'),
    datastore: t.field({
      type: DatastoreRef,
      nullable: true,
      description: 'As it is now; null once it is deleted.',
      resolve: (event, _arguments, { loaders }) => loaders.datastore.load(event.datastoreId),
    }),
  }),
});

builder.subscriptionField('datastoreEvents', (t) =>
  t.field({
    type: DatastoreEventRef,
    description:
      'In order within an environment. `after` resumes from a cursor, for 7 days: an older one ends with CURSOR_EXPIRED, load the list again. Left out: from now on. Needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Left out: every environment that the caller may see.',
        validate: { schema: uuid },
      }),
      datastoreId: t.arg.id({ description: 'Left out: all of them.', validate: { schema: uuid } }),
      after: t.arg.string({ description: 'The cursor of the last event that was seen.' }),
    },
    subscribe: (_root, { environmentId, datastoreId, after }, { access, services }) => {
      const filter = {
        environmentId: environmentId ?? null,
        datastoreId: datastoreId ?? null,
      };
      return streamOf((signal) => services.datastoreEvents.follow(access, filter, after ?? null, signal));
    },
    resolve: (event) => eventOf(event),
  }),
);
