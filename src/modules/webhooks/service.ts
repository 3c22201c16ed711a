import { randomUUID } from 'node:crypto';
import { NotFoundError, RequestFault, ValidationError } from '../../errors/api.ts';
import { type IssueCode, issueCodes, pathTo } from '../../errors/field-issues.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { Tag } from '../datastores/details.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import type { CallResult, Idempotency, KeepResult, Repeatable } from '../idempotency/service.ts';
import { endPending, insertDelivery, listDeliveries, lockDeliveries, requeue } from './delivery-store.ts';
import type { WebhookSecrets } from './secrets.ts';
import type { WebhookSender } from './sender.ts';
import {
  countLocked,
  countOfAll,
  deleteWebhookRow,
  findWebhooks,
  insertWebhook,
  listWebhooks,
  lockWebhook,
  replaceSecrets,
  replaceWebhook,
  type WebhookRow,
  webhookOf,
} from './store.ts';
import {
  type Delivery,
  type DeliveryState,
  MAX_WEBHOOKS,
  testMessageType,
  type Webhook,
  type WebhookEvent,
} from './webhook.ts';

export type { Delivery, Webhook } from './webhook.ts';

interface WebhookFields {
  readonly description?: string | null | undefined;
  readonly datastoreIds?: readonly string[] | null | undefined;
  readonly tags?: readonly Tag[] | null | undefined;
  readonly allEnvironments?: boolean | null | undefined;
}

export interface NewWebhook extends EnvironmentChoice, Repeatable, WebhookFields {
  readonly url: string;
  readonly events: readonly WebhookEvent[];
}

/** What is left out stays as it is; null takes away what can be missing. */
export interface WebhookUpdate extends Repeatable, WebhookFields {
  readonly id: string;
  readonly url?: string | null | undefined;
  readonly events?: readonly WebhookEvent[] | null | undefined;
  readonly enabled?: boolean | null | undefined;
}

/** A webhook, and its secret when it was made by this call. */
export interface MadeWebhook {
  readonly webhook: Webhook;
  readonly secret: string | null;
}

export interface WebhookServiceOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly environments: EnvironmentService;
  readonly idempotency: Idempotency;
  readonly secrets: WebhookSecrets;
  readonly sender: WebhookSender;
}

const SWITCHED_OFF = 'It was disabled by hand.';
const CLEAR_TEXT = 'Give an https:// URL. http:// is taken only for a host that the operator names in EGRESS_ALLOW.';
const NEEDS_ALL = 'A webhook for all environments takes a token that is for all environments.';
const IS_DISABLED = 'The webhook is disabled: enable it first.';

/** Manages who is told of events, and shows what they were told. */
export class WebhookService {
  readonly #options: WebhookServiceOptions;

  constructor(options: WebhookServiceOptions) {
    this.#options = options;
  }

  /**
   * Lists the webhooks that belong to an environment, or, for null, those that hear of all, the oldest first; of what
   * the caller may not see there are none.
   */
  async list(access: Access, environmentId: string | null, page: PageArguments): Promise<Page<Webhook>> {
    requireScope(access, 'DATASTORES_WRITE');
    return listWebhooks(this.#options.database, access, environmentId, readPageArguments(page, 'WEBHOOK'));
  }

  /** Lists the deliveries of a webhook, the newest first; of one that the caller may not see there are none. */
  async deliveries(
    access: Access,
    webhookId: string,
    state: DeliveryState | null,
    page: PageArguments,
  ): Promise<Page<Delivery>> {
    requireScope(access, 'DATASTORES_WRITE');
    return listDeliveries(this.#options.database, access, webhookId, state, readPageArguments(page, 'DELIVERY'));
  }

  /** @throws ValidationError, NotFoundError for the environment, ConflictError for the idempotency key */
  async create(access: Access, input: NewWebhook): Promise<MadeWebhook> {
    requireScope(access, 'DATASTORES_WRITE');
    if (input.allEnvironments) requireAllEnvironments(access);
    const { id: environmentId } = await this.#options.environments.resolve(access, input);
    return this.#once(access, { operation: 'createWebhook', environmentId }, input, async (keep) => {
      await this.#requireReachable(input.url, pathTo(input, 'url'));
      return this.#options.database.change((change) => this.#create(change, access, input, environmentId, keep));
    });
  }

