import { z } from 'zod';
import { url } from '../../connectors/kit/config/url.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { builder } from '../../graphql/builder.ts';
import { boundedList, environmentIdField, idempotencyKeyField, uuid } from '../../graphql/fields.ts';
import { description } from '../datastores/details.ts';
import { tagsField } from '../datastores/schema-details.ts';
import { WebhookDeliveryRef, WebhookEventRef, WebhookRef } from './schema.ts';
import type { Delivery, MadeWebhook, Webhook } from './service.ts';
import { MAX_NAMED, MAX_WEBHOOKS, webhookEvents } from './webhook.ts';

/** How many deliveries one call sends again. */
const MAX_REDELIVERED = 100;

const urlField = {
  description:
    'Where to send the messages, by POST: an https:// URL without user info, query and fragment, of at most 2,048 characters. http:// is taken only for a host that the operator names in EGRESS_ALLOW. Redirects are not followed.',
  validate: { schema: url({ keepsPath: true }) },
} as const;
const eventsValidation = { schema: boundedList(z.enum(webhookEvents), { min: 1, max: webhookEvents.length }) };
const datastoreIdsField = {
  description: `The datastores to tell of: 1 to ${MAX_NAMED}. Leave it out, or give null, for all of the environment, or of all environments. An id of none tells of nothing.`,
  validate: { schema: boundedList(uuid, { min: 1, max: MAX_NAMED }) },
} as const;
const tags = {
  type: tagsField.type,
  description:
    'Tells only of datastores that have all of these tags when the event happens: at most 20, each key once. Null and `[]`: of any.',
  validate: tagsField.validate,
};
const allEnvironments = (more: string) => ({
  description: `True to tell of the events of all environments, those to come too. The token has to be for all environments. ${more}`,
});
const descriptionText = 'What the webhook is for, for people: at most 2,000 characters, line breaks too.';

const CreateWebhookInput = builder.inputType('CreateWebhookInput', {
  description: 'Whom to tell, and of what.',
  fields: (t) => ({
    environmentId: t.id(environmentIdField),
    allEnvironments: t.boolean(
      allEnvironments(
        `At most ${MAX_WEBHOOKS} are told of all. The webhook still belongs to one environment, which cannot be deleted while it does. Left out: false.`,
      ),
    ),
    url: t.string({ required: true, ...urlField }),
    description: t.string({ description: descriptionText, validate: { schema: description } }),
    events: t.field({
      type: [WebhookEventRef],
      required: true,
      description: 'What to tell of: at least one.',
      validate: eventsValidation,
    }),
    datastoreIds: t.idList(datastoreIdsField),
    tags: t.field(tags),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const UpdateWebhookInput = builder.inputType('UpdateWebhookInput', {
  description: 'A change of a webhook. What is left out stays as it is.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The webhook to change.', validate: { schema: uuid } }),
    allEnvironments: t.boolean(allEnvironments('False to tell of those of its own environment alone.')),
    url: t.string(urlField),
    description: t.string({ description: `${descriptionText} Null takes it away.`, validate: { schema: description } }),
    events: t.field({
      type: [WebhookEventRef],
      description: 'What to tell of from now on: at least one.',
      validate: eventsValidation,
    }),
    datastoreIds: t.idList(datastoreIdsField),
    tags: t.field(tags),
    enabled: t.boolean({
      description:
        'False to tell it of nothing: what waits for it is DEAD then. True to tell it again; what happened meanwhile is not made up for.',
    }),
    idempotencyKey: t.string(idempotencyKeyField),
  }),
});

const webhookField = 'The webhook as it is stored now.';

const made = (name: string, text: string, secretText: string) =>
  builder.objectRef<MadeWebhook>(name).implement({
    description: text,
    fields: (t) => ({
      webhook: t.field({ type: WebhookRef, description: webhookField, resolve: ({ webhook }) => webhook }),
      secret: t.exposeString('secret', { nullable: true, description: secretText }),
    }),
  });

const SHOWN_ONCE =
  'The secret that signs its messages, `whsec_…`. It is shown this once, and nobody can read it again: put it where your receiver finds it.';

const CreateWebhookSuccess = made(
  'CreateWebhookSuccess',
  'The webhook is made.',
  `${SHOWN_ONCE} Null when the call came before with the same idempotencyKey: rotate the secret where that answer was lost.`,
);
const RotateWebhookSecretSuccess = made(
  'RotateWebhookSecretSuccess',
  'There is another secret.',
  `${SHOWN_ONCE} Never null.`,
);

const UpdateWebhookSuccess = builder.objectRef<{ readonly webhook: Webhook }>('UpdateWebhookSuccess').implement({
  description: 'The webhook is changed.',
  fields: (t) => ({
    webhook: t.field({ type: WebhookRef, description: webhookField, resolve: ({ webhook }) => webhook }),
  }),
});

