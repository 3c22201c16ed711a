import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { type ConfigValues, dropNulls } from '../../connectors/kit/config/shape.ts';
import { tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import {
  ConflictError,
  ConnectionTestFailedError,
  NameTakenError,
  NotFoundError,
  SecretsRequiredError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { label, testTimeout, uuid } from '../../graphql/fields.ts';
import { ConnectionTestRef } from '../connection-tests/schema.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { Datastore } from './datastore.ts';
import { ClientColumnTypeRef, configChoice, DatastoreRef, TenancyLevelRef } from './schema.ts';

const datastoreName = z
  .string()
  .refine(
    (name) => /^[a-z0-9_-]{1,63}$/.test(name),
    issue('INVALID_FORMAT', '1 to 63 lower-case letters, digits, "-" and "_".'),
  );
const tenancyInput = z.preprocess((values) => dropNulls(values as ConfigValues), tenancySchema);
const secretText = z.string().min(1).max(65_536);
const methodNames = z.array(z.string().max(100)).max(50);
const selectedIds = z.array(uuid).min(1).max(1_000);

const DatastoreConfigInput = configChoice(
  'DatastoreConfigInput',
  'Exactly one. Which one decides the type. From a generic form: `{ [Connector.configKey]: values }`.',
  'input',
);
const DatastoreConfigPatch = configChoice(
  'DatastoreConfigPatch',
  'Exactly one, that of the stored type: a type never changes.',
  'patch',
);

const configSecret =
  'The connector’s principal secret (see Connector.principalSecret), when config leaves it out. Both, or a type without one: ValidationError.';

const TenancyInput = builder.inputType('TenancyInput', {
  description: 'How clients (tenants) are laid out inside the datastore. TABLE needs the five other fields.',
  validate: { schema: tenancyInput as never },
  fields: (t) => ({
    level: t.field({ type: TenancyLevelRef, required: true }),
    clientColumnType: t.field({ type: ClientColumnTypeRef }),
    schemaName: t.string({ description: 'Where the mapping table is.' }),
    tableName: t.string({ description: 'The mapping table: a row for each client.' }),
    tableClientNameColumn: t.string(),
    tablePrimaryKeyColumn: t.string(),
  }),
});

const ConnectionTestOptions = builder.inputType('ConnectionTestOptions', {
  fields: (t) => ({
    validationMethods: t.stringList({
      description:
        'Names from Connector.checks: `s3/bucket/head`. Left out: the connector’s default ones. Checks that these build on run too.',
      validate: { schema: methodNames },
    }),
    testId: t.id({
      description: 'A UUID chosen by the client, so that the progress can be followed from before the start.',
      validate: { schema: uuid },
    }),
    timeoutMs: t.int({
      required: true,
      defaultValue: 30_000,
      description: 'Whole test, from QUEUED on, in milliseconds: 1,000 to 300,000.',
      validate: { schema: testTimeout },
    }),
  }),
});

const CreateDatastoreInput = builder.inputType('CreateDatastoreInput', {
  fields: (t) => ({
    id: t.id({
      description: 'A UUID of the client’s own choice. One that was ever used is refused.',
      validate: { schema: uuid },
    }),
    environmentId: t.id({
      description: 'Left out: the caller’s only environment. An error when the caller has several.',
      validate: { schema: uuid },
    }),
    name: t.string({
      description:
        'Unique within the environment: 1 to 63 lower-case letters, digits, `-`, `_`. Left out: made from the label.',
      validate: { schema: datastoreName },
    }),
    label: t.string({
      description: 'For people: at most 128 characters. Left out: the name, or the connector’s title.',
      validate: { schema: label },
    }),
    config: t.field({ type: DatastoreConfigInput, required: true }),
    configSecret: t.string({ description: configSecret, validate: { schema: secretText } }),
    tenancy: t.field({ type: TenancyInput }),
    refreshCatalog: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Reads the catalog once stored. Its failure undoes nothing: it is a connection test of its own.',
    }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Runs these validation methods before anything is stored; nothing is stored unless they pass. `{}` runs the default ones. Needs DATASTORES_TEST.',
    }),
  }),
});

const UpdateDatastoreInput = builder.inputType('UpdateDatastoreInput', {
  description: 'Left out = unchanged.',
  fields: (t) => ({
    id: t.id({ required: true, validate: { schema: uuid } }),
    expectedVersion: t.int({ description: 'Refused with ConflictError when the stored version differs.' }),
    name: t.string({ validate: { schema: datastoreName } }),
    label: t.string({ validate: { schema: label } }),
    config: t.field({ type: DatastoreConfigPatch }),
    configSecret: t.string({ description: configSecret, validate: { schema: secretText } }),
    tenancy: t.field({ type: TenancyInput, description: 'Replaced as a whole; null = removed.' }),
    refreshCatalog: t.boolean({ required: true, defaultValue: false, description: 'Reads the catalog once stored.' }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Tests the merged whole before it is stored; nothing is stored unless it passes. Needs DATASTORES_TEST.',
    }),
  }),
});

const AllDatastores = builder.inputType('AllDatastores', {
  fields: (t) => ({
    environmentId: t.id({ required: true, validate: { schema: uuid } }),
    exceptIds: t.idList({ required: true, defaultValue: [], validate: { items: { schema: uuid } } }),
  }),
});

