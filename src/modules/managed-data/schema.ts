import type DataLoader from 'dataloader';
import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';
import { RequestFault } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { ConflictErrorRef } from '../../graphql/errors.ts';
import { boundedList } from '../../graphql/fields.ts';
import { DataStructureRef } from '../data-structures/schema.ts';
import { datastoreRefOf } from '../datastores/schema.ts';
import { KEY_RULE, recordKey } from './fields.ts';
import type { DataRecord, FieldCondition, ManagedStore, RecordService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly records: RecordService;
  }
  interface Loaders {
    readonly managedStore: DataLoader<string, ManagedStore | null>;
  }
}

/** How many conditions a filter may have, and how deep a condition's field may lie. */
const MAX_CONDITIONS = 10;
const MAX_PATH = 32;
/** The longest name of a field, and the longest text that it may be compared with, in characters. */
const MAX_NAME = 1_024;
const MAX_COMPARED = 1_024;

export const DataRecordRef = builder.objectRef<DataRecord>('DataRecord').implement({
  description: 'A JSON object that a managed datastore holds under a key.',
  fields: (t) => ({
    key: t.exposeString('key', { description: `Its key, unique within the datastore: ${KEY_RULE}.` }),
    data: t.field({
      type: 'JSON',
      description: 'A JSON object, with the defaults of what was left out when it was put.',
      resolve: ({ data }) => data as never,
    }),
    version: t.field({
      type: 'SafeInt',
      description:
        'Rises with every put, and is never given to a later record of the same key: what putRecord takes as expectedVersion.',
      resolve: ({ version }) => version,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When it was put last.',
      resolve: ({ updatedAt }) => updatedAt,
    }),
  }),
});

const DataRecordConnection = connectionType('DataRecord', DataRecordRef);

const RecordFilter = builder.inputType('RecordFilter', {
  description: 'What one field of a record has to be.',
  fields: (t) => ({
    path: t.stringList({
      required: true,
      description:
        'Where the field stands: its name, or the names on the way to it, `["address", "city"]`; in an array, a number from 0 on, `["lines", "0", "sku"]`. At most 32.',
      validate: { schema: boundedList(anyText(MAX_NAME), { min: 1, max: MAX_PATH }) },
    }),
    equals: t.field({
      type: 'JSON',
      description:
        'A text of at most 1,024 characters, a number, true or false, which the field has to be exactly. Null, or left out: the field is null, or not there.',
      validate: {
        schema: z
          .unknown()
          .refine(
            (value) => typeof value !== 'object' || value === null,
            issue('INVALID_TYPE', 'Give no object or list.'),
          )
          .refine(
            (value) => typeof value !== 'string' || value.length <= MAX_COMPARED,
            issue('TOO_LONG', `At most ${MAX_COMPARED} characters.`),
          ),
      },
    }),
  }),
});

const loadStore = async (loader: DataLoader<string, ManagedStore | null>, id: string): Promise<ManagedStore> => {
  const store = await loader.load(id);
  // it was deleted since the datastore was read, which went with it
  if (!store) throw new RequestFault('NOT_FOUND');
  return store;
};

builder.objectFields(datastoreRefOf('MANAGED'), (t) => ({
  dataStructure: t.field({
    type: DataStructureRef,
    nullable: true,
    description:
      'What its records have to look like; null where they may look like anything. The token needs DATASTORES_READ.',
    resolve: async ({ id }, _arguments, { loaders }) => {
      const { dataStructureId } = await loadStore(loaders.managedStore, id);
      return dataStructureId === null ? null : loaders.dataStructure.load(dataStructureId);
    },
  }),
  usedBytes: t.field({
    type: 'SafeInt',
    description: 'What its records have together, keys and JSON, in bytes of UTF-8.',
    resolve: async ({ id }, _arguments, { loaders }) => (await loadStore(loaders.managedStore, id)).usedBytes,
  }),
  recordCount: t.field({
    type: 'SafeInt',
    description: 'How many records it holds.',
    resolve: async ({ id }, _arguments, { loaders }) => (await loadStore(loaders.managedStore, id)).recordCount,
  }),
  record: t.field({
    type: DataRecordRef,
    nullable: true,
    description: 'The record under a key; null when there is none. The token needs RECORDS_READ.',
    args: { key: t.arg.string({ required: true, description: 'DataRecord.key.', validate: { schema: recordKey } }) },
    resolve: ({ id }, { key }, { access, services }) => services.records.find(access, id, key),
  }),
  records: t.field({
    type: DataRecordConnection,
    description:
      'Its records, in the order of their keys, by the bytes of UTF-8. A page looks at no more than 8 MiB of records, and with a filter at no more than 2,000 of them: it may have fewer than you ask for, even none, while pageInfo.hasNextPage says that there is more. All of them at once are a file: GET /datastores/{id}/records?format=jsonl, or csv, with the same token. The token needs RECORDS_READ.',
    args: {
      filter: t.arg({
        type: [RecordFilter],
        description:
          'What the records have to be: all of at most 10 conditions. No index helps here, so each page looks at the next 2,000 records: go on with pageInfo.endCursor as `after`.',
        validate: { schema: boundedList(z.unknown(), { max: MAX_CONDITIONS }) as never },
      }),
      ...pageArguments,
    },
    resolve: ({ id }, { filter, ...page }, { access, services }) => {
      const conditions = (filter ?? []).map(
        ({ path, equals }): FieldCondition => ({ path, equals: (equals ?? null) as FieldCondition['equals'] }),
      );
      return services.records.list(access, id, page, conditions);
    },
  }),
}));

builder.objectField(ConflictErrorRef, 'currentRecord', (t) =>
  t.field({
    type: DataRecordRef,
    nullable: true,
    description:
      'The record as it is stored now, where putRecord expected another version of it; null where there is none. The token needs RECORDS_READ.',
    resolve: ({ currentRecord }, _arguments, { access, services }) =>
      currentRecord && services.records.find(access, currentRecord.datastoreId, currentRecord.key),
  }),
);
