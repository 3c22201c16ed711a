import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { splitSecrets } from '../../src/connectors/kit/config/shape.ts';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  GOOGLE_NOWHERE,
  googleCloudStorageConfig,
  mongoDataApiConfig,
  oneOfEach,
  postgresConfig,
  qdrantConfig,
  s3Config,
} from '../support/inputs.ts';
import {
  CreateDatastore,
  ListConnectors,
  ReadDatastoreByName,
  ReadDocumentation,
  ReadTypedConfigs,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

describeEachGateway('creating and reading datastores', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open({ testing: { executor: GOOGLE_NOWHERE } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  test('stores what was given, with its defaults, and answers with all of it', async () => {
    const id = randomUUID();
    const config = { postgres: postgresConfig({ port: undefined }) };
    const datastore = await api.created({ id, environmentId, name: 'main', label: 'The main one', config });
    expect(datastore).toMatchObject({
      __typename: 'PostgresDatastore',
      id,
      type: 'POSTGRES',
      name: 'main',
      label: 'The main one',
      version: 1,
      environment: { id: environmentId },
      lastTest: null,
    });
    expect(datastore.createdBy).toMatch(/^all /);
    expect(datastore.updatedBy).toBe(datastore.createdBy);
    expect(datastore.updatedAt).toBe(datastore.createdAt);
    expect(datastore.configJson).toEqual({
      host: '127.0.0.1',
      port: 5432,
      username: 'reader',
      database: 'app',
      schema: 'public',
      tls: { mode: 'DISABLE' },
    });
    expect(await api.read(id)).toEqual(datastore);
    const { datastoreByName } = await gateway.run(ReadDatastoreByName, { environmentId, name: 'main' });
    expect(datastoreByName).toEqual(datastore);
  });

  test('every type is stored and read with its own config, and one document reads them all', async () => {
    const own = await api.newEnvironment();
    for (const config of oneOfEach) await api.created({ environmentId: own, config });
    const { datastores } = await gateway.run(ReadTypedConfigs, { environmentId: own });
    expect(datastores.nodes.map((node) => node.config)).toEqual([
      {
        __typename: 'GoogleCloudStorageConfig',
        bucket: 'my-data',
        credentials: { type: 'service_account', clientEmail: expect.any(String), projectId: null },
      },
      {
        __typename: 'MongoDataApiConfig',
        apiUrl: 'http://127.0.0.1:1/data/v1',
        dataSource: 'atlas',
        database: 'shop',
        collection: 'orders',
        tls: { mode: 'DISABLE', serverName: null },
      },
      {
        __typename: 'PostgresConfig',
        host: '127.0.0.1',
        port: 1,
        username: 'reader',
        database: 'app',
        schema: 'public',
        tls: { mode: 'DISABLE', serverName: null, caCertificate: null, clientCertificate: null },
      },
      {
        __typename: 'QdrantConfig',
        baseUrl: 'http://127.0.0.1',
        port: 1,
        collection: 'products',
        tls: { mode: 'DISABLE', serverName: null },
      },
      {
        __typename: 'S3Config',
        accessKeyId: 'AKIDEXAMPLE',
        region: 'us-east-1',
        bucket: 'my-data',
        baseUrl: 'http://127.0.0.1:1',
        forcePathStyle: null,
        path: null,
        pathKind: null,
        tls: { mode: 'DISABLE', serverName: null },
      },
    ]);
    expect(datastores.nodes.filter((node) => 'postgres' in node)).toMatchObject([{ postgres: { host: '127.0.0.1' } }]);
  });

  test('configJson of every type is valid as a patch, and changes nothing', async () => {
    for (const config of oneOfEach) {
      const [key = ''] = Object.keys(config);
      const { id, configJson, version } = await api.created({ environmentId, config });
      const patched = await api.updated({ id, config: { [key]: configJson } as never });
      expect(patched.configJson).toEqual(configJson);
      expect(patched.version).toBe(version);
    }
  });

  test('tells of each secret whether it is set, and since when, and never its value', async () => {
    const { connectors: shown } = await gateway.run(ListConnectors, {});
    for (const config of oneOfEach) {
      const { type, secrets, createdAt } = await api.created({ environmentId, config });
      const connector = shown.find((each) => each.type === type);
      expect(secrets.map(({ path }) => path)).toEqual(connector?.secretPaths);
      for (const { path, isSet, updatedAt } of secrets) {
        expect({ path, isSet, updatedAt }).toEqual(
          path === connector?.principalSecret
            ? { path, isSet: true, updatedAt: createdAt }
            : { path, isSet: false, updatedAt: null },
        );
      }
    }
  });

  test('says of each type how its form is laid out, and how its clients may be', async () => {
    const { connectors: shown } = await gateway.run(ListConnectors, {});
    for (const { type, formLayout, secretPaths, tenancySchema, supportsTenancy, ...schemas } of shown) {
      expect(formLayout[0], type).toMatchObject({ name: 'BASICS', title: 'Basics' });
      expect(formLayout.flatMap(({ fields }) => fields)).toEqual(expect.arrayContaining(secretPaths));
      expect(tenancySchema !== null, type).toBe(supportsTenancy);
      const [needed, neededForChange] = [schemas.configSchema, schemas.changeSchema].map((each) => {
        return (each as { readonly required: readonly string[] }).required;
      });
      expect(neededForChange, type).toEqual(needed?.filter((field) => !secretPaths.includes(field)));
    }
    const { connector } = await gateway.run(ReadDocumentation, { type: 'GOOGLE_CLOUD_STORAGE' });
    const page = await readFile(new URL('../../docs/connectors/google-cloud-storage.md', import.meta.url), 'utf8');
    expect(connector.documentation).toBe(page);
    const [{ tenancySchema } = {}] = shown.filter(({ type }) => type === 'ELASTICSEARCH');
    expect(tenancySchema).toMatchObject({ properties: { level: { oneOf: [{ const: 'TABLE' }] } } });
  });

  describe('names and labels', () => {
    test('a name is made from the label, and one that is taken gets a number', async () => {
      const own = await api.newEnvironment();
      const named = async (label: string) =>
        (await api.created({ environmentId: own, label, config: { postgres: postgresConfig() } })).name;
      expect(await named('Köln: Orders (EU)')).toBe('koln-orders-eu');
      expect(await named('Köln – orders EU')).toBe('koln-orders-eu-2');
      expect(await named('koln-orders-eu')).toBe('koln-orders-eu-3');
      expect(await named('订单')).toBe('postgres');
      expect(await named('!!!')).toBe('postgres-2');
      const long = 'x'.repeat(100);
      expect(await named(long)).toBe('x'.repeat(63));
      expect(await named(long)).toBe(`${'x'.repeat(61)}-2`);
    });

    test('twenty made at once from one label all get a name of their own', async () => {
      const own = await api.newEnvironment();
      const input = { environmentId: own, label: 'same', config: { postgres: postgresConfig() } };
      const made = await Promise.all(Array.from({ length: 20 }, () => api.created(input)));
      expect(new Set(made.map(({ name }) => name)).size).toBe(20);
    });

    test('what is left out is made from the other, and from the title when both are', async () => {
      const own = await api.newEnvironment();
      const make = async (given: { name?: string; label?: string | null }) => {
        const { name, label } = await api.created({
          environmentId: own,
          ...given,
          config: { qdrant: qdrantConfig() },
        });
        return { name, label };
      };
      expect(await make({ name: 'only-name' })).toEqual({ name: 'only-name', label: 'only-name' });
      expect(await make({ label: '  Only label ' })).toEqual({ name: 'only-label', label: 'Only label' });
      expect(await make({})).toEqual({ name: 'qdrant', label: 'Qdrant' });
      expect(await make({ label: null })).toEqual({ name: 'qdrant-2', label: 'Qdrant' });
      expect(await make({ name: 'both', label: 'Not the same' })).toEqual({ name: 'both', label: 'Not the same' });
    });

    test('a name that is taken is refused, in one environment only', async () => {
      const [one, other] = [await api.newEnvironment(), await api.newEnvironment()];
      const input = { name: 'taken', config: { s3: s3Config() } };
      await api.created({ environmentId: one, ...input });
      const refused = expectType(await api.create({ environmentId: one, ...input }), 'NameTakenError');
      expect(refused).toMatchObject({ code: 'NAME_TAKEN', issues: [{ path: ['input', 'name'], code: 'NAME_TAKEN' }] });
      expect(await api.count(one)).toBe(1);
      await api.created({ environmentId: other, ...input });
    });
  });

  describe('ids', () => {
    test('an id that is in use, or was, is refused in every other environment', async () => {
      const id = randomUUID();
      const config = { postgres: postgresConfig() };
      const elsewhere = await api.newEnvironment();
      await api.created({ id, environmentId, config });
      const before = await api.count(elsewhere);
      const inUse = expectType(
        await api.create({ id: id.toUpperCase(), environmentId: elsewhere, config }),
        'ConflictError',
      );
      expect(inUse).toMatchObject({ code: 'ID_TAKEN', current: null });
      await api.removed(id);
      const retired = expectType(await api.create({ id, environmentId: elsewhere, config }), 'ConflictError');
      expect(retired).toMatchObject({ code: 'ID_TAKEN', current: null });
      expect(await api.count(elsewhere)).toBe(before);
    });

    test('an id is kept in lower case, and found in any', async () => {
      const id = randomUUID().toUpperCase();
      const datastore = await api.created({
        id,
        environmentId: environmentId.toUpperCase(),
        config: { postgres: postgresConfig() },
      });
      expect(datastore.id).toBe(id.toLowerCase());
      expect(await api.read(id)).toEqual(datastore);
    });

    test('of twenty at once with one id, one is stored', async () => {
      const own = await api.newEnvironment();
      const id = randomUUID();
      const results = await Promise.all(
        Array.from({ length: 20 }, () =>
          api.create({ id, environmentId: own, config: { postgres: postgresConfig() } }),
        ),
      );
      expect(results.filter((result) => result.__typename === 'CreateDatastoreSuccess')).toHaveLength(1);
      expect(results.filter((result) => result.__typename === 'ConflictError')).toHaveLength(19);
      expect(await api.count(own)).toBe(1);
    });
  });

  describe('the principal secret', () => {
    test.each([
      { postgres: postgresConfig({ password: undefined }) },
      { s3: s3Config({ secretAccessKey: null }) },
      { qdrant: qdrantConfig({ apiKey: undefined }) },
      { mongoDataApi: mongoDataApiConfig({ apiKey: null }) },
      { elasticsearch: { serverType: 'SELF_MANAGED', url: 'https://127.0.0.1:1', username: 'reader' } as const },
    ])('configSecret fills its place: %j', async (config) => {
      const { secrets, type } = await api.created({ environmentId, config, configSecret: 'given-apart' });
      const principal = connectors.find((each) => each.type === type)?.principalSecret;
      expect(secrets.filter(({ isSet }) => isSet).map(({ path }) => path)).toEqual([principal]);
    });

    test('given twice it is refused, and left out it is not set', async () => {
      const config = { postgres: postgresConfig() };
      const refused = expectType(
        await api.create({ environmentId, config, configSecret: 'another-password' }),
        'ValidationError',
      );
      expect(issueList(refused)).toEqual(['input.configSecret INVALID_COMBINATION']);
      const { secrets } = await api.created({
        environmentId,
        config: { postgres: postgresConfig({ password: null }) },
      });
      expect(secrets.filter(({ isSet }) => isSet)).toEqual([]);
    });

    test.each(connectors.map((connector) => [connector.type, connector] as const))(
      'of %s is asked for where the type cannot do without, with all that is wrong besides',
      async (_type, connector) => {
        const { config: bare } = splitSecrets(connector, { ...connector.example });
        const missing = connector.config.safeParse(bare).error?.issues ?? [];
        if (missing.length === 0) return expect(connector.config.safeParse(bare).success).toBe(true);
        const config = { [configKey(connector)]: bare } as never;
        const { createDatastore } = await gateway.run(CreateDatastore, {
          input: { environmentId, label: 'x'.repeat(129), config },
        });
        const expected = missing.map(({ path }) => `input.config.${configKey(connector)}.${path.join('.')} REQUIRED`);
        expect(issueList(expectType(createDatastore, 'ValidationError'))).toEqual([
          'input.label TOO_LONG',
          ...expected,
        ]);
        const refused = expectType(
          await api.startTest({ target: { draft: { environmentId, config } } }),
          'ValidationError',
        );
        expect(issueList(refused)).toEqual(expected.map((issue) => issue.replace('input.', 'input.target.draft.')));
      },
    );

    test('that a type cannot do without may be left out of a patch, and not be taken away', async () => {
      const { id } = await api.created({ environmentId, config: { s3: s3Config() } });
      await api.updated({ id, config: { s3: { bucket: 'other' } } });
      const refused = expectType(
        await api.update({ id, config: { s3: { secretAccessKey: null } } }),
        'ValidationError',
      );
      expect(issueList(refused)).toEqual(['input.config.s3.secretAccessKey REQUIRED']);
    });

    test('that an older version did not ask for: all goes on, and a change of the config asks for it', async () => {
      const { id } = await api.created({ environmentId, config: { s3: s3Config() } });
      const { query } = gateway.app.database;
      await query.updateTable('datastores').set({ secrets: '[]' }).where('id', '=', id).execute();
      await query.deleteFrom('secret_versions').where('datastore_id', '=', id).execute();
      await query.deleteFrom('secret_keys').where('datastore_id', '=', id).execute();
      expect((await api.read(id))?.secrets.filter(({ isSet }) => isSet)).toEqual([]);
      expect((await api.updated({ id, label: 'Still there' })).label).toBe('Still there');
      const { id: testId } = await api.testStarted({ target: { datastoreId: id } });
      expect((await api.ended(testId)).status).toBe('FAILED');
      const refused = expectType(await api.update({ id, config: { s3: { bucket: 'other' } } }), 'ValidationError');
      expect(issueList(refused)).toEqual(['input.config.s3.secretAccessKey REQUIRED']);
      const given = await api.updated({ id, config: { s3: { bucket: 'other' } }, configSecret: 'secret-of-s3' });
      expect(given.secrets.filter(({ isSet }) => isSet).map(({ path }) => path)).toEqual(['secretAccessKey']);
    });

    test('is checked by the rules of its field', async () => {
      const config = googleCloudStorageConfig();
      const credentials = { clientEmail: 'reader@my-project.iam.gserviceaccount.com' };
      const refused = expectType(
        await api.create({
          environmentId,
          config: { googleCloudStorage: { ...config, credentials } },
          configSecret: 'no PEM',
        }),
        'ValidationError',
      );
      expect(refused.issues).toMatchObject([{ configPath: 'credentials.privateKey', code: 'INVALID_FORMAT' }]);
    });
  });

  describe('an environment that is left out', () => {
    const config = { postgres: postgresConfig() };

    test('is the caller’s only one', async () => {
      const only = await api.newEnvironment();
      const token = await gateway.createToken(`one ${only}`, ['DATASTORES_READ', 'DATASTORES_WRITE'], [only]);
      const caller = apiOf(gateway, token);
      const datastore = await caller.created({ name: 'mine', config });
      expect(datastore.environment.id).toBe(only);
      const { datastoreByName } = await gateway.run(ReadDatastoreByName, { name: 'mine' }, token);
      expect(datastoreByName?.id).toBe(datastore.id);
    });

    test('is asked for when the caller has several', async () => {
      const refused = expectType(await api.create({ config }), 'ValidationError');
      expect(issueList(refused)).toEqual(['input.environmentId ENVIRONMENT_REQUIRED']);
      const { errors } = await gateway.execute(ReadDatastoreByName, { name: 'mine' });
      expect(errors?.[0]?.extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        issues: [{ path: ['environmentId'], code: 'ENVIRONMENT_REQUIRED' }],
      });
    });

    test('is asked for when the caller has none', async () => {
      const token = await gateway.createToken(`none ${randomUUID()}`, ['DATASTORES_WRITE'], []);
      const refused = expectType(await apiOf(gateway, token).create({ config }), 'ValidationError');
      expect(issueList(refused)).toEqual(['input.environmentId ENVIRONMENT_REQUIRED']);
    });
  });

  test('names every wrong field at once, with its path and its place in the config', async () => {
    const { createDatastore } = await gateway.run(CreateDatastore, {
      input: {
        environmentId,
        label: 'x'.repeat(129),
        config: {
          postgres: postgresConfig({
            host: 'https://db.example',
            port: 0,
            username: '',
            tls: { mode: 'VERIFY_CA', caCertificate: 'no PEM', serverName: 'not a name' },
          }),
        },
      },
    });
    const { issues } = expectType(createDatastore, 'ValidationError');
    expect(issues.map(({ path, configPath, code }) => [path.join('.'), configPath, code])).toEqual([
      ['input.label', null, 'TOO_LONG'],
      ['input.config.postgres.host', 'host', 'URL_IN_HOST'],
      ['input.config.postgres.port', 'port', 'OUT_OF_RANGE'],
      ['input.config.postgres.username', 'username', 'TOO_SHORT'],
      ['input.config.postgres.tls.caCertificate', 'tls.caCertificate', 'INVALID_FORMAT'],
      ['input.config.postgres.tls.serverName', 'tls.serverName', 'INVALID_FORMAT'],
    ]);
  });

  test.each(['two\nlines', 'a\u0000zero', ' '])('a label %j is refused', async (label) => {
    const refused = expectType(
      await api.create({ environmentId, label, config: { postgres: postgresConfig() } }),
      'ValidationError',
    );
    expect(refused.issues).toMatchObject([{ path: ['input', 'label'] }]);
  });

  test('an address that the gateway does not connect to is refused where it stands', async () => {
    const refused = expectType(
      await api.create({ environmentId, config: { postgres: postgresConfig({ host: '169.254.169.254' }) } }),
      'ValidationError',
    );
    expect(refused.issues).toMatchObject([
      { path: ['input', 'config', 'postgres', 'host'], configPath: 'host', code: 'ADDRESS_NOT_ALLOWED' },
    ]);
  });
});
