import type DataLoader from 'dataloader';
import { issue } from '../../connectors/kit/config/marks.ts';
import { refuseSecret } from '../../connectors/kit/config/open-fields.ts';
import { trimmedText } from '../../connectors/kit/config/text.ts';
import { NotFoundError, RequestFault, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { ConfirmationRequiredErrorRef } from '../../graphql/errors.ts';
import { label, uuid } from '../../graphql/fields.ts';
import type { Page } from '../../platform/paging.ts';
import { DatastoreRef } from '../datastores/schema.ts';
import type { Usage, UsageService } from './service.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly usages: UsageService;
  }
  interface Loaders {
    readonly usage: DataLoader<string, Usage | null>;
  }
}

/** In characters. */
const MAX_URL = 2_048;
/** A page that shows it makes a link of it, so that nothing but the web's own schemes is taken. */
const webUrl = trimmedText(MAX_URL)
  .refine(
    (text) => /^https?:\/\/[^\s/?#]/i.test(text) && !/[\p{Cc}\s]/u.test(text) && URL.canParse(text),
    issue('INVALID_FORMAT', 'Give a URL that begins with https:// or http://.'),
  )
  .superRefine(refuseSecret);

const DatastoreUsageRef = builder.objectRef<Usage>('DatastoreUsage').implement({
  description: 'Something outside of the gateway that depends on a datastore: a scenario, a dashboard, a sync.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'What unregisterUsage takes.' }),
    datastore: t.field({
      type: DatastoreRef,
      description: 'The datastore that it depends on. The token needs DATASTORES_READ.',
      resolve: async ({ datastoreId }, _arguments, { loaders }) => {
        const datastore = await loaders.datastore.load(datastoreId);
        // it was deleted since the usage was read, which went with it
        if (!datastore) throw new RequestFault('NOT_FOUND');
        return datastore;
      },
    }),
    kind: t.exposeString('kind', { description: 'What it is, in its own words: `dashboard`.' }),
    name: t.exposeString('name', { description: 'Its name, by which people know it.' }),
    url: t.exposeString('url', { nullable: true, description: 'Where people find it; null where nobody said.' }),
    registeredAt: t.field({
      type: 'DateTime',
      description: 'When it was first registered.',
      resolve: (usage) => usage.registeredAt,
    }),
  }),
});

/** A page that knows whose usages it has, so that they can be counted when somebody asks. */
interface UsagePage extends Page<Usage> {
  readonly datastoreId: string;
}

const DatastoreUsageConnection = connectionType<Usage, UsagePage>('DatastoreUsage', DatastoreUsageRef);
builder.objectField(DatastoreUsageConnection, 'totalCount', (t) =>
  t.int({
    description: 'How many usages there are on all pages together.',
    resolve: ({ datastoreId }, _arguments, { access, services }) => services.usages.count(access, datastoreId),
  }),
);

builder.interfaceField(DatastoreRef, 'usages', (t) =>
  t.field({
    type: DatastoreUsageConnection,
    description: 'What depends on the datastore, sorted by kind and name: see registerUsage.',
    args: pageArguments,
    resolve: async ({ id: datastoreId }, page, { access, services }) => ({
      ...(await services.usages.list(access, datastoreId, page)),
      datastoreId,
    }),
  }),
);

builder.objectField(ConfirmationRequiredErrorRef, 'usages', (t) =>
  t.field({
    type: [DatastoreUsageRef],
    description: 'What depends on the datastores that are to be deleted, at most 100. The token needs DATASTORES_READ.',
    resolve: async ({ usageIds }, _arguments, { loaders }) => {
      const found = await loaders.usage.loadMany(usageIds);
      return found.filter((one): one is Usage => one !== null && !(one instanceof Error));
    },
  }),
);

const RegisterUsageInput = builder.inputType('RegisterUsageInput', {
  description: 'Something that depends on a datastore.',
  fields: (t) => ({
    datastoreId: t.id({
      required: true,
      description: 'The datastore that it depends on.',
      validate: { schema: uuid },
    }),
    kind: t.string({
      required: true,
      description: 'What it is, in your own words, on one line of at most 128 characters: `dashboard`.',
      validate: { schema: label },
    }),
    name: t.string({
      required: true,
      description:
        'Its name, on one line of at most 128 characters. One of the same kind and name is the same, and gets the url.',
      validate: { schema: label },
    }),
    url: t.string({
      description: 'Where people find it: `https://…` or `http://…`, at most 2,048 characters, without a password.',
      validate: { schema: webUrl },
    }),
  }),
});

const RegisterUsageSuccess = builder.objectRef<{ usage: Usage }>('RegisterUsageSuccess').implement({
  description: 'The usage is on the list.',
  fields: (t) => ({
    usage: t.field({
      type: DatastoreUsageRef,
      description: 'The usage as it is stored now.',
      resolve: (result) => result.usage,
    }),
  }),
});

const UnregisterUsageSuccess = builder.objectRef<{ deletedId: string }>('UnregisterUsageSuccess').implement({
  description: 'The usage is not on the list any more.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that the usage had.' }) }),
});

builder.mutationFields((t) => ({
  registerUsage: t.field({
    type: RegisterUsageSuccess,
    description:
      'Says that something depends on a datastore, which is then not deleted without `confirmed`. There is one of each kind and name: registering it again stores the url that you give, or none. The token needs USAGES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RegisterUsageResult' } },
    args: {
      input: t.arg({ type: RegisterUsageInput, required: true, description: 'What depends on which datastore.' }),
    },
    resolve: async (_root, { input }, { access, services }) => ({
      usage: await services.usages.register(access, input),
    }),
  }),
  unregisterUsage: t.field({
    type: UnregisterUsageSuccess,
    description: 'Says that something does not depend on its datastore any more. The token needs USAGES_WRITE.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError], union: { name: 'UnregisterUsageResult' } },
    args: { id: t.arg.id({ required: true, description: 'DatastoreUsage.id.', validate: { schema: uuid } }) },
    resolve: async (_root, { id }, { access, services }) => ({
      deletedId: await services.usages.unregister(access, id),
    }),
  }),
}));
