import type { Selectable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { WebhookDeliveriesTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';
import { unlessOfAll } from './store.ts';
import { DEAD_KEPT_MS, DELIVERED_KEPT_MS, type Delivery, type DeliveryState } from './webhook.ts';

export type DeliveryRow = Selectable<WebhookDeliveriesTable>;

/** By this an attempt is still the present one: neither another process nor a caller has begun the next. */
export type Attempt = Pick<DeliveryRow, 'id' | 'attempts' | 'due_at'>;

function deliveryOf(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    type: row.type,
    body: row.body,
    createdAt: row.created_at,
    state: row.state as DeliveryState,
    attempts: row.attempts,
    dueAt: row.due_at,
    lastAttemptAt: row.last_attempt_at,
    responseStatus: row.response_status,
    lastError: row.last_error,
    endedAt: row.ended_at,
  };
}

/** Puts a message into the queue, due at once. */
export async function insertDelivery(
  change: Change,
  message: Pick<Delivery, 'id' | 'webhookId' | 'type' | 'body'>,
): Promise<Delivery> {
  const now = change.clock.timestamp();
  const row = {
    id: message.id,
    webhook_id: message.webhookId,
    type: message.type,
    body: message.body,
    created_at: now,
    state: 'PENDING',
    attempts: 0,
    due_at: now,
    last_attempt_at: null,
    response_status: null,
    last_error: null,
    ended_at: null,
  };
  await change.query.insertInto('webhook_deliveries').values(row).execute();
  return deliveryOf(row);
}

/**
 * Takes at most `limit` messages that are due, and none of the webhooks that are `busy`: nobody else takes them before
 * `until`. Each counts as an attempt from now on.
 */
export async function takeDueDeliveries(
  change: Change,
  until: string,
  limit: number,
  busy: readonly string[],
): Promise<DeliveryRow[]> {
  const now = change.clock.timestamp();
  const due = change.query
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('due_at', '<=', now)
    .$if(busy.length > 0, (query) => query.where(({ eb }) => eb.not(isOneOf('webhook_deliveries.webhook_id', busy))))
    .orderBy('due_at')
    .limit(limit);
  const rows = await (change.kind === 'postgres' ? due.forUpdate().skipLocked() : due).execute();
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  await change.query
    .updateTable('webhook_deliveries')
    .set((eb) => ({ due_at: until, last_attempt_at: now, attempts: eb('attempts', '+', 1) }))
    .where(isOneOf('webhook_deliveries.id', ids))
    .execute();
  return rows.map((row) => ({ ...row, due_at: until, last_attempt_at: now, attempts: row.attempts + 1 }));
}

/** Stores what an attempt came to. @returns false when it is not the present attempt any more */
export async function settleAttempt(
  change: Change,
  { id, attempts, due_at }: Attempt,
  result: Partial<Omit<DeliveryRow, 'id' | 'webhook_id' | 'body'>>,
): Promise<boolean> {
  const { numUpdatedRows } = await change.query
    .updateTable('webhook_deliveries')
    .set(result)
    .where('id', '=', id)
    .where('state', '=', 'PENDING')
    .where('attempts', '=', attempts)
    .where('due_at', '=', due_at)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Ends all that waits for a webhook that is disabled. It can be sent again once it is enabled. */
export async function endPending(change: Change, webhookId: string, reason: string): Promise<void> {
  await change.query
    .updateTable('webhook_deliveries')
    .set({ state: 'DEAD', due_at: null, ended_at: change.clock.timestamp(), last_error: reason })
    .where('webhook_id', '=', webhookId)
    .where('state', '=', 'PENDING')
    .execute();
}

/** Reads a page of the deliveries of a webhook, the newest first. */
export async function listDeliveries(
  { query }: Database,
  access: Access,
  webhookId: string,
  state: DeliveryState | null,
  request: PageRequest,
): Promise<Page<Delivery>> {
  const { after, before, backward } = request;
  const rows = await query
    .selectFrom('webhook_deliveries')
    .innerJoin('webhooks', 'webhooks.id', 'webhook_deliveries.webhook_id')
    .selectAll('webhook_deliveries')
    .where('webhook_deliveries.webhook_id', '=', webhookId)
    .where(whereVisibleToo(access, 'webhooks.environment_id'))
    .where(unlessOfAll(access))
    .$if(state !== null, (list) => list.where('webhook_deliveries.state', '=', state ?? ''))
    .$if(after !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(
          refTuple('webhook_deliveries.created_at', 'webhook_deliveries.id'),
          '<',
          tuple(after?.[0] ?? '', after?.[1] ?? ''),
        ),
      ),
    )
    .$if(before !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(
          refTuple('webhook_deliveries.created_at', 'webhook_deliveries.id'),
          '>',
          tuple(before?.[0] ?? '', before?.[1] ?? ''),
        ),
      ),
    )
    .orderBy('webhook_deliveries.created_at', backward ? 'asc' : 'desc')
    .orderBy('webhook_deliveries.id', backward ? 'asc' : 'desc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows.map(deliveryOf), request, ({ createdAt, id }) => encodeCursor('DELIVERY', [createdAt, id]));
}

/** A delivery, with what else of its webhook decides over it. */
export interface LockedDelivery extends Delivery {
  readonly environmentId: string;
  readonly isDisabled: boolean;
}

/** Reads deliveries that the caller may see; nobody else changes them until the change ends. */
export async function lockDeliveries(
  change: Change,
  access: Access,
  ids: readonly string[],
): Promise<LockedDelivery[]> {
  const rows = await change.query
    .selectFrom('webhook_deliveries')
    .innerJoin('webhooks', 'webhooks.id', 'webhook_deliveries.webhook_id')
    .selectAll('webhook_deliveries')
    .select(['webhooks.environment_id', 'webhooks.disabled_at'])
    .where(isOneOf('webhook_deliveries.id', ids))
    .where(whereVisibleToo(access, 'webhooks.environment_id'))
    .where(unlessOfAll(access))
    .orderBy('webhook_deliveries.id')
    .$if(change.kind === 'postgres', (query) => query.forUpdate('webhook_deliveries'))
    .execute();
  return rows.map(({ environment_id, disabled_at, ...row }) => ({
    ...deliveryOf(row),
    environmentId: environment_id,
    isDisabled: disabled_at !== null,
  }));
}

/** Puts deliveries that the caller has locked into the queue again, with all their attempts before them. */
export async function requeue(change: Change, ids: readonly string[]): Promise<void> {
  await change.query
    .updateTable('webhook_deliveries')
    .set({ state: 'PENDING', attempts: 0, due_at: change.clock.timestamp(), ended_at: null })
    .where(isOneOf('webhook_deliveries.id', ids))
    .execute();
}

/** Removes up to `limit` deliveries that are over and kept no longer. @returns how many it has looked at */
export async function removeOldDeliveries(change: Change, limit: number): Promise<number> {
  let removed = 0;
  for (const [state, keptMs] of [
    ['DELIVERED', DELIVERED_KEPT_MS],
    ['DEAD', DEAD_KEPT_MS],
  ] as const) {
    const old = change.query
      .selectFrom('webhook_deliveries')
      .select('id')
      .where('ended_at', '<=', change.clock.timestamp(-keptMs))
      .where('state', '=', state)
      .limit(limit);
    const rows = await (change.kind === 'postgres' ? old.forUpdate().skipLocked() : old).execute();
    const ids = rows.map((row) => row.id);
    if (ids.length > 0)
      await change.query.deleteFrom('webhook_deliveries').where(isOneOf('webhook_deliveries.id', ids)).execute();
    removed += ids.length;
  }
  return removed;
}
