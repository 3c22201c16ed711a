import { randomUUID } from 'node:crypto';
import type { ExecutionResult } from 'graphql';
import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { RefusalLog } from '../../src/modules/audit/refusals.ts';
import { verifyJournal } from '../../src/platform/journal/journal.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { ReadAuditLogQueryVariables } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { newKeyring } from '../support/keys.ts';
import { CreateDatastore, Progress, ReadAuditLog, RevokeApiToken } from '../support/operations.ts';

describeEachGateway('the audit log', (open) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
  });

  const read = async (filter: ReadAuditLogQueryVariables, token?: string) =>
    (await gateway.run(ReadAuditLog, filter, token)).auditLog;
  const actions = async (filter: ReadAuditLogQueryVariables, token?: string) =>
    (await read(filter, token)).nodes.map(({ action }) => action);

  /** Two datastores, of which the first is changed by a token of its own name, and deleted. */
  async function changes() {
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const { id } = await api.created({ environmentId, config });
    const actor = `writer ${randomUUID()}`;
    const token = await gateway.createToken(actor, ['DATASTORES_READ', 'DATASTORES_WRITE'], [environmentId]);
    await apiOf(gateway, token).updated({ id, label: 'Two', configSecret: 'audit-canary' });
    const { id: other } = await api.created({ environmentId, config });
    await api.removed(id);
    return { environmentId, id, other, actor };
  }

  test('tells who did what to what, the newest first, by each condition and by all of them', async () => {
    const { environmentId, id, other, actor } = await changes();
    const { nodes } = await read({ environmentId });
    expect(nodes.map(({ action, subjectId }) => [action, subjectId])).toEqual([
      ['datastore.deleted', id],
      ['datastore.created', other],
      ['datastore.updated', id],
      ['datastore.created', id],
    ]);
    const updated = nodes[2];
    expect(updated).toMatchObject({ actor, onBehalfOf: null, environmentId, subjectType: 'datastore' });
    expect(updated).toMatchObject({ outcome: 'SUCCEEDED', detail: { changed: ['label', 'config.password'] } });
    expect(JSON.stringify(nodes)).not.toContain('audit-canary');
    const ofId = ['datastore.deleted', 'datastore.updated', 'datastore.created'];
    expect(await actions({ datastoreId: id })).toEqual(ofId);
    expect(await actions({ subjectId: id })).toEqual(ofId);
    expect(await actions({ actor })).toEqual(['datastore.updated']);
    expect(await actions({ environmentId, action: 'datastore.created' })).toHaveLength(2);
    expect(await actions({ environmentId, outcome: 'SUCCEEDED' })).toHaveLength(4);
    expect(await actions({ environmentId, outcome: 'REFUSED' })).toEqual([]);
    expect(await actions({ environmentId: randomUUID() })).toEqual([]);
    expect(await actions({ subjectId: environmentId })).toEqual(['environment.create']);
    expect(await actions({ datastoreId: environmentId })).toEqual([]);
    expect(await actions({ datastoreId: id, actor, action: 'datastore.created' })).toEqual([]);
    const at = updated?.at;
    expect(await actions({ datastoreId: id, from: at, action: 'datastore.updated' })).toHaveLength(1);
    expect(await actions({ datastoreId: id, until: at, action: 'datastore.updated' })).toEqual([]);
  });

  test('comes in pages, forwards and backwards', async () => {
    const { environmentId } = await changes();
    const all = (await read({ environmentId })).nodes.map((node) => node.id);
    const first = await read({ environmentId, first: 3 });
    expect([first.nodes.map((node) => node.id), first.pageInfo.hasNextPage]).toEqual([all.slice(0, 3), true]);
    const next = await read({ environmentId, after: first.pageInfo.endCursor });
    expect([next.nodes.map((node) => node.id), next.pageInfo.hasNextPage]).toEqual([all.slice(3), false]);
    const back = await read({ environmentId, last: 2, before: next.pageInfo.startCursor });
    expect([back.nodes.map((node) => node.id), back.pageInfo.hasPreviousPage]).toEqual([all.slice(1, 3), true]);
  });

  test('shows a token its own environments alone, and what belongs to none to those of all', async () => {
    const [one, two, hidden] = [await changes(), await changes(), await changes()];
    const token = await gateway.createToken(
      `auditor ${randomUUID()}`,
      ['AUDIT_READ'],
      [one.environmentId, two.environmentId],
    );
    const seen = [];
    for (let after: string | null | undefined = null; ; ) {
      const page = await read({ first: 3, after }, token);
      seen.push(...page.nodes);
      if (!page.pageInfo.hasNextPage) break;
      after = page.pageInfo.endCursor;
    }
    expect(seen.map(({ environmentId }) => environmentId)).toEqual([
      ...Array(4).fill(two.environmentId),
      ...Array(4).fill(one.environmentId),
    ]);
    for (const filter of [
      { environmentId: hidden.environmentId },
      { datastoreId: hidden.id },
      { actor: hidden.actor },
      { subjectId: one.environmentId },
      { action: 'token.create' },
    ])
      expect(await actions(filter, token)).toEqual([]);
    expect((await read({ action: 'token.create', first: 1 })).nodes[0]?.environmentId).toBeNull();
  });

  describe('has what was refused', () => {
    const refusals = async (actor: string) =>
      (await read({ actor, outcome: 'REFUSED' })).nodes.map(({ action, subjectType, environmentId, detail }) => ({
        action,
        subjectType,
        environmentId,
        detail,
      }));

    test('to a token without the scope: the first at once, and how many more when the minute is over', async () => {
      // a gateway that closes enters what it has counted, as at the end of a minute
      const { databaseUrl, folder } = gateway;
      const other = await open({ databaseUrl, folder });
      const actor = `reader ${randomUUID()}`;
      const token = await gateway.createToken(actor, ['DATASTORES_READ', 'DATASTORES_WRITE']);
      const tokenId = (await gateway.app.access.authenticate(token))?.tokenId;
      const refused = async (answer: Promise<ExecutionResult>) =>
        expect((await answer).errors?.[0]?.extensions?.code).toBe('FORBIDDEN');
      const auditLog = { action: 'Query.auditLog', subjectType: 'operation', environmentId: null };
      const detail = { reason: 'The token lacks the scope AUDIT_READ.', tokenId };
      await refused(other.execute(ReadAuditLog, {}, token));
      await eventually(async () => (await refusals(actor)).length > 0);
      expect(await refusals(actor)).toEqual([{ ...auditLog, detail }]);
      for (let count = 0; count < 7; count += 1) await refused(other.execute(ReadAuditLog, {}, token));
      // what a service alone can tell is refused after its rollback
      const input = { environmentId: await api.newEnvironment(), config: { postgres: postgresConfig() }, test: {} };
      await refused(other.execute(CreateDatastore, { input }, token));
      const followed = await other.follow(
        Progress,
        { id: randomUUID() },
        { token: await gateway.createToken(`${actor} too`, []) },
      );
      expect(followed[0]?.errors?.[0]?.extensions?.code).toBe('FORBIDDEN');
      await other.app.close();
      const lacks = { reason: 'The token lacks the scope DATASTORES_TEST.', tokenId };
      expect(await refusals(actor)).toEqual([
        { ...auditLog, detail: { ...detail, more: 7 } },
        { ...auditLog, action: 'Mutation.createDatastore', detail: lacks },
        { ...auditLog, detail },
      ]);
      expect((await refusals(`${actor} too`)).map(({ action }) => action)).toEqual([
        'Subscription.connectionTestProgress',
      ]);
      const { nodes } = await read({ outcome: 'REFUSED', environmentId: input.environmentId });
      expect(nodes).toEqual([]);
    });

    test('at the sign-in: whose token it was, or that nobody knows it, and nothing of it', async () => {
      const actor = `gone ${randomUUID()}`;
      const token = await gateway.createToken(actor, []);
      const tokenId = (await gateway.app.access.authenticate(token))?.tokenId ?? '';
      await gateway.run(RevokeApiToken, { id: tokenId });
      const refused = async (bearer: string) =>
        expect((await gateway.send({ query: '{ viewer { __typename } }' }, bearer)).status).toBe(401);
      await refused(token);
      await eventually(async () => (await refusals(actor)).length > 0);
      const signIn = { action: 'sign_in', subjectType: 'token', environmentId: null };
      expect(await refusals(actor)).toEqual([{ ...signIn, detail: { reason: 'The token was revoked.' } }]);
      expect((await read({ subjectId: tokenId, outcome: 'REFUSED' })).nodes).toHaveLength(1);
      const wrong = ['unknown-canary-token', `${token.slice(0, -1)}_`, 'eyJhbGciOiJub25lIn0.e30.x'];
      for (const bearer of wrong) await refused(bearer);
      const code = 'unknown-canary-code';
      const body = JSON.stringify({ code });
      const headers = { 'content-type': 'application/json' };
      expect((await fetch(`${gateway.url}/graphiql/session`, { method: 'POST', headers, body })).status).toBe(401);
      const unknown = async () => (await refusals('unknown caller')).map(({ detail }) => Object(detail).reason);
      await eventually(async () => (await unknown()).length >= 2);
      expect((await unknown()).toSorted()).toEqual([
        'The code of a sign-in link was used, is too old, or was never given.',
        'The token is unknown.',
      ]);
      const rows = await gateway.app.database.query.selectFrom('journal').selectAll().execute();
      const text = JSON.stringify(rows) + gateway.log();
      for (const secret of [...wrong, token.slice(10), code]) expect(text).not.toContain(secret);
    });

    test('but an entry that cannot be written changes no answer, and the log tells', async () => {
      const actor = `unwritten ${randomUUID()}`;
      const token = await gateway.createToken(actor, []);
      const { query } = gateway.app.database;
      const rename = (from: string, to: string) =>
        sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(query);
      await rename('journal', 'journal_away');
      try {
        const { errors } = await gateway.execute(ReadAuditLog, {}, token);
        expect(errors).toMatchObject([
          { message: 'The token lacks the scope AUDIT_READ.', extensions: { code: 'FORBIDDEN' } },
        ]);
        await eventually(() => gateway.log().includes('a refusal could not be entered in the audit log'));
      } finally {
        await rename('journal_away', 'journal');
      }
      expect(await refusals(actor)).toEqual([]);
    });
  });
});

