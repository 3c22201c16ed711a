import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Migrator } from 'kysely/migration';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrations } from '../../migrations/index.ts';
import { destinationPathsOf, destinationsDigest } from '../../src/connectors/kit/config/destinations.ts';
import { leavesOf, setAt, valueAt } from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { secretOwner } from '../../src/modules/connection-tests/test.ts';
import { migrateToLatest } from '../../src/platform/database/migrate.ts';
import { createKeyFile } from '../../src/platform/keys/key-file.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { upgradeSeals } from '../../src/upgrade.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { ageKeyFile, sealOldForm } from '../support/keys.ts';
import { StartTest } from '../support/operations.ts';

type Config = Record<string, unknown>;

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  const example = () => connector.config.parse(structuredClone(connector.example)) as Config;
  const paths = destinationPathsOf(connector);
  const digest = (config: Config) => destinationsDigest(connector.type, config, paths);

  test('has another digest for each other destination, and for one that comes or goes, and for nothing else', () => {
    for (const { path, mark } of leavesOf(connector.config)) {
      const changed = example();
      setAt(changed, path, valueAt(changed, path) === undefined ? 'added' : undefined);
      expect([path, digest(changed) !== digest(example())]).toEqual([path, mark.destination !== undefined]);
    }
    expect(destinationsDigest('ANOTHER', example(), paths)).not.toBe(digest(example()));
  });
});

test('the secrets of a test belong to its row, its type and its config', () => {
  const row = { id: 'one', environment_id: 'here', type: 'POSTGRES' };
  const owners = [
    secretOwner(row, '{"host":"a"}'),
    secretOwner(row, '{"host":"b"}'),
    secretOwner({ ...row, type: 'MYSQL' }, '{"host":"a"}'),
    secretOwner({ ...row, id: 'two' }, '{"host":"a"}'),
    secretOwner({ ...row, environment_id: 'there' }, '{"host":"a"}'),
  ];
  expect(new Set(owners.map((owner) => JSON.stringify(owner))).size).toBe(owners.length);
  expect(secretOwner({ ...row }, '{"host":"a"}')).toEqual(owners[0]);
});

/** What a test looks at and changes behind a gateway's back. */
function behind(gateway: TestGateway) {
  const query = () => gateway.app.database.query;
  const rowOf = (id: string) =>
    query().selectFrom('datastores').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const started = (id: string) => gateway.execute(StartTest, { input: { target: { datastoreId: id } } });
  return {
    query,
    secretsOf: (id: string) =>
      query().selectFrom('secret_versions').selectAll().where('datastore_id', '=', id).orderBy('path').execute(),
    keysOf: (id: string) =>
      query()
        .selectFrom('secret_keys')
        .select(['id', 'datastore_id', 'wrapped', 'bound_to', 'created_at'])
        .where('datastore_id', '=', id)
        .execute(),
    configOf: async (id: string) => JSON.parse((await rowOf(id)).config) as Config,
    store: (id: string, config: Config) =>
      query()
        .updateTable('datastores')
        .set({ config: JSON.stringify(config) })
        .where('id', '=', id)
        .execute(),
    /** What a test of the datastore gives: the code of its error, or undefined when it was started. */
    refusal: async (id: string) => (await started(id)).errors?.[0]?.extensions?.code,
  };
}

