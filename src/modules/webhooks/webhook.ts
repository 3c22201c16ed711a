import type { Tag } from '../datastores/details.ts';

export type { Tag } from '../datastores/details.ts';

/** What a webhook can be told of. */
export const webhookEvents = [
  'HEALTH_CHANGED',
  'CERTIFICATE_EXPIRING',
  'CATALOG_CHANGED',
  'CATALOG_REFRESHED',
  'DELETED',
] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

/** `type` of a message about an event, and of the one that tries a webhook. */
export const messageTypes = {
  HEALTH_CHANGED: 'datastore.health_changed',
  CERTIFICATE_EXPIRING: 'datastore.certificate_expiring',
  CATALOG_CHANGED: 'datastore.catalog_changed',
  CATALOG_REFRESHED: 'datastore.catalog_refreshed',
  DELETED: 'datastore.deleted',
} as const satisfies Record<WebhookEvent, string>;
export const testMessageType = 'webhook.test';

export const deliveryStates = ['PENDING', 'DELIVERED', 'DEAD'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** How many webhooks an environment may have, and how many may hear of all environments. */
export const MAX_WEBHOOKS = 20;
/** How many datastores a webhook may name. */
export const MAX_NAMED = 100;

/** Who is told of events. Its secrets are the store's to know. */
export interface Webhook {
  readonly id: string;
  /** To which it belongs. */
  readonly environmentId: string;
  /** Whether it is told of the events of all environments, and not only of those of its own. */
  readonly allEnvironments: boolean;
  readonly url: string;
  readonly description: string | null;
  readonly events: readonly WebhookEvent[];
  /** Null for all. */
  readonly datastoreIds: readonly string[] | null;
  /** A datastore has to have all of them. */
  readonly tags: readonly Tag[];
  /** ISO 8601; null while no secret of before signs as well. */
  readonly previousSecretUntil: string | null;
  readonly failingSince: string | null;
  readonly disabledAt: string | null;
  readonly disabledReason: string | null;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
}

/** A message to a webhook, and what has become of it. */
export interface Delivery {
  readonly id: string;
  readonly webhookId: string;
  readonly type: string;
  readonly body: string;
  readonly createdAt: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** Null once it is over. */
  readonly dueAt: string | null;
  readonly lastAttemptAt: string | null;
  readonly responseStatus: number | null;
  readonly lastError: string | null;
  readonly endedAt: string | null;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The pause after each attempt that failed, as the Standard Webhooks specification proposes them. */
const PAUSES_MS = [
  ...[5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS],
  ...[10 * HOUR_MS, 14 * HOUR_MS, 20 * HOUR_MS, 24 * HOUR_MS],
];
/** How much longer a pause may be, so that what failed together does not come again together. */
const JITTER = 0.1;
/** How often a message is sent before it is dead. */
export const MAX_ATTEMPTS = PAUSES_MS.length + 1;
/**
 * A webhook is disabled when a message has been sent so often in vain and nothing has been delivered for so long: the
 * pauses before that are three days and four hours.
 */
export const MOST_FAILING_MS = 3 * DAY_MS;
/** For how long the secret before a rotation signs as well. */
export const OVERLAP_MS = DAY_MS;
/** For how long deliveries that are over can be read: dead ones longer, for they can be sent again. */
export const DELIVERED_KEPT_MS = 7 * DAY_MS;
export const DEAD_KEPT_MS = 30 * DAY_MS;

/** The pause after so many attempts, in milliseconds; null when no more are made. `random` is from 0 to 1. */
export function pauseAfter(attempts: number, random: number): number | null {
  const pause = PAUSES_MS[attempts - 1];
  return pause === undefined ? null : Math.round(pause * (1 + JITTER * random));
}

/** What a message about a datastore says of it: never its config. */
export interface ToldDatastore {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly label: string;
  readonly tags: readonly Tag[];
}

/** Tells whether a webhook that hears of such events is to hear of those of this datastore. */
export function isAbout({ datastoreIds, tags }: Pick<Webhook, 'datastoreIds' | 'tags'>, about: ToldDatastore): boolean {
  if (datastoreIds !== null && !datastoreIds.includes(about.id)) return false;
  return tags.every(({ key, value }) => about.tags.some((tag) => tag.key === key && tag.value === value));
}
