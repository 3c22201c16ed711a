import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { ReadAuditLogQueryVariables } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { ReadAuditLog } from '../support/operations.ts';

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
});