describeEachGateway('a stored secret', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let at: ReturnType<typeof behind>;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    at = behind(gateway);
    environmentId = await api.newEnvironment();
  });

  const created = (config = postgresConfig()) => api.created({ environmentId, config: { postgres: config } });

  test.each<[string, (config: Config) => void]>([
    ['another host', (config) => setAt(config, 'host', '127.0.0.9')],
    ['another port', (config) => setAt(config, 'port', 2)],
    ['a weaker TLS mode', (config) => setAt(config, 'tls.mode', 'VERIFY_CA')],
    ['a tunnel', (config) => setAt(config, 'sshTunnel', { enabled: true, host: '127.0.0.9', port: 22 })],
  ])('does not open beside %s that was written into its row', async (_what, change) => {
    const { id } = await created(postgresConfig({ tls: { mode: 'VERIFY_FULL' } }));
    const own = await at.configOf(id);
    const config = structuredClone(own);
    change(config);
    await at.store(id, config);
    expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
    expect(gateway.log()).toMatch(new RegExp(`"datastoreId":"${id}".*the secrets of a datastore do not open`));
    await at.store(id, own);
    expect(await at.refusal(id)).toBeUndefined();
  });

  test('does not open beside another list of what it is bound to, another key, or none', async () => {
    const [{ id }, other] = [await created(), await created()];
    const [[own], [foreign]] = [await at.keysOf(id), await at.keysOf(other.id)];
    if (!own || !foreign) throw new Error('no keys');
    const set = (values: object) =>
      at.query().updateTable('secret_keys').set(values).where('datastore_id', '=', id).execute();
    for (const bound_to of ['["port"]', '[]', null]) {
      await set({ bound_to });
      expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
    }
    await set({ ...own, wrapped: foreign.wrapped });
    expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
    await at.query().deleteFrom('secret_keys').where('datastore_id', '=', id).execute();
    expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
    await at.query().insertInto('secret_keys').values(own).execute();
    expect(await at.refusal(id)).toBeUndefined();
  });

  test('opens beside other fields that say nothing of where it goes', async () => {
    const { id } = await created();
    await at.store(id, { ...(await at.configOf(id)), database: 'another', schema: 'another' });
    expect(await at.refusal(id)).toBeUndefined();
  });

  test('is sealed anew when it may go along to another destination, and counts as the same one', async () => {
    const { id, secrets, version } = await created(postgresConfig({ tls: { mode: 'REQUIRE' } }));
    const before = [await at.secretsOf(id), await at.keysOf(id)];
    const after = await api.updated({ id, config: { postgres: { tls: { mode: 'VERIFY_FULL' } } } });
    expect(after).toMatchObject({ version: version + 1, secrets });
    const now = [await at.secretsOf(id), await at.keysOf(id)];
    expect(now.map((rows) => rows.length)).toEqual([1, 1]);
    expect(now.map(([row]) => row?.id)).not.toEqual(before.map(([row]) => row?.id));
    expect(await at.refusal(id)).toBeUndefined();
    const entry = await at
      .query()
      .selectFrom('journal')
      .select('detail')
      .where('subject_id', '=', id)
      .where('action', '=', 'datastore.updated')
      .orderBy('sequence', 'desc')
      .executeTakeFirstOrThrow();
    expect(JSON.parse(entry.detail)).toMatchObject({ changed: ['config.tls'] });
    await api.updated({ id, config: { postgres: { database: 'another' } } });
    expect([await at.secretsOf(id), await at.keysOf(id)]).toEqual(now);
  });

  test('that was replaced never opens again: its key is gone', async () => {
    const { id } = await created();
    const [[secret], [key]] = [await at.secretsOf(id), await at.keysOf(id)];
    await api.updated({ id, config: { postgres: { password: 'another-secret-of-postgres' } } });
    expect((await at.keysOf(id)).map(({ id: keyId }) => keyId)).not.toContain(key?.id);
    // as if an old copy of the secret alone had been put back
    const { secrets } = await at
      .query()
      .selectFrom('datastores')
      .select('secrets')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    const [now] = await at.secretsOf(id);
    await at
      .query()
      .updateTable('secret_versions')
      .set({ sealed: secret?.sealed ?? '' })
      .where('id', '=', now?.id ?? '')
      .execute();
    expect(JSON.parse(secrets)).toMatchObject([{ id: now?.id }]);
    expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
  });

  test('leaves no key behind when its datastore is deleted, nor when its test ends', async () => {
    const { id } = await created();
    expect(await at.refusal(id)).toBeUndefined();
    expect(await at.keysOf(id)).toHaveLength(1);
    await api.removed(id);
    expect(await at.keysOf(id)).toEqual([]);
    const running = () =>
      at.query().selectFrom('connection_tests').select('id').where('finished_at', 'is', null).execute();
    await eventually(async () => (await running()).length === 0);
    expect(await at.query().selectFrom('secret_keys').selectAll().where('test_id', 'is not', null).execute()).toEqual(
      [],
    );
  });

  test('keeps the tables from going back to an older version, and is not lost', async () => {
    const { id } = await created();
    const provider = { getMigrations: async () => ({ ...migrations }) };
    const migrator = new Migrator({ db: gateway.app.database.query, provider });
    const names = Object.keys(migrations);
    const before = names[names.findIndex((name) => name.endsWith('-secret-keys')) - 1];
    const { error } = await migrator.migrateTo(before ?? '');
    expect(String(error)).toContain('secrets that an older version cannot open, so nothing was changed');
    expect(await migrateToLatest(gateway.app.database)).toEqual([]);
    expect(await at.refusal(id)).toBeUndefined();
  });
});

