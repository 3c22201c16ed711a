import { builder } from '../../graphql/builder.ts';
import { connectionType, pageArguments } from '../../graphql/connection.ts';
import { uuid } from '../../graphql/fields.ts';
import { TagRef } from '../datastores/schema-details.ts';
import { EnvironmentRef } from '../environments/schema.ts';
import type { Delivery, Webhook, WebhookService } from './service.ts';
import { type DeliveryState, MAX_ATTEMPTS, type WebhookEvent } from './webhook.ts';

declare module '../../graphql/context.ts' {
  interface Services {
    readonly webhooks: WebhookService;
  }
}

export const WebhookEventRef = builder.enumType('WebhookEvent', {
  description: 'What a webhook can be told of.',
  values: {
    HEALTH_CHANGED: {
      description:
        'Datastore.health has another status: `datastore.health_changed`, with `from`, `to`, `since` and `testId`.',
    },
    CERTIFICATE_EXPIRING: {
      description:
        'A health check saw a certificate that ends in less than 14 days, or has ended: `datastore.certificate_expiring`, with `fingerprint`, `expiresAt` and `testId`. It is told once for each certificate of a datastore.',
    },
    CATALOG_CHANGED: {
      description:
        'A reading of the catalog of a datastore found other tables or columns than the one before it: `datastore.catalog_changed`, with `testId`, `since`, `counts`, and the first 20 of each of `addedEntries`, `removedEntries` and `columns`.',
    },
    CATALOG_REFRESHED: {
      description:
        'The catalog of a datastore was read, whether or not anything is otherwise: `datastore.catalog_refreshed`, with `testId`.',
    },
    DELETED: { description: 'A datastore was deleted: `datastore.deleted`.' },
  } satisfies Record<WebhookEvent, { description: string }>,
});

export const WebhookRef = builder.objectRef<Webhook>('Webhook').implement({
  description:
    'A URL of yours that the gateway tells of events, by messages that are signed as the Standard Webhooks specification says.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'What the mutations of webhooks take.' }),
    environment: t.field({
      type: EnvironmentRef,
      nullable: true,
      description:
        'The environment that it belongs to, whose events it is told of; null when that was deleted meanwhile.',
      resolve: ({ environmentId }, _arguments, { loaders }) => loaders.environment.load(environmentId),
    }),
    allEnvironments: t.exposeBoolean('allEnvironments', {
      description:
        'Whether it is told of the events of all environments, those to come too; such a one is seen by tokens for all environments alone.',
    }),
    url: t.exposeString('url', { description: 'Where the messages are sent, by POST.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for, for people; null where nobody said.',
    }),
    events: t.field({
      type: [WebhookEventRef],
      description: 'What it is told of.',
      resolve: ({ events }) => [...events],
    }),
    datastoreIds: t.field({
      type: ['ID'],
      nullable: true,
      description: 'The datastores that it is told of; null for all of the environment, or of all environments.',
      resolve: ({ datastoreIds }) => datastoreIds && [...datastoreIds],
    }),
    tags: t.field({
      type: [TagRef],
      description: 'It is told of datastores that have all of these tags when the event happens.',
      resolve: ({ tags }) => [...tags],
    }),
    enabled: t.boolean({
      description: 'Whether it is told of events. What happens while it is not is not made up for.',
      resolve: ({ disabledAt }) => disabledAt === null,
    }),
    disabledAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is not told of events; null while it is.',
      resolve: ({ disabledAt }) => disabledAt,
    }),
    disabledReason: t.exposeString('disabledReason', {
      nullable: true,
      description:
        'Why it is not told of events, and what to do. The gateway disables a webhook itself when a message was sent ten times in vain and nothing else was delivered in three days, and when the receiver answers 410.',
    }),
    failingSince: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Since when every attempt has failed; null when the last one did not.',
      resolve: ({ failingSince }) => failingSince,
    }),
    previousSecretUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when messages are signed by the secret before a rotation as well; null when they are not.',
      resolve: ({ previousSecretUntil }) => previousSecretUntil,
    }),
    createdAt: t.field({ type: 'DateTime', description: 'When it was made.', resolve: ({ createdAt }) => createdAt }),
    createdBy: t.exposeString('createdBy', { description: 'The name of the token that made it.' }),
    updatedAt: t.field({
      type: 'DateTime',
      description: 'When somebody changed it last, or rotated its secret.',
      resolve: ({ updatedAt }) => updatedAt,
    }),
    updatedBy: t.exposeString('updatedBy', { description: 'The name of the token that did so.' }),
  }),
});

