import type DataLoader from 'dataloader';
import { InUseError, NotFoundError, RecordsMisfitError, RequestFault, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { environmentIdField, label, uuid } from '../../graphql/fields.ts';
import { NodeRef } from '../../graphql/node.ts';
import { EnvironmentRef } from '../environments/schema.ts';
import { MAX_DEPTH, MAX_FIELDS, structureFields } from './schema-fields.ts';
import type { DataStructure, DataStructureService } from './service.ts';
import type { FieldType, GivenField, StructureField } from './structure.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly dataStructures: DataStructureService;
  }
  interface Loaders {
    readonly dataStructure: DataLoader<string, DataStructure | null>;
  }
}

const DataFieldTypeRef = builder.enumType('DataFieldType', {
  description: 'What a field of a record holds. A field that is not required may hold null as well.',
  values: {
    TEXT: { description: 'A text.' },
    NUMBER: {
      description:
        'A number. A whole one has at most ±9,007,199,254,740,991, as JSON can carry no larger one for sure.',
    },
    BOOLEAN: { description: 'True or false.' },
    DATE: { description: 'A date, `2026-03-01`, or an instant as RFC 3339 has it, `2026-03-01T12:00:00Z`, as text.' },
    ARRAY: { description: 'A list, of `itemType` where that is given.' },
    COLLECTION: { description: 'An object, with `fields` where they are given.' },
  } satisfies Record<FieldType, { description: string }>,
});

const texts = {
  name: 'The name of the field in the record’s data, on one line of at most 128 characters. Each is there once beside its siblings.',
  type: 'What the field holds.',
  label: 'What people call it, on one line of at most 128 characters.',
  required: 'Whether a record must have it, with a value other than null.',
  default: 'The value of a record that leaves the field out. It has to be one that the field takes; null is none.',
  choices:
    'The values that a TEXT, a NUMBER or a DATE takes, or each element of an ARRAY of one of them: 1 to 100. Without it, or with null, any.',
  itemType: 'What each element of an ARRAY has to be. Without it, elements may be anything but are not judged.',
  fields: 'The fields of a COLLECTION, or of each in an ARRAY of them. Without it, they may be anything.',
};

const DataStructureFieldRef = builder.objectRef<StructureField>('DataStructureField');
DataStructureFieldRef.implement({
  description: 'A field of a record, or of a collection in it.',
  fields: (t) => ({
    name: t.exposeString('name', { description: texts.name }),
    type: t.field({ type: DataFieldTypeRef, description: texts.type, resolve: ({ type }) => type }),
    label: t.exposeString('label', { nullable: true, description: texts.label }),
    required: t.exposeBoolean('required', { description: texts.required }),
    default: t.field({
      type: 'JSON',
      nullable: true,
      description: texts.default,
      resolve: (field) => field.default as never,
    }),
    choices: t.field({
      type: ['JSON'],
      nullable: true,
      description: texts.choices,
      resolve: ({ choices }) => choices as never,
    }),
    itemType: t.field({
      type: DataFieldTypeRef,
      nullable: true,
      description: texts.itemType,
      resolve: ({ itemType }) => itemType,
    }),
    fields: t.field({
      type: [DataStructureFieldRef],
      nullable: true,
      description: texts.fields,
      resolve: ({ fields }) => fields && [...fields],
    }),
  }),
});

export const DataStructureRef = builder.objectRef<DataStructure>('DataStructure').implement({
  interfaces: [NodeRef],
  description: 'What the records of managed datastores look like: which fields they have, and of which types.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'What a managed datastore’s config names as `dataStructureId`.' }),
    name: t.exposeString('name', { description: 'Its name, unique within the environment.' }),
    environment: t.field({
      type: EnvironmentRef,
      description: 'The environment that it belongs to.',
      resolve: async ({ environmentId }, _arguments, { loaders }) => {
        const environment = await loaders.environment.load(environmentId);
        // it was deleted since the structure was read, which went with it
        if (!environment) throw new RequestFault('NOT_FOUND');
        return environment;
      },
    }),
    strict: t.exposeBoolean('strict', {
      description: 'Whether a record with a field that the structure does not know is refused, at any depth.',
    }),
    fields: t.field({
      type: [DataStructureFieldRef],
      description: 'The fields, in the order in which they were given.',
      resolve: ({ fields }) => [...fields],
    }),
  }),
});

