import { wrapErrorIfMatches } from '@pothos/plugin-errors';
import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import {
  ConflictError,
  ConnectionTestFailedError,
  NameTakenError,
  NotFoundError,
  QuotaExceededError,
  RecordsMisfitError,
  SecretsRequiredError,
  type UserError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { UserErrorRef } from '../../graphql/errors.ts';
import { boundedList } from '../../graphql/fields.ts';
import type { BatchResult, DatastoreBatches } from './batches.ts';
import { DatastoreRef } from './schema.ts';
import { CreateDatastoreInput, placed, UpdateDatastoreInput } from './schema-mutations.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly datastoreBatches: DatastoreBatches;
  }
}

/** How many datastores one call may create or change. */
const MAX_ITEMS = 100;
const newItems = boundedList(z.unknown(), { min: 1, max: MAX_ITEMS });
const changedItems = boundedList(z.looseObject({ id: z.string().toLowerCase() }), {
  min: 1,
  max: MAX_ITEMS,
}).superRefine((items, context) => {
  const ids = new Set<string>();
  for (const [index, { id }] of items.entries()) {
    if (ids.has(id))
      context.addIssue({
        code: 'custom',
        path: [index, 'id'],
        ...issue('INVALID_COMBINATION', 'Name each datastore once: another item has this id already.'),
      });
    ids.add(id);
  }
});

const atomicField = {
  defaultValue: false,
  description:
    'True to store all items or none: when one cannot be stored, its result says why, and each other one has neither datastore nor error.',
} as const;

const CreateDatastoresInput = builder.inputType('CreateDatastoresInput', {
  description: 'Several new datastores.',
  fields: (t) => ({
    items: t.field({
      type: [CreateDatastoreInput],
      required: true,
      description: 'The datastores to create: 1 to 100, each as in createDatastore.',
      validate: { schema: newItems as never },
    }),
    atomic: t.boolean(atomicField),
  }),
});

const UpdateDatastoresInput = builder.inputType('UpdateDatastoresInput', {
  description: 'Several changes of stored datastores.',
  fields: (t) => ({
    items: t.field({
      type: [UpdateDatastoreInput],
      required: true,
      description: 'The changes to make: 1 to 100, each as in updateDatastore, and each of another datastore.',
      validate: { schema: changedItems as never },
    }),
    atomic: t.boolean(atomicField),
  }),
});

/** Why an item may not be stored: what creating and updating one answer with. */
const refusals = [
  ValidationError,
  NotFoundError,
  NameTakenError,
  ConflictError,
  SecretsRequiredError,
  ConnectionTestFailedError,
  QuotaExceededError,
  RecordsMisfitError,
];

interface IndexedResult extends BatchResult {
  readonly index: number;
}

const DatastoreItemResult = builder.objectRef<IndexedResult>('DatastoreItemResult').implement({
  description: 'What one item of createDatastores or updateDatastores has come to.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Where the item stands in `items`, from 0 on.' }),
    datastore: t.field({
      type: DatastoreRef,
      nullable: true,
      description: 'The datastore as it is stored now; null when the item was not stored.',
      resolve: ({ datastore, fault }) => {
        if (fault) throw fault;
        return datastore;
      },
    }),
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description:
        'Why the item was not stored, as createDatastore or updateDatastore would say; null when it was, and when another item is the reason.',
      // GraphQL takes an Error that a resolver returns for one that it throws, unless it is wrapped
      resolve: ({ error }) => error && (wrapErrorIfMatches(error, refusals) as UserError),
    }),
  }),
});

const stored = (name: string) =>
  builder.objectRef<{ results: BatchResult[] }>(name).implement({
    description: 'The call was carried out; whether each item was stored, its own result says.',
    fields: (t) => ({
      results: t.field({
        type: [DatastoreItemResult],
        description: 'The results of the items, in their order.',
        resolve: ({ results }) => results.map((result, index) => ({ ...result, index })),
      }),
    }),
  });

const placedAt = (index: number) => ['input', 'items', String(index)];
const RULES =
  'A field that breaks a rule of its own is told before anything is done, by one ValidationError for all items (`["input", "items", "3", "label"]`); whatever else is wrong with an item is told by its own result. Several items are worked on at a time, in no order. The token needs DATASTORES_WRITE.';

builder.mutationFields((t) => ({
  createDatastores: t.field({
    type: stored('CreateDatastoresSuccess'),
    description: `Creates up to 100 datastores, each with its own result. ${RULES}`,
    errors: { types: [ValidationError], union: { name: 'CreateDatastoresResult' } },
    args: { input: t.arg({ type: CreateDatastoresInput, required: true, description: 'The datastores to store.' }) },
    resolve: async (_root, { input: { items, atomic } }, { access, services }) => {
      const batch = { items: items.map((item, index) => placed(item, placedAt(index))), atomic: atomic ?? false };
      return { results: await services.datastoreBatches.create(access, batch) };
    },
  }),
  updateDatastores: t.field({
    type: stored('UpdateDatastoresSuccess'),
    description: `Changes up to 100 datastores, each with its own result. ${RULES}`,
    errors: { types: [ValidationError], union: { name: 'UpdateDatastoresResult' } },
    args: {
      input: t.arg({ type: UpdateDatastoresInput, required: true, description: 'What to change in which datastores.' }),
    },
    resolve: async (_root, { input: { items, atomic } }, { access, services }) => {
      const batch = { items: items.map((item, index) => placed(item, placedAt(index))), atomic: atomic ?? false };
      return { results: await services.datastoreBatches.update(access, batch) };
    },
  }),
}));
