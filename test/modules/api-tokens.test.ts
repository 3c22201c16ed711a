import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Scope, scopes } from '../../src/modules/access/access.ts';
import { isToken } from '../../src/modules/access/token.ts';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { CreateApiTokenInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateApiToken,
  CreateSessionToken,
  DatastoreEvents,
  DeleteEnvironment,
  ListApiTokens,
  ReadViewer,
  RevokeApiToken,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

const DAY_MS = 86_400_000;
/** What docs/security.md promises. */
const ENDS_WITHIN_MS = 5_000;

describeEachGateway('tokens by API', (open, kind) => {
  let gateway: TestGateway;
  let mine: string;
  let other: string;

  beforeAll(async () => {
    gateway = await open();
    [mine, other] = [await apiOf(gateway).newEnvironment(), await apiOf(gateway).newEnvironment()];
  });

  const name = () => `token ${randomUUID()}`;
  const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString();
  const create = async (input: Partial<CreateApiTokenInput>, by?: string) => {
    const wanted = { name: name(), scopes: ['DATASTORES_READ' as const], ...input };
    return (await gateway.run(CreateApiToken, { input: wanted }, by)).createApiToken;
  };
  const created = async (input: Partial<CreateApiTokenInput>, by?: string) =>
    expectType(await create(input, by), 'CreateApiTokenSuccess');
  const revoke = async (id: string, by?: string) => (await gateway.run(RevokeApiToken, { id }, by)).revokeApiToken;
  const viewer = async (token: string) => (await gateway.run(ReadViewer, {}, token)).viewer.token;
  const listed = async (by?: string, variables: object = {}) =>
    (await gateway.run(ListApiTokens, { first: 100, ...variables }, by)).apiTokens;
  const idsOf = async (by?: string) => (await listed(by)).nodes.map(({ id }) => id);
  const admin = (...environmentIds: string[]) =>
    gateway.createToken(name(), ['TOKENS_ADMIN', 'DATASTORES_READ'], environmentIds);
  const statusOf = async (token: string) =>
    (await gateway.send({ query: '{ viewer { token { id } } }' }, token)).status;

  test('are shown once, work, and are listed without what they are', async () => {
    const expiresAt = inDays(30);
    const called = name();
    const input = { name: ` ${called} `, scopes: [...scopes], environmentIds: [mine], expiresAt };
    const { token, apiToken } = await created(input);
    expect(isToken(token)).toBe(true);
    expect(apiToken).toMatchObject({
      name: called,
      prefix: token.slice(0, 10),
      scopes,
      environments: [{ id: mine }],
      createdBy: (await viewer(gateway.token)).name,
      expiresAt,
      lastUsedAt: null,
      revokedAt: null,
      onBehalfOf: null,
    });
    expect(await viewer(token)).toMatchObject({ id: apiToken.id, name: called, expiresAt });
    const list = await listed();
    const used = list.edges.find(({ node }) => node.id === apiToken.id)?.node.lastUsedAt ?? '';
    expect(Math.abs(Date.now() - Date.parse(used))).toBeLessThan(60_000);
    const rows = await gateway.app.database.query.selectFrom('api_tokens').selectAll().execute();
    const journal = await gateway.app.database.query.selectFrom('journal').selectAll().execute();
    expect(JSON.stringify([list, rows, journal]) + gateway.log()).not.toContain(token.slice(10));
  });

  test('for every environment see those made later', async () => {
    const { token, apiToken } = await created({ allEnvironments: true, scopes: ['ENVIRONMENTS_WRITE'] });
    expect(apiToken).toMatchObject({ environments: null, expiresAt: null });
    expect(await apiOf(gateway, token).newEnvironment()).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('are written down as used once a minute, beside the requests', async () => {
    const { token, apiToken } = await created({ environmentIds: [mine] });
    const stored = async () =>
      (
        await gateway.app.database.query
          .selectFrom('api_tokens')
          .select('last_used_at')
          .where('id', '=', apiToken.id)
          .executeTakeFirstOrThrow()
      ).last_used_at;
    const writes = () => gateway.statements.filter((sql) => /set "last_used_at"/.test(sql)).length;
    gateway.statements.length = 0;
    await viewer(token);
    await eventually(async () => (await stored()) !== null);
    const count = writes();
    for (let at = 0; at < 20; at += 1) await viewer(token);
    await gateway.app.access.close();
    expect(writes()).toBe(count);
  });

  describe('are refused', () => {
    const wrong: [string, () => Partial<CreateApiTokenInput>, string[]][] = [
      ['a scope more', () => ({ scopes: ['DATASTORES_READ', 'AUDIT_READ'] }), ['input.scopes.1 NOT_GRANTED']],
      [
        'all environments',
        () => ({ allEnvironments: true, environmentIds: null }),
        ['input.allEnvironments NOT_GRANTED'],
      ],
      ['another environment', () => ({ environmentIds: [mine, other] }), ['input.environmentIds.1 NOT_FOUND']],
      ['one that is not there', () => ({ environmentIds: [randomUUID()] }), ['input.environmentIds.0 NOT_FOUND']],
      ['some and all', () => ({ allEnvironments: true }), ['input.environmentIds EXACTLY_ONE']],
      ['neither', () => ({ environmentIds: null }), ['input.environmentIds EXACTLY_ONE']],
      ['an empty list', () => ({ environmentIds: [] }), ['input.environmentIds TOO_SHORT']],
      ['what is no id', () => ({ environmentIds: ['x'] }), ['input.environmentIds.0 INVALID_ID']],
      ['a longer life', () => ({ expiresAt: inDays(3) }), ['input.expiresAt OUT_OF_RANGE']],
      ['a life that is over', () => ({ expiresAt: inDays(-1) }), ['input.expiresAt OUT_OF_RANGE']],
      ['an empty name', () => ({ name: ' ' }), ['input.name TOO_SHORT']],
      ['a long name', () => ({ name: 'x'.repeat(129) }), ['input.name TOO_LONG']],
      ['two lines', () => ({ name: 'a\nb' }), ['input.name INVALID_FORMAT']],
      ['the name of the command line', () => ({ name: 'command line' }), ['input.name NAME_TAKEN']],
      [
        'everything at once',
        () => ({ scopes: ['RECORDS_READ'], allEnvironments: true, environmentIds: null, expiresAt: inDays(3) }),
        ['input.scopes.0 NOT_GRANTED', 'input.allEnvironments NOT_GRANTED', 'input.expiresAt OUT_OF_RANGE'],
      ],
    ];

    test('for what is wrong or more than the maker may, at its path', async () => {
      const wanted = { name: name(), scopes: ['TOKENS_ADMIN', 'DATASTORES_READ'] as const, environmentIds: [mine] };
      const maker = await gateway.app.access.createToken('test', { ...wanted, expiresAt: inDays(2) });
      const before = await idsOf();
      for (const [title, input, issues] of wrong) {
        const answer = await create({ environmentIds: [mine], ...input() }, maker);
        expect({ title, issues: 'issues' in answer ? issueList(answer) : [] }).toEqual({ title, issues });
      }
      expect(await idsOf()).toEqual(before);
      const { expiresAt } = await viewer(maker);
      expect((await created({ environmentIds: [mine] }, maker)).apiToken.expiresAt).toBe(expiresAt);
    });

    test('a name that there is, also of one that was revoked', async () => {
      const { apiToken } = await created({ environmentIds: [mine] });
      expectType(await revoke(apiToken.id), 'RevokeApiTokenSuccess');
      const answer = await create({ name: apiToken.name, environmentIds: [mine] });
      expect(issueList(expectType(answer, 'NameTakenError'))).toEqual(['input.name NAME_TAKEN']);
    });

    test('to a session token, which may list and revoke what its parent may', async () => {
      const parent = await admin(mine);
      const input = { scopes: ['TOKENS_ADMIN' as const] };
      const { createSessionToken } = await gateway.run(CreateSessionToken, { input }, parent);
      const { token } = expectType(createSessionToken, 'CreateSessionTokenSuccess');
      const wanted = { name: name(), scopes: [] as Scope[], environmentIds: [mine] };
      const { errors } = await gateway.execute(CreateApiToken, { input: wanted }, token);
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
      const { apiToken } = await created({ environmentIds: [mine] });
      expect(await idsOf(token)).toContain(apiToken.id);
      expectType(await revoke(apiToken.id, token), 'RevokeApiTokenSuccess');
    });
  });

  test('are seen and revoked by those alone who have all of their environments', async () => {
    const [ofMine, ofBoth, ofAll] = [
      await created({ environmentIds: [mine] }),
      await created({ environmentIds: [mine, other] }),
      await created({ allEnvironments: true }),
    ];
    const lost = await apiOf(gateway).newEnvironment();
    const ofLost = await created({ environmentIds: [lost] });
    expectType((await gateway.run(DeleteEnvironment, { id: lost })).deleteEnvironment, 'DeleteEnvironmentSuccess');
    const all = [ofMine, ofBoth, ofAll, ofLost].map(({ apiToken }) => apiToken.id);
    const seenBy = async (by?: string) => {
      const seen = new Set(await idsOf(by));
      return all.map((id) => seen.has(id));
    };
    const [one, both] = [await admin(mine), await admin(mine, other)];
    expect(await seenBy()).toEqual([true, true, true, true]);
    expect(await seenBy(both)).toEqual([true, true, false, false]);
    expect(await seenBy(one)).toEqual([true, false, false, false]);
    expect(await seenBy(await admin(other))).toEqual([false, false, false, false]);
    for (const id of [ofBoth, ofAll, ofLost].map(({ apiToken }) => apiToken.id)) {
      const missing = randomUUID();
      const hidden = JSON.stringify(await revoke(id, one)).replaceAll(id, '*');
      expect(hidden).toBe(JSON.stringify(await revoke(missing, one)).replaceAll(missing, '*'));
      expect(hidden).toContain('NotFoundError');
    }
    expect(await statusOf(ofBoth.token)).toBe(200);
    // pages tell nothing of what is between
    const page = await listed(one, { first: 1 });
    const rest = await listed(one, { after: page.pageInfo.endCursor });
    expect([...page.nodes, ...rest.nodes].map(({ id }) => id)).toEqual(await idsOf(one));
    const back = await listed(one, { first: null, last: 100, before: rest.pageInfo.startCursor });
    expect(back.nodes).toEqual(page.nodes);
  });

  test('list the session tokens that they have made, which can be revoked one by one', async () => {
    const { token, apiToken: parent } = await created({ environmentIds: [mine] });
    const sessions = [];
    for (const onBehalfOf of ['Ann', 'Bob']) {
      const input = { scopes: ['DATASTORES_READ' as const], onBehalfOf };
      const { createSessionToken } = await gateway.run(CreateSessionToken, { input }, token);
      sessions.push(expectType(createSessionToken, 'CreateSessionTokenSuccess'));
    }
    const [ann, bob] = sessions;
    const { edges } = await listed(await admin(mine), { sessionsOf: parent.id });
    expect(edges.map(({ node }) => node.onBehalfOf).toSorted()).toEqual(['Ann', 'Bob']);
    expect(edges[0]?.node).toMatchObject({ name: parent.name, createdBy: parent.name });
    expect((await listed(await admin(other), { sessionsOf: parent.id })).nodes).toEqual([]);
    expect(await idsOf()).not.toContain(ann?.apiToken.id);
    expectType(await revoke(ann?.apiToken.id ?? ''), 'RevokeApiTokenSuccess');
    expect([await statusOf(ann?.token ?? ''), await statusOf(bob?.token ?? '')]).toEqual([401, 200]);
    expectType(await revoke(parent.id), 'RevokeApiTokenSuccess');
    expect([await statusOf(bob?.token ?? ''), await statusOf(token)]).toEqual([401, 401]);
    expect((await listed(undefined, { sessionsOf: parent.id })).edges.map(({ node }) => node.revokedAt)).not.toContain(
      null,
    );
  });

  test('that are revoked stay so, with one entry in the journal', async () => {
    const { apiToken } = await created({ environmentIds: [mine] });
    const first = expectType(await revoke(apiToken.id), 'RevokeApiTokenSuccess').apiToken;
    expect(Math.abs(Date.now() - Date.parse(first.revokedAt ?? ''))).toBeLessThan(60_000);
    expect(expectType(await revoke(apiToken.id), 'RevokeApiTokenSuccess').apiToken).toEqual(first);
    const entries = await gateway.app.database.query
      .selectFrom('journal')
      .select(['action', 'actor'])
      .where('subject_id', '=', apiToken.id)
      .orderBy('sequence')
      .execute();
    const { name: actor } = await viewer(gateway.token);
    expect(entries).toEqual(['token.create', 'token.revoke'].map((action) => ({ action, actor })));
  });

  test('that are revoked end what they have open within 5 s, over WebSocket and SSE, on another replica too', async () => {
    const { databaseUrl, folder } = gateway;
    // a SQLite file is one gateway's alone
    const places = kind === 'sqlite' ? [gateway] : [gateway, await open({ databaseUrl, folder, bootstrap: false })];
    const { token, apiToken } = await created({ environmentIds: [mine] });
    let heard = 0;
    const following = places.flatMap((place) =>
      (['follow', 'followSse'] as const).map((by) => {
        let first = true;
        const onResult = () => {
          heard += first ? 1 : 0;
          first = false;
        };
        return place[by](DatastoreEvents, { environmentId: mine }, { token, onResult }).then(
          (results) => JSON.stringify(results.at(-1)?.errors ?? []),
          (error: unknown) => String((error as { code?: number }).code),
        );
      }),
    );
    const api = apiOf(gateway);
    const { id } = await api.created({ environmentId: mine, config: { postgres: postgresConfig() } });
    await eventually(async () => {
      await api.updated({ id, label: `label ${randomUUID()}` });
      return heard === following.length;
    });
    const revoked = performance.now();
    expectType(await revoke(apiToken.id), 'RevokeApiTokenSuccess');
    for (const ended of await Promise.all(following)) expect(ended).toMatch(/UNAUTHENTICATED|4403/);
    expect(performance.now() - revoked).toBeLessThan(ENDS_WITHIN_MS);
  });

  test('of an operator get the scopes that have come since they were put in', async () => {
    const token = `operator-${randomUUID()}`;
    await gateway.app.access.ensureBootstrapToken(token);
    const { id } = await viewer(token);
    const old = JSON.stringify(['DATASTORES_READ']);
    await gateway.app.database.query.updateTable('api_tokens').set({ scopes: old }).where('id', '=', id).execute();
    await gateway.app.access.ensureBootstrapToken(token);
    expect((await viewer(token)).scopes).toEqual(scopes);
  });
});
