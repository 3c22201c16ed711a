import type DataLoader from 'dataloader';
import { secretPathsOf } from '../../connectors/kit/config/shape.ts';
import {
  type clientColumnTypes,
  type Tenancy,
  type tenancyLevels,
  tenancySchema,
} from '../../connectors/kit/config/tenancy.ts';
import { type Connector, pascalName } from '../../connectors/kit/contract/connector.ts';
import { connectorOf, connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { type ConfigTypes, deriveConfigTypes } from '../../graphql/derive-config.ts';
import { ConflictErrorRef, InUseErrorRef } from '../../graphql/errors.ts';
import { boundedList, environmentIdField, searchField, searchText, uuid } from '../../graphql/fields.ts';
import { NodeRef } from '../../graphql/node.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import type { Page } from '../../platform/paging.ts';
import {
  ConnectionTestConnection,
  ConnectionTestRef,
  TestPurposeRef,
  TestStatusRef,
} from '../connection-tests/schema.ts';
import { ConnectorRef, DatastoreTypeRef } from '../connectors/schema.ts';
import { EnvironmentRef } from '../environments/schema.ts';
import type { HealthStatus } from '../health/health.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreEvent, DatastoreEventKind, DatastoreEvents } from './events.ts';
import type { DatastoreCount } from './list-store.ts';
import type { AskedDatastore } from './loader.ts';
import type { DatastoreQuery } from './query.ts';
import { environmentOf, lastTestOf, readRelated } from './related.ts';
import { askedOfDatastores, isAlone } from './schema-asked.ts';
import { TagFilter, TagRef, wantedTags } from './schema-details.ts';
import type { DatastoreService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly datastores: DatastoreService;
    readonly datastoreEvents: DatastoreEvents;
  }
  interface Loaders {
    readonly datastore: DataLoader<string, Datastore | null>;
    readonly askedDatastore: DataLoader<AskedDatastore, Datastore | null>;
  }
}

export const TenancyLevelRef = builder.enumType('TenancyLevel', {
  description: 'How clients (tenants) are kept apart inside a datastore.',
  values: {
    TABLE: { description: 'One table maps each client to its rows.' },
    DATABASE: { description: 'Each client has a database of its own.' },
  } satisfies Record<(typeof tenancyLevels)[number], { description: string }>,
});
export const ClientColumnTypeRef = builder.enumType('ClientColumnType', {
  description: 'Of what kind the column is that tells clients apart.',
  values: {
    NUMBER: { description: 'Numbers.' },
    STRING: { description: 'Texts, UUIDs included.' },
  } satisfies Record<(typeof clientColumnTypes)[number], object>,
});
const tenancyFields = tenancySchema.shape;
const TenancyRef = builder.objectRef<Tenancy>('Tenancy').implement({
  description: 'How clients (tenants) are laid out inside the datastore.',
  fields: (t) => ({
    level: t.field({
      type: TenancyLevelRef,
      description: tenancyFields.level.description,
      resolve: (tenancy) => tenancy.level,
    }),
    clientColumnType: t.field({
      type: ClientColumnTypeRef,
      nullable: true,
      description: tenancyFields.clientColumnType.description,
      resolve: (tenancy) => tenancy.clientColumnType,
    }),
    schemaName: t.exposeString('schemaName', { nullable: true, description: tenancyFields.schemaName.description }),
    tableName: t.exposeString('tableName', { nullable: true, description: tenancyFields.tableName.description }),
    tableClientNameColumn: t.exposeString('tableClientNameColumn', {
      nullable: true,
      description: tenancyFields.tableClientNameColumn.description,
    }),
    tablePrimaryKeyColumn: t.exposeString('tablePrimaryKeyColumn', {
      nullable: true,
      description: tenancyFields.tablePrimaryKeyColumn.description,
    }),
  }),
});

interface SecretState {
  readonly path: string;
  readonly updatedAt: string | null;
}

const SecretStateRef = builder.objectRef<SecretState>('SecretState').implement({
  description: 'Whether a secret is set. Its value can never be read back.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Where the secret stands in the config: `tls.clientKey`.' }),
    isSet: t.boolean({
      description: 'Whether the datastore has a value for it.',
      resolve: (secret) => secret.updatedAt !== null,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its value was given; null when it is not set.',
      resolve: (secret) => secret.updatedAt,
    }),
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
    'The config of a datastore, with one member for each type. A field of the same name is of the same type in all of them, so that one document may select `host` from several without aliases.',
  types: connectors.map((connector) => configTypesOf(connector).output),
  resolveType: (config) => (config as typeof config & { [typeName]?: string })[typeName] as never,
});