const DataStructureConnection = connectionType('DataStructure', DataStructureRef);

builder.queryFields((t) => ({
  dataStructures: t.field({
    type: DataStructureConnection,
    description: 'What records look like, sorted by name. The token needs DATASTORES_READ.',
    args: {
      environmentId: t.arg.id({
        description: 'Leave it out for every environment that you may see.',
        validate: { schema: uuid },
      }),
      ...pageArguments,
    },
    resolve: (_root, { environmentId, ...page }, { access, services }) =>
      services.dataStructures.list(access, environmentId ?? null, page),
  }),
  dataStructure: t.field({
    type: DataStructureRef,
    nullable: true,
    description:
      'One data structure; null when it does not exist or you may not see it, which look the same. The token needs DATASTORES_READ.',
    args: { id: t.arg.id({ required: true, description: 'DataStructure.id.', validate: { schema: uuid } }) },
    resolve: (_root, { id }, { loaders }) => loaders.dataStructure.load(id),
  }),
}));

const DataStructureFieldInput = builder.inputRef<GivenField>('DataStructureFieldInput');
DataStructureFieldInput.implement({
  description: 'A field of a record, or of a collection in it.',
  fields: (t) => ({
    name: t.string({ required: true, description: texts.name }),
    type: t.field({ type: DataFieldTypeRef, required: true, description: texts.type }),
    label: t.string({ description: texts.label }),
    required: t.boolean({ defaultValue: false, description: texts.required }),
    // the builder takes any JSON for unknown, and does not find unknown in the shape
    default: t.field({ type: 'JSON', description: texts.default }) as never,
    choices: t.field({ type: ['JSON'], description: texts.choices }) as never,
    itemType: t.field({ type: DataFieldTypeRef, description: texts.itemType }),
    fields: t.field({ type: [DataStructureFieldInput], description: texts.fields }),
  }),
});

// all fields are judged together, since what is in them is counted together
const fieldsValidation = { schema: structureFields as never };
const fieldsText = `At most ${MAX_FIELDS} in all, with collections in collections at most ${MAX_DEPTH} deep, and 64 KiB of JSON.`;

const CreateDataStructureInput = builder.inputType('CreateDataStructureInput', {
  description: 'A new data structure.',
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    name: t.string({
      required: true,
      description: 'A name that is unique within the environment, on one line of at most 128 characters.',
      validate: { schema: label },
    }),
    strict: t.boolean({
      defaultValue: false,
      description: 'True to refuse a record with a field that the structure does not know.',
    }),
    fields: t.field({
      type: [DataStructureFieldInput],
      required: true,
      description: `The fields. ${fieldsText}`,
      validate: fieldsValidation,
    }),
  }),
});

const UpdateDataStructureInput = builder.inputType('UpdateDataStructureInput', {
  description: 'A change of a data structure. What is left out stays as it is, and null is the same.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The data structure to change.', validate: { schema: uuid } }),
    name: t.string({
      description: 'A new name, unique within the environment, on one line of at most 128 characters.',
      validate: { schema: label },
    }),
    strict: t.boolean({ description: 'Whether to refuse a record with a field that the structure does not know.' }),
    fields: t.field({
      type: [DataStructureFieldInput],
      description: `All fields, which take the place of those that are stored. ${fieldsText}`,
      validate: fieldsValidation,
    }),
    force: t.boolean({
      defaultValue: false,
      description:
        'True to change it also when stored records do not fit then: they stay as they are, and each is judged when it is put next.',
    }),
  }),
});