const DeliveryStateRef = builder.enumType('WebhookDeliveryState', {
  description: 'What has become of a message to a webhook.',
  values: {
    PENDING: { description: 'It is to be sent, for the first time or again.' },
    DELIVERED: { description: 'The receiver has answered with a status from 200 to 299. It can be read for 7 days.' },
    DEAD: {
      description: `It was sent ${MAX_ATTEMPTS} times in vain, or the webhook was disabled. It can be read, and sent again, for 30 days.`,
    },
  } satisfies Record<DeliveryState, { description: string }>,
});

export const WebhookDeliveryRef = builder.objectRef<Delivery>('WebhookDelivery').implement({
  description: 'A message to a webhook, and what has become of it.',
  fields: (t) => ({
    id: t.exposeID('id', {
      description:
        'The `webhook-id` of the message, the same each time that it is sent: by it a receiver knows it again.',
    }),
    type: t.exposeString('type', { description: 'What it is about: `datastore.health_changed`, say.' }),
    body: t.exposeString('body', { description: 'The JSON that is sent and signed, letter for letter.' }),
    state: t.field({ type: DeliveryStateRef, description: 'What has become of it.', resolve: ({ state }) => state }),
    attempts: t.exposeInt('attempts', {
      description: `How often it was sent, ${MAX_ATTEMPTS} times at most; one that a process died with counts too.`,
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When the event happened.',
      resolve: ({ createdAt }) => createdAt,
    }),
    nextAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is sent next, or, while it is being sent, when that is given up; null once it is over.',
      resolve: ({ dueAt }) => dueAt,
    }),
    lastAttemptAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was sent last; null before the first time.',
      resolve: ({ lastAttemptAt }) => lastAttemptAt,
    }),
    responseStatus: t.exposeInt('responseStatus', {
      nullable: true,
      description: 'The status of the last answer; null where there was none.',
    }),
    lastError: t.exposeString('lastError', {
      nullable: true,
      description: 'Why the last attempt failed; null when it did not. It holds nothing of what the receiver says.',
    }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was delivered or given up; null while it is PENDING.',
      resolve: ({ endedAt }) => endedAt,
    }),
  }),
});

const WebhookConnection = connectionType('Webhook', WebhookRef);
const WebhookDeliveryConnection = connectionType('WebhookDelivery', WebhookDeliveryRef);

builder.queryFields((t) => ({
  webhooks: t.field({
    type: WebhookConnection,
    description:
      'The webhooks that belong to an environment, or those for all environments, the oldest first; nothing of what you may not see. The token needs DATASTORES_WRITE.',
    args: {
      environmentId: t.arg.id({
        description: 'Environment.id. Leave it out for the webhooks for all environments.',
        validate: { schema: uuid },
      }),
      ...pageArguments,
    },
    resolve: (_root, { environmentId, ...page }, { access, services }) =>
      services.webhooks.list(access, environmentId ?? null, page),
  }),
  webhookDeliveries: t.field({
    type: WebhookDeliveryConnection,
    description:
      'What a webhook was told, the newest first; nothing for one that you may not see. The token needs DATASTORES_WRITE.',
    args: {
      webhookId: t.arg.id({ required: true, description: 'Webhook.id.', validate: { schema: uuid } }),
      state: t.arg({ type: DeliveryStateRef, description: 'Only those in this state. Leave it out for all.' }),
      ...pageArguments,
    },
    resolve: (_root, { webhookId, state, ...page }, { access, services }) =>
      services.webhooks.deliveries(access, webhookId, state ?? null, page),
  }),
}));
