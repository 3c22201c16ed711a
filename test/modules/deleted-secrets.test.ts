import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { StartTest } from '../support/operations.ts';
import { SealedRecord, sqliteFiles } from '../support/sealed-record.ts';

const DATASTORES = 12;

describeEachGateway('what a deleted secret was sealed to', (open, kind) => {
  const record = new SealedRecord();
  let gateway: TestGateway;
  let api: Api;
  let client: pg.Client | undefined;
  let living: string[];

  const query = () => gateway.app.database.query;
  const revisionKeys = async () =>
    (await query().selectFrom('revision_keys').select('id').execute()).map(({ id }) => id);
  const livingKeys = async () => {
    const keys = await query().selectFrom('secret_keys').select('id').execute();
    return [...keys.map(({ id }) => id), ...(await revisionKeys())].toSorted();
  };

  const files = () => sqliteFiles(gateway.databaseUrl);

  /** The files of SQLite; on Postgres the one in which the keys stand, as it is on the disk. */
  async function onDisk(): Promise<Buffer> {
    if (!client) return files();
    await client.query('checkpoint');
    const { rows } = await client.query<{ bytes: Buffer }>(
      `select pg_read_binary_file(pg_relation_filepath(name)) as bytes from (values ('secret_keys'), ('revision_keys')) as of (name)`,
    );
    return Buffer.concat(rows.map(({ bytes }) => bytes));
  }

  beforeAll(async () => {
    gateway = await open({ testing: { onStatement: record.onStatement } });
    api = apiOf(gateway);
    if (kind === 'postgres') {
      client = new pg.Client({ connectionString: gateway.databaseUrl });
      await client.connect();
    }
    const environmentId = await api.newEnvironment();
    const ids = [];
    for (let index = 0; index < DATASTORES; index += 1) {
      const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
      ids.push(id);
      await gateway.execute(StartTest, { input: { target: { datastoreId: id } } });
    }
    expect(record.keysIn(await onDisk()).length).toBeGreaterThanOrEqual(DATASTORES);
    for (const id of ids) await api.updated({ id, config: { postgres: { password: `another of ${id}` } } });
    const running = () =>
      query().selectFrom('connection_tests').select('id').where('finished_at', 'is', null).execute();
    await eventually(async () => (await running()).length === 0);
    expect(await revisionKeys()).toHaveLength(DATASTORES);
    await api.removed(...ids.slice(0, DATASTORES / 2));
    const [purged, , ...kept] = ids.slice(DATASTORES / 2);
    await gateway.send({ query: `mutation { purgeRevisionSecrets(datastoreId: "${purged}") { __typename } }` });
    expect(await revisionKeys()).toHaveLength(kept.length + 1);
    living = await livingKeys();
  });

  afterAll(() => client?.end());

  test('is in no row any more', () => {
    // each datastore had a key before and after its change, and each test had one
    expect(record.ids().length).toBeGreaterThanOrEqual(DATASTORES * 4);
    // those that were not deleted have the key that is in use, and all but one that of the version before
    expect(living).toHaveLength(DATASTORES - 1);
  });

  if (kind === 'sqlite')
    test('does not open from what is in the files soon, and that of others does', async () => {
      await eventually(() => record.openableIn(files()).length <= living.length);
      expect(record.openableIn(files()).toSorted()).toEqual(living);
      await gateway.close();
      expect(record.openableIn(files()).toSorted()).toEqual(living);
    });

  if (kind === 'postgres')
    test('does not open once the small table of keys was written anew', async () => {
      expect(record.keysIn(await onDisk()).toSorted()).toEqual(expect.arrayContaining(living));
      // what a transaction that began before could still see stays for the next time
      await eventually(async () => {
        await client?.query('vacuum full secret_keys, revision_keys');
        return record.keysIn(await onDisk()).length <= living.length;
      });
      expect(record.keysIn(await onDisk()).toSorted()).toEqual(living);
    });
});
