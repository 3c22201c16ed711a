import { wrapErrorIfMatches } from '@pothos/plugin-errors';
import { z } from 'zod';
import {
  ConfirmationRequiredError,
  ConflictError,
  NotFoundError,
  QuotaExceededError,
  type UserError,
  ValidationError,
} from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { UserErrorRef } from '../../graphql/errors.ts';
import { boundedList, uuid } from '../../graphql/fields.ts';
import { KEY_RULE, recordKey } from './fields.ts';
import { DataRecordRef } from './schema.ts';
import type { DataRecord, PutResult } from './service.ts';

/** How many records one call may put. */
const MAX_ITEMS = 500;
/** What each of them costs, in fields: a row of one transaction. */
const COST_OF_ONE = 10;
/** How many keys a selection may name: the most that one statement of a database is given. */
const MAX_KEYS = 1_000;

const texts = {
  datastoreId: 'The managed datastore.',
  key: `Where to store it: ${KEY_RULE}. Leave it out to have a UUID made.`,
  data: 'A JSON object of at most 512 KiB, 32 deep, whose whole numbers have at most ±9,007,199,254,740,991. The datastore’s data structure judges it, and fills in defaults.',
  merge: 'True to keep the fields of the stored record that `data` leaves out. The whole is then judged.',
  expectedVersion:
    'DataRecord.version of what you have read: when another one is stored by now, you get a ConflictError. 0: there must be none yet. Leave it out to replace whatever is stored.',
};
/** What is said of each record that is put, in a call for one as in a call for many. */
const recordFields = {
  key: { description: texts.key, validate: { schema: recordKey } },
  data: { type: 'JSON', required: true, description: texts.data },
  merge: { defaultValue: false, description: texts.merge },
  expectedVersion: { type: 'SafeInt', description: texts.expectedVersion, validate: { schema: z.number().min(0) } },
} as const;

const PutRecordInput = builder.inputType('PutRecordInput', {
  description: 'A record to store.',
  fields: (t) => ({
    datastoreId: t.id({ required: true, description: texts.datastoreId, validate: { schema: uuid } }),
    key: t.string(recordFields.key),
    data: t.field(recordFields.data),
    merge: t.boolean(recordFields.merge),
    expectedVersion: t.field(recordFields.expectedVersion),
  }),
});

const RecordItemInput = builder.inputType('RecordItemInput', {
  description: 'One of several records to store.',
  fields: (t) => ({
    key: t.string(recordFields.key),
    data: t.field(recordFields.data),
    merge: t.boolean(recordFields.merge),
    expectedVersion: t.field(recordFields.expectedVersion),
  }),
});

const PutRecordsInput = builder.inputType('PutRecordsInput', {
  description: 'Several records to store in one datastore.',
  fields: (t) => ({
    datastoreId: t.id({ required: true, description: texts.datastoreId, validate: { schema: uuid } }),
    items: t.field({
      type: [RecordItemInput],
      required: true,
      description: 'The records: 1 to 500. They are put one after the other, so that a key may come twice.',
      validate: { schema: boundedList(z.unknown(), { min: 1, max: MAX_ITEMS }) as never },
    }),
    atomic: t.boolean({
      defaultValue: false,
      description:
        'True to store all items or none: when one cannot be stored, its result says why, and each other one has neither record nor error.',
    }),
  }),
});

const keys = (min: number) => boundedList(recordKey, { min, max: MAX_KEYS });

const AllRecords = builder.inputType('AllRecords', {
  description: 'All records of a datastore, but those that are excepted.',
  fields: (t) => ({
    exceptKeys: t.stringList({
      defaultValue: [],
      description: 'The records to leave out: at most 1,000.',
      validate: { schema: keys(0) },
    }),
  }),
});

const RecordSelection = builder.inputType('RecordSelection', {
  description: 'Which records. Give exactly one field.',
  isOneOf: true,
  fields: (t) => ({
    keys: t.stringList({ description: 'The records with these keys: 1 to 1,000.', validate: { schema: keys(1) } }),
    all: t.field({ type: AllRecords, description: 'All records but those that you except.' }),
  }),
});

const DeleteRecordsInput = builder.inputType('DeleteRecordsInput', {
  description: 'Which records to delete.',
  fields: (t) => ({
    datastoreId: t.id({ required: true, description: texts.datastoreId, validate: { schema: uuid } }),
    select: t.field({ type: RecordSelection, required: true, description: 'The records to delete.' }),
    confirmed: t.boolean({
      defaultValue: false,
      description: 'Has to be true, for nothing brings a record back: otherwise you get a ConfirmationRequiredError.',
    }),
  }),
});

