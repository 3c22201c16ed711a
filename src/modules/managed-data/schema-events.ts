import { builder } from '../../graphql/builder.ts';
import { uuid } from '../../graphql/fields.ts';
import { eventOf, streamOf } from '../../graphql/stream.ts';
import type { RecordEvent, RecordEvents } from './events.ts';
import { DataRecordRef } from './schema.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly recordEvents: RecordEvents;
  }
}

const RecordEventKindRef = builder.enumType('RecordEventKind', {
  description: 'What happened to a record. New values may be added: keep a default branch.',
  values: {
    PUT: { description: 'It was stored, as a new one or in the place of another.' },
    DELETED: { description: 'It was deleted.' },
  } satisfies Record<RecordEvent['kind'], object>,
});

const RecordEventRef = builder.objectRef<RecordEvent>('RecordEvent').implement({
  description: 'Something that happened to a record of a managed datastore.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', {
      description: 'Give it as `after` to go on from here. It can be used for 7 days.',
    }),
    at: t.field({ type: 'DateTime', description: 'When it happened.', resolve: (event) => event.at }),
    kind: t.field({ type: RecordEventKindRef, description: 'What happened.', resolve: (event) => event.kind }),
    datastoreId: t.exposeID('datastoreId', { description: 'The id of the datastore.' }),
    key: t.exposeString('key', { description: 'The key of the record.' }),
    actor: t.exposeString('actor', { description: 'The name of the token that did it.' }),
    record: t.field({
      type: DataRecordRef,
      nullable: true,
      description: 'The record as it is now, which may be newer than the event; null when there is none.',
      resolve: ({ datastoreId, key }, _arguments, { access, services }) =>
        services.records.find(access, datastoreId, key),
    }),
  }),
});

builder.subscriptionField('recordEvents', (t) =>
  t.field({
    type: RecordEventRef,
    description:
      'Sends what happens to the records of a managed datastore, in order, and completes when the datastore is deleted. Give `after` to go on from a cursor, and read the records again when that ends with CURSOR_EXPIRED: it is older than 7 days. Without `after` you get what happens from now on. It ends with NOT_FOUND where there is no such managed datastore. The token needs RECORDS_READ.',
    args: {
      datastoreId: t.arg.id({ required: true, description: 'The managed datastore.', validate: { schema: uuid } }),
      after: t.arg.string({ description: 'The cursor of the last event that you have seen.' }),
    },
    subscribe: (_root, { datastoreId, after }, { access, services }) =>
      streamOf((signal) => services.recordEvents.follow(access, datastoreId, after ?? null, signal)),
    resolve: (event) => eventOf(event),
  }),
);
