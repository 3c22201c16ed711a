import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { scopes } from '../../src/modules/access/access.ts';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DatastoreEvents, ReadViewer } from '../support/operations.ts';

describeEachGateway('tokens', (open) => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await open({ testing: { limits: { recheckMs: 200 } } });
  });

  const create = (name: string, expiresAt: string | null = null) =>
    gateway.app.access.createToken('test', { name, scopes, environmentIds: null, expiresAt });
  const ask = (token: string) => gateway.send({ query: '{ viewer { token { name } } }' }, token);
  const now = () => new Date().toISOString();
  const change = (name: string, values: { revoked_at: string } | { expires_at: string }) =>
    gateway.app.database.query.updateTable('api_tokens').set(values).where('name', '=', name).execute();
  const revoke = (name: string) => change(name, { revoked_at: now() });

  test('say who they are, and never what', async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const token = await gateway.app.access.createToken('test', {
      name: 'reader',
      scopes: ['DATASTORES_READ'],
      environmentIds: null,
      expiresAt,
    });
    const { viewer } = await gateway.run(ReadViewer, {}, token);
    expect(viewer.token).toMatchObject({
      name: 'reader',
      prefix: token.slice(0, 10),
      scopes: ['DATASTORES_READ'],
      expiresAt,
      revokedAt: null,
      environments: null,
    });
    expect(Math.abs(Date.now() - Date.parse(viewer.token.lastUsedAt ?? ''))).toBeLessThan(60_000);
    const rows = await gateway.app.database.query.selectFrom('api_tokens').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(token.slice(10));
    expect(JSON.stringify(viewer)).not.toContain(token.slice(10));
  });

  test('of one name there is one', async () => {
    await create('twice');
    await expect(create('twice')).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  test('that are none are refused', async () => {
    const good = await create(`good ${randomUUID()}`);
    const last = good.endsWith('0') ? '1' : '0';
    for (const token of ['', 'x', good.slice(0, -1), `${good.slice(0, -1)}${last}`, `${good}0`, 'x'.repeat(600)]) {
      const { status, json } = await ask(token);
      expect(status).toBe(401);
      expect(json.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED');
    }
    const bare = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(bare.status).toBe(401);
    expect((await ask(good)).status).toBe(200);
  });

  test('that have expired are refused', async () => {
    const { status, json } = await ask(await create('expired', new Date(Date.now() - 1_000).toISOString()));
    expect(status).toBe(401);
    expect(json.errors?.[0]?.extensions?.code).toBe('UNAUTHENTICATED');
  });

  test('that are revoked are refused within seconds, though they were just used', async () => {
    const name = `revoked ${randomUUID()}`;
    const token = await create(name);
    expect((await ask(token)).status).toBe(200);
    await revoke(name);
    await eventually(async () => (await ask(token)).status === 401);
  });

  test.concurrent.each([
    ['revoked', 'follow'],
    ['revoked', 'followSse'],
    ['expired', 'follow'],
    ['expired', 'followSse'],
  ] as const)('that are %s end what they have open when they are looked at again: %s', async (how, by) => {
    const name = `${how} ${by}`;
    const token = await create(name, how === 'expired' ? new Date(Date.now() + 3_600_000).toISOString() : null);
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
    const api = apiOf(gateway);
    const { id } = await api.created({ config: { postgres: postgresConfig() } });
    for (let at = 0; seen.length === 0 && !over; at += 1) await api.updated({ id, label: `label ${at}` });
    expect(seen).not.toEqual([]);
    // its hour is over, as far as the database knows
    await (how === 'revoked' ? revoke(name) : change(name, { expires_at: now() }));
    expect(await ended).toMatch(/UNAUTHENTICATED|4403/);
    const count = seen.length;
    await api.removed(id);
    expect(seen).toHaveLength(count);
  });
});
