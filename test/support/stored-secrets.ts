import { randomUUID } from 'node:crypto';
import { deserializeConfig } from '../../src/connectors/kit/config/shape.ts';
import type { Access } from '../../src/modules/access/access.ts';
import { openSecrets as openTestSecrets } from '../../src/modules/connection-tests/secrets.ts';
import {
  insertSecretKey as insertTestKey,
  readSecretKey,
  replaceSealed,
} from '../../src/modules/connection-tests/store.ts';
import { draftPath, secretOwner as testOwner } from '../../src/modules/connection-tests/test.ts';
import { datastoreOf } from '../../src/modules/datastores/datastore.ts';
import { openSecrets } from '../../src/modules/datastores/draft-reader.ts';
import { createSecretKey } from '../../src/modules/datastores/secret-key.ts';
import { insertSecrets, readSealed } from '../../src/modules/datastores/store.ts';
import { RevisionHistory, revisionDefaults, revisionOwner } from '../../src/modules/revisions/history.ts';
import { findRevision, insertKey, putRevisions } from '../../src/modules/revisions/store.ts';
import { WebhookSecrets, secretOwner as webhookOwner } from '../../src/modules/webhooks/secrets.ts';
import type { Change, Database } from '../../src/platform/database/database.ts';
import type { Sealer, SecretKey } from '../../src/platform/keys/sealer.ts';

const CONFIG = JSON.stringify({ host: 'db.example', port: 5432, username: 'reader', database: 'app' });
const STAMPS = { created_at: '', updated_at: '', created_by: '' };
const everybody: Access = {
  tokenId: 'test',
  actor: { name: 'test', onBehalfOf: null },
  isSession: false,
  scopes: new Set(),
  environmentIds: 'all',
  expiresAt: null,
};

/** Makes environments, each with its data key. @returns their ids */
export async function addEnvironments(database: Database, sealer: Sealer, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.change(async (change) => {
    for (const id of ids) {
      await change.query
        .insertInto('environments')
        .values({ id, name: id, ...STAMPS })
        .execute();
      await sealer.createDataKey(change, id);
    }
  });
  return ids;
}

/**
 * Stores a datastore with its secret, an older version with its own, a queued test of a draft and a webhook with
 * theirs, by what the gateway stores them.
 * @returns the datastore's id, which is in all four secrets and is the id of test and webhook too
 */
export async function addSecrets(database: Database, sealer: Sealer, environmentId: string): Promise<string> {
  const id = randomUUID();
  const secrets = [{ path: 'password', id: randomUUID(), updatedAt: '' }];
  const named = { type: 'POSTGRES', name: id, label: id, label_folded: id, config: CONFIG, version: 2, updated_by: '' };
  const row = { id, environment_id: environmentId, ...named, ...STAMPS, secrets: JSON.stringify(secrets) };
  const config = deserializeConfig(CONFIG);
  await database.change(async (change) => {
    const { query } = change;
    const stored = await query.insertInto('datastores').values(row).returningAll().executeTakeFirstOrThrow();
    const datastore = datastoreOf(stored);
    const key = await createSecretKey(change, sealer, datastore, '');
    const sealed = secrets.map(({ path, id: secretId }) => ({
      path,
      id: secretId,
      at: '',
      sealed: key.seal(path, `stored ${id}`),
    }));
    await insertSecrets(change, id, sealed);

    const older = await sealer.newKey(change, revisionOwner(datastore, 1, config, ['host']));
    const texts = { name: id, label: id, description: null, owner_name: null, tags: null, tenancy: null };
    const version = { datastore_id: id, version: 1, at: '', actor: '', on_behalf_of: null, ...texts, config: CONFIG };
    const kept = older.seal('secrets', JSON.stringify([['password', `older ${id}`]]));
    await putRevisions(change, [{ ...version, secret_paths: '["password"]', changes: '[]', sealed: kept }]);
    const { wrapped } = older;
    const place = { datastore_id: id, version: 1, bound_to: '["host"]', superseded_at: '2999-01-01T00:00:00.000Z' };
    await insertKey(change, { id: older.id, wrapped, ...place });

    const queued = { purpose: 'REQUESTED', status: 'QUEUED', is_stored: 0, requested_by: '', token_id: '' };
    const test = { id, environment_id: environmentId, type: 'POSTGRES', draft_config: CONFIG, ...queued };
    await query
      .insertInto('connection_tests')
      .values({ ...test, checks: '[]', plan: '[]', created_at: '', deadline_at: '2999' })
      .execute();
    await storeDraft(change, id, await newDraftKey(change, sealer, environmentId, id));

    const signing = await sealer.newKey(change, webhookOwner({ id, environmentId }));
    const keyed = { key_id: signing.id, wrapped: signing.wrapped, sealed: signing.seal('secret', `signs ${id}`) };
    const hook = { id, environment_id: environmentId, url: 'https://hooks.example/', events: '[]', updated_by: '' };
    await query
      .insertInto('webhooks')
      .values({ ...hook, ...keyed, ...STAMPS })
      .execute();
  });
  return id;
}

/** Makes a key for the secrets of the test that addSecrets has stored. */
export function newDraftKey(change: Change, sealer: Sealer, environmentId: string, id: string): Promise<SecretKey> {
  return sealer.newKey(change, testOwner({ id, environment_id: environmentId, type: 'POSTGRES' }, CONFIG));
}

/** Seals the secrets of the test with a key, instead of with the one that they have. */
export async function storeDraft(change: Change, id: string, key: SecretKey): Promise<void> {
  await change.query.deleteFrom('secret_keys').where('test_id', '=', id).execute();
  await insertTestKey(change, id, key, '');
  await replaceSealed(change, id, key.seal(draftPath, JSON.stringify([['password', `draft ${id}`]])));
}

/** Reads what addSecrets has stored, as the gateway reads it. @returns what opens it, or throws UnsealError */
export async function readSecretsOf(database: Database, id: string): Promise<(sealer: Sealer) => Promise<string[]>> {
  const { query } = database;
  const datastore = datastoreOf(
    await query.selectFrom('datastores').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
  );
  const ids = datastore.secrets.map((secret) => secret.id);
  const stored = await readSealed(database, ids);
  const revision = await findRevision(database, everybody, id, 1);
  const test = await query.selectFrom('connection_tests').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const draftKey = await readSecretKey(database, id);
  const webhook = await query.selectFrom('webhooks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  return async (sealer) => {
    const history = new RevisionHistory({ database, sealer, limits: revisionDefaults });
    const opened = [
      await openSecrets(sealer, datastore, stored),
      revision && (await history.open(datastore, revision)),
      await openTestSecrets(sealer, test, draftKey),
    ];
    const signing = await new WebhookSecrets(database, sealer).open(webhook, '');
    return [...opened.map((secrets) => secrets?.get('password') ?? ''), ...signing];
  };
}

/** What all of it says. */
export function secretsOf(id: string): string[] {
  return [`stored ${id}`, `older ${id}`, `draft ${id}`, `signs ${id}`];
}
