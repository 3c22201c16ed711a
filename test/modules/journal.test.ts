import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { sql } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { verifyJournal } from '../../src/platform/journal/journal.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateDatastore,
  CreateEnvironment,
  DatastoreEvents,
  DeleteDatastores,
  DeleteEnvironment,
  ReadAuditLog,
  UpdateDatastore,
} from '../support/operations.ts';
import { startTarpit } from '../support/peers/tarpit.ts';
import { expectType } from '../support/results.ts';

describeEachGateway('the journal', (open) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
  });

  const entriesOf = (environmentId: string) =>
    gateway.app.database.query
      .selectFrom('journal')
      .selectAll()
      .where('environment_id', '=', environmentId)
      .orderBy('sequence')
      .execute();

  const verify = async (environmentId: string) =>
    verifyJournal(gateway.app.database.query, await Keyring.load(join(gateway.folder, 'master.key')), environmentId);

  test('has one entry for each change, in order, by whom, without secrets; and its chain is whole', async () => {
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const { id, createdBy } = await api.created({ environmentId, name: 'one', label: 'One', config });
    await api.updated({ id, label: 'Two', config: { postgres: { username: 'writer' } }, configSecret: 'a-new-secret' });
    await api.removed(id);
    const entries = await entriesOf(environmentId);
    expect(
      entries.map(({ sequence, kind, action, actor, subject_type, subject_id, detail }) => ({
        sequence,
        kind,
        action,
        actor,
        subject: `${subject_type} ${subject_id}`,
        detail: JSON.parse(detail),
      })),
    ).toEqual([
      {
        sequence: 1,
        kind: 'CREATED',
        action: 'datastore.created',
        actor: createdBy,
        subject: `datastore ${id}`,
        detail: { type: 'POSTGRES', name: 'one', label: 'One', version: 1 },
      },
      {
        sequence: 2,
        kind: 'UPDATED',
        action: 'datastore.updated',
        actor: createdBy,
        subject: `datastore ${id}`,
        detail: { version: 2, changed: ['label', 'config.username', 'config.password'] },
      },
      {
        sequence: 3,
        kind: 'DELETED',
        action: 'datastore.deleted',
        actor: createdBy,
        subject: `datastore ${id}`,
        detail: { type: 'POSTGRES', name: 'one' },
      },
    ]);
    expect(await verify(environmentId)).toEqual({ intact: 3, brokenAt: null });
  });

  test('has nothing of what was refused and of what changed nothing', async () => {
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const { id, name } = await api.created({ environmentId, config });
    await api.create({ environmentId, name, config });
    await api.create({ environmentId, config: { postgres: postgresConfig({ port: 0 }) } });
    await api.create({ environmentId, config, test: { timeoutMs: 2_000 } });
    await api.update({ id, expectedVersion: 7, label: 'x' });
    await api.update({ id, config: { postgres: { host: '127.0.0.2' } } });
    await api.updated({ id, config });
    await api.remove({ ids: [id, randomUUID()] });
    const entries = await entriesOf(environmentId);
    // a save that fails by its test has sent secrets all the same
    expect(entries.map(({ action }) => action)).toEqual(['datastore.created', 'connection_test.start']);
    expect(await verify(environmentId)).toEqual({ intact: 2, brokenAt: null });
  });

  test('has the start of each test, and where it sends secrets to; no follower of datastores hears of it', async () => {
    const tarpit = await startTarpit();
    onTestFinished(() => tarpit.close());
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig({ port: tarpit.port }) };
    const { id, createdBy } = await api.created({ environmentId, config });
    const heard = gateway.follow(DatastoreEvents, { environmentId }, { enough: (events) => events.length > 0 });
    const target = `127.0.0.1:${tarpit.port}`;
    const options = { timeoutMs: 60_000 };
    const started = async (given: Parameters<Api['testStarted']>[0]['target']) => {
      const test = await api.testStarted({ target: given, options });
      await api.cancel(test.id);
      return test.id;
    };
    const stored = await started({ datastoreId: id });
    const draft = await started({ draft: { environmentId, config } });
    const changed = await started({ change: { datastoreId: id, config: { postgres: { database: 'x' } } } });
    const beforeSave = randomUUID();
    const saving = api.update({
      id,
      config: { postgres: { database: 'y' } },
      test: { testId: beforeSave, ...options },
    });
    await eventually(async () => (await api.readTest(beforeSave))?.status === 'RUNNING');
    await api.cancel(beforeSave);
    expect(expectType(await saving, 'ConnectionTestFailedError').test.id).toBe(beforeSave);
    const { auditLog } = await gateway.run(ReadAuditLog, { environmentId, action: 'connection_test.start' });
    expect(
      auditLog.nodes.map(({ actor, subjectType, subjectId, detail }) => [actor, subjectType, subjectId, detail]),
    ).toEqual(
      [
        ['datastore', id, { testId: beforeSave, purpose: 'BEFORE_SAVE', version: null }],
        ['datastore', id, { testId: changed, purpose: 'REQUESTED', version: null }],
        ['connection_test', draft, { testId: draft, purpose: 'REQUESTED', version: null }],
        ['datastore', id, { testId: stored, purpose: 'REQUESTED', version: 1 }],
      ].map(([type, subject, detail]) => [createdBy, type, subject, { type: 'POSTGRES', target, ...Object(detail) }]),
    );
    const cancels = await gateway.run(ReadAuditLog, { environmentId, action: 'connection_test.cancel' });
    expect(cancels.auditLog.nodes.map(({ detail }) => Object(detail).testId)).toEqual([
      beforeSave,
      changed,
      draft,
      stored,
    ]);
    await api.removed(id);
    const [first] = await heard;
    expect(first?.data?.datastoreEvents.kind).toBe('DELETED');
    expect(await verify(environmentId)).toEqual({ intact: 10, brokenAt: null });
  });

  test('is whole after changes from all sides', async () => {
    const environmentId = await api.newEnvironment();
    const made = await Promise.all(
      Array.from({ length: 10 }, () => api.created({ environmentId, config: { postgres: postgresConfig() } })),
    );
    await Promise.all(made.map(({ id }, at) => api.updated({ id, label: `label ${at}` })));
    await Promise.all(made.map(({ id }) => api.removed(id)));
    expect(await verify(environmentId)).toEqual({ intact: 30, brokenAt: null });
  });

  test('shows an entry that somebody changed', async () => {
    const environmentId = await api.newEnvironment();
    const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    await api.updated({ id, label: 'x' });
    await gateway.app.database.query
      .updateTable('journal')
      .set({ actor: 'somebody else' })
      .where('environment_id', '=', environmentId)
      .where('sequence', '=', 1)
      .execute();
    expect(await verify(environmentId)).toEqual({ intact: 0, brokenAt: 1 });
  });

  describe('that cannot be written', () => {
    test('undoes the change: nothing is created, changed or deleted', async () => {
      const environmentId = await api.newEnvironment();
      const config = { postgres: postgresConfig() };
      const kept = await api.created({ environmentId, config });
      const environments = async () =>
        (await gateway.app.database.query.selectFrom('environments').select('id').execute()).length;
      const secrets = async () =>
        (await gateway.app.database.query.selectFrom('secret_versions').select('id').execute()).length;
      const before = [await environments(), await secrets()];
      const codes: unknown[] = [];
      const rename = (from: string, to: string) =>
        sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(gateway.app.database.query);
      const empty = await api.newEnvironment();
      await rename('journal', 'journal_away');
      try {
        for (const result of [
          await gateway.execute(CreateDatastore, { input: { environmentId, config } }),
          await gateway.execute(UpdateDatastore, { input: { id: kept.id, label: 'lost', configSecret: 'lost' } }),
          await gateway.execute(DeleteDatastores, { input: { select: { ids: [kept.id] } } }),
          await gateway.execute(CreateEnvironment, { input: { name: `lost ${randomUUID()}` } }),
          await gateway.execute(DeleteEnvironment, { id: empty }),
        ])
          codes.push(result.errors?.[0]?.extensions?.code);
      } finally {
        await rename('journal_away', 'journal');
      }
      expect(codes).toEqual(Array.from({ length: 5 }, () => 'INTERNAL'));
      expect([await environments(), await secrets()]).toEqual([(before[0] ?? 0) + 1, before[1]]);
      expect(await api.read(kept.id)).toEqual(kept);
      expect(await api.count(environmentId)).toBe(1);
      expect(await verify(environmentId)).toEqual({ intact: 1, brokenAt: null });
    });
  });

  test('keeps environments and tokens in the gateway’s own chain', async () => {
    const input = { name: `journalled ${randomUUID()}` };
    const { createEnvironment } = await gateway.run(CreateEnvironment, { input });
    if (createEnvironment.__typename !== 'CreateEnvironmentSuccess') throw new Error('it was refused');
    await gateway.run(DeleteEnvironment, { id: createEnvironment.environment.id });
    await gateway.createToken(`journalled ${randomUUID()}`, ['DATASTORES_READ']);
    const entries = (await entriesOf('')).slice(-3);
    expect(entries.map(({ action, kind }) => [action, kind])).toEqual([
      ['environment.create', ''],
      ['environment.delete', ''],
      ['token.create', ''],
    ]);
    expect((await verify('')).brokenAt).toBeNull();
  });
});
