import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ConflictError } from '../../src/errors/api.ts';
import type { Access } from '../../src/modules/access/access.ts';
import { type Call, Idempotency } from '../../src/modules/idempotency/service.ts';
import { appendJournal, verifyJournal } from '../../src/platform/journal/journal.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { GatewayClient, TestGateway } from '../support/gateway.ts';
import type { CreateDatastoreInput } from '../support/gql/graphql.ts';
import { postgresConfig, qdrantConfig } from '../support/inputs.ts';
import { newKeyring } from '../support/keys.ts';
import { startFakeQdrant } from '../support/peers/fake-qdrant.ts';
import { startGate } from '../support/peers/gate.ts';

const PASSWORD = 'a-password-that-is-kept-nowhere';
const config = { postgres: postgresConfig({ password: PASSWORD }) };
const HOUR_MS = 3_600_000;

const ERROR = '... on UserError { code }';
const REFUSAL = `${ERROR} ... on ConflictError { current { id } }`;
const DATASTORE = 'datastore { id name label version updatedAt }';
const document = (operation: string, success: string) => {
  const name = `${operation.charAt(0).toUpperCase()}${operation.slice(1)}`;
  return `mutation ($input: ${name}Input!) { answer: ${operation}(input: $input) { __typename ${operation.endsWith('s') ? ERROR : REFUSAL} ... on ${name}Success { ${success} } } }`;
};
const documents = {
  createDatastore: document('createDatastore', DATASTORE),
  updateDatastore: document('updateDatastore', DATASTORE),
  upsertDatastore: document('upsertDatastore', `outcome ${DATASTORE}`),
  createEnvironment: document('createEnvironment', 'environment { id name }'),
  updateEnvironment: document('updateEnvironment', 'environment { id name }'),
  createDatastores: document('createDatastores', `results { error { code } ${DATASTORE} }`),
  updateDatastores: document('updateDatastores', `results { error { code } ${DATASTORE} }`),
} as const;
type Operation = keyof typeof documents;

interface Answer {
  readonly __typename: string;
  readonly code?: string;
  readonly [field: string]: unknown;
}

async function ask(client: GatewayClient, operation: Operation, input: object, token?: string): Promise<Answer> {
  const { json } = await client.send({ query: documents[operation], variables: { input } }, token);
  if (json.errors) throw new Error(JSON.stringify(json.errors));
  return json.data?.answer as Answer;
}

/** What is there before a call, what it gives, and another input. */
interface Trial {
  readonly operation: Operation;
  readonly make: (api: Api) => Promise<{ readonly input: object; readonly other: object }>;
}

const inNew = async (api: Api) => ({ environmentId: await api.newEnvironment(), config });
const stored = async (api: Api) => (await api.created(await inNew(api))).id;
const upsert = (operation: Operation, change: object) => async (api: Api) => {
  const input = { ...(await inNew(api)), name: 'one' };
  if (operation === 'upsertDatastore') await api.created(input);
  return { input: { ...input, ...change }, other: { ...input, ...change, ownerName: 'another' } };
};

const trials: readonly (Trial & { readonly title: string })[] = [
  {
    title: 'createDatastore',
    operation: 'createDatastore',
    make: async (api) => {
      const input = { ...(await inNew(api)), label: 'New' };
      return {
        input,
        other: { ...input, configSecret: 'another', config: { postgres: { ...config.postgres, password: null } } },
      };
    },
  },
  {
    title: 'updateDatastore',
    operation: 'updateDatastore',
    make: async (api) => {
      const id = await stored(api);
      return { input: { id, label: 'Changed', expectedVersion: 1 }, other: { id, label: 'Otherwise' } };
    },
  },
  {
    title: 'upsertDatastore that creates',
    operation: 'upsertDatastore',
    make: async (api) => {
      const input = { ...(await inNew(api)), name: 'one' };
      return { input, other: { ...input, ownerName: 'another' } };
    },
  },
  {
    title: 'upsertDatastore that updates',
    operation: 'upsertDatastore',
    make: upsert('upsertDatastore', { label: 'x' }),
  },
  { title: 'upsertDatastore of the same', operation: 'upsertDatastore', make: upsert('upsertDatastore', {}) },
  {
    title: 'createEnvironment',
    operation: 'createEnvironment',
    make: async () => ({ input: { name: `e ${randomUUID()}` }, other: { name: `e ${randomUUID()}` } }),
  },
  {
    title: 'updateEnvironment',
    operation: 'updateEnvironment',
    make: async (api) => {
      const id = await api.newEnvironment();
      return { input: { id, name: `e ${randomUUID()}` }, other: { id, name: `e ${randomUUID()}` } };
    },
  },
];

