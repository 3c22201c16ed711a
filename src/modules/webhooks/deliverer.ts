import { type Change, type Database, DatabaseUnavailableError } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { Ticker } from '../../platform/ticker.ts';
import {
  type DeliveryRow,
  endPending,
  removeOldDeliveries,
  settleAttempt,
  takeDueDeliveries,
} from './delivery-store.ts';
import type { WebhookSecrets } from './secrets.ts';
import { DEADLINE_MS, type SendResult, type WebhookSender } from './sender.ts';
import { signedHeaders } from './signature.ts';
import { eraseOldSecrets, readForDelivery, setDisabled, setFailing, setWorking, type WebhookRow } from './store.ts';
import { MOST_FAILING_MS, pauseAfter } from './webhook.ts';

/** How often it looks for what is due, in milliseconds. */
const TICK_MS = 1_000;
/** How many messages a process sends at once, and to one webhook: a slow receiver holds up nobody but itself. */
const AT_ONCE = 16;
const AT_ONCE_TO_ONE = 4;
/** After how long another process takes up what one has taken: that has given up sending it long before. */
const LEASE_MS = 3 * DEADLINE_MS;
/** How many rows a step of the chore removes. */
const REMOVED_AT_ONCE = 500;
const GONE = 410;
const GONE_REASON = 'The receiver answered 410, which says that it wants no more. Change the URL, or enable it again.';
const DISABLED = 'The webhook is disabled.';
const disabler = { name: 'webhook delivery', onBehalfOf: null };

export interface WebhookDelivererOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly secrets: WebhookSecrets;
  readonly sender: WebhookSender;
  readonly logger: Logger;
  /** How often it looks for what is due, in milliseconds. Left out: 1,000. */
  readonly tickMs?: number | undefined;
}

/**
 * Sends what is due. The rows are the queue: any number of processes share them, none sends what another one has taken
 * before its lease is over, and what a process that died had taken is sent again, under the same id.
 */
export class WebhookDeliverer {
  readonly #options: WebhookDelivererOptions;
  readonly #stopping = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  /** How many messages are being sent, by webhook. */
  readonly #load = new Map<string, number>();
  readonly #ticker: Ticker;

  constructor(options: WebhookDelivererOptions) {
    this.#options = options;
    const onError = (error: unknown) => this.#report(error);
    this.#ticker = new Ticker({ everyMs: options.tickMs ?? TICK_MS, work: () => this.#takeAll(), onError });
  }

  start(): void {
    this.#ticker.start();
  }