describeEachGateway('a secret that an older version has sealed', (open) => {
  const PASSWORD = 'secret-of-postgres';
  const logger = createLogger({ level: 'silent' });
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let at: ReturnType<typeof behind>;
  let keyFile: string;
  let keyring: Keyring;
  let removeFolder: () => Promise<void>;

  /** A gateway of today on the database and the key file of an older version. */
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gateway-old-form-'));
    removeFolder = () => rm(folder, { recursive: true });
    keyFile = join(folder, 'master.key');
    await createKeyFile(keyFile);
    await ageKeyFile(keyFile);
    keyring = await Keyring.load(keyFile);
    gateway = await open({ folder, bootstrap: false });
    api = apiOf(gateway);
    at = behind(gateway);
    environmentId = await api.newEnvironment();
  });

  afterAll(() => removeFolder());

  const again = (options: { bootstrap: boolean }) =>
    open({ databaseUrl: gateway.databaseUrl, folder: gateway.folder, ...options });
  const upgrade = async () => upgradeSeals({ database: gateway.app.database, keyring, keyFile, logger });

  /** Stores a datastore as an older version did. */
  async function aged(): Promise<string> {
    const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    const sealed = await sealOldForm(gateway.app.database, keyring, { environmentId, id }, 'password', PASSWORD);
    await at.query().updateTable('secret_versions').set({ sealed }).where('datastore_id', '=', id).execute();
    await at.query().deleteFrom('secret_keys').where('datastore_id', '=', id).execute();
    return id;
  }

  test('opens, is not bound yet, and is sealed anew when its datastore is next changed', async () => {
    const id = await aged();
    expect(gateway.log()).toContain('run \\"datastore-gateway key upgrade\\" once');
    expect(await at.refusal(id)).toBeUndefined();
    const own = await at.configOf(id);
    await at.store(id, { ...own, port: 2 });
    expect(await at.refusal(id)).toBeUndefined();
    await at.store(id, own);
    const { secrets } = await api.updated({ id, config: { postgres: { database: 'another' } } });
    expect(secrets).toMatchObject([{ path: 'password', isSet: true }, ...secrets.slice(1)]);
    expect(await at.keysOf(id)).toHaveLength(1);
    await at.store(id, { ...(await at.configOf(id)), port: 2 });
    expect(await at.refusal(id)).toBe('SECRETS_UNREADABLE');
    await api.removed(id);
  });

  test('of a queued test opens', async () => {
    const id = await aged();
    const { query } = gateway.app.database;
    const started = await gateway.execute(StartTest, { input: { target: { datastoreId: id } } });
    expect(started.errors).toBeUndefined();
    const ended = () =>
      query
        .selectFrom('connection_tests')
        .selectAll()
        .where('datastore_id', '=', id)
        .where('finished_at', 'is not', null)
        .executeTakeFirst();
    await eventually(async () => (await ended()) !== undefined);
    const before = await ended();
    if (!before) throw new Error('no test');
    const testId = '00000000-0000-4000-8000-0000000000aa';
    const draft_config = JSON.stringify(await at.configOf(id));
    const draft_secrets = await sealOldForm(
      gateway.app.database,
      keyring,
      { environmentId, id: testId },
      'draft',
      JSON.stringify([['password', PASSWORD]]),
    );
    const deadline_at = new Date(Date.now() + 20_000).toISOString();
    const queued = { status: 'QUEUED', started_at: null, finished_at: null, failure: null, owner: null };
    await query
      .insertInto('connection_tests')
      .values({ ...before, ...queued, id: testId, draft_config, draft_secrets, deadline_at, attempt: 0, sequence: 0 })
      .execute();
    const outcome = () =>
      query.selectFrom('connection_tests').selectAll().where('id', '=', testId).executeTakeFirstOrThrow();
    await eventually(async () => (await outcome()).finished_at !== null);
    // the port is closed, which a test that could not be run would never find out
    expect((await outcome()).failure).toBe(before.failure);
    expect(before.failure).not.toMatch(/SECRETS_UNREADABLE|INTERNAL/);
    await api.removed(id);
  });

  test('is sealed anew by key upgrade, after which the old form is refused, be it put back', async () => {
    const [id, broken] = [await aged(), await aged()];
    const [old] = await at.secretsOf(id);
    const [whole] = await at.secretsOf(broken);
    const setSealed = (secretId: string | undefined, sealed: string | undefined) =>
      at
        .query()
        .updateTable('secret_versions')
        .set({ sealed: sealed ?? '' })
        .where('id', '=', secretId ?? '')
        .execute();
    await setSealed(whole?.id, old?.sealed);
    // what does not open stays, and the rest is done; the second time goes on from there
    expect(await upgrade()).toEqual({ resealed: 1, unreadable: 1 });
    expect(await readFile(keyFile, 'utf8')).toContain('"version": 1');
    await setSealed(whole?.id, whole?.sealed);
    expect(await upgrade()).toEqual({ resealed: 1, unreadable: 0 });
    expect(await readFile(keyFile, 'utf8')).toContain('"version": 2');
    expect(await upgrade()).toEqual({ resealed: 0, unreadable: 0 });
    expect((await at.secretsOf(id)).map((secret) => secret.id)).toEqual([old?.id]);
    expect(await at.refusal(id)).toBeUndefined();

    const marked = behind(await again({ bootstrap: false }));
    expect([await marked.refusal(id), await marked.refusal(broken)]).toEqual([undefined, undefined]);
    const [now] = await at.secretsOf(id);
    const [key] = await at.keysOf(id);
    await setSealed(old?.id, old?.sealed);
    expect(await marked.refusal(id)).toBe('SECRETS_UNREADABLE');
    await at.query().deleteFrom('secret_keys').where('datastore_id', '=', id).execute();
    expect(await marked.refusal(id)).toBe('SECRETS_UNREADABLE');
    // a gateway with the file of before would be led astray
    expect(await at.refusal(id)).toBeUndefined();
    if (key) await at.query().insertInto('secret_keys').values(key).execute();
    await setSealed(old?.id, now?.sealed);
    expect(await marked.refusal(id)).toBeUndefined();
    await api.removed(id, broken);
  });

  test('is sealed anew by "start" itself', async () => {
    const id = await aged();
    await ageKeyFile(keyFile);
    const own = behind(await again({ bootstrap: true }));
    expect(await readFile(keyFile, 'utf8')).toContain('"version": 2');
    expect(await own.keysOf(id)).toHaveLength(1);
    expect(await own.refusal(id)).toBeUndefined();
  });
});
