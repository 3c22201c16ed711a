import {
  ConflictError,
  ConnectionTestFailedError,
  NameTakenError,
  NotFoundError,
  QuotaExceededError,
  RecordsMisfitError,
  SecretsRequiredError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { environmentIdField, idempotencyKeyField, label, uuid } from '../../graphql/fields.ts';
import { ConnectionTestOptions } from '../connection-tests/schema.ts';
import { type Datastore, datastoreName } from './datastore.ts';
import { DatastoreRef } from './schema.ts';
import { checkEveryMinutesField, descriptionField, ownerNameField, tagsField } from './schema-details.ts';
import {
  configSecretField,
  DatastoreConfigInput,
  DatastoreConfigPatch,
  DatastoreConfigReplacement,
  draftValidation,
  forceField,
  TenancyInput,
  tenancyField,
} from './schema-inputs.ts';
import type { UpsertOutcome as Outcome, Upserted } from './service.ts';

export const CreateDatastoreInput = builder.inputType('CreateDatastoreInput', {
  description: 'A new datastore.',
  validate: draftValidation,
  fields: (t) => ({
    id: t.id({
      description:
        'Choose a UUID that was never used before, but by a deleted datastore of the same environment, or leave it out to have one chosen for you.',
      validate: { schema: uuid },
    }),
    environmentId: t.id(environmentIdField),
    name: t.string({
      description:
        'A name for programs, unique within the environment: 1 to 63 lower-case letters, digits, `-` and `_`. Leave it out to have it made from the label.',
      validate: { schema: datastoreName },
    }),
    label: t.string({
      description:
        'A name for people, of at most 128 characters. Leave it out to use the name or, without one, the type’s title.',
      validate: { schema: label },
    }),
    description: t.string(descriptionField),
    ownerName: t.string(ownerNameField),
    tags: t.field(tagsField),
    checkEveryMinutes: t.int(checkEveryMinutesField),
    config: t.field({
      type: DatastoreConfigInput,
      required: true,
      description: 'The config. The field that you give decides the type, which never changes.',
    }),
    configSecret: t.string(configSecretField),
    tenancy: t.field(tenancyField),
    refreshCatalog: t.boolean({
      defaultValue: false,
      description:
        'True to read the catalog once the datastore is stored. This is a connection test of its own, whose failure undoes nothing. The token needs DATASTORES_TEST.',
    }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Tests the connection first, and stores nothing unless the test passes. `{}` runs the type’s default checks. Leave it out to store the datastore untested. The token needs DATASTORES_TEST.',
    }),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

export const UpdateDatastoreInput = builder.inputType('UpdateDatastoreInput', {
  description: 'Give only what you want to change: what you leave out stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The datastore to change.', validate: { schema: uuid } }),
    expectedVersion: t.int({
      description:
        'The version that your change is about. When another one is stored by now, you get a ConflictError. Leave it out to change whatever is stored.',
    }),
    name: t.string({
      description:
        'A new name for programs, unique within the environment: 1 to 63 lower-case letters, digits, `-` and `_`.',
      validate: { schema: datastoreName },
    }),
    label: t.string({
      description: 'A new name for people, of at most 128 characters.',
      validate: { schema: label },
    }),
    description: t.string(descriptionField),
    ownerName: t.string(ownerNameField),
    tags: t.field(tagsField),
    checkEveryMinutes: t.int(checkEveryMinutesField),
    config: t.field({
      type: DatastoreConfigPatch,
      description: 'Give only the fields of the config that you want to change.',
    }),
    configSecret: t.string(configSecretField),
    tenancy: t.field({
      type: TenancyInput,
      description: 'It replaces the stored one as a whole. Leave it out to keep that, give null to remove it.',
    }),
    refreshCatalog: t.boolean({
      defaultValue: false,
      description: 'True to read the catalog once the change is stored. The token needs DATASTORES_TEST.',
    }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Tests the datastore with your change over it first, and stores nothing unless the test passes. Leave it out to store the change untested. The token needs DATASTORES_TEST.',
    }),
    force: t.boolean(forceField),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const UpsertDatastoreInput = builder.inputType('UpsertDatastoreInput', {
  description:
    'A datastore as it is to be. `config` is whole; of the other fields, what you leave out stays as it is, as in updateDatastore, and null takes it away.',
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    name: t.string({
      required: true,
      description:
        'The name by which the datastore is found, or which it gets: 1 to 63 lower-case letters, digits, `-` and `_`.',
      validate: { schema: datastoreName },
    }),
    label: t.string({
      description:
        'A name for people, of at most 128 characters. When it is left out, a new datastore gets the name for a label.',
      validate: { schema: label },
    }),
    description: t.string(descriptionField),
    ownerName: t.string(ownerNameField),
    tags: t.field(tagsField),
    checkEveryMinutes: t.int(checkEveryMinutesField),
    config: t.field({
      type: DatastoreConfigReplacement,
      required: true,
      description:
        'The whole config: a field that you leave out gets its default, or is taken away. A secret that you leave out is kept, for nobody can read it back to give it again; null takes it away, and so does leaving out the block that it stands in.',
    }),
    configSecret: t.string(configSecretField),
    tenancy: t.field({
      type: TenancyInput,
      description: 'It replaces the stored one as a whole. Leave it out to keep that, give null to remove it.',
    }),
    refreshCatalog: t.boolean({
      defaultValue: false,
      description:
        'True to read the catalog once the datastore is stored; not when nothing differs. The token needs DATASTORES_TEST.',
    }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Tests the connection first, and stores nothing unless the test passes. When nothing differs, nothing is tested: startConnectionTest tests what is stored. The token needs DATASTORES_TEST.',
    }),
    force: t.boolean(forceField),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const UpsertOutcome = builder.enumType('UpsertOutcome', {
  description: 'What upsertDatastore has done.',
  values: {
    CREATED: { description: 'There was no datastore of this name: now there is.' },
    UPDATED: { description: 'The stored datastore differed: it has a new version.' },
    UNCHANGED: { description: 'The stored datastore is as the input says: nothing was tested, and nothing stored.' },
  } satisfies Record<Outcome, object>,
});

const UpsertDatastoreSuccess = builder.objectRef<Upserted>('UpsertDatastoreSuccess').implement({
  description: 'The datastore is stored as the input says.',
  fields: (t) => ({
    outcome: t.field({
      type: UpsertOutcome,
      description: 'Whether it was created, updated, or as it is to be already.',
      resolve: (result) => result.outcome,
    }),
    datastore: t.field({
      type: DatastoreRef,
      description: 'The datastore as it is stored now.',
      resolve: (result) => result.datastore,
    }),
  }),
});

const stored = (name: string, description: string) =>
  builder.objectRef<{ datastore: Datastore }>(name).implement({
    description,
    fields: (t) => ({
      datastore: t.field({
        type: DatastoreRef,
        description: 'The datastore as it is stored now.',
        resolve: (result) => result.datastore,
      }),
    }),
  });

/** Says where the input of a create or an update stands, and its test options. */
export function placed<Input extends { readonly test?: object | null | undefined }>(
  input: Input,
  path: readonly string[] = ['input'],
) {
  const { test } = input;
  return { ...input, path, test: test && { ...test, path: [...path, 'test'] } };
}

builder.mutationFields((t) => ({
  createDatastore: t.field({
    type: stored(
      'CreateDatastoreSuccess',
      'The datastore is stored. `datastore.lastTest` is the test that it passed, when one was asked for.',
    ),
    description: 'Stores a new datastore, its secrets sealed. The token needs DATASTORES_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, NameTakenError, ConflictError, ConnectionTestFailedError],
      union: { name: 'CreateDatastoreResult' },
    },
    args: { input: t.arg({ type: CreateDatastoreInput, required: true, description: 'The datastore to store.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      datastore: await services.datastores.create(access, placed(input)),
    }),
  }),
  updateDatastore: t.field({
    type: stored(
      'UpdateDatastoreSuccess',
      'The change is stored. `datastore.lastTest` is the test that it passed, when one was asked for.',
    ),
    description:
      'Changes a stored datastore. When the change leads to another host or account, stored secrets must be given again: SecretsRequiredError names them. The token needs DATASTORES_WRITE.',
    errors: {
      types: [
        ValidationError,
        NotFoundError,
        NameTakenError,
        ConflictError,
        SecretsRequiredError,
        ConnectionTestFailedError,
        QuotaExceededError,
        RecordsMisfitError,
      ],
      union: { name: 'UpdateDatastoreResult' },
    },
    args: { input: t.arg({ type: UpdateDatastoreInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      datastore: await services.datastores.update(access, placed(input)),
    }),
  }),
  upsertDatastore: t.field({
    type: UpsertDatastoreSuccess,
    description:
      'Creates the datastore of this name in this environment, or changes it to be as the input says, and tells which; where nothing differs, nothing is done. It may be sent again and again, also by several at once. A type never changes. When the config leads to another host or account, stored secrets must be given again: SecretsRequiredError names them. The token needs DATASTORES_WRITE.',
    errors: {
      types: [
        ValidationError,
        NotFoundError,
        ConflictError,
        SecretsRequiredError,
        ConnectionTestFailedError,
        QuotaExceededError,
        RecordsMisfitError,
      ],
      union: { name: 'UpsertDatastoreResult' },
    },
    args: {
      input: t.arg({ type: UpsertDatastoreInput, required: true, description: 'The datastore as it is to be.' }),
    },
    resolve: async (_root, { input }, { access, services }) => services.datastores.upsert(access, placed(input)),
  }),
}));