  /** Takes no more, and gives back what has no answer yet. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ticker.stop();
    await Promise.all(this.#sending);
  }

  /** Removes some of what is kept no longer. @returns whether there may be more */
  async removeOld(): Promise<boolean> {
    return this.#options.database.change(async (change) => {
      const erased = await eraseOldSecrets(change, REMOVED_AT_ONCE);
      const removed = await removeOldDeliveries(change, REMOVED_AT_ONCE);
      return erased >= REMOVED_AT_ONCE || removed >= REMOVED_AT_ONCE;
    });
  }

  async #takeAll(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const busy = [...this.#load].flatMap(([id, count]) => (count >= AT_ONCE_TO_ONE ? [id] : []));
      const most = Math.max(0, ...[...this.#load.values()].filter((count) => count < AT_ONCE_TO_ONE));
      // all that is taken may be of the one that has most already
      const limit = Math.min(AT_ONCE_TO_ONE - most, AT_ONCE - this.#sending.size);
      if (limit <= 0) return;
      const rows = await this.#options.database.change((change) =>
        takeDueDeliveries(change, change.clock.timestamp(LEASE_MS), limit, busy),
      );
      if (rows.length === 0) return;
      for (const row of rows) this.#begin(row);
    }
  }

  #begin(row: DeliveryRow): void {
    const { webhook_id: webhookId } = row;
    this.#load.set(webhookId, (this.#load.get(webhookId) ?? 0) + 1);
    const sending = this.#deliver(row)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#sending.delete(sending);
        const left = (this.#load.get(webhookId) ?? 1) - 1;
        if (left > 0) this.#load.set(webhookId, left);
        else this.#load.delete(webhookId);
        if (!this.#stopping.signal.aborted) void this.#ticker.run();
      });
    this.#sending.add(sending);
  }

  async #deliver(row: DeliveryRow): Promise<void> {
    const { database } = this.#options;
    const webhook = await readForDelivery(database, row.webhook_id);
    // it was deleted since, and its deliveries with it
    if (!webhook) return;
    if (webhook.disabled_at !== null) {
      const dead = { state: 'DEAD', due_at: null, ended_at: database.clock.timestamp(), last_error: DISABLED };
      await database.change((change) => settleAttempt(change, row, dead));
      return;
    }
    const result = await this.#send(webhook, row);
    await database.change((change) => this.#settle(change, webhook, row, result));
  }

  async #send(webhook: WebhookRow, { id, body }: DeliveryRow): Promise<SendResult> {
    const { database, secrets, sender, logger } = this.#options;
    const opened = await secrets.open(webhook, database.clock.timestamp()).catch((error: unknown) => {
      if (error instanceof DatabaseUnavailableError) throw error;
      logger.error({ err: error, webhookId: webhook.id }, 'the secret of a webhook does not open');
      return null;
    });
    if (!opened) return { kind: 'failed', error: 'The secret does not open: rotate it.' };
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'datastore-gateway',
      ...signedHeaders({ id, at: database.clock.now(), body }, opened),
    };
    const { environment_id: environmentId, url } = webhook;
    return sender.send({ environmentId, url, headers, body }, this.#stopping.signal);
  }

  /** Takes what came of an attempt into the queue, unless another attempt has begun since. */
  async #settle(change: Change, webhook: WebhookRow, row: DeliveryRow, result: SendResult): Promise<void> {
    const now = change.clock.timestamp();
    if (result.kind === 'stopped') {
      await settleAttempt(change, row, { due_at: now, attempts: row.attempts - 1 });
      return;
    }
    const response_status = result.kind === 'answered' ? result.status : null;
    if (response_status !== null && response_status >= 200 && response_status < 300) {
      const delivered = { state: 'DELIVERED', due_at: null, ended_at: now, response_status, last_error: null };
      if (await settleAttempt(change, row, delivered)) await setWorking(change, webhook.id);
      return;
    }
    const last_error = result.kind === 'answered' ? `The receiver answered ${result.status}.` : result.error;
    const pause = response_status === GONE ? null : pauseAfter(row.attempts, Math.random());
    const after =
      pause === null
        ? { state: 'DEAD', due_at: null, ended_at: now }
        : { due_at: change.clock.timestamp(pause), ended_at: null };
    if (!(await settleAttempt(change, row, { ...after, response_status, last_error }))) return;
    const since = await setFailing(change, webhook.id);
    // a message that is given up says more than one that fails: the receiver has been away for as long as it was tried
    if (pause !== null) return;
    const reason = response_status === GONE ? GONE_REASON : failingReason(since, change.clock.now(), last_error);
    if (reason !== null) await this.#disable(change, webhook, reason);
  }

  async #disable(change: Change, { id, environment_id: environmentId }: WebhookRow, reason: string): Promise<void> {
    if (!(await setDisabled(change, id, reason))) return;
    await endPending(change, id, DISABLED);
    const subject = { subjectType: 'webhook', subjectId: id, detail: { reason } };
    const entry = { environmentId, kind: '', action: 'webhook.disable', actor: disabler, ...subject };
    await appendJournal(change, this.#options.keyring, entry);
  }

  #report(error: unknown): void {
    if (error instanceof DatabaseUnavailableError) return;
    this.#options.logger.error({ err: error }, 'webhooks could not be sent');
  }
}

function failingReason(since: string, now: number, lastError: string): string | null {
  if (now - Date.parse(since) < MOST_FAILING_MS) return null;
  return `Nothing could be delivered since ${since}; at last: ${lastError} Mend the receiver, and enable it again.`;
}
