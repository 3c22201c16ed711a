import { type FormGroup, formLayoutOf } from '../../connectors/kit/config/form-layout.ts';
import { configJsonSchema, type FormPurpose, tenancyJsonSchema } from '../../connectors/kit/config/json-schema.ts';
import { type Answerable, leavesOf, secretPathsOf } from '../../connectors/kit/config/shape.ts';
import {
  type Check,
  type Connector,
  type ConnectorCategory,
  checkName,
  configKey,
} from '../../connectors/kit/contract/connector.ts';
import { connectorOf, connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';
import { documentationOf } from './documentation.ts';
import { connectorsVersion } from './version.ts';

export const DatastoreTypeRef = builder.enumType('DatastoreType', {
  description: 'The datastore types that this gateway knows. New values may be added: keep a default branch.',
  values: Object.fromEntries(connectors.map(({ type, title }) => [type, { value: type, description: title }])),
});

const CATEGORIES = {
  SQL: 'A database with tables that speaks SQL, for many small reads and writes.',
  WAREHOUSE: 'A warehouse or query engine with tables that speaks SQL, for few large reads.',
  DOCUMENT: 'A database of documents.',
  SEARCH: 'A search engine.',
  VECTOR: 'A database of vectors.',
  OBJECT_STORAGE: 'A storage of objects in buckets.',
  FILE: 'One file.',
  MANAGED: 'Data that the gateway keeps itself.',
} satisfies Record<ConnectorCategory, string>;
const categories = [...new Set(connectors.map((connector) => connector.category))];
const ConnectorCategoryRef = builder.enumType('ConnectorCategory', {
  description: 'What kind of datastore a type is. New values may be added: keep a default branch.',
  values: Object.fromEntries(
    categories.map((category) => [category, { value: category, description: CATEGORIES[category] }]),
  ),
});

const JsonSchemaDialectRef = builder.enumType('JsonSchemaDialect', {
  description: 'A dialect of JSON Schema.',
  values: {
    DRAFT_07: { value: 'draft-07', description: 'Draft-07, which form libraries and ajv take by default.' },
    DRAFT_2020_12: { value: 'draft-2020-12', description: 'Draft 2020-12, the newest one.' },
  },
});

const FormPurposeRef = builder.enumType('FormPurpose', {
  description: 'What a form is for.',
  values: {
    CREATE: { value: 'create', description: 'A new datastore: whatever a config needs is required.' },
    UPDATE: {
      value: 'update',
      description:
        'A change of a datastore whose secrets are stored: none is required, and leaving one empty keeps it. Datastore.configJson is right as the form’s data.',
    },
  } satisfies Record<Uppercase<FormPurpose>, { value: FormPurpose; description: string }>,
});

const dialectArgument = {
  type: JsonSchemaDialectRef,
  required: true,
  defaultValue: 'draft-07',
  description: 'What your validator takes. The schemas differ in nothing but the dialect that they name.',
} as const;

/**
 * The schemas that were asked for: writing those of all types holds the event loop for 50 ms, and none ever changes.
 */
const written = new Map<string, object>();

function writtenOnce(key: string, write: () => object): Answerable {
  const schema = written.get(key) ?? write();
  written.set(key, schema);
  // the executor takes an object that has a `then`, as rules of a schema do, for a promise
  return { toJSON: () => schema };
}

const FormGroupNameRef = builder.enumType('FormGroupName', {
  description: 'The parts of a form, in the order in which it shows them. New values may be added.',
  values: {
    BASICS: { description: 'What the datastore is and where it is found.' },
    SIGN_IN: { description: 'Who signs in, and with what.' },
    TLS: { description: 'The block `tls`: how the connection is encrypted.' },
    SSH_TUNNEL: { description: 'The block `sshTunnel`: the bastion on the way.' },
    ADVANCED: { description: 'What most leave as it is.' },
  } satisfies Record<FormGroup['name'], { description: string }>,
});

const FormGroupRef = builder.objectRef<FormGroup>('FormGroup').implement({
  description: 'A part of a type’s form.',
  fields: (t) => ({
    name: t.field({ type: FormGroupNameRef, description: 'Which part it is.', resolve: ({ name }) => name }),
    title: t.exposeString('title', { description: 'Its heading, for people.' }),
    fields: t.stringList({
      description: 'The config paths of its fields, in order: `host`, `tls.mode`. A block’s fields stand together.',
      resolve: ({ fields }) => [...fields],
    }),
  }),
});

interface OwnedCheck {
  readonly connector: Connector;
  readonly check: Check<never, never>;
}

const CheckDefinitionRef = builder.objectRef<OwnedCheck>('CheckDefinition').implement({
  description: 'A check that a type has. Its name is what ConnectionTestOptions.validationMethods takes.',
  fields: (t) => ({
    name: t.string({
      description: 'The check’s name, `type/resource/method`: `postgres/session/authenticate`.',
      resolve: ({ connector, check }) => checkName(connector, check),
    }),
    title: t.string({ description: 'The check’s name for people.', resolve: ({ check }) => check.title }),
    description: t.string({
      description: 'What the check wants to find, and which right it needs on the server.',
      resolve: ({ check }) => check.description,
    }),
    runsByDefault: t.boolean({
      description: 'Whether it runs when a test names no checks.',
      resolve: ({ check }) => check.runsByDefault ?? true,
    }),
    writes: t.boolean({
      description:
        'True when the check writes something and removes it again. Such a check never runs by default, and the token needs DATASTORES_WRITE.',
      resolve: ({ check }) => check.writes ?? false,
    }),
  }),
});

export const ConnectorRef = builder.objectRef<Connector>('Connector').implement({
  description: 'What the gateway knows about one datastore type. It is all that a form needs.',
  fields: (t) => ({
    type: t.field({
      type: DatastoreTypeRef,
      description: 'The datastore type that all of this is about.',
      resolve: (connector) => connector.type,
    }),
    title: t.exposeString('title', { description: 'The type’s name for people.' }),
    description: t.exposeString('description', { description: 'What the type is and what it needs, as Markdown.' }),
    category: t.field({
      type: ConnectorCategoryRef,
      description: 'What kind of datastore it is.',
      resolve: (connector) => connector.category,
    }),
    configKey: t.string({
      description: 'The type’s field in DatastoreConfigInput and DatastoreConfigPatch: `googleCloudStorage`.',
      resolve: configKey,
    }),
    configSchema: t.field({
      type: 'JSON',
      description:
        'The config input as JSON Schema, with all that a form needs: titles, examples, labels of enums, defaults, and the rules over several fields. It works as it comes in @rjsf/core, in react-hook-form’s ajvResolver and in JSON Forms. Secrets carry `writeOnly: true` and `format: "password"`, and the example leaves them out; those without which nobody is signed in are `required`, though one of them may come as `configSecret`. Texts of several lines carry `contentMediaType`. A block that may be left out is null until it is chosen.',
      args: {
        dialect: t.arg(dialectArgument),
        for: t.arg({
          type: FormPurposeRef,
          required: true,
          defaultValue: 'create',
          description:
            'What the form is for. UPDATE asks for no secret that is stored; the gateway asks for them again when a change sends them elsewhere: the issues of SecretsRequiredError name them.',
        }),
      },
      resolve: (connector, { dialect, for: purpose }) =>
        writtenOnce(`${connector.type} ${dialect} ${purpose}`, () => configJsonSchema(connector, { dialect, purpose })),
    }),
    formLayout: t.field({
      type: [FormGroupRef],
      description:
        'The groups of the type’s form, in order. Each field of the config is in exactly one; a group without fields is left out.',
      resolve: (connector) => [...formLayoutOf(connector)],
    }),
    tenancySchema: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'TenancyInput as JSON Schema, with the levels that the type knows and the rules over several fields, as configSchema has them. Null where the type has no tenancy.',
      args: { dialect: t.arg(dialectArgument) },
      resolve: ({ tenancyLevels }, { dialect }) =>
        tenancyLevels
          ? writtenOnce(`${tenancyLevels} ${dialect}`, () => tenancyJsonSchema(tenancyLevels, dialect))
          : null,
    }),
    documentation: t.string({
      description:
        'A page about the type, as Markdown with tables: what to fill in, what makes a user with the least rights, what each check does, what failures say.',
      resolve: documentationOf,
    }),
    secretPaths: t.stringList({
      description: 'The config paths of the type’s secrets: `tls.clientKey`.',
      resolve: secretPathsOf,
    }),
    principalSecret: t.string({
      nullable: true,
      description: 'The config path of the secret that `configSecret` fills; null where the type has none.',
      resolve: (connector) => connector.principalSecret ?? null,
    }),
    connectionTexts: t.stringList({
      description:
        'Examples of what parseConnection reads for the type, with made-up values: placeholders for a box to paste into. Some have several lines.',
      resolve: (connector) => [...(connector.texts?.examples ?? [])],
    }),
    defaultPort: t.int({
      nullable: true,
      description: 'The TCP port that is used where the config names none; null for a type that is reached by a URL.',
      resolve: (connector) => connector.defaultPort ?? null,
    }),
    supportsSshTunnel: t.boolean({
      description: 'Whether its config has `sshTunnel`: a bastion that the gateway goes through.',
      resolve: (connector) => leavesOf(connector.config).some(({ path }) => path === 'sshTunnel.host'),
    }),
    supportsTenancy: t.boolean({
      description: 'Whether its datastores may have a `tenancy`.',
      resolve: (connector) => connector.tenancyLevels !== undefined,
    }),
    supportsCatalog: t.boolean({
      description: 'Whether refreshCatalog can read a catalog of it.',
      resolve: (connector) => connector.catalogCheck !== undefined,
    }),
    checks: t.field({
      type: [CheckDefinitionRef],
      description: 'The type’s checks, in the order in which they run.',
      resolve: (connector) => connector.checks.map((check) => ({ connector, check })),
    }),
  }),
});

builder.queryFields((t) => ({
  connectors: t.field({
    type: [ConnectorRef],
    description: 'Every datastore type that this gateway knows, with all that a form needs.',
    args: { category: t.arg({ type: ConnectorCategoryRef, description: 'Leave it out for all of them.' }) },
    resolve: (_root, { category }) =>
      connectors.filter((connector) => category == null || connector.category === category),
  }),
  connectorsVersion: t.string({
    description:
      'Another text when anything of `connectors` is another: keep what you have read of them for as long as this stays the same. It is of this gateway’s version, and the same on all replicas of it.',
    resolve: () => connectorsVersion(),
  }),
  connector: t.field({
    type: ConnectorRef,
    description: 'One datastore type, with all that a form needs.',
    args: { type: t.arg({ type: DatastoreTypeRef, required: true, description: 'Which one.' }) },
    resolve: (_root, { type }) => connectorOf(type),
  }),
}));