const CloneDataStructureInput = builder.inputType('CloneDataStructureInput', {
  description: 'Where a copy of a data structure is to be.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The data structure to copy.', validate: { schema: uuid } }),
    environmentId: t.id({
      required: true,
      description: 'The environment of the copy, which may be the same.',
      validate: { schema: uuid },
    }),
    name: t.string({
      description:
        'The name of the copy, on one line of at most 128 characters. Leave it out for the name of what is copied.',
      validate: { schema: label },
    }),
  }),
});

const changed = (name: string, description: string) =>
  builder.objectRef<{ readonly dataStructure: DataStructure }>(name).implement({
    description,
    fields: (t) => ({
      dataStructure: t.field({
        type: DataStructureRef,
        description: 'The data structure as it is stored now.',
        resolve: (result) => result.dataStructure,
      }),
    }),
  });

const DeleteDataStructureSuccess = builder.objectRef<{ deletedId: string }>('DeleteDataStructureSuccess').implement({
  description: 'The data structure is gone.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that the data structure had.' }) }),
});

/** The validation has filled in what a caller leaves out. */
const read = (fields: readonly GivenField[]) => fields as readonly StructureField[];

builder.mutationFields((t) => ({
  createDataStructure: t.field({
    type: changed('CreateDataStructureSuccess', 'The data structure is made.'),
    description:
      'Says what records look like. A name that is taken is an issue with the code NAME_TAKEN. The token needs DATASTORES_WRITE.',
    // an environment that does not exist ends as a NotFoundError
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CreateDataStructureResult' } },
    args: {
      input: t.arg({ type: CreateDataStructureInput, required: true, description: 'The data structure to make.' }),
    },
    resolve: async (_root, { input }, { access, services }) => ({
      dataStructure: await services.dataStructures.create(access, {
        ...input,
        strict: input.strict ?? false,
        fields: read(input.fields),
        path: ['input'],
      }),
    }),
  }),
  updateDataStructure: t.field({
    type: changed('UpdateDataStructureSuccess', 'The data structure is changed.'),
    description:
      'Changes what records look like. Where records that are stored would not fit any more you get a RecordsMisfitError, and nothing is changed unless you give `force`. Records are never changed: each gets new defaults when it is put next. The token needs DATASTORES_WRITE.',
    errors: {
      types: [ValidationError, NotFoundError, RecordsMisfitError],
      union: { name: 'UpdateDataStructureResult' },
    },
    args: { input: t.arg({ type: UpdateDataStructureInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      dataStructure: await services.dataStructures.update(access, {
        ...input,
        fields: input.fields && read(input.fields),
        force: input.force ?? false,
        path: ['input'],
      }),
    }),
  }),
  cloneDataStructure: t.field({
    type: changed('CloneDataStructureSuccess', 'The copy is made.'),
    description:
      'Makes a data structure that is as another one, in the same environment or another; the two know nothing of one another. A name that is taken is an issue with the code NAME_TAKEN. The token needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'CloneDataStructureResult' } },
    args: {
      input: t.arg({ type: CloneDataStructureInput, required: true, description: 'What to copy, and where to.' }),
    },
    resolve: async (_root, { input }, { access, services }) => ({
      dataStructure: await services.dataStructures.clone(access, { ...input, path: ['input'] }),
    }),
  }),
  deleteDataStructure: t.field({
    type: DeleteDataStructureSuccess,
    description:
      'Deletes a data structure that no datastore uses; otherwise you get an InUseError. The token needs DATASTORES_WRITE.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError, InUseError], union: { name: 'DeleteDataStructureResult' } },
    args: { id: t.arg.id({ required: true, description: 'DataStructure.id.', validate: { schema: uuid } }) },
    resolve: async (_root, { id }, { access, services }) => ({
      deletedId: await services.dataStructures.delete(access, id),
    }),
  }),
}));
