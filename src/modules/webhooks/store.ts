import { type Expression, type Selectable, type SqlBool, sql } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { WebhooksTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisible, whereVisibleToo } from '../access/visibility.ts';

import { MAX_WEBHOOKS, type Tag, type ToldDatastore, type Webhook, type WebhookEvent } from './webhook.ts';

export type WebhookRow = Selectable<WebhooksTable>;

/** The secrets of a webhook as they are stored. */
export type SealedSecrets = Pick<WebhookRow, 'key_id' | 'wrapped' | 'sealed' | 'previous_sealed' | 'previous_until'>;

export function webhookOf(row: WebhookRow): Webhook {
  return {
    id: row.id,
    environmentId: row.environment_id,
    allEnvironments: row.all_environments === 1,
    url: row.url,
    description: row.description,
    events: JSON.parse(row.events) as WebhookEvent[],
    datastoreIds: row.datastore_ids === null ? null : (JSON.parse(row.datastore_ids) as string[]),
    tags: row.tags === null ? [] : (JSON.parse(row.tags) as Tag[]),
    previousSecretUntil: row.previous_until,
    failingSince: row.failing_since,
    disabledAt: row.disabled_at,
    disabledReason: row.disabled_reason,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
}

/** What of a webhook a caller sets, as its row holds it. */
function givenColumns({ url, description, events, datastoreIds, tags, allEnvironments }: Webhook) {
  return {
    ...{ url, description },
    all_environments: allEnvironments ? 1 : 0,
    events: JSON.stringify(events),
    datastore_ids: datastoreIds === null ? null : JSON.stringify(datastoreIds),
    tags: tags.length === 0 ? null : JSON.stringify(tags),
  };
}

/** Keeps a query from webhooks for all environments where the caller may not see all: they were told of the others. */
export function unlessOfAll(access: Access): Expression<SqlBool> {
  return access.environmentIds === 'all' ? sql<SqlBool>`true` : sql<SqlBool>`${sql.ref('all_environments')} = 0`;
}

/** Reads those of the webhooks with these ids that the caller may see. */
export async function findWebhooks(
  { query }: Pick<Database, 'query'>,
  access: Access,
  ids: readonly string[],
): Promise<Webhook[]> {
  const rows = await query
    .selectFrom('webhooks')
    .selectAll()
    .where(isOneOf('webhooks.id', ids))
    .where(whereVisibleToo(access, 'webhooks.environment_id'))
    .where(unlessOfAll(access))
    .execute();
  return rows.map(webhookOf);
}

/** Reads a page of the webhooks of an environment, or, for null, of those of all environments; the oldest first. */
export async function listWebhooks(
  { query }: Database,
  access: Access,
  environmentId: string | null,
  request: PageRequest,
): Promise<Page<Webhook>> {
  const { after, before, backward } = request;
  const rows = await query
    .selectFrom('webhooks')
    .selectAll()
    .where(whereVisible(access, 'webhooks.environment_id', environmentId))
    .where(unlessOfAll(access))
    .$if(environmentId === null, (list) => list.where('all_environments', '=', 1))
    .$if(after !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('created_at', 'id'), '>', tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('created_at', 'id'), '<', tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy('created_at', backward ? 'desc' : 'asc')
    .orderBy('id', backward ? 'desc' : 'asc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows.map(webhookOf), request, ({ createdAt, id }) => encodeCursor('WEBHOOK', [createdAt, id]));
}

/**
 * Counts the webhooks of an environment, which is locked until the change ends, so that no others come meanwhile.
 * Undefined when it was deleted.
 */
export async function countLocked(change: Change, environmentId: string): Promise<number | undefined> {
  const environment = await change.query
    .selectFrom('environments')
    .select('id')
    .where('id', '=', environmentId)
    .$if(change.kind === 'postgres', (query) => query.forNoKeyUpdate())
    .executeTakeFirst();
  if (!environment) return undefined;
  const rows = await change.query
    .selectFrom('webhooks')
    .select('id')
    .where('environment_id', '=', environmentId)
    .limit(MAX_WEBHOOKS)
    .execute();
  return rows.length;
}

/** Reads a webhook that the caller may see; nobody else changes or deletes it until the change ends. */
export async function lockWebhook(change: Change, access: Access, id: string): Promise<WebhookRow | undefined> {
  return change.query
    .selectFrom('webhooks')
    .selectAll()
    .where('id', '=', id)
    .where(whereVisibleToo(access, 'webhooks.environment_id'))
    .where(unlessOfAll(access))
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .executeTakeFirst();
}

/** Reads the webhooks with these ids, as far as their keys are bound to them. */
export async function findKeyed(change: Change, ids: readonly string[]) {
  return change.query
    .selectFrom('webhooks')
    .select(['id', 'environment_id as environmentId'])
    .where(isOneOf('webhooks.id', ids))
    .execute();
}

export async function insertWebhook(change: Change, webhook: Webhook, secrets: SealedSecrets): Promise<void> {
  await change.query
    .insertInto('webhooks')
    .values({
      ...givenColumns(webhook),
      ...secrets,
      id: webhook.id,
      environment_id: webhook.environmentId,
      failing_since: null,
      disabled_at: null,
      disabled_reason: null,
      created_at: webhook.createdAt,
      created_by: webhook.createdBy,
      updated_at: webhook.updatedAt,
      updated_by: webhook.updatedBy,
    })
    .execute();
}

/** Stores what a caller can change of a webhook. */
export async function replaceWebhook(change: Change, webhook: Webhook): Promise<void> {
  await change.query
    .updateTable('webhooks')
    .set({
      ...givenColumns(webhook),
      failing_since: webhook.failingSince,
      disabled_at: webhook.disabledAt,
      disabled_reason: webhook.disabledReason,
      updated_at: webhook.updatedAt,
      updated_by: webhook.updatedBy,
    })
    .where('id', '=', webhook.id)
    .execute();
}

/** Stores the secrets of a webhook that the caller has locked. */
export async function replaceSecrets(
  change: Change,
  id: string,
  secrets: SealedSecrets & Pick<WebhookRow, 'updated_at' | 'updated_by'>,
): Promise<void> {
  await change.query.updateTable('webhooks').set(secrets).where('id', '=', id).execute();
}

/** Deletes a webhook that the caller has locked, with its deliveries. */
export async function deleteWebhookRow(change: Change, id: string): Promise<void> {
  await change.query.deleteFrom('webhooks').where('id', '=', id).execute();
  await change.query.insertInto('retired_ids').values({ id, at: change.clock.timestamp() }).execute();
}

/** Reads a webhook with its secrets, to send to it: whoever has queued the message has found it. */
export async function readForDelivery({ query }: Pick<Database, 'query'>, id: string): Promise<WebhookRow | undefined> {
  return query.selectFrom('webhooks').selectAll().where('id', '=', id).executeTakeFirst();
}

/**
 * Reads the webhooks that are told of an environment's events and are not disabled; none of them is deleted before the
 * change ends.
 */
export async function lockHearers(change: Change, environmentId: string): Promise<Webhook[]> {
  const told = [
    ['environment_id', environmentId, MAX_WEBHOOKS],
    // two that are made at the same moment may be one too many
    ['all_environments', 1, 2 * MAX_WEBHOOKS],
  ] as const;
  const rows = [];
  for (const [column, value, limit] of told)
    rows.push(
      ...(await change.query
        .selectFrom('webhooks')
        .selectAll()
        .where(column, '=', value)
        .where('disabled_at', 'is', null)
        .orderBy('created_at')
        .orderBy('id')
        .limit(limit)
        .$if(change.kind === 'postgres', (query) => query.forKeyShare())
        .execute()),
    );
  return [...new Map(rows.map((row) => [row.id, webhookOf(row)])).values()];
}

/** Counts the webhooks that hear of all environments. */
export async function countOfAll({ query }: Change): Promise<number> {
  return (
    await query.selectFrom('webhooks').select('id').where('all_environments', '=', 1).limit(MAX_WEBHOOKS).execute()
  ).length;
}

/** Reads what webhooks are told of a datastore, within the change of an event that is about it. */
export async function readToldDatastore(change: Change, id: string): Promise<ToldDatastore | undefined> {
  const row = await change.query
    .selectFrom('datastores')
    .select(['id', 'type', 'name', 'label', 'tags'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { ...row, tags: row.tags === null ? [] : (JSON.parse(row.tags) as Tag[]) };
}

/** Notes that a message was delivered, where none was before. */
export async function setWorking(change: Change, id: string): Promise<void> {
  await change.query
    .updateTable('webhooks')
    .set({ failing_since: null })
    .where('id', '=', id)
    .where('failing_since', 'is not', null)
    .execute();
}

/** Notes that a message could not be delivered. @returns since when none could */
export async function setFailing(change: Change, id: string): Promise<string> {
  const now = change.clock.timestamp();
  await change.query
    .updateTable('webhooks')
    .set({ failing_since: now })
    .where('id', '=', id)
    .where('failing_since', 'is', null)
    .execute();
  const row = await change.query.selectFrom('webhooks').select('failing_since').where('id', '=', id).executeTakeFirst();
  return row?.failing_since ?? now;
}

/** Disables a webhook, once. @returns whether it was enabled before */
export async function setDisabled(change: Change, id: string, reason: string): Promise<boolean> {
  const { numUpdatedRows } = await change.query
    .updateTable('webhooks')
    .set({ disabled_at: change.clock.timestamp(), disabled_reason: reason })
    .where('id', '=', id)
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Erases up to `limit` secrets that sign no more. @returns how many */
export async function eraseOldSecrets(change: Change, limit: number): Promise<number> {
  const old = change.query
    .selectFrom('webhooks')
    .select('id')
    .where('previous_until', '<=', change.clock.timestamp())
    .limit(limit);
  const rows = await (change.kind === 'postgres' ? old.forUpdate().skipLocked() : old).execute();
  if (rows.length === 0) return 0;
  const ids = rows.map((row) => row.id);
  await change.query
    .updateTable('webhooks')
    .set({ previous_sealed: null, previous_until: null })
    .where(isOneOf('webhooks.id', ids))
    .execute();
  change.erases();
  return rows.length;
}
