import { ConflictError, NotFoundError, SecretsRequiredError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { environmentIdField, uuid } from '../../graphql/fields.ts';
import { ConnectionTestOptions, ConnectionTestRef } from '../connection-tests/schema.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import {
  configSecretField,
  DatastoreConfigInput,
  DatastoreConfigPatch,
  draftValidation,
  TenancyInput,
  tenancyField,
} from '../datastores/schema-inputs.ts';
import type { RequestedTestService, TestTarget } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly requestedTests: RequestedTestService;
  }
}

const DatastoreDraft = builder.inputType('DatastoreDraft', {
  description: 'A datastore that is not stored, written as createDatastore takes it.',
  validate: draftValidation,
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    config: t.field({
      type: DatastoreConfigInput,
      required: true,
      description: 'The config. The field that you give decides the type.',
    }),
    configSecret: t.string(configSecretField),
    tenancy: t.field(tenancyField),
  }),
});

const DatastoreChange = builder.inputType('DatastoreChange', {
  description: 'A change of a stored datastore, written as updateDatastore takes it.',
  fields: (t) => ({
    datastoreId: t.id({ required: true, description: 'The datastore to change.', validate: { schema: uuid } }),
    config: t.field({ type: DatastoreConfigPatch, description: 'Give only the fields that you want to change.' }),
    configSecret: t.string(configSecretField),
    tenancy: t.field({
      type: TenancyInput,
      description: 'It replaces the stored one as a whole. Leave it out to keep that, give null to remove it.',
    }),
  }),
});

const ConnectionTestTarget = builder.inputType('ConnectionTestTarget', {
  description: 'What to test. Give exactly one.',
  isOneOf: true,
  fields: (t) => ({
    datastoreId: t.id({ description: 'Tests a datastore as it is stored.', validate: { schema: uuid } }),
    draft: t.field({ type: DatastoreDraft, description: 'Tests a new datastore before you create it.' }),
    change: t.field({
      type: DatastoreChange,
      description: 'Tests a datastore as updateDatastore would store it: what is stored, with your change over it.',
    }),
  }),
});

const StartConnectionTestInput = builder.inputType('StartConnectionTestInput', {
  description: 'What to test, and how.',
  fields: (t) => ({
    target: t.field({ type: ConnectionTestTarget, required: true, description: 'What to test.' }),
    options: t.field({
      type: ConnectionTestOptions,
      description: 'Leave it out to run the type’s default checks within 30 seconds.',
    }),
  }),
});

const StartConnectionTestSuccess = builder.objectRef<{ test: ConnectionTest }>('StartConnectionTestSuccess').implement({
  description: 'The test is queued.',
  fields: (t) => ({
    test: t.field({
      type: ConnectionTestRef,
      description: 'The test: follow it with connectionTestProgress.',
      resolve: (result) => result.test,
    }),
  }),
});

/** Says where the given target stands. GraphQL has seen to it that there is exactly one. */
function placed({ datastoreId, draft, change }: typeof ConnectionTestTarget.$inferInput): TestTarget {
  const path = ['input', 'target'];
  if (draft) return { draft: { ...draft, path: [...path, 'draft'] } };
  if (change) return { change: { ...change, path: [...path, 'change'] } };
  return { datastoreId: datastoreId ?? '' };
}

builder.mutationField('startConnectionTest', (t) =>
  t.field({
    type: StartConnectionTestSuccess,
    description:
      'Starts a connection test and answers at once; follow it with the connectionTestProgress subscription. The token needs DATASTORES_TEST, and DATASTORES_WRITE for checks that write.',
    errors: {
      types: [ValidationError, NotFoundError, ConflictError, SecretsRequiredError],
      union: { name: 'StartConnectionTestResult' },
    },
    args: { input: t.arg({ type: StartConnectionTestInput, required: true, description: 'What to test, and how.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      test: await services.requestedTests.start(access, placed(input.target), {
        ...input.options,
        path: ['input', 'options'],
      }),
    }),
  }),
);