describeEachDatabase('refusals', (open) => {
  const MINUTE_MS = 60_000;
  const START = 1_000;

  async function start(maxKinds?: number) {
    const { database } = await open();
    const keyring = await newKeyring();
    const lines: string[] = [];
    const logger = createLogger({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } });
    const log = new RefusalLog({ database, keyring, logger, maxKinds });
    const note = (reason: string, at: number) =>
      log.note(
        { ...{ actor: { name: 'a', onBehalfOf: null }, action: 'b', subjectType: 'c', subjectId: '', reason } },
        at,
      );
    const entries = async () => {
      await log.close();
      const rows = await database.query
        .selectFrom('journal')
        .select(['detail', 'outcome'])
        .orderBy('sequence')
        .execute();
      return rows.map(({ detail, outcome }) => ({ ...JSON.parse(detail), outcome }));
    };
    const isWhole = async () => (await verifyJournal(database.query, keyring, '')).brokenAt === null;
    return { log, note, entries, isWhole, lines };
  }

  test('of one kind make one entry a minute, however many there are, and each of them is counted', async () => {
    const { log, note, entries, isWhole } = await start();
    for (let count = 0; count < 5_000; count += 1) note('r', START);
    note('other', START);
    log.sweep(START + MINUTE_MS - 1);
    log.sweep(START + MINUTE_MS);
    for (let count = 0; count < 3; count += 1) note('r', START + MINUTE_MS);
    log.sweep(START + 2 * MINUTE_MS);
    // nothing came in that minute
    log.sweep(START + 3 * MINUTE_MS);
    note('r', START + 3 * MINUTE_MS);
    const outcome = 'REFUSED';
    const found = await entries();
    expect(found).toHaveLength(5);
    expect(found).toEqual(
      expect.arrayContaining([
        { reason: 'other', outcome },
        { reason: 'r', more: 4_999, outcome },
        { reason: 'r', more: 3, outcome },
      ]),
    );
    expect(found.filter((entry) => entry.reason === 'r' && entry.more === undefined)).toHaveLength(2);
    expect(await isWhole()).toBe(true);
  });

  test('of too many kinds at once are counted in the log alone', async () => {
    const { log, note, entries, lines } = await start(10);
    for (let kind = 0; kind < 13; kind += 1) note(`r${kind}`, START);
    log.sweep(START);
    expect(await entries()).toHaveLength(10);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { count: 3, msg: 'refusals of too many kinds for the audit log were not entered' },
    ]);
  });
});