/** Tells the union which member a config is. It is a symbol, so that no config field can be taken for it. */
const typeName = Symbol('typeName');

function typedConfig({ type, config }: TypedConfig): Datastore['config'] {
  return { ...config, [typeName]: `${pascalName(connectorOf(type))}Config` };
}

export const HealthStatusRef = builder.enumType('HealthStatus', {
  description: 'What a datastore’s health checks found.',
  values: {
    UNKNOWN: { description: 'It is not checked, or was not yet.' },
    HEALTHY: { description: 'The default checks pass.' },
    UNHEALTHY: { description: 'A default check fails: `lastTest` says why.' },
  } satisfies Record<HealthStatus, object>,
});

const typeNames = new Map(connectors.map((connector) => [connector.type, `${pascalName(connector)}Datastore`]));

/** The name of the type that a datastore is of: `PostgresDatastore`. */
export function datastoreTypeName({ type }: Pick<Datastore, 'type'>): string {
  return typeNames.get(connectorOf(type).type) ?? '';
}

export const DatastoreRef = builder.interfaceRef<Datastore>('Datastore').implement({
  description:
    'One registered datastore: a type, a config, sealed secrets, an environment. Each type implements it with its own config.',
  interfaces: [NodeRef],
  resolveType: datastoreTypeName,
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID, which the client may choose when it creates the datastore.' }),
    type: t.field({
      type: DatastoreTypeRef,
      description: 'Which type it is. It never changes.',
      resolve: (datastore) => datastore.type,
    }),
    connector: t.field({
      type: ConnectorRef,
      description: 'What the gateway knows about the type.',
      resolve: (datastore) => connectorOf(datastore.type),
    }),
    name: t.exposeString('name', {
      description:
        'A name for programs, unique within the environment: 1 to 63 lower-case letters, digits, `-` and `_`.',
    }),
    label: t.exposeString('label', {
      description: 'A name for people, of at most 128 characters. Several datastores may have the same.',
    }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What the datastore is for, for people: at most 2,000 characters, line breaks too.',
    }),
    ownerName: t.exposeString('ownerName', {
      nullable: true,
      description: 'Whom to ask about it, a person or a team. It gives nobody any right.',
    }),
    tags: t.field({
      type: [TagRef],
      description: 'Words by which it can be found, sorted by key: see DatastoreFilter.tags.',
      resolve: (datastore) => [...datastore.tags],
    }),
    environment: t.field({
      type: EnvironmentRef,
      description: 'The environment that it is in. It never changes.',
      resolve: (datastore, _arguments, { loaders }) => environmentOf(datastore, loaders),
    }),
    version: t.exposeInt('version', {
      description:
        '1 at first, and one more with every change. Where a deleted datastore of the environment had this id before, the versions go on behind those of that one.',
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was created.',
      resolve: (datastore) => datastore.createdAt,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it was last changed; createdAt until then. Tests and refreshes of the catalog change nothing.',
      resolve: (datastore) => datastore.updatedAt,
    }),
    createdBy: t.exposeString('createdBy', {
      description: 'The name of the token that created it.',
    }),
    createdOnBehalfOf: t.exposeString('createdOnBehalfOf', {
      nullable: true,
      description: 'For whom it was created, where a session token’s onBehalfOf said so.',
    }),
    updatedBy: t.exposeString('updatedBy', { description: 'The name of the token that last changed it.' }),
    updatedOnBehalfOf: t.exposeString('updatedOnBehalfOf', {
      nullable: true,
      description: 'For whom it was last changed, where a session token’s onBehalfOf said so.',
    }),
    config: t.field({
      type: DatastoreConfigRef,
      description: 'The config without its secrets, in the type’s own form.',
      resolve: (datastore) => typedConfig(datastore),
    }),
    configJson: t.field({
      type: 'JSON',
      description:
        'The same config as one JSON object, for tables and for forms made from Connector.configSchema(for: UPDATE). You may give it back as a patch, under Connector.configKey.',
      resolve: (datastore) => datastore.config,
    }),
    secrets: t.field({
      type: [SecretStateRef],
      description: 'Every secret that the type has, and whether it is set. Their values can never be read back.',
      resolve: (datastore) => {
        const set = new Map(datastore.secrets.map((secret) => [secret.path, secret.updatedAt]));
        return secretPathsOf(connectorOf(datastore.type)).map((path) => ({ path, updatedAt: set.get(path) ?? null }));
      },
    }),
    tenancy: t.field({
      type: TenancyRef,
      nullable: true,
      description: 'How clients (tenants) are laid out inside it; null when nothing was said of that.',
      resolve: (datastore) => datastore.tenancy,
    }),
    lastTest: t.field({
      type: ConnectionTestRef,
      nullable: true,
      description: 'The newest test of the datastore as it is stored. Tests that read the catalog do not count.',
      resolve: (datastore, _arguments, { loaders }) => lastTestOf(datastore, loaders),
    }),
    connectionTests: t.field({
      type: ConnectionTestConnection,
      description:
        'The datastore’s connection tests, the newest first. They are kept for 30 days, and the newest 20 however old they are, unless the operator has set it otherwise.',
      args: {
        purpose: t.arg({ type: [TestPurposeRef], description: 'Leave it out to get the tests of every purpose.' }),
        ...pageArguments,
      },
      resolve: (datastore, { purpose, ...page }, { access, services }) =>
        services.connectionTests.list(access, datastore.id, purpose ?? null, page),
    }),
  }),
});