const DeleteWebhookSuccess = builder.objectRef<{ readonly deletedId: string }>('DeleteWebhookSuccess').implement({
  description: 'The webhook is gone.',
  fields: (t) => ({ deletedId: t.exposeID('deletedId', { description: 'The id that the webhook had.' }) }),
});

const SendTestWebhookSuccess = builder.objectRef<{ readonly delivery: Delivery }>('SendTestWebhookSuccess').implement({
  description: 'The message is to be sent.',
  fields: (t) => ({
    delivery: t.field({
      type: WebhookDeliveryRef,
      description: 'The message: `webhookDeliveries` says what becomes of it.',
      resolve: ({ delivery }) => delivery,
    }),
  }),
});

const RedeliverWebhookMessagesSuccess = builder
  .objectRef<{ readonly deliveries: readonly Delivery[] }>('RedeliverWebhookMessagesSuccess')
  .implement({
    description: 'The messages are to be sent.',
    fields: (t) => ({
      deliveries: t.field({
        type: [WebhookDeliveryRef],
        description: 'The messages, in the order of the ids.',
        resolve: ({ deliveries }) => [...deliveries],
      }),
    }),
  });

const webhookId = { required: true, description: 'Webhook.id.', validate: { schema: uuid } } as const;

builder.mutationFields((t) => ({
  createWebhook: t.field({
    type: CreateWebhookSuccess,
    description: `Has the gateway tell a URL of events in an environment, which has at most ${MAX_WEBHOOKS} webhooks. The token needs DATASTORES_WRITE.`,
    errors: { types: [ValidationError, NotFoundError, ConflictError], union: { name: 'CreateWebhookResult' } },
    args: { input: t.arg({ type: CreateWebhookInput, required: true, description: 'The webhook to make.' }) },
    resolve: (_root, { input }, { access, services }) =>
      services.webhooks.create(access, { ...input, path: ['input'] }),
  }),
  updateWebhook: t.field({
    type: UpdateWebhookSuccess,
    description:
      'Changes a webhook, disables it or enables it again. Messages that wait already go to the new URL. The token needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError, ConflictError], union: { name: 'UpdateWebhookResult' } },
    args: { input: t.arg({ type: UpdateWebhookInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { access, services }) => ({
      webhook: await services.webhooks.update(access, { ...input, path: ['input'] }),
    }),
  }),
  deleteWebhook: t.field({
    type: DeleteWebhookSuccess,
    description: 'Deletes a webhook, with all that waits for it. The token needs DATASTORES_WRITE.',
    // an id that is no UUID ends as a ValidationError
    errors: { types: [ValidationError, NotFoundError], union: { name: 'DeleteWebhookResult' } },
    args: { id: t.arg.id(webhookId) },
    resolve: async (_root, { id }, { access, services }) => ({ deletedId: await services.webhooks.delete(access, id) }),
  }),
  rotateWebhookSecret: t.field({
    type: RotateWebhookSecretSuccess,
    description:
      'Gives a webhook another secret. Messages carry a signature by the secret before as well for 24 hours, so that a receiver has time to change. The token needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RotateWebhookSecretResult' } },
    args: {
      id: t.arg.id(webhookId),
      endPrevious: t.arg.boolean({
        defaultValue: false,
        description: 'True where a secret has leaked: those before sign no more, from now on.',
      }),
    },
    resolve: (_root, { id, endPrevious }, { access, services }) =>
      services.webhooks.rotateSecret(access, id, endPrevious ?? false),
  }),
  sendTestWebhook: t.field({
    type: SendTestWebhookSuccess,
    description:
      'Sends a message of the type `webhook.test` to a webhook, signed and sent again as any other. The token needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'SendTestWebhookResult' } },
    args: { id: t.arg.id(webhookId) },
    resolve: async (_root, { id }, { access, services }) => ({
      delivery: await services.webhooks.sendTest(access, id),
    }),
  }),
  redeliverWebhookMessages: t.field({
    type: RedeliverWebhookMessagesSuccess,
    description:
      'Sends messages again that are DEAD or DELIVERED, each under the id that it had and with all its attempts before it; one that is PENDING stays as it is. The token needs DATASTORES_WRITE.',
    errors: { types: [ValidationError, NotFoundError], union: { name: 'RedeliverWebhookMessagesResult' } },
    args: {
      ids: t.arg.idList({
        required: true,
        description: `WebhookDelivery.id: 1 to ${MAX_REDELIVERED}.`,
        validate: { schema: boundedList(uuid, { min: 1, max: MAX_REDELIVERED }) },
      }),
    },
    resolve: async (_root, { ids }, { access, services }) => ({
      deliveries: await services.webhooks.redeliver(access, ids),
    }),
  }),
}));
