import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { DatastoreConfigInput, DatastoreConfigPatch, PostgresConfigPatch } from '../support/gql/graphql.ts';
import {
  CERTIFICATE,
  GOOGLE_NOWHERE,
  googleCloudStorageConfig,
  mongoDataApiConfig,
  OTHER_CERTIFICATE,
  PRIVATE_KEY,
  postgresConfig,
  qdrantConfig,
  s3Config,
} from '../support/inputs.ts';
import { startFakeQdrant } from '../support/peers/fake-qdrant.ts';
import { startGate } from '../support/peers/gate.ts';
import { expectType, issueList } from '../support/results.ts';

describeEachGateway('updating datastores', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open({ testing: { executor: GOOGLE_NOWHERE } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const newPostgres = (more: Parameters<typeof postgresConfig>[0] = {}) =>
    api.created({ environmentId, config: { postgres: postgresConfig(more) } });

  const fullTls = {
    mode: 'VERIFY_CA',
    caCertificate: CERTIFICATE,
    clientCertificate: CERTIFICATE,
    clientKey: PRIVATE_KEY,
    serverName: 'db.example',
  } as const;

  describe('a patch', () => {
    test('changes what it names and leaves the rest, secrets too', async () => {
      const before = await newPostgres({ tls: fullTls, schema: 'sales' });
      const after = await api.updated({ id: before.id, config: { postgres: { username: 'writer' } } });
      expect(after).toEqual({
        ...before,
        version: 2,
        updatedAt: after.updatedAt,
        configJson: { ...(before.configJson as object), username: 'writer' },
      });
      expect(Date.parse(after.updatedAt)).toBeGreaterThanOrEqual(Date.parse(before.updatedAt));
      expect(await api.read(before.id)).toEqual(after);
    });

    test('null clears, or brings the default back', async () => {
      const before = await newPostgres({ schema: 'sales', tls: { ...fullTls, serverName: undefined } });
      const after = await api.updated({
        id: before.id,
        config: { postgres: { schema: null, tls: { clientCertificate: null, clientKey: null } } },
      });
      expect(after.configJson).toMatchObject({
        schema: 'public',
        tls: { mode: 'VERIFY_CA', caCertificate: CERTIFICATE },
      });
      expect((after.configJson as { tls: object }).tls).not.toHaveProperty('clientCertificate');
      expect(isSet(after)).toMatchObject({ password: true, 'tls.clientKey': false });
      const { secrets } = await api.updated({ id: before.id, config: { postgres: { password: null } } });
      expect(isSet({ secrets })).toMatchObject({ password: false, 'tls.clientKey': false });
    });

    test('is merged deep: one field of tls leaves the others', async () => {
      const before = await newPostgres({ tls: fullTls });
      const after = await api.updated({ id: before.id, config: { postgres: { tls: { mode: 'VERIFY_FULL' } } } });
      expect(after.configJson).toEqual({
        ...(before.configJson as object),
        tls: { ...(before.configJson as { tls: object }).tls, mode: 'VERIFY_FULL' },
      });
      expect(after.secrets).toEqual(before.secrets);
    });

    test('of nested credentials leaves the key where it is', async () => {
      const config = { googleCloudStorage: googleCloudStorageConfig() };
      const { id, secrets } = await api.created({ environmentId, config });
      const after = await api.updated({
        id,
        config: { googleCloudStorage: { credentials: { projectId: 'my-project' } } },
      });
      expect(after.configJson).toMatchObject({ credentials: { projectId: 'my-project', type: 'service_account' } });
      expect(after.secrets).toEqual(secrets);
    });

    test('with a new secret replaces just that one', async () => {
      const before = await newPostgres({ tls: fullTls });
      const after = await api.updated({ id: before.id, configSecret: 'a-new-password' });
      expect(after.version).toBe(2);
      const [was, is] = [before, after].map(({ secrets }) => new Map(secrets.map((each) => [each.path, each])));
      expect(is?.get('tls.clientKey')).toEqual(was?.get('tls.clientKey'));
      expect(is?.get('password')?.updatedAt).toBe(after.updatedAt);
    });

    test('the merged whole is checked, and every wrong field of it is named at once', async () => {
      const { id } = await newPostgres({ tls: { ...fullTls, clientKey: undefined, clientCertificate: undefined } });
      const refused = async (config: PostgresConfigPatch) =>
        expectType(await api.update({ id, config: { postgres: config } }), 'ValidationError');
      const several = await refused({ host: 'a b', port: 65_536, database: null, tls: { serverName: 'https://x' } });
      expect(several.issues.map(({ path, configPath, code }) => [path.join('.'), configPath, code])).toEqual([
        ['input.config.postgres.host', 'host', 'INVALID_FORMAT'],
        ['input.config.postgres.port', 'port', 'OUT_OF_RANGE'],
        ['input.config.postgres.tls.serverName', 'tls.serverName', 'URL_IN_HOST'],
      ]);
      // each is right by itself, the whole is not
      expect(issueList(await refused({ database: null }))).toEqual(['input.config.postgres.database REQUIRED']);
      expect(issueList(await refused({ tls: { clientKey: PRIVATE_KEY } }))).toEqual([
        'input.config.postgres.tls.clientCertificate INVALID_COMBINATION',
      ]);
      expect(await api.read(id)).toMatchObject({ version: 1 });
    });

    test('of another type is refused: a type never changes', async () => {
      const { id } = await newPostgres();
      const refused = expectType(await api.update({ id, config: { s3: { bucket: 'other' } } }), 'ValidationError');
      expect(issueList(refused)).toEqual(['input.config.s3 WRONG_TYPE']);
      expect(await api.read(id)).toMatchObject({ type: 'POSTGRES', version: 1 });
    });

    test('that changes nothing keeps the version', async () => {
      const before = await newPostgres();
      const { configJson, label, name } = before;
      for (const input of [
        {},
        { label, name },
        { label: null, name: null, config: null, configSecret: null },
        { config: { postgres: configJson as PostgresConfigPatch } },
        { config: { postgres: { password: 'secret-of-postgres', schema: null } } },
      ]) {
        expect(await api.updated({ id: before.id, ...input })).toEqual(before);
      }
    });
  });

  describe('label and name', () => {
    test('change without touching the config', async () => {
      const before = await newPostgres();
      const name = `n-${randomUUID()}`;
      const after = await api.updated({ id: before.id, label: ' New ', name });
      expect(after).toEqual({ ...before, label: 'New', name, version: 2, updatedAt: after.updatedAt });
    });

    test('a name that is taken is refused', async () => {
      const [one, other] = [await newPostgres(), await newPostgres()];
      const refused = expectType(await api.update({ id: one.id, name: other.name }), 'NameTakenError');
      expect(issueList(refused)).toEqual(['input.name NAME_TAKEN']);
      expect(await api.read(one.id)).toEqual(one);
    });
  });

  test('of what does not exist', async () => {
    const id = randomUUID();
    expect(await api.update({ id, label: 'x' })).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
  });

  describe('versions', () => {
    test('another than the expected one is refused, with how it is now', async () => {
      const { id } = await newPostgres();
      await api.updated({ id, expectedVersion: 1, label: 'second' });
      const refused = expectType(await api.update({ id, expectedVersion: 1, label: 'lost' }), 'ConflictError');
      expect(refused).toMatchObject({ code: 'VERSION_CONFLICT', current: { id, version: 2, label: 'second' } });
      expect(await api.read(id)).toMatchObject({ label: 'second', version: 2 });
    });

    test('of fifty writers on one version, one wins', async () => {
      const { id } = await newPostgres();
      const writers = Array.from({ length: 50 }, (_, writer) =>
        api.update({ id, expectedVersion: 1, label: `writer ${writer}`, configSecret: `password of ${writer}` }),
      );
      const results = await Promise.all(writers);
      const winners = results.flatMap((result) => (result.__typename === 'UpdateDatastoreSuccess' ? [result] : []));
      expect(winners).toHaveLength(1);
      expect(results.filter((result) => result.__typename === 'ConflictError')).toHaveLength(49);
      expect(await api.read(id)).toEqual(winners[0]?.datastore);
    });

    test('fifty who name no version and replace the same secret: all that are told so are stored, each once', async () => {
      const { id } = await newPostgres();
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, writer) => api.update({ id, configSecret: `password of ${writer}` })),
      );
      const kinds = new Set(results.map((result) => result.__typename));
      kinds.delete('ConflictError');
      expect([...kinds]).toEqual(['UpdateDatastoreSuccess']);
      const stored = results.filter((result) => result.__typename === 'UpdateDatastoreSuccess').length;
      expect(await api.read(id)).toMatchObject({ version: 1 + stored });
      const rows = await gateway.app.database.query
        .selectFrom('secret_versions')
        .select('id')
        .where('datastore_id', '=', id)
        .execute();
      expect(rows).toHaveLength(1);
    });
  });

  describe('a passed test', () => {
    const passing = async () => {
      const qdrant = await startFakeQdrant({ collections: { products: 1 } });
      const gate = await startGate(qdrant.port);
      onTestFinished(async () => {
        await gate.close();
        await qdrant.close();
      });
      const config = qdrantConfig({ port: gate.port, apiKey: null });
      return { gate, ...(await api.created({ environmentId, config: { qdrant: config } })) };
    };

    test('is the last one of what was stored with it', async () => {
      const { gate, id } = await passing();
      gate.open();
      const testId = randomUUID();
      const after = await api.updated({ id, label: 'proved', test: { testId } });
      expect(after).toMatchObject({ version: 2, lastTest: { id: testId, status: 'PASSED', purpose: 'BEFORE_SAVE' } });
      const again = await api.updated({ id, test: { testId: randomUUID() } });
      expect(again).toMatchObject({ version: 2, lastTest: { status: 'PASSED' } });
      expect(again.lastTest?.id).not.toBe(testId);
      expect(await api.read(id)).toEqual(again);
    });

    test.each([
      ['a change', { label: 'late' }],
      ['no change', {}],
    ])('is nobody’s when another change came first: %s', async (_name, change) => {
      const { gate, id } = await passing();
      const late = api.update({ id, ...change, test: { testId: randomUUID() } });
      await eventually(() => gate.waiting() > 0);
      await api.updated({ id, config: { qdrant: { collection: 'others' } } });
      gate.open();
      expect(await late).toMatchObject({
        __typename: 'ConflictError',
        code: 'VERSION_CONFLICT',
        current: { version: 2 },
      });
      expect(await api.read(id)).toMatchObject({ version: 2, lastTest: null, configJson: { collection: 'others' } });
    });
  });

  describe('secrets are given again when their destination changes', () => {
    const ca = OTHER_CERTIFICATE;
    const cases: [string, DatastoreConfigInput, DatastoreConfigPatch, string[]][] = [
      ['host', { postgres: postgresConfig() }, { postgres: { host: '127.0.0.2' } }, ['password']],
      ['port', { postgres: postgresConfig() }, { postgres: { port: 2 } }, ['password']],
      ['port, to its default', { postgres: postgresConfig() }, { postgres: { port: null } }, ['password']],
      [
        'weaker TLS',
        { postgres: postgresConfig({ tls: fullTls }) },
        { postgres: { tls: { mode: 'REQUIRE' } } },
        ['password', 'tls.clientKey'],
      ],
      [
        'no TLS instead of the default',
        { postgres: postgresConfig({ tls: undefined }) },
        { postgres: { tls: { mode: 'DISABLE' } } },
        ['password'],
      ],
      [
        'another CA',
        { postgres: postgresConfig({ tls: fullTls }) },
        { postgres: { tls: { caCertificate: ca } } },
        ['password', 'tls.clientKey'],
      ],
      [
        'no CA of one’s own any more',
        { postgres: postgresConfig({ tls: fullTls }) },
        { postgres: { tls: { caCertificate: null } } },
        ['password', 'tls.clientKey'],
      ],
      [
        'another server name',
        { postgres: postgresConfig({ tls: fullTls }) },
        { postgres: { tls: { serverName: 'other.example' } } },
        ['password', 'tls.clientKey'],
      ],
      [
        'region',
        { s3: s3Config({ sessionToken: 'token' }) },
        { s3: { region: 'eu-central-1' } },
        ['secretAccessKey', 'sessionToken'],
      ],
      ['S3’s base URL', { s3: s3Config() }, { s3: { baseUrl: 'http://127.0.0.1:2' } }, ['secretAccessKey']],
      ['Qdrant’s base URL', { qdrant: qdrantConfig() }, { qdrant: { baseUrl: 'http://127.0.0.2' } }, ['apiKey']],
      [
        'the API’s URL',
        { mongoDataApi: mongoDataApiConfig() },
        { mongoDataApi: { apiUrl: 'http://127.0.0.1:1/v2' } },
        ['apiKey'],
      ],
      [
        'another cloud of Google’s',
        { googleCloudStorage: googleCloudStorageConfig() },
        { googleCloudStorage: { credentials: { universeDomain: 'cloud.example' } } },
        ['credentials.privateKey'],
      ],
    ];

    test.each(cases)('%s', async (_name, config, patch, secrets) => {
      const before = await api.created({ environmentId, config });
      const refused = expectType(await api.update({ id: before.id, config: patch }), 'SecretsRequiredError');
      expect(refused.issues.map(({ configPath }) => configPath)).toEqual(secrets);
      const [key] = Object.keys(config);
      for (const { path, configPath, code } of refused.issues) {
        expect(code).toBe('SECRET_REQUIRED');
        expect(path.join('.')).toBe(`input.config.${key}.${configPath}`);
      }
      expect(await api.read(before.id)).toEqual(before);
    });

    test('with them it is stored', async () => {
      const { id } = await newPostgres({ tls: fullTls });
      const config = { host: '127.0.0.2', port: 2, tls: { mode: 'REQUIRE', clientKey: PRIVATE_KEY } } as const;
      const half = expectType(await api.update({ id, config: { postgres: config } }), 'SecretsRequiredError');
      expect(half.issues.map(({ configPath }) => configPath)).toEqual(['password']);
      const after = await api.updated({ id, config: { postgres: config }, configSecret: 'secret-of-postgres' });
      expect(after.configJson).toMatchObject({ host: '127.0.0.2', port: 2, tls: { mode: 'REQUIRE' } });
    });

    test('or without those that go at the same time', async () => {
      const { id } = await newPostgres();
      const after = await api.updated({ id, config: { postgres: { host: '127.0.0.2', password: null } } });
      expect(isSet(after)).toMatchObject({ password: false, 'tls.clientKey': false });
    });

    test.each<[string, PostgresConfigPatch]>([
      ['a stronger TLS mode', { tls: { mode: 'VERIFY_FULL' } }],
      ['the user', { username: 'writer' }],
      ['the database', { database: 'other' }],
      ['the schema', { schema: 'other' }],
      ['the client’s certificate', { tls: { clientCertificate: `${CERTIFICATE}${CERTIFICATE}` } }],
      ['the same host in other letters', { host: 'LOCALHOST' }],
    ])('not for %s', async (_name, postgres) => {
      const before = await newPostgres({ host: 'localhost', tls: fullTls });
      const after = await api.updated({ id: before.id, config: { postgres } });
      expect(after.secrets).toEqual(before.secrets);
    });

    test('the test of a change asks for them too', async () => {
      const { id } = await newPostgres();
      const change = { datastoreId: id, config: { postgres: { host: '127.0.0.2' } } };
      const refused = expectType(await api.startTest({ target: { change } }), 'SecretsRequiredError');
      expect(issueList(refused)).toEqual(['input.target.change.config.postgres.password SECRET_REQUIRED']);
    });
  });
});

function isSet({ secrets }: { secrets: readonly { path: string; isSet: boolean }[] }): Record<string, boolean> {
  return Object.fromEntries(secrets.map((secret) => [secret.path, secret.isSet]));
}
