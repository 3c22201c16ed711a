import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { App } from '../src/app.ts';
import { connectorOf } from '../src/connectors/registry.ts';
import { scopes } from '../src/modules/access/access.ts';
import type { Change } from '../src/platform/database/database.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';

/** A gateway's database with datastores of one environment, and a token for all of it. */
export interface Seeded {
  readonly token: string;
  readonly environmentId: string;
  readonly ids: readonly string[];
}

/**
 * Makes `master.key` in a folder, and fills a database with so many datastores, each with its last test. Left out:
 * `gateway.db` in the folder.
 */
export async function seed(
  folder: string,
  count: number,
  databaseUrl = `sqlite:${join(folder, 'gateway.db')}`,
): Promise<Seeded> {
  const app = await App.open({
    host: '127.0.0.1',
    port: 0,
    databaseUrl,
    keyFile: join(folder, 'master.key'),
    bootstrap: true,
    egressAllow: [],
    graphiql: 'off',
    logger: createLogger({ level: 'silent' }),
  });
  const token = await app.access.createToken('bench', { name: 'bench', scopes, environmentIds: null, expiresAt: null });
  const { id: environmentId } = await app.database.query
    .selectFrom('environments')
    .select('id')
    .executeTakeFirstOrThrow();
  const ids = Array.from({ length: count }, () => randomUUID());
  await app.database.change(async (change) => {
    for (const [index, id] of ids.entries()) await insert(change, environmentId, id, index);
  });
  await app.close();
  return { token, environmentId, ids };
}

async function insert({ query }: Change, environmentId: string, id: string, index: number): Promise<void> {
  const at = new Date().toISOString();
  const testId = randomUUID();
  const label = `Shop ${String(index).padStart(5, '0')}`;
  const host = `db-${index}.example.com`;
  const common = { port: 5432, username: 'app', database: 'shop', schema: 'public' };
  const config = { host, ...common, tls: { mode: 'VERIFY_FULL' } };
  await query
    .insertInto('datastores')
    .values({
      id,
      environment_id: environmentId,
      type: 'POSTGRES',
      name: `shop-${index}`,
      label,
      label_folded: label.toLowerCase(),
      config: JSON.stringify(config),
      secrets: '[]',
      version: 1,
      created_at: at,
      updated_at: at,
      created_by: 'bench',
      updated_by: 'bench',
      last_test_id: testId,
      tenancy: null,
    })
    .execute();
  const { checks } = connectorOf('POSTGRES');
  const results = checks.map(({ name }) => ({
    id: randomUUID(),
    name,
    status: 'PASSED',
    durationMs: 3,
    evidence: [],
    failure: null,
  }));
  await query
    .insertInto('connection_tests')
    .values({
      id: testId,
      datastore_id: id,
      datastore_version: 1,
      environment_id: environmentId,
      type: 'POSTGRES',
      purpose: 'REQUESTED',
      status: 'PASSED',
      is_stored: 1,
      requested_by: 'bench',
      token_id: randomUUID(),
      checks: JSON.stringify(results),
      failure: null,
      plan: JSON.stringify(checks.map(({ name }) => name)),
      draft_config: null,
      draft_secrets: null,
      created_at: at,
      started_at: at,
      finished_at: at,
      deadline_at: at,
      duration_ms: 30,
      owner: null,
      lease_expires_at: null,
      draft_tenancy: null,
      target: `${host}:5432`,
      requested_on_behalf_of: null,
      event_log: '[]',
      network: null,
    })
    .execute();
}
