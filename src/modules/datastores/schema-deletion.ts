import { ConfirmationRequiredError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, uuid } from '../../graphql/fields.ts';
import type { DatastoreDeletion } from './deletion.ts';
// fields are listed as modules are evaluated, and this one would not wait for the connectors as the others do
import './schema-mutations.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly datastoreDeletion: DatastoreDeletion;
  }
}

/** How many datastores one mutation may name. */
const MAX_SELECTED = 1_000;
const selectedIds = boundedList(uuid, { min: 1, max: MAX_SELECTED });
/** How many may be excepted: as many as a request has room for. */
const exceptedIds = boundedList(uuid, { max: 30_000 });

const AllDatastores = builder.inputType('AllDatastores', {
  description: 'All datastores of an environment, but those that are excepted.',
  fields: (t) => ({
    environmentId: t.id({ required: true, description: 'The environment.', validate: { schema: uuid } }),
    exceptIds: t.idList({
      defaultValue: [],
      description: 'The datastores to leave out: at most 30,000.',
      validate: { schema: exceptedIds },
    }),
  }),
});

const DatastoreSelection = builder.inputType('DatastoreSelection', {
  description: 'Which datastores. Give exactly one field.',
  isOneOf: true,
  fields: (t) => ({
    ids: t.idList({ description: 'The datastores with these ids: 1 to 1,000.', validate: { schema: selectedIds } }),
    all: t.field({ type: AllDatastores, description: 'All datastores of an environment but those that you except.' }),
  }),
});

const MissingDatastores = builder.enumType('MissingDatastores', {
  description: 'What to do about selected datastores that do not exist, or that the caller may not see.',
  values: {
    REFUSE: { description: 'Delete none, and answer with a NotFoundError that names those that are missing.' },
    IGNORE: { description: 'Delete those that exist: `deletedIds` says which. It may be sent again and again.' },
  },
});

const DeleteDatastoresInput = builder.inputType('DeleteDatastoresInput', {
  description: 'Which datastores to delete.',
  fields: (t) => ({
    select: t.field({ type: DatastoreSelection, required: true, description: 'The datastores to delete.' }),
    missing: t.field({
      type: MissingDatastores,
      defaultValue: 'REFUSE',
      description: 'What to do when one of `select.ids` does not exist.',
    }),
    confirmed: t.boolean({
      defaultValue: false,
      description:
        'True to delete them although something depends on one of them: see Datastore.usages. Otherwise none is deleted then, and you get a ConfirmationRequiredError that lists it.',
    }),
  }),
});

const DeleteDatastoresSuccess = builder.objectRef<{ deletedIds: string[] }>('DeleteDatastoresSuccess').implement({
  description: 'The datastores are gone, and their secrets are erased.',
  fields: (t) => ({
    deletedIds: t.idList({
      description: 'The ids of the datastores that this call has deleted.',
      resolve: (result) => result.deletedIds,
    }),
  }),
});

builder.mutationField('deleteDatastores', (t) =>
  t.field({
    type: DeleteDatastoresSuccess,
    description:
      'Deletes the selected datastores and erases their secrets. When one of them does not exist, none is deleted, unless `missing` is IGNORE; nor when something depends on one of them, unless you say `confirmed`. The token needs DATASTORES_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, ConfirmationRequiredError],
      union: { name: 'DeleteDatastoresResult' },
    },
    args: { input: t.arg({ type: DeleteDatastoresInput, required: true, description: 'Which datastores to delete.' }) },
    resolve: async (_root, { input }, { access, services }) => {
      const { ids, all } = input.select;
      const selection = all
        ? { all: { ...all, exceptIds: all.exceptIds ?? [], path: ['input', 'select', 'all'] } }
        : { ids: ids ?? [], missing: input.missing ?? 'REFUSE' };
      return { deletedIds: await services.datastoreDeletion.delete(access, selection, input.confirmed ?? false) };
    },
  }),
);
