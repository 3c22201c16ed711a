import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { CERTIFICATE, PRIVATE_KEY, postgresConfig, qdrantConfig } from '../support/inputs.ts';

const UPSERT = `mutation ($input: UpsertDatastoreInput!) { upsertDatastore(input: $input) {
  __typename ... on UserError { code issues { path code } } ... on ConflictError { current { id } }
  ... on UpsertDatastoreSuccess { outcome datastore { id version label ownerName configJson secrets { path isSet } lastTest { id } } }
} }`;

interface Result {
  readonly __typename: string;
  readonly outcome?: string;
  readonly datastore?: {
    readonly id: string;
    readonly version: number;
    readonly configJson: Record<string, unknown>;
    readonly secrets: readonly { readonly path: string; readonly isSet: boolean }[];
  };
}

const config = { postgres: postgresConfig() };

describeEachGateway('upserting datastores', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  async function upsert(input: object): Promise<Result> {
    const { json, text } = await gateway.send({ query: UPSERT, variables: { input: { environmentId, ...input } } });
    const [result] = Object.values(json.data ?? {});
    if (!result) throw new Error(text);
    return result as Result;
  }
  const newName = () => `n-${randomUUID()}`;
  const outcomeOf = async (input: object) => {
    const { outcome, datastore, ...other } = await upsert(input);
    return outcome ? `${outcome} ${datastore?.version}` : other;
  };
  const setSecrets = (result: Result) => result.datastore?.secrets.filter(({ isSet }) => isSet).map(({ path }) => path);
  const rows = async () => {
    const { query } = gateway.app.database;
    const tables = ['datastores', 'secret_versions', 'secret_keys', 'journal', 'connection_tests'] as const;
    return Promise.all(
      tables.map((table) =>
        query
          .selectFrom(table)
          .selectAll()
          .orderBy('id' as never)
          .execute(),
      ),
    );
  };

  test('creates, changes what differs, and otherwise touches no row', async () => {
    const name = newName();
    const given = { name, config, ownerName: 'Ann', tags: [{ key: 'team', value: 'payments' }] };
    expect(await outcomeOf(given)).toBe('CREATED 1');
    const before = await rows();
    const { password: _, ...withoutPassword } = config.postgres;
    for (const same of [
      given,
      { name, config },
      { name, config: { postgres: withoutPassword } },
      { ...given, test: {} },
    ])
      expect(await outcomeOf(same)).toBe('UNCHANGED 1');
    expect(await rows()).toEqual(before);

    expect(await outcomeOf({ name, config: { postgres: { ...withoutPassword, password: 'another' } } })).toBe(
      'UPDATED 2',
    );
    expect(await outcomeOf({ name, config: { postgres: withoutPassword }, configSecret: 'another' })).toBe(
      'UNCHANGED 2',
    );
    const { datastore } = await upsert({ name, config: { postgres: withoutPassword }, ownerName: null });
    expect(datastore).toMatchObject({ version: 3, ownerName: null, label: name });
  });

  test('takes the config for the whole: what is left out goes, but for secrets whose block stays', async () => {
    const name = newName();
    const tls = { mode: 'VERIFY_CA', caCertificate: CERTIFICATE, clientCertificate: CERTIFICATE };
    const full = postgresConfig({ schema: 'sales', tls: { ...tls, clientKey: PRIVATE_KEY } as never });
    expect(setSecrets(await upsert({ name, config: { postgres: full } }))).toEqual(['password', 'tls.clientKey']);
    const { password: _, schema: __, ...rest } = full;
    const kept = await upsert({ name, config: { postgres: { ...rest, tls } } });
    expect(kept).toMatchObject({ outcome: 'UPDATED' });
    expect(setSecrets(kept)).toEqual(['password', 'tls.clientKey']);
    expect(kept.datastore?.configJson.schema).not.toBe('sales');
    const without = { mode: 'VERIFY_CA', caCertificate: CERTIFICATE };
    const taken = await upsert({ name, config: { postgres: { ...rest, tls: { ...without, clientKey: null } } } });
    expect(setSecrets(taken)).toEqual(['password']);
    await upsert({ name, config: { postgres: full } });
    expect(setSecrets(await upsert({ name, config: { postgres: { ...full, tls: null } } }))).toEqual(['password']);
  });

  test('tells what a new datastore lacks, as a form would', async () => {
    const { host: _, ...withoutHost } = config.postgres;
    expect(await upsert({ name: newName(), config: { postgres: { ...withoutHost, database: null } } })).toMatchObject({
      __typename: 'ValidationError',
      issues: [
        { path: ['input', 'config', 'postgres', 'host'], code: 'REQUIRED' },
        { path: ['input', 'config', 'postgres', 'database'], code: 'REQUIRED' },
      ],
    });
  });

  test('refuses another type, and to send a kept secret elsewhere', async () => {
    const name = newName();
    await upsert({ name, config });
    expect(await upsert({ name, config: { qdrant: qdrantConfig() } })).toMatchObject({
      issues: [{ path: ['input', 'config', 'qdrant'], code: 'WRONG_TYPE' }],
    });
    const { password, ...elsewhere } = postgresConfig({ port: 2 });
    expect(await upsert({ name, config: { postgres: elsewhere } })).toMatchObject({
      __typename: 'SecretsRequiredError',
      issues: [{ path: ['input', 'config', 'postgres', 'password'], code: 'SECRET_REQUIRED' }],
    });
    expect(await outcomeOf({ name, config: { postgres: { ...elsewhere, password } } })).toBe('UPDATED 2');
  });

  test('stores nothing when the test that is asked for fails', async () => {
    const name = newName();
    expect(await upsert({ name, config, test: {} })).toMatchObject({ __typename: 'ConnectionTestFailedError' });
    expect(await outcomeOf({ name, config })).toBe('CREATED 1');
    expect(await upsert({ name, config, label: 'new', test: {} })).toMatchObject({
      __typename: 'ConnectionTestFailedError',
    });
    expect(await outcomeOf({ name, config })).toBe('UNCHANGED 1');
  });

  describe('several at once', () => {
    test('of the same: one creates, and none is refused', async () => {
      const name = newName();
      const outcomes = await Promise.all(Array.from({ length: 4 }, () => outcomeOf({ name, config })));
      expect(outcomes.toSorted()).toEqual(['CREATED 1', 'UNCHANGED 1', 'UNCHANGED 1', 'UNCHANGED 1']);
    });

    test('that differ: one creates, and each other changes what it finds', async () => {
      const name = newName();
      const owners = ['Ann', 'Bob', 'Cem', 'Dee'];
      const outcomes = await Promise.all(owners.map((ownerName) => outcomeOf({ name, config, ownerName })));
      expect(outcomes.toSorted()).toEqual(['CREATED 1', 'UPDATED 2', 'UPDATED 3', 'UPDATED 4']);
    });
  });
});