const newDatastoreRef = (connector: Connector) =>
  builder.objectRef<Datastore>(`${pascalName(connector)}Datastore`).implement({
    description: connector.description,
    interfaces: [DatastoreRef, NodeRef],
    fields: (t) => ({
      config: t.field({
        type: configTypesOf(connector).output,
        description: 'The config without its secrets.',
        resolve: (datastore) => datastore.config,
      }),
    }),
  });
const datastoreRefs = new Map(connectors.map((connector) => [connector.type, newDatastoreRef(connector)] as const));

/** The object type of the datastores of a type, to which a module may add fields. */
export function datastoreRefOf(type: string): ReturnType<typeof newDatastoreRef> {
  const ref = datastoreRefs.get(type);
  if (!ref) throw new Error(`There is no connector of the type ${type}.`);
  return ref;
}

builder.objectField(ConnectionTestRef, 'datastore', (t) =>
  t.field({
    type: DatastoreRef,
    nullable: true,
    description: 'The tested datastore; null for a draft, and once the datastore is deleted.',
    resolve: async (test, _arguments, { loaders }) => {
      const datastore = test.datastoreId === null ? null : await loaders.datastore.load(test.datastoreId);
      if (datastore === null || datastore.firstVersion === 1) return datastore;
      // a test that is followed was read before: its datastore may be gone, and another one have its id
      return (await loaders.connectionTest.load(test.id))?.datastoreId === datastore.id ? datastore : null;
    },
  }),
);

builder.objectField(ConnectionTestRef, 'isOfStoredVersion', (t) =>
  t.boolean({
    description:
      'True when it is of the version that is stored now. False once the datastore was changed, for a draft or a change that was not saved, and when the datastore is gone.',
    resolve: async (test, _arguments, { loaders }) => {
      if (test.datastoreId === null || test.datastoreVersion === null) return false;
      return (await loaders.datastore.load(test.datastoreId))?.version === test.datastoreVersion;
    },
  }),
);

builder.objectField(ConflictErrorRef, 'current', (t) =>
  t.field({
    type: DatastoreRef,
    nullable: true,
    description:
      'The datastore as it is stored now; null when the conflict is about an id or an idempotencyKey. The token needs DATASTORES_READ.',
    resolve: (error, _arguments, { loaders }) =>
      error.currentId === null ? null : loaders.datastore.load(error.currentId),
  }),
);

builder.objectField(InUseErrorRef, 'datastores', (t) =>
  t.field({
    type: [DatastoreRef],
    description: 'The datastores that are still there, at most 100. The token needs DATASTORES_READ.',
    resolve: async (error, _arguments, { loaders }) => {
      const found = await loaders.datastore.loadMany(error.datastoreIds);
      return found.filter((one): one is Datastore => one !== null && !(one instanceof Error));
    },
  }),
);

/** How many ids or names a filter may have. */
const MAX_WANTED = 500;

/** A page of what is counted when somebody asks, once. */
interface DatastorePage extends Page<Datastore> {
  readonly count: () => Promise<DatastoreCount>;
}

