import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import {
  ConflictError,
  ConnectionTestFailedError,
  NameTakenError,
  NotFoundError,
  SecretsRequiredError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { label, uuid } from '../../graphql/fields.ts';
import { ConnectionTestOptions } from '../connection-tests/schema.ts';
import { type Datastore, MAX_NAME } from './datastore.ts';
import { DatastoreRef } from './schema.ts';
import { configSecretField, DatastoreConfigInput, DatastoreConfigPatch, TenancyInput } from './schema-inputs.ts';

const datastoreName = z
  .string()
  .refine(
    (name) => /^[a-z0-9_-]+$/.test(name) && name.length <= MAX_NAME,
    issue('INVALID_FORMAT', '1 to 63 lower-case letters, digits, "-" and "_".'),
  );

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
    configSecret: t.string(configSecretField),
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
    configSecret: t.string(configSecretField),
    tenancy: t.field({ type: TenancyInput, description: 'Replaced as a whole; null = removed.' }),
    refreshCatalog: t.boolean({ required: true, defaultValue: false, description: 'Reads the catalog once stored.' }),
    test: t.field({
      type: ConnectionTestOptions,
      description:
        'Tests the merged whole before it is stored; nothing is stored unless it passes. Needs DATASTORES_TEST.',
    }),
  }),
});

const stored = (name: string, description?: string) =>
  builder.objectRef<{ datastore: Datastore }>(name).implement({
    ...(description ? { description } : {}),
    fields: (t) => ({ datastore: t.field({ type: DatastoreRef, resolve: (result) => result.datastore }) }),
  });

/** Says where the input of a create or an update stands, and its test options. */
function placed<Input extends { readonly test?: object | null | undefined }>(input: Input) {
  const { test } = input;
  return { ...input, path: ['input'], test: test && { ...test, path: ['input', 'test'] } };
}

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
      datastore: await services.datastores.create(access, placed(input)),
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
      datastore: await services.datastores.update(access, placed(input)),
    }),
  }),
}));