const DatastoreSelection = builder.inputType('DatastoreSelection', {
  isOneOf: true,
  fields: (t) => ({
    ids: t.idList({ description: '1 to 1,000.', validate: { schema: selectedIds } }),
    all: t.field({ type: AllDatastores, description: 'Every one of an environment but those that are named.' }),
  }),
});

const DeleteDatastoresInput = builder.inputType('DeleteDatastoresInput', {
  fields: (t) => ({ select: t.field({ type: DatastoreSelection, required: true }) }),
});

const DatastoreDraft = builder.inputType('DatastoreDraft', {
  description: 'A datastore that is not stored: as createDatastore would take it.',
  fields: (t) => ({
    environmentId: t.id({ description: 'Left out: the caller’s only environment.', validate: { schema: uuid } }),
    config: t.field({ type: DatastoreConfigInput, required: true }),
    configSecret: t.string({ description: configSecret, validate: { schema: secretText } }),
    tenancy: t.field({ type: TenancyInput }),
  }),
});

const DatastoreChange = builder.inputType('DatastoreChange', {
  fields: (t) => ({
    datastoreId: t.id({ required: true, validate: { schema: uuid } }),
    config: t.field({ type: DatastoreConfigPatch }),
    configSecret: t.string({ description: configSecret, validate: { schema: secretText } }),
    tenancy: t.field({ type: TenancyInput }),
  }),
});

const ConnectionTestTarget = builder.inputType('ConnectionTestTarget', {
  isOneOf: true,
  fields: (t) => ({
    datastoreId: t.id({ description: 'What is stored.', validate: { schema: uuid } }),
    draft: t.field({ type: DatastoreDraft, description: 'A new one, before createDatastore.' }),
    change: t.field({
      type: DatastoreChange,
      description: 'What is stored with a change over it, as updateDatastore would store it.',
    }),
  }),
});

const StartConnectionTestInput = builder.inputType('StartConnectionTestInput', {
  fields: (t) => ({
    target: t.field({ type: ConnectionTestTarget, required: true }),
    options: t.field({ type: ConnectionTestOptions }),
  }),
});

const stored = (name: string, description?: string) =>
  builder.objectRef<{ datastore: Datastore }>(name).implement({
    ...(description ? { description } : {}),
    fields: (t) => ({ datastore: t.field({ type: DatastoreRef, resolve: (result) => result.datastore }) }),
  });

const DeleteDatastoresSuccess = builder.objectRef<{ deletedIds: string[] }>('DeleteDatastoresSuccess').implement({
  fields: (t) => ({ deletedIds: t.idList({ resolve: (result) => result.deletedIds }) }),
});

const StartConnectionTestSuccess = builder.objectRef<{ test: ConnectionTest }>('StartConnectionTestSuccess').implement({
  fields: (t) => ({ test: t.field({ type: ConnectionTestRef, resolve: (result) => result.test }) }),
});

const defaultOptions = { timeoutMs: 30_000 };

builder.mutationFields((t) => ({
  createDatastore: t.field({
    type: stored('CreateDatastoreSuccess', '`datastore.lastTest` is the test that it passed, when one was asked for.'),
    description: 'Needs DATASTORES_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, NameTakenError, ConflictError, ConnectionTestFailedError],
      union: { name: 'CreateDatastoreResult' },
    },
    args: { input: t.arg({ type: CreateDatastoreInput, required: true }) },
    resolve: async (_root, { input }, { access, services }) => ({
      datastore: await services.datastores.create(access, input),
    }),
  }),
  updateDatastore: t.field({
    type: stored('UpdateDatastoreSuccess'),
    description: 'Needs DATASTORES_WRITE.',
    errors: {
      types: [
        ValidationError,
        NotFoundError,
        NameTakenError,
        ConflictError,
        SecretsRequiredError,
        ConnectionTestFailedError,
      ],
      union: { name: 'UpdateDatastoreResult' },
    },
    args: { input: t.arg({ type: UpdateDatastoreInput, required: true }) },
    resolve: async (_root, { input }, { access, services }) => ({
      datastore: await services.datastores.update(access, input),
    }),
  }),
  deleteDatastores: t.field({
    type: DeleteDatastoresSuccess,
    description: 'All of them or, when one does not exist, none. Their secrets are erased. Needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'DeleteDatastoresResult' } },
    args: { input: t.arg({ type: DeleteDatastoresInput, required: true }) },
    resolve: async (_root, { input }, { access, services }) => {
      const { ids, all } = input.select;
      const lower = (list: readonly string[]) => list.map((id) => id.toLowerCase());
      const selection = all
        ? { all: { environmentId: all.environmentId.toLowerCase(), exceptIds: lower(all.exceptIds) } }
        : { ids: lower(ids ?? []) };
      return { deletedIds: await services.datastores.delete(access, selection) };
    },
  }),
  startConnectionTest: t.field({
    type: StartConnectionTestSuccess,
    description:
      'Starts a test and answers at once; follow it with the connectionTestProgress subscription. Needs DATASTORES_TEST, and DATASTORES_WRITE for checks that write.',
    errors: {
      types: [ValidationError, NotFoundError, ConflictError, SecretsRequiredError],
      union: { name: 'StartConnectionTestResult' },
    },
    args: { input: t.arg({ type: StartConnectionTestInput, required: true }) },
    resolve: async (_root, { input }, { access, services }) => ({
      test: await services.datastores.startTest(access, input.target, input.options ?? defaultOptions),
    }),
  }),
}));