const DatastoreConnection = connectionType<Datastore, DatastorePage>('Datastore', DatastoreRef);
builder.objectFields(DatastoreConnection, (t) => ({
  totalCount: t.int({
    description:
      'How many datastores there are on all pages together. Where `filter` has more than `types`, up to 10,000 are counted: see isTotalCountExact.',
    resolve: async (page) => (await page.count()).count,
  }),
  isTotalCountExact: t.boolean({
    description:
      'False where totalCount is a lower bound, as it may be where each part of `filter` leaves more than 10,000 datastores.',
    resolve: async (page) => (await page.count()).isExact,
  }),
}));

const wantedIds = boundedList(uuid, { max: MAX_WANTED });
const wantedNames = boundedList(searchText, { max: MAX_WANTED });

const DatastoreFilter = builder.inputType('DatastoreFilter', {
  description: 'Which datastores to list: those that fit all that you give. What you leave out leaves none out.',
  fields: (t) => ({
    ids: t.idList({
      description: 'The datastores with these ids, of which those that are not there are left out: at most 500.',
      validate: { schema: wantedIds },
    }),
    names: t.stringList({
      description: 'The datastores of these names: at most 500.',
      validate: { schema: wantedNames },
    }),
    types: t.field({ type: [DatastoreTypeRef], description: 'Leave it out for datastores of every type.' }),
    search: t.string(searchField('the label or the name')),
    tags: t.field({
      type: [TagFilter],
      description: 'The datastores that have all of these tags: at most 20.',
      validate: { schema: wantedTags },
    }),
    lastTestStatus: t.field({
      type: [TestStatusRef],
      description: 'The datastores whose `lastTest` is in one of these states; one that was never tested is in none.',
    }),
    health: t.field({
      type: [HealthStatusRef],
      description: 'The datastores whose health is one of these; one that is never checked is UNKNOWN.',
    }),
    inUse: t.boolean({
      description:
        'True for the datastores that something depends on, false for the others: see Datastore.usages. Leave it out for both.',
    }),
    updatedSince: t.field({
      type: 'DateTime',
      description: 'The datastores that were created or changed at this instant or later.',
    }),
  }),
});

const DatastoreOrderFieldRef = builder.enumType('DatastoreOrderField', {
  description: 'By what datastores are sorted. Those that are alike in it are sorted by their ids.',
  values: {
    LABEL: { description: 'The name for people. Upper and lower case do not matter.' },
    NAME: { description: 'The name for programs.' },
    TYPE: { description: 'The datastore type, by its name in DatastoreType.' },
    CREATED_AT: { description: 'When it was created.' },
    UPDATED_AT: { description: 'When it was last changed.' },
  } satisfies Record<DatastoreQuery['order']['field'], object>,
});
const OrderDirectionRef = builder.enumType('OrderDirection', {
  description: 'Which end comes first.',
  values: {
    ASC: { description: 'The smallest, or the oldest.' },
    DESC: { description: 'The largest, or the newest.' },
  },
});
const DatastoreOrder = builder.inputType('DatastoreOrder', {
  description: 'How a list of datastores is sorted.',
  fields: (t) => ({
    field: t.field({ type: DatastoreOrderFieldRef, required: true, description: 'What to sort by.' }),
    direction: t.field({ type: OrderDirectionRef, defaultValue: 'ASC', description: 'Which end comes first.' }),
  }),
});

