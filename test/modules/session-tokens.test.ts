import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { scopes } from '../../src/modules/access/access.ts';
import { isToken } from '../../src/modules/access/token.ts';
import { verifyJournal } from '../../src/platform/journal/journal.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { CreateSessionTokenInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateSessionToken, DatastoreEvents, ReadViewer, WhoActed } from '../support/operations.ts';
import { expectType } from '../support/results.ts';

const MINUTE_MS = 60_000;
const APP = 'https://app.example';

describeEachGateway('session tokens', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let otherId: string;

  beforeAll(async () => {
    gateway = await open({ allowedOrigins: [APP], testing: { limits: { recheckMs: 200 } } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
    otherId = await api.newEnvironment();
  });

  /** A lasting token of its own for each test. */
  const backend = (expiresAt: string | null = null, environmentIds: string[] | null = [environmentId]) =>
    gateway.app.access.createToken('test', {
      name: `backend ${randomUUID()}`,
      scopes: ['DATASTORES_READ', 'DATASTORES_WRITE', 'DATASTORES_TEST'],
      environmentIds,
      expiresAt,
    });
  const create = async (parent: string, input: Partial<CreateSessionTokenInput> = {}) => {
    const wanted = { scopes: ['DATASTORES_READ' as const], ...input };
    return (await gateway.run(CreateSessionToken, { input: wanted }, parent)).createSessionToken;
  };
  const created = async (parent: string, input: Partial<CreateSessionTokenInput> = {}) =>
    expectType(await create(parent, input), 'CreateSessionTokenSuccess');
  const viewer = async (token: string) => (await gateway.run(ReadViewer, {}, token)).viewer.token;
  const statusOf = async (token: string) =>
    (await gateway.send({ query: '{ viewer { token { id } } }' }, token)).status;
  const tokens = () => gateway.app.database.query;
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * MINUTE_MS).toISOString();

  test('are shown once, kept as a hash, and say what they may', async () => {
    const parent = await backend();
    const { name, id: parentId } = await viewer(parent);
    const { token, apiToken } = await created(parent, { expiresInMinutes: 5, onBehalfOf: ' Ann ' });
    expect(isToken(token)).toBe(true);
    expect(apiToken).toMatchObject({
      name,
      prefix: token.slice(0, 10),
      scopes: ['DATASTORES_READ'],
      onBehalfOf: 'Ann',
      environments: [{ id: environmentId }],
    });
    const left = Date.parse(apiToken.expiresAt ?? '') - Date.now();
    expect(left).toBeGreaterThan(3 * MINUTE_MS);
    expect(left).toBeLessThanOrEqual(5 * MINUTE_MS);
    expect(await viewer(token)).toMatchObject(apiToken);
    const rows = JSON.stringify(await tokens().selectFrom('api_tokens').selectAll().execute());
    expect(rows).toContain(parentId);
    expect(rows + gateway.log()).not.toContain(token.slice(10));
  });

  test('last an hour, or as long as the token that makes them', async () => {
    const hour = Date.parse((await created(await backend())).apiToken.expiresAt ?? '') - Date.now();
    expect(hour).toBeGreaterThan(58 * MINUTE_MS);
    expect(hour).toBeLessThanOrEqual(60 * MINUTE_MS);
    const soon = inMinutes(10);
    expect((await created(await backend(soon))).apiToken.expiresAt).toBe(soon);
  });

  test('do what they may, for a page of a listed origin, and nothing else', async () => {
    const { token } = await created(await backend(null, null), { environmentIds: [environmentId] });
    const ask = async (query: string) => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, origin: APP };
      const answer = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query }),
      });
      expect(answer.headers.get('access-control-allow-origin')).toBe(APP);
      return answer.text();
    };
    const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    const { id: elsewhere } = await api.created({ environmentId: otherId, config: { postgres: postgresConfig() } });
    expect(await ask(`{ datastore(id: "${id}") { id } }`)).toContain(id);
    expect(await ask(`{ datastore(id: "${elsewhere}") { name } }`)).toBe('{"data":{"datastore":null}}');
    expect(await ask(`mutation { cancelConnectionTest(id: "${id}") { __typename } }`)).toContain('FORBIDDEN');
  });

  describe('are refused', () => {
    const wrong: [string, () => Partial<CreateSessionTokenInput>, string, string[], string][] = [
      ['a scope more', () => ({ scopes: ['DATASTORES_READ', 'ENVIRONMENTS_WRITE'] }), 'scopes', ['1'], 'NOT_GRANTED'],
      [
        'another environment',
        () => ({ environmentIds: [environmentId, otherId] }),
        'environmentIds',
        ['1'],
        'NOT_FOUND',
      ],
      ['one that is not there', () => ({ environmentIds: [randomUUID()] }), 'environmentIds', ['0'], 'NOT_FOUND'],
      ['what is no id', () => ({ environmentIds: ['x'] }), 'environmentIds', ['0'], 'INVALID_ID'],
      ['no environment', () => ({ environmentIds: [] }), 'environmentIds', [], 'TOO_SHORT'],
      ['a longer life', () => ({ expiresInMinutes: 31 }), 'expiresInMinutes', [], 'OUT_OF_RANGE'],
      ['more than 12 hours', () => ({ expiresInMinutes: 721 }), 'expiresInMinutes', [], 'OUT_OF_RANGE'],
      ['no life', () => ({ expiresInMinutes: 0 }), 'expiresInMinutes', [], 'OUT_OF_RANGE'],
      ['a long text', () => ({ onBehalfOf: 'x'.repeat(129) }), 'onBehalfOf', [], 'TOO_LONG'],
      ['two lines', () => ({ onBehalfOf: 'Ann\nBob' }), 'onBehalfOf', [], 'INVALID_FORMAT'],
      ['nobody', () => ({ onBehalfOf: '' }), 'onBehalfOf', [], 'TOO_SHORT'],
    ];

    test('for what is wrong, at its path', async () => {
      const parent = await backend(inMinutes(30));
      for (const [title, input, field, more, code] of wrong) {
        const answer = await create(parent, input());
        const path = ['input', field, ...more];
        expect({ title, ...answer }).toMatchObject({ title, issues: [expect.objectContaining({ path, code })] });
      }
    });

    test('without an environment, where there are several', async () => {
      const answer = expectType(await create(await backend(null, [environmentId, otherId])), 'ValidationError');
      expect(answer.issues).toMatchObject([{ path: ['input', 'environmentIds'], code: 'ENVIRONMENT_REQUIRED' }]);
    });

    test('to a session token, whatever it asks for', async () => {
      const { token } = await created(await backend());
      const { errors } = await gateway.execute(CreateSessionToken, { input: { scopes: ['DATASTORES_READ'] } }, token);
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    });
  });

  test('stand in every actor with the name of their parent and for whom they act', async () => {
    const parent = await backend();
    const { name } = await viewer(parent);
    const all = ['DATASTORES_READ', 'DATASTORES_WRITE', 'DATASTORES_TEST'] as const;
    const { token } = await created(parent, { scopes: [...all], onBehalfOf: 'Ann' });
    const page = apiOf(gateway, token);
    const seen: unknown[] = [];
    const follow = gateway.follow(
      DatastoreEvents,
      { environmentId },
      { token, onResult: ({ data }) => seen.push(data?.datastoreEvents), enough: (results) => results.length === 3 },
    );
    const { id } = await page.created({ config: { postgres: postgresConfig() } });
    // the first change may come before the subscription
    for (let at = 0; seen.length < 1; at += 1) await page.updated({ id, label: `label ${at}` });
    await page.ended((await page.testStarted({ target: { datastoreId: id } })).id);
    const byPage = { name, onBehalfOf: 'Ann' };
    expect((await gateway.run(WhoActed, { id }, token)).datastore).toEqual({
      createdBy: name,
      createdOnBehalfOf: 'Ann',
      updatedBy: name,
      updatedOnBehalfOf: 'Ann',
      lastTest: { requestedBy: name, requestedOnBehalfOf: 'Ann' },
    });
    await apiOf(gateway, parent).updated({ id, label: 'by the backend' });
    expect((await gateway.run(WhoActed, { id }, token)).datastore).toMatchObject({
      createdOnBehalfOf: 'Ann',
      updatedBy: name,
      updatedOnBehalfOf: null,
    });
    await page.removed(id);
    await follow;
    expect(seen.at(0)).toMatchObject({ actor: byPage.name, onBehalfOf: byPage.onBehalfOf });
    const journal = await gateway.app.database.query
      .selectFrom('journal')
      .select(['kind', 'actor', 'on_behalf_of'])
      .where('subject_id', '=', id)
      .orderBy('sequence')
      .execute();
    expect(journal.at(0)).toEqual({ kind: 'CREATED', actor: name, on_behalf_of: 'Ann' });
    expect(journal.at(-2)).toEqual({ kind: 'UPDATED', actor: name, on_behalf_of: null });
    expect(journal.at(-1)).toEqual({ kind: 'DELETED', actor: name, on_behalf_of: 'Ann' });
    const keyring = await Keyring.load(join(gateway.folder, 'master.key'));
    const verdict = await verifyJournal(gateway.app.database.query, keyring, environmentId);
    expect(verdict.brokenAt).toBeNull();
  });

  test('are journaled when they are made', async () => {
    const parent = await backend();
    const { id: parentId, name } = await viewer(parent);
    const { apiToken } = await created(parent, { onBehalfOf: 'Ann' });
    const entry = await gateway.app.database.query
      .selectFrom('journal')
      .select(['action', 'actor', 'detail'])
      .where('subject_id', '=', apiToken.id)
      .executeTakeFirstOrThrow();
    expect(entry).toMatchObject({ action: 'token.create', actor: name });
    expect(JSON.parse(entry.detail)).toEqual({
      name,
      scopes: ['DATASTORES_READ'],
      environmentIds: [environmentId],
      expiresAt: apiToken.expiresAt,
      parentId,
      onBehalfOf: 'Ann',
    });
  });

  test.concurrent.each([
    ['is revoked', 'follow'],
    ['is revoked', 'followSse'],
    ['expires', 'follow'],
    ['expires', 'followSse'],
  ] as const)('end when their parent %s, with what they have open: %s', async (how, by) => {
    const parent = await backend(inMinutes(60));
    const { id: parentId } = await viewer(parent);
    const { token } = await created(parent);
    const seen: unknown[] = [];
    let over = false;
    const ended = gateway[by](DatastoreEvents, {}, { token, onResult: ({ data }) => data && seen.push(data) })
      .then(
        (results) => JSON.stringify(results.at(-1)?.errors ?? []),
        (error: unknown) => `${(error as { code?: number }).code} ${String(error)}`,
      )
      .finally(() => {
        over = true;
      });
    const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
    for (let at = 0; seen.length === 0 && !over; at += 1) await api.updated({ id, label: `label ${at}` });
    expect(seen).not.toEqual([]);
    const now = new Date().toISOString();
    const values = how === 'is revoked' ? { revoked_at: now } : { expires_at: now };
    await tokens().updateTable('api_tokens').set(values).where('id', '=', parentId).execute();
    expect(await ended).toMatch(/UNAUTHENTICATED|4403/);
    await eventually(async () => (await statusOf(token)) === 401);
  });

  test('end by themselves, and those that have long expired are removed when the next is made', async () => {
    const parent = await backend();
    const [past, recent, kept] = await Promise.all([created(parent), created(parent), created(parent)]);
    const lasting = await gateway.app.access.createToken('test', {
      name: `expired ${randomUUID()}`,
      scopes,
      environmentIds: null,
      expiresAt: inMinutes(-600),
    });
    const expire = (id: string, at: string) =>
      tokens().updateTable('api_tokens').set({ expires_at: at }).where('id', '=', id).execute();
    await expire(past.apiToken.id, inMinutes(-61));
    await expire(recent.apiToken.id, inMinutes(-1));
    expect(await statusOf(past.token)).toBe(401);
    expect(await statusOf(kept.token)).toBe(200);
    await created(parent);
    const ids = (await tokens().selectFrom('api_tokens').select('id').execute()).map(({ id }) => id);
    expect(ids).not.toContain(past.apiToken.id);
    expect(ids).toEqual(expect.arrayContaining([recent.apiToken.id, kept.apiToken.id]));
    const prefixes = await tokens().selectFrom('api_tokens').select('prefix').execute();
    expect(prefixes).toContainEqual({ prefix: lasting.slice(0, 10) });
  });
});
