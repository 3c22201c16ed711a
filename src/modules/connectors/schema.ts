import { configJsonSchema, leavesOf, secretPathsOf } from '../../connectors/kit/config/shape.ts';
import { type Check, type Connector, checkName, configKey } from '../../connectors/kit/contract/connector.ts';
import { connectorOf, connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';

export const DatastoreTypeRef = builder.enumType('DatastoreType', {
  description: 'Every type that this gateway can hold. May grow: keep a default branch.',
  values: Object.fromEntries(connectors.map(({ type, title }) => [type, { value: type, description: title }])),
});

const categories = [...new Set(connectors.map((connector) => connector.category))];
const ConnectorCategoryRef = builder.enumType('ConnectorCategory', {
  description: 'May grow: keep a default branch.',
  values: Object.fromEntries(categories.map((category) => [category, { value: category }])),
});

interface OwnedCheck {
  readonly connector: Connector;
  readonly check: Check<never, never>;
}

const CheckDefinitionRef = builder.objectRef<OwnedCheck>('CheckDefinition').implement({
  description: 'A check that a type has: a validation method of ConnectionTestOptions.',
  fields: (t) => ({
    name: t.string({ resolve: ({ connector, check }) => checkName(connector, check) }),
    title: t.string({ resolve: ({ check }) => check.title }),
    description: t.string({
      description: 'What passes, and which right it needs.',
      resolve: ({ check }) => check.description,
    }),
    runsByDefault: t.boolean({ resolve: ({ check }) => check.runsByDefault ?? true }),
    writes: t.boolean({
      description: 'Writes something and removes it again. Never by default; needs DATASTORES_WRITE.',
      resolve: ({ check }) => check.writes ?? false,
    }),
  }),
});

export const ConnectorRef = builder.objectRef<Connector>('Connector').implement({
  description: 'What the gateway knows about one datastore type: all that a form needs.',
  fields: (t) => ({
    type: t.field({ type: DatastoreTypeRef, resolve: (connector) => connector.type }),
    title: t.exposeString('title'),
    description: t.exposeString('description', { description: 'Markdown.' }),
    category: t.field({ type: ConnectorCategoryRef, resolve: (connector) => connector.category }),
    configKey: t.string({
      description: 'The key in DatastoreConfigInput and DatastoreConfigPatch: `googleCloudStorage`.',
      resolve: configKey,
    }),
    configSchema: t.field({
      type: 'JSON',
      description:
        'JSON Schema 2020-12 of the config input, with its names, enum values, defaults and titles; secrets carry `writeOnly: true`.',
      resolve: configJsonSchema,
    }),
    secretPaths: t.stringList({ description: 'Config paths.', resolve: secretPathsOf }),
    principalSecret: t.string({
      nullable: true,
      description: 'The config path that `configSecret` fills.',
      resolve: (connector) => connector.principalSecret ?? null,
    }),
    defaultPort: t.int({ nullable: true, resolve: (connector) => connector.defaultPort ?? null }),
    supportsSshTunnel: t.boolean({
      resolve: (connector) => leavesOf(connector.config).some(({ path }) => path === 'sshTunnel.host'),
    }),
    supportsTenancy: t.boolean({ resolve: (connector) => connector.tenancyLevels !== undefined }),
    supportsCatalog: t.boolean({ resolve: (connector) => connector.catalogCheck !== undefined }),
    checks: t.field({
      type: [CheckDefinitionRef],
      description: 'In the order in which they run.',
      resolve: (connector) => connector.checks.map((check) => ({ connector, check })),
    }),
  }),
});

builder.queryFields((t) => ({
  connectors: t.field({
    type: [ConnectorRef],
    description: 'Every datastore type that this gateway can hold, with all that a form needs.',
    args: { category: t.arg({ type: ConnectorCategoryRef }) },
    resolve: (_root, { category }) =>
      connectors.filter((connector) => category == null || connector.category === category),
  }),
  connector: t.field({
    type: ConnectorRef,
    description: 'One datastore type, with all that a form needs.',
    args: { type: t.arg({ type: DatastoreTypeRef, required: true }) },
    resolve: (_root, { type }) => connectorOf(type),
  }),
}));