const PutRecordSuccess = builder.objectRef<{ record: DataRecord }>('PutRecordSuccess').implement({
  description: 'The record is stored.',
  fields: (t) => ({
    record: t.field({
      type: DataRecordRef,
      description: 'The record as it is stored now.',
      resolve: (result) => result.record,
    }),
  }),
});

/** Why an item may not be stored. */
const refusals = [ValidationError, ConflictError, QuotaExceededError];

const RecordItemResult = builder.objectRef<PutResult & { readonly index: number }>('RecordItemResult').implement({
  description: 'What one item of putRecords has come to.',
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'Where the item stands in `items`, from 0 on.' }),
    record: t.field({
      type: DataRecordRef,
      nullable: true,
      description: 'The record as it was put; null when it was not.',
      resolve: ({ record }) => record,
    }),
    error: t.field({
      type: UserErrorRef,
      nullable: true,
      description:
        'Why the item was not stored, as putRecord would say; null when it was, and when another item is the reason.',
      // GraphQL takes an Error that a resolver returns for one that it throws, unless it is wrapped
      resolve: ({ error }) => error && (wrapErrorIfMatches(error, refusals) as UserError),
    }),
  }),
});

const PutRecordsSuccess = builder.objectRef<{ results: PutResult[] }>('PutRecordsSuccess').implement({
  description: 'The call was carried out; whether each item was stored, its own result says.',
  fields: (t) => ({
    results: t.field({
      type: [RecordItemResult],
      description: 'The results of the items, in their order.',
      resolve: ({ results }) => results.map((result, index) => ({ ...result, index })),
    }),
  }),
});

const DeleteRecordsSuccess = builder.objectRef<{ deletedCount: number }>('DeleteRecordsSuccess').implement({
  description: 'The records are gone.',
  fields: (t) => ({
    deletedCount: t.field({
      type: 'SafeInt',
      description: 'How many there were: keys without a record are passed over.',
      resolve: (result) => result.deletedCount,
    }),
  }),
});

builder.mutationFields((t) => ({
  putRecord: t.field({
    type: PutRecordSuccess,
    description:
      'Stores a record in a managed datastore, in the place of the one that has its key. What its data structure refuses is named by `issues`, each with its path. The token needs RECORDS_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, ConflictError, QuotaExceededError],
      union: { name: 'PutRecordResult' },
    },
    args: { input: t.arg({ type: PutRecordInput, required: true, description: 'The record to store.' }) },
    resolve: async (_root, { input: { datastoreId, merge, ...given } }, { access, services }) => ({
      record: await services.records.put(access, datastoreId, { ...given, merge: merge ?? false, path: ['input'] }),
    }),
  }),
  putRecords: t.field({
    type: PutRecordsSuccess,
    description:
      'Stores up to 500 records in a managed datastore, each with its own result. A field that breaks a rule of its own (a key, a negative version) is told before anything is done, by one ValidationError for all items; whatever else is wrong with an item is told by its own result. More of them are a file: POST /datastores/{id}/records, with the same token. The token needs RECORDS_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'PutRecordsResult' } },
    extensions: { changeCost: COST_OF_ONE },
    args: { input: t.arg({ type: PutRecordsInput, required: true, description: 'The records to store.' }) },
    resolve: async (_root, { input: { datastoreId, items, atomic } }, { access, services }) => {
      const puts = items.map(({ merge, ...given }, index) => ({
        ...given,
        merge: merge ?? false,
        path: ['input', 'items', String(index)],
      }));
      return { results: await services.records.putAll(access, datastoreId, puts, atomic ?? false) };
    },
  }),
  deleteRecords: t.field({
    type: DeleteRecordsSuccess,
    description:
      'Deletes records of a managed datastore, all that are selected or none. The token needs RECORDS_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, ConfirmationRequiredError],
      union: { name: 'DeleteRecordsResult' },
    },
    args: { input: t.arg({ type: DeleteRecordsInput, required: true, description: 'Which records to delete.' }) },
    resolve: async (_root, { input }, { access, services }) => {
      const { datastoreId, select, confirmed } = input;
      const selection = select.keys ? { keys: select.keys } : { exceptKeys: select.all?.exceptKeys ?? [] };
      return { deletedCount: await services.records.delete(access, datastoreId, selection, confirmed ?? false) };
    },
  }),
}));