describeEachGateway('a call with an idempotency key', (open, kind) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
  });

  const query = () => gateway.app.database.query;
  const journalLength = async () =>
    Number(
      (
        await query()
          .selectFrom('journal')
          .select(({ fn }) => fn.countAll().as('count'))
          .executeTakeFirstOrThrow()
      ).count,
    );
  const keys = () => query().selectFrom('idempotency_keys').selectAll().execute();

  describe.each(trials)('$title', ({ operation, make }) => {
    test('takes effect once, and answers the same again', async () => {
      const { input, other } = await make(api);
      const keyed = { ...input, idempotencyKey: randomUUID() };
      const first = await ask(gateway, operation, keyed);
      expect(first.__typename).toMatch(/Success$/);
      const length = await journalLength();
      expect(await ask(gateway, operation, keyed)).toEqual(first);
      const refused = await ask(gateway, operation, { ...other, idempotencyKey: keyed.idempotencyKey });
      expect(refused).toMatchObject({ __typename: 'ConflictError', code: 'IDEMPOTENCY_KEY_USED', current: null });
      expect(await journalLength()).toBe(length);
    });

    test('has another effect for another token', async () => {
      const { input } = await make(api);
      const keyed = { ...input, idempotencyKey: randomUUID() };
      const token = await gateway.createToken(`other ${randomUUID()}`, [
        'DATASTORES_WRITE',
        'DATASTORES_READ',
        'ENVIRONMENTS_WRITE',
      ]);
      const before = (await keys()).length;
      await ask(gateway, operation, keyed);
      // what it asks for is there already, which is no answer of the first caller's
      expect(await ask(gateway, operation, keyed, token)).not.toMatchObject({ code: 'IDEMPOTENCY_KEY_USED' });
      expect((await keys()).length).toBeGreaterThan(before);
    });
  });

  test('counts for its environment', async () => {
    const idempotencyKey = randomUUID();
    const made = [];
    for (const environmentId of [await api.newEnvironment(), await api.newEnvironment()])
      made.push((await api.created({ environmentId, config, idempotencyKey })).id);
    expect(new Set(made).size).toBe(2);
  });

  test('fifty at once: one effect and fifty equal answers, from two gateways where there may be two', async () => {
    const other =
      kind === 'postgres' ? await open({ databaseUrl: gateway.databaseUrl, folder: gateway.folder }) : gateway;
    const environmentId = await api.newEnvironment();
    const input = { environmentId, name: 'fifty', config, idempotencyKey: randomUUID() };
    const create = (_: unknown, at: number) => ask(at % 2 ? other : gateway, 'createDatastore', input, gateway.token);
    const answers = await Promise.all(Array.from({ length: 50 }, create));
    expect(answers[0]).toMatchObject({
      __typename: 'CreateDatastoreSuccess',
      datastore: { name: 'fifty', version: 1 },
    });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await api.count(environmentId)).toBe(1);
    const { id, version } = (answers[0]?.datastore ?? {}) as { id: string; version: number };
    const change = { id, label: 'changed by fifty', expectedVersion: version, idempotencyKey: randomUUID() };
    const update = (_: unknown, at: number) => ask(at % 2 ? other : gateway, 'updateDatastore', change, gateway.token);
    const updates = await Promise.all(Array.from({ length: 50 }, update));
    for (const answer of updates) expect(answer).toMatchObject({ datastore: { id, version: 2 } });
  });

  test('ten at once with a test of a chosen id: it runs once, whether it passes or not', async () => {
    const peer = await startFakeQdrant({ apiKey: 'key', collections: { products: 1 } });
    onTestFinished(() => peer.close());
    for (const apiKey of ['wrong', 'key']) {
      const environmentId = await api.newEnvironment();
      const testId = randomUUID();
      // one that comes when the first was refused is a new call, whose test has an id that is used
      const gate = await startGate(peer.port);
      onTestFinished(() => gate.close());
      const qdrant = qdrantConfig({ port: gate.port, apiKey, collection: 'products' });
      const input = { environmentId, config: { qdrant }, test: { testId }, idempotencyKey: randomUUID() };
      const asked = Array.from({ length: 10 }, () => api.create(input));
      await eventually(() => gate.waiting() === 1);
      for (let later = 0; later < 3; later += 1) await api.count(environmentId);
      gate.open();
      const answers = await Promise.all(asked);
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(answers[0]?.__typename).toBe(apiKey === 'key' ? 'CreateDatastoreSuccess' : 'ConnectionTestFailedError');
      if (apiKey === 'key') expect(await api.create(input)).toEqual(answers[0]);
      const tests = query().selectFrom('connection_tests').select('id').where('environment_id', '=', environmentId);
      expect(await tests.execute()).toEqual([{ id: testId }]);
    }
  });

  test('that is refused leaves nothing: mended, it takes effect under the same key', async () => {
    const environmentId = await api.newEnvironment();
    const { id } = await api.created({ environmentId, name: 'taken', config });
    const idempotencyKey = randomUUID();
    const refused = await api.create({ environmentId, name: 'taken', config, idempotencyKey });
    expect(refused.__typename).toBe('NameTakenError');
    const made = await api.created({ environmentId, name: 'free', config, idempotencyKey });
    expect(made.id).not.toBe(id);
  });

  test('answers with what is there now, and with nothing once it was deleted', async () => {
    const input = { ...(await inNew(api)), idempotencyKey: randomUUID() };
    const { id } = await api.created(input);
    await api.updated({ id, label: 'since then' });
    expect(await api.created(input)).toMatchObject({ id, label: 'since then', version: 2 });
    await api.removed(id);
    expect(await api.create(input)).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
  });

  test('takes effect again a day later, and is forgotten', async () => {
    const input = { ...(await inNew(api)), idempotencyKey: randomUUID() };
    const { id } = await api.created(input);
    const age = (hours: number) =>
      query()
        .updateTable('idempotency_keys')
        .set({ created_at: new Date(Date.now() - hours * HOUR_MS).toISOString() })
        .where('result', 'like', `{"id":"${id}"%`)
        .execute();
    await age(23);
    expect((await api.created(input)).id).toBe(id);
    await gateway.app.chores.run();
    expect((await keys()).some(({ result }) => result.includes(id))).toBe(true);
    await age(25);
    const again = await api.created(input);
    expect(again.id).not.toBe(id);
    await query().updateTable('idempotency_keys').set({ created_at: '2020-01-01T00:00:00.000Z' }).execute();
    await gateway.app.chores.run();
    expect(await keys()).toEqual([]);
  });

  test('keeps neither its key nor its input, nor a plain hash of them', async () => {
    const input: CreateDatastoreInput = { ...(await inNew(api)), idempotencyKey: `key-${randomUUID()}` };
    await api.created(input);
    const rows = JSON.stringify(await keys());
    for (const text of [input.idempotencyKey ?? '', PASSWORD, JSON.stringify(input), JSON.stringify(config)]) {
      expect(rows).not.toContain(text);
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        expect(rows).not.toContain(createHash('sha256').update(text).digest(encoding).slice(0, 40));
    }
  });

  describe.each([false, true])('in each item of a batch, atomic: %s', (atomic) => {
    test('creates and changes once, and what is new beside it', async () => {
      const environmentId = await api.newEnvironment();
      const item = (name: string) => ({ environmentId, name, config, idempotencyKey: `${environmentId} ${name}` });
      const create = (items: object[]) => ask(gateway, 'createDatastores', { items, atomic });
      const first = await create([item('a'), item('b')]);
      expect(first.results).toMatchObject([{ datastore: { name: 'a' } }, { datastore: { name: 'b' } }]);
      expect(await create([item('a'), item('b')])).toEqual(first);
      const more = await create([item('c'), item('b')]);
      expect(more.results).toMatchObject([{ datastore: { name: 'c' } }, (first.results as object[])[1]]);
      expect(await api.count(environmentId)).toBe(3);
      const changes = (first.results as { datastore: { id: string } }[]).map(({ datastore: { id } }) => ({
        id,
        label: 'changed',
        expectedVersion: 1,
        idempotencyKey: randomUUID(),
      }));
      const changed = await ask(gateway, 'updateDatastores', { items: changes, atomic });
      expect(changed.results).toMatchObject([{ datastore: { version: 2 } }, { datastore: { version: 2 } }]);
      expect(await ask(gateway, 'updateDatastores', { items: changes, atomic })).toEqual(changed);
    });

    test('refuses another input', async () => {
      const environmentId = await api.newEnvironment();
      const item = { environmentId, name: 'a', config, idempotencyKey: randomUUID() };
      await ask(gateway, 'createDatastores', { items: [item], atomic });
      const { results } = await ask(gateway, 'createDatastores', { items: [{ ...item, name: 'b' }], atomic });
      expect(results).toEqual([{ datastore: null, error: { code: 'IDEMPOTENCY_KEY_USED' } }]);
    });

    test('ten at once: one effect', async () => {
      const environmentId = await api.newEnvironment();
      const items = ['a', 'b'].map((name) => ({ environmentId, name, config, idempotencyKey: randomUUID() }));
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => ask(gateway, 'createDatastores', { items, atomic })),
      );
      expect(answers[0]?.results).toMatchObject([{ datastore: { name: 'a' } }, { datastore: { name: 'b' } }]);
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(await api.count(environmentId)).toBe(2);
    });
  });
});