  async #create(
    change: Change,
    access: Access,
    input: NewWebhook,
    environmentId: string,
    keep: KeepResult,
  ): Promise<MadeWebhook> {
    const { url, description = null, events, datastoreIds = null, tags } = input;
    const [id, at, by] = [randomUUID(), change.clock.timestamp(), access.actor.name];
    await keep(change, { id });
    const count = await countLocked(change, environmentId);
    if (count === undefined) throw new NotFoundError([environmentId]);
    if (count >= MAX_WEBHOOKS) throw refused(pathTo(input, 'environmentId'), 'OUT_OF_RANGE', TOO_MANY);
    const allEnvironments = input.allEnvironments ?? false;
    if (allEnvironments) await this.#requireRoomForAll(change, input);
    const webhook: Webhook = {
      ...{
        id,
        environmentId,
        allEnvironments,
        url,
        description,
        events: [...new Set(events)],
        datastoreIds,
        tags: tags ?? [],
      },
      ...{ previousSecretUntil: null, failingSince: null, disabledAt: null, disabledReason: null },
      ...{ createdAt: at, createdBy: by, updatedAt: at, updatedBy: by },
    };
    const { secret, sealed } = await this.#options.secrets.make(change, webhook);
    await insertWebhook(change, webhook, sealed);
    await this.#journal(change, access, 'webhook.create', webhook, shownChange(webhook));
    return { webhook, secret };
  }

  /** @throws ValidationError, NotFoundError, ConflictError for the idempotency key */
  async update(access: Access, input: WebhookUpdate): Promise<Webhook> {
    requireScope(access, 'DATASTORES_WRITE');
    const { id, url } = input;
    if (input.allEnvironments != null) requireAllEnvironments(access);
    const [found] = await findWebhooks(this.#options.database, access, [id]);
    if (!found) throw new NotFoundError([id]);
    const place = { operation: 'updateWebhook', environmentId: found.environmentId };
    const { webhook } = await this.#once(access, place, input, async (keep) => {
      if (url != null && url !== found.url) await this.#requireReachable(url, pathTo(input, 'url'));
      return this.#options.database.change((change) => this.#update(change, access, input, keep));
    });
    return webhook;
  }

  async #update(change: Change, access: Access, input: WebhookUpdate, keep: KeepResult): Promise<MadeWebhook> {
    await keep(change, { id: input.id });
    const before = webhookOf(await this.#locked(change, access, input.id));
    const allEnvironments = input.allEnvironments ?? before.allEnvironments;
    if (allEnvironments && !before.allEnvironments) await this.#requireRoomForAll(change, input);
    const after: Webhook = {
      ...before,
      allEnvironments,
      url: input.url ?? before.url,
      description: input.description === undefined ? before.description : input.description,
      events: input.events ? [...new Set(input.events)] : before.events,
      datastoreIds: input.datastoreIds === undefined ? before.datastoreIds : input.datastoreIds,
      tags: input.tags === undefined ? before.tags : (input.tags ?? []),
      ...switched(before, input.enabled, change.clock.timestamp()),
      updatedAt: change.clock.timestamp(),
      updatedBy: access.actor.name,
    };
    await replaceWebhook(change, after);
    if (after.disabledAt !== null && before.disabledAt === null) await endPending(change, after.id, SWITCHED_OFF);
    const detail = { ...shownChange(after), enabled: after.disabledAt === null };
    await this.#journal(change, access, 'webhook.update', after, detail);
    return { webhook: after, secret: null };
  }

  /** Makes another secret; those before it sign as well for a day, unless `endsOthers`. @throws NotFoundError */
  async rotateSecret(access: Access, id: string, endsOthers: boolean): Promise<MadeWebhook> {
    requireScope(access, 'DATASTORES_WRITE');
    return this.#options.database.change(async (change) => {
      const row = await this.#locked(change, access, id);
      const { secret, sealed } = await this.#options.secrets.rotate(change, row, endsOthers);
      const columns = { ...sealed, updated_at: change.clock.timestamp(), updated_by: access.actor.name };
      await replaceSecrets(change, id, columns);
      change.erases();
      const webhook = webhookOf({ ...row, ...columns });
      await this.#journal(change, access, 'webhook.rotate_secret', webhook, { endsOthers });
      return { webhook, secret };
    });
  }

  /** Deletes a webhook with its deliveries. @throws NotFoundError */
  async delete(access: Access, id: string): Promise<string> {
    requireScope(access, 'DATASTORES_WRITE');
    return this.#options.database.change(async (change) => {
      const webhook = webhookOf(await this.#locked(change, access, id));
      await deleteWebhookRow(change, id);
      change.erases();
      await this.#journal(change, access, 'webhook.delete', webhook, shownChange(webhook));
      return id;
    });
  }

  /** Queues a message that says nothing but that the webhook works. @throws NotFoundError, ValidationError */
  async sendTest(access: Access, id: string): Promise<Delivery> {
    requireScope(access, 'DATASTORES_WRITE');
    return this.#options.database.change(async (change) => {
      const webhook = webhookOf(await this.#locked(change, access, id));
      if (webhook.disabledAt !== null) throw refused(['id'], 'INVALID_COMBINATION', IS_DISABLED);
      const { environmentId } = webhook;
      const data = { environmentId, webhookId: id };
      const body = JSON.stringify({ type: testMessageType, timestamp: change.clock.timestamp(), data });
      const delivery = await insertDelivery(change, { id: randomUUID(), webhookId: id, type: testMessageType, body });
      await this.#journal(change, access, 'webhook.test', webhook, { deliveryId: delivery.id });
      return delivery;
    });
  }

  /**
   * Queues deliveries that are over once more, under their own ids; those that wait already stay as they are.
   * @throws NotFoundError, ValidationError where a webhook is disabled
   */
  async redeliver(access: Access, ids: readonly string[]): Promise<Delivery[]> {
    requireScope(access, 'DATASTORES_WRITE');
    const wanted = [...new Set(ids)];
    return this.#options.database.change(async (change) => {
      const locked = new Map((await lockDeliveries(change, access, wanted)).map((one) => [one.id, one]));
      const missing = wanted.filter((id) => !locked.has(id));
      if (missing.length > 0) throw new NotFoundError(missing);
      const over = [...locked.values()].filter(({ state }) => state !== 'PENDING');
      const disabled = over.find(({ isDisabled }) => isDisabled);
      if (disabled) throw refused(['ids', String(ids.indexOf(disabled.id))], 'INVALID_COMBINATION', IS_DISABLED);
      if (over.length > 0)
        await requeue(
          change,
          over.map(({ id }) => id),
        );
      // chains are locked in the order of their ids, so that two calls never wait for one another
      for (const one of over.toSorted((left, right) => (left.environmentId < right.environmentId ? -1 : 1)))
        await this.#journal(change, access, 'webhook.redeliver', { ...one, id: one.webhookId }, { deliveryId: one.id });
      const now = { state: 'PENDING', attempts: 0, dueAt: change.clock.timestamp(), endedAt: null } as const;
      return wanted.flatMap((id) => {
        const one = locked.get(id);
        return one ? [over.includes(one) ? { ...one, ...now } : one] : [];
      });
    });
  }

  /** Does the work of a call once; repeated, it gives the webhook as it is now, without its secret. */
  #once(
    access: Access,
    place: { operation: string; environmentId: string },
    input: Repeatable,
    work: (keep: KeepResult) => Promise<MadeWebhook>,
  ): Promise<MadeWebhook> {
    const { idempotency, database } = this.#options;
    const again = async ({ id }: CallResult): Promise<MadeWebhook> => {
      const [webhook] = await findWebhooks(database, access, [id]);
      if (!webhook) throw new NotFoundError([id]);
      return { webhook, secret: null };
    };
    return idempotency.once(idempotency.callOf(access, place, input), work, again);
  }

  async #locked(change: Change, access: Access, id: string): Promise<WebhookRow> {
    const row = await lockWebhook(change, access, id);
    if (!row) throw new NotFoundError([id]);
    return row;
  }

  async #requireRoomForAll(change: Change, input: NewWebhook | WebhookUpdate): Promise<void> {
    if ((await countOfAll(change)) < MAX_WEBHOOKS) return;
    throw refused(pathTo(input, 'allEnvironments'), 'OUT_OF_RANGE', TOO_MANY_FOR_ALL);
  }

  /** @throws ValidationError unless the gateway may connect to where the URL leads, in the way that it says */
  async #requireReachable(url: string, path: readonly string[]): Promise<void> {
    const { sender } = this.#options;
    if (!sender.takesScheme(url)) throw refused(path, 'INVALID_FORMAT', CLEAR_TEXT);
    const verdict = await sender.judge(url);
    if (verdict === 'not-allowed') throw refused(path, 'ADDRESS_NOT_ALLOWED', issueCodes.ADDRESS_NOT_ALLOWED);
    if (verdict === 'unjudged') throw refused(path, 'ADDRESS_NOT_CHECKED', issueCodes.ADDRESS_NOT_CHECKED);
  }

  async #journal(
    change: Change,
    { actor }: Access,
    action: string,
    { id, environmentId }: Pick<Webhook, 'id' | 'environmentId'>,
    detail: Record<string, unknown>,
  ): Promise<void> {
    const subject = { subjectType: 'webhook', subjectId: id, detail };
    await appendJournal(change, this.#options.keyring, { environmentId, kind: '', action, actor, ...subject });
  }
}