builder.queryFields((t) => ({
  datastore: t.field({
    type: DatastoreRef,
    nullable: true,
    description:
      'One datastore; null when it does not exist or you may not see it, which look the same. The token needs DATASTORES_READ.',
    args: { id: t.arg.id({ required: true, description: 'The datastore’s id.', validate: { schema: uuid } }) },
    resolve: (_root, { id }, { access, loaders, services }, info) => {
      const asked = askedOfDatastores(info);
      // most ask for nothing beside it with which it could be read
      return isAlone(info)
        ? services.datastores.findOne(access, id, asked)
        : loaders.askedDatastore.load({ id, asked });
    },
  }),
  datastoreByName: t.field({
    type: DatastoreRef,
    nullable: true,
    description:
      'One datastore by its name; null when there is none that you may see. The token needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id(environmentIdField),
      name: t.arg.string({ required: true, description: 'The name, exactly.', validate: { schema: searchText } }),
    },
    resolve: (_root, wanted, { access, services }) => services.datastores.findByName(access, { ...wanted, path: [] }),
  }),
  datastores: t.field({
    type: DatastoreConnection,
    description: 'The datastores that you may see. The token needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Leave it out for every environment that you may see.',
        validate: { schema: uuid },
      }),
      filter: t.arg({ type: DatastoreFilter, description: 'Which datastores. Leave it out for all of them.' }),
      orderBy: t.arg({
        type: DatastoreOrder,
        defaultValue: { field: 'LABEL', direction: 'ASC' },
        description: 'How they are sorted: by label when it is left out.',
      }),
      ...pageArguments,
      offset: t.arg.int({
        description: 'How many datastores to skip, for pages by number: at most 10,000. Do not give a cursor as well.',
      }),
    },
    resolve: async (_root, { environmentId, filter, orderBy, ...page }, { access, loaders, services }, info) => {
      const query: DatastoreQuery = {
        environmentId: environmentId ?? null,
        ids: filter?.ids ?? null,
        names: filter?.names ?? null,
        types: filter?.types ?? null,
        search: filter?.search || null,
        tags: filter?.tags?.map(({ key, value }) => ({ key, value: value ?? null })) ?? [],
        lastTestStatus: filter?.lastTestStatus ?? null,
        health: filter?.health ?? null,
        inUse: filter?.inUse ?? null,
        updatedSince: filter?.updatedSince ?? null,
        order: { field: orderBy?.field ?? 'LABEL', direction: orderBy?.direction ?? 'ASC' },
      };
      const asked = askedOfDatastores(info);
      const listed = await services.datastores.list(access, query, page, asked);
      await readRelated(
        listed.edges.map(({ node }) => node),
        asked,
        loaders,
      );
      const isWhole = !listed.hasPreviousPage && !listed.hasNextPage && page.after == null && page.before == null;
      const whole: DatastoreCount = { count: listed.edges.length, isExact: true };
      let counted = isWhole ? Promise.resolve(whole) : undefined;
      const count = () => {
        counted ??= services.datastores.count(access, query);
        return counted;
      };
      return { ...listed, count };
    },
  }),
}));

const DatastoreEventKindRef = builder.enumType('DatastoreEventKind', {
  description: 'What happened to a datastore. New values may be added: keep a default branch.',
  values: {
    CREATED: { description: 'It was stored.' },
    UPDATED: { description: 'It was changed.' },
    DELETED: { description: 'It was deleted.' },
    HEALTH_CHANGED: { description: 'Its health changed: see Datastore.health.' },
    CATALOG_REFRESHED: { description: 'Its catalog was read anew.' },
  } satisfies Record<DatastoreEventKind, object>,
});

const DatastoreEventRef = builder.objectRef<DatastoreEvent>('DatastoreEvent').implement({
  description: 'One change of a datastore.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'Give it as `after` to go on from here. It can be used for 7 days.',
    }),
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: (event) => event.at }),
    kind: t.field({ type: DatastoreEventKindRef, description: 'What happened.', resolve: (event) => event.kind }),
    datastoreId: t.exposeID('datastoreId', { description: 'The id of the datastore, which may be gone by now.' }),
    environmentId: t.exposeID('environmentId', { description: 'The id of the environment that it is in, or was.' }),
    actor: t.exposeString('actor', { description: 'The name of the token that made the change.' }),
    onBehalfOf: t.exposeString('onBehalfOf', {
      nullable: true,
      description: 'For whom the change was made, where a session token’s onBehalfOf said so.',
    }),
    datastore: t.field({
      type: DatastoreRef,
      nullable: true,
      description: 'The datastore as it is now; null once it is deleted.',
      resolve: async (event, _arguments, { loaders, services }) =>
        services.datastoreEvents.datastoreOf(event, await loaders.datastore.load(event.datastoreId)),
    }),
  }),
});

builder.subscriptionField('datastoreEvents', (t) =>
  t.field({
    type: DatastoreEventRef,
    description:
      'Sends the changes of datastores, in order within each environment. Give `after` to go on from a cursor, and load the list again when that ends with CURSOR_EXPIRED: it is older than 7 days. Without `after` you get the changes from now on. The token needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Leave it out for every environment that you may see.',
        validate: { schema: uuid },
      }),
      datastoreId: t.arg.id({ description: 'Leave it out for all datastores.', validate: { schema: uuid } }),
      after: t.arg.string({ description: 'The cursor of the last event that you have seen.' }),
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