describeEachDatabase('keys of calls whose changes come at once', (open, kind) => {
  test('are kept together with what they change, but one that another has', async () => {
    const { database } = await open();
    const keyring = await newKeyring();
    const idempotency = new Idempotency(database, keyring);
    const token = { name: 'tests', tokenId: 't', scopes: new Set(), environmentIds: 'all' } as unknown as Access;
    const subjects = Array.from({ length: 12 }, (_, at) => `subject-${at}`);
    const calls = subjects.map((_, at) =>
      idempotency.callOf(
        token,
        { operation: 'test', environmentId: 'e' },
        { path: [], idempotencyKey: `key-${at % 11}` },
      ),
    ) as Call[];
    const outcomes = await Promise.allSettled(
      subjects.map((subjectId, at) =>
        database.change(async (change) => {
          await idempotency.keep(change, calls[at] as Call, { id: subjectId });
          await appendJournal(change, keyring, {
            ...{ environmentId: 'e', kind: 'UPDATED', action: 'test', subjectType: 'test', subjectId, detail: {} },
            actor: { name: 'tests', onBehalfOf: null },
          });
        }),
      ),
    );
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toEqual([new ConflictError('IDEMPOTENCY_KEY_USED')]);
    const lost = outcomes.findIndex(({ status }) => status === 'rejected');
    for (const [at, call] of calls.slice(0, 11).entries())
      expect(await idempotency.find(call)).toEqual({ id: subjects[lost === 0 && at === 0 ? 11 : at] });
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 11, brokenAt: null });
    if (kind === 'sqlite') return;
    const { rows } = await sql`select distinct xmin::text from idempotency_keys`.execute(database.query);
    expect(rows.length).toBe(1);
  });
});