const TOO_MANY = `The environment has ${MAX_WEBHOOKS} webhooks already, which is as many as there may be.`;

const TOO_MANY_FOR_ALL = `${MAX_WEBHOOKS} webhooks hear of all environments already, which is as many as there may be.`;

/** Refuses a token that lists its environments: what it may not see is told of. @throws RequestFault */
function requireAllEnvironments(access: Access): void {
  if (access.environmentIds !== 'all') throw new RequestFault('FORBIDDEN', NEEDS_ALL);
}

function refused(path: readonly string[], code: IssueCode, message: string): ValidationError {
  return new ValidationError([{ path, configPath: null, code, message }]);
}

/** What becomes of the state of a webhook that is switched on or off; what it is already changes nothing. */
function switched({ disabledAt }: Webhook, enabled: boolean | null | undefined, now: string): Partial<Webhook> {
  if (enabled == null || enabled === (disabledAt === null)) return {};
  if (enabled) return { disabledAt: null, disabledReason: null, failingSince: null };
  return { disabledAt: now, disabledReason: SWITCHED_OFF };
}

/** What the journal keeps of a webhook. The path of its URL may be a secret of the receiver's. */
function shownChange({ url, events, allEnvironments }: Webhook): Record<string, unknown> {
  return { origin: new URL(url).origin, events, ...(allEnvironments && { allEnvironments }) };
}
