import { ConflictError, NotFoundError, SecretsRequiredError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { uuid } from '../../graphql/fields.ts';
import { ConnectionTestOptions, ConnectionTestRef } from '../connection-tests/schema.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import {
  configSecretField,
  DatastoreConfigInput,
  DatastoreConfigPatch,
  TenancyInput,
} from '../datastores/schema-inputs.ts';
import type { RequestedTestService, TestTarget } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly requestedTests: RequestedTestService;
  }
}

const DatastoreDraft = builder.inputType('DatastoreDraft', {
  description: 'A datastore that is not stored: as createDatastore would take it.',
  fields: (t) => ({
    environmentId: t.id({ description: 'Left out: the caller’s only environment.', validate: { schema: uuid } }),
    config: t.field({ type: DatastoreConfigInput, required: true }),
    configSecret: t.string(configSecretField),
    tenancy: t.field({ type: TenancyInput }),
  }),
});

const DatastoreChange = builder.inputType('DatastoreChange', {
  fields: (t) => ({
    datastoreId: t.id({ required: true, validate: { schema: uuid } }),
    config: t.field({ type: DatastoreConfigPatch }),
    configSecret: t.string(configSecretField),
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

const StartConnectionTestSuccess = builder.objectRef<{ test: ConnectionTest }>('StartConnectionTestSuccess').implement({
  fields: (t) => ({ test: t.field({ type: ConnectionTestRef, resolve: (result) => result.test }) }),
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
      'Starts a test and answers at once; follow it with the connectionTestProgress subscription. Needs DATASTORES_TEST, and DATASTORES_WRITE for checks that write.',
    errors: {
      types: [ValidationError, NotFoundError, ConflictError, SecretsRequiredError],
      union: { name: 'StartConnectionTestResult' },
    },
    args: { input: t.arg({ type: StartConnectionTestInput, required: true }) },
    resolve: async (_root, { input }, { access, services }) => ({
      test: await services.requestedTests.start(access, placed(input.target), {
        ...input.options,
        path: ['input', 'options'],
      }),
    }),
  }),
);
