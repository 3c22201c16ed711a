import { createHash, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { CERTIFICATE, GOOGLE_NOWHERE, PRIVATE_KEY, postgresConfig } from '../support/inputs.ts';
import { madeUpBytes } from '../support/random.ts';

/**
 * Stands in every value that is sent, and must not stand in anything that comes back. A name, a host and a bucket can
 * hold it.
 */
// so many digits at a time: names that look like names are shown back
const canary = `cnry90210${madeUpBytes(6).toString('hex')}`;

const CREATE = `mutation ($input: CreateDatastoreInput!) {
  createDatastore(input: $input) {
    __typename ... on UserError { code message issues { path configPath code message } }
    ... on NotFoundError { ids } ... on ConflictError { current { id } }
  }
}`;
const UPDATE = CREATE.replaceAll('CreateDatastore', 'UpdateDatastore').replace('createDatastore', 'updateDatastore');
const UPSERT = UPDATE.replaceAll('UpdateDatastore', 'UpsertDatastore').replace('updateDatastore', 'upsertDatastore');
const DELETE = `mutation ($input: DeleteDatastoresInput!) {
  deleteDatastores(input: $input) { __typename ... on UserError { code issues { path configPath code message } } }
}`;
const START = `mutation ($input: StartConnectionTestInput!) {
  startConnectionTest(input: $input) { __typename ... on UserError { code issues { path configPath code message } } }
}`;

interface Issue {
  readonly path: readonly string[];
  readonly configPath: string | null;
  readonly code: string;
  readonly message: string;
}

type Values = Record<string, unknown>;

/** Right in every field, with the canary in each text that takes one. */
const good: Record<string, Values> = {
  postgres: {
    host: '127.0.0.1',
    port: 1,
    username: `${canary}-user`,
    password: `${canary}-password`,
    database: `${canary}-database`,
    tls: { mode: 'DISABLE' },
  },
  s3: {
    accessKeyId: canary,
    secretAccessKey: `${canary}-secret`,
    region: 'eu-central-1',
    bucket: canary,
    baseUrl: 'http://127.0.0.1:1',
    tls: { mode: 'DISABLE' },
  },
  qdrant: { baseUrl: 'http://127.0.0.1', port: 1, apiKey: canary, collection: canary, tls: { mode: 'DISABLE' } },
  mongoDataApi: {
    apiUrl: 'http://127.0.0.1:1',
    apiKey: canary,
    dataSource: canary,
    database: canary,
    tls: { mode: 'DISABLE' },
  },
  googleCloudStorage: { bucket: canary, credentials: { clientEmail: `${canary}@x.example`, privateKey: PRIVATE_KEY } },
};

interface BadConfig {
  readonly title: string;
  readonly key: keyof typeof good;
  readonly wrong: Values;
  /** Config path and code of each issue. */
  readonly issues: readonly (readonly [configPath: string, code: string])[];
  /** What a message must say. */
  readonly says?: RegExp;
}

const bad = (key: string, title: string, wrong: Values, issues: [string, string][], says?: RegExp): BadConfig => ({
  title: `${key}: ${title}`,
  key,
  wrong,
  issues,
  ...(says ? { says } : {}),
});

const url = `postgresql://${canary}-u:${canary}-p@${canary}.example:5432/${canary}-db?sslmode=require`;
const tls = (more: Values) => ({ tls: { mode: 'VERIFY_CA', ...more } });

const badConfigs: readonly BadConfig[] = [
  bad(
    'postgres',
    'a URL in the host',
    { host: url },
    [['host', 'URL_IN_HOST']],
    /host, port, username, password, database, and tls/,
  ),
  bad('postgres', 'host and port in the host', { host: `${canary}.example:5432` }, [['host', 'INVALID_FORMAT']]),
  bad('postgres', 'user and host in the host', { host: `${canary}@db.example` }, [['host', 'INVALID_FORMAT']]),
  bad('postgres', 'a path in the host', { host: `/var/run/${canary}` }, [['host', 'INVALID_FORMAT']]),
  bad('postgres', 'several hosts', { host: `${canary},127.0.0.1` }, [['host', 'INVALID_FORMAT']]),
  bad('postgres', 'a host that is too long', { host: `${canary}${'x'.repeat(253)}` }, [['host', 'TOO_LONG']]),
  ...['127.1', '2130706433', '0x7f.1', 'localhost.', 'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ', '%31%32%37.0.0.1', 'fe80::1%eth0'].map((host) =>
    bad('postgres', `the host ${host}`, { host }, [['host', 'INVALID_FORMAT']]),
  ),
  bad('postgres', 'port 0', { port: 0 }, [['port', 'OUT_OF_RANGE']], /1/),
  bad('postgres', 'port 65536', { port: 65_536 }, [['port', 'OUT_OF_RANGE']], /65535/),
  bad('postgres', 'port -1', { port: -1 }, [['port', 'OUT_OF_RANGE']]),
  bad('postgres', 'names that are too long', { username: `${canary}${'x'.repeat(128)}`, schema: canary.repeat(5) }, [
    ['username', 'TOO_LONG'],
    ['schema', 'TOO_LONG'],
  ]),
  bad('postgres', 'a zero byte in the password', { password: `${canary}\u0000x` }, [['password', 'INVALID_FORMAT']]),
  bad(
    'postgres',
    'a CA certificate that is no PEM',
    tls({ caCertificate: canary }),
    [['tls.caCertificate', 'INVALID_FORMAT']],
    /-----BEGIN/,
  ),
  bad('postgres', 'a path to a CA certificate', tls({ caCertificate: `/etc/ssl/${canary}.pem` }), [
    ['tls.caCertificate', 'INVALID_FORMAT'],
  ]),
  bad('postgres', 'a key for a certificate', tls({ caCertificate: PRIVATE_KEY }), [
    ['tls.caCertificate', 'INVALID_FORMAT'],
  ]),
  bad('postgres', 'a certificate without its key', tls({ clientCertificate: CERTIFICATE }), [
    ['tls.clientKey', 'INVALID_COMBINATION'],
  ]),
  bad('postgres', 'a key that is no PEM', tls({ clientCertificate: CERTIFICATE, clientKey: canary }), [
    ['tls.clientKey', 'INVALID_FORMAT'],
  ]),
  bad('postgres', 'a URL in the server name', tls({ serverName: `https://${canary}.example` }), [
    ['tls.serverName', 'URL_IN_HOST'],
  ]),
  bad(
    'postgres',
    'several things at once',
    { host: `a ${canary}`, port: 0, database: '', ...tls({ caCertificate: canary }) },
    [
      ['host', 'INVALID_FORMAT'],
      ['port', 'OUT_OF_RANGE'],
      ['database', 'TOO_SHORT'],
      ['tls.caCertificate', 'INVALID_FORMAT'],
    ],
  ),
  bad('s3', 'clear text without saying so', { tls: { mode: null } }, [['baseUrl', 'INVALID_COMBINATION']]),
  bad('s3', 'a user in the URL', { baseUrl: `http://${canary}@127.0.0.1:1` }, [['baseUrl', 'INVALID_FORMAT']]),
  bad('s3', 'a user with a password in the URL', { baseUrl: `http://${canary}:${canary}@127.0.0.1:1` }, [
    ['baseUrl', 'SECRET_IN_OPEN_FIELD'],
  ]),
  bad('s3', 'another scheme', { baseUrl: `gopher://${canary}.example` }, [['baseUrl', 'INVALID_FORMAT']]),
  bad('s3', 'a bucket as a URL', { bucket: `s3://${canary}` }, [['bucket', 'INVALID_FORMAT']]),
  bad('s3', 'spaces in the key', { secretAccessKey: `${canary} x` }, [['secretAccessKey', 'INVALID_FORMAT']]),
  bad('qdrant', 'two ports', { baseUrl: 'http://127.0.0.1:2' }, [['port', 'INVALID_COMBINATION']]),
  bad('qdrant', 'a slash in the collection', { collection: `${canary}/x` }, [['collection', 'INVALID_FORMAT']]),
  bad('mongoDataApi', 'a query in the URL', { apiUrl: `http://127.0.0.1:1/?${canary}` }, [
    ['apiUrl', 'INVALID_FORMAT'],
  ]),
  bad(
    'googleCloudStorage',
    'an external account',
    { credentials: { ...(good.googleCloudStorage?.credentials as Values), type: 'external_account' } },
    [['credentials.type', 'INVALID_VALUE']],
  ),
  bad(
    'googleCloudStorage',
    'a token URI of somebody’s',
    {
      credentials: { ...(good.googleCloudStorage?.credentials as Values), tokenUri: `https://${canary}.example/token` },
    },
    [['credentials.tokenUri', 'INVALID_VALUE']],
  ),
];

/** Addresses are looked at when a config is stored. */
const badAddresses = [
  '169.254.169.254',
  '100.100.100.200',
  '0.0.0.0',
  '10.0.0.1',
  'fd00:ec2::254',
  '::ffff:169.254.169.254',
  'metadata.google.internal',
];

interface BadRequest {
  readonly title: string;
  readonly body: unknown;
  readonly code: string;
  readonly status?: number;
  /** Path and code of each issue of the first error. */
  readonly issues?: readonly (readonly [path: string, code: string])[];
  readonly says?: RegExp;
}

const created = (input: unknown) => ({ query: CREATE, variables: { input } });
const ofConfig = (config: unknown) => created({ label: canary, config });

/** What GraphQL or the edge refuses before any form field is looked at. */
const badRequests: readonly BadRequest[] = [
  { title: 'malformed JSON', body: `{"query": "${canary}`, code: 'BAD_REQUEST', status: 400 },
  { title: 'no JSON at all', body: canary, code: 'BAD_REQUEST', status: 400 },
  { title: 'a batch', body: [ofConfig(good)], code: 'BAD_REQUEST', status: 400 },
  { title: 'an unknown parameter', body: { ...ofConfig({}), [canary]: canary }, code: 'BAD_REQUEST', status: 400 },
  { title: 'variables that are none', body: { query: CREATE, variables: [canary] }, code: 'BAD_REQUEST', status: 400 },
  {
    title: '1 MiB and a byte',
    body: JSON.stringify(created({ label: canary, config: { postgres: good.postgres } })).padEnd(1024 * 1024 + 1, ' '),
    code: 'PAYLOAD_TOO_LARGE',
    status: 413,
  },
  { title: 'a document that is none', body: { query: `mutation { ${canary} ( ` }, code: 'GRAPHQL_PARSE_FAILED' },
  { title: 'a field that there is not', body: { query: `{ ${canary} }` }, code: 'GRAPHQL_VALIDATION_FAILED' },
  {
    title: 'no variables',
    body: { query: CREATE },
    code: 'BAD_USER_INPUT',
    issues: [['input', 'REQUIRED']],
  },
  {
    title: 'an unknown field in the config',
    body: ofConfig({ postgres: { ...good.postgres, pasword: canary } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres.pasword', 'UNKNOWN_FIELD']],
    says: /password/,
  },
  {
    title: 'a value for the name of a field',
    body: ofConfig({ postgres: { ...good.postgres, [canary]: 1 } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres', 'UNKNOWN_FIELD']],
  },
  {
    title: 'an unknown type',
    body: ofConfig({ oracle: { host: canary } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.oracle', 'UNKNOWN_FIELD']],
    says: /postgres/,
  },
  {
    title: 'two types',
    body: ofConfig({ postgres: good.postgres, s3: good.s3 }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config', 'EXACTLY_ONE']],
    says: /postgres/,
  },
  { title: 'no type', body: ofConfig({}), code: 'BAD_USER_INPUT', issues: [['input.config', 'EXACTLY_ONE']] },
  {
    title: 'two targets of a test',
    body: {
      query: START,
      variables: {
        input: { target: { datastoreId: randomUUID(), draft: { config: { postgres: good.postgres } } } },
      },
    },
    code: 'BAD_USER_INPUT',
    issues: [['input.target', 'EXACTLY_ONE']],
  },
  {
    title: 'two selections to delete',
    body: { query: DELETE, variables: { input: { select: { ids: [canary], all: { environmentId: canary } } } } },
    code: 'BAD_USER_INPUT',
    issues: [['input.select', 'EXACTLY_ONE']],
  },
  {
    title: 'a port in quotes',
    body: ofConfig({ postgres: { ...good.postgres, port: canary } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres.port', 'INVALID_TYPE']],
  },
  {
    title: 'half a port',
    body: ofConfig({ postgres: { ...good.postgres, port: 1.5 } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres.port', 'INVALID_TYPE']],
  },
  {
    title: 'a TLS mode that there is not',
    body: ofConfig({ postgres: { ...good.postgres, tls: { mode: canary } } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres.tls.mode', 'INVALID_VALUE']],
    says: /VERIFY_FULL/,
  },
  {
    title: 'a required field that is null',
    body: ofConfig({ postgres: { ...good.postgres, host: null } }),
    code: 'BAD_USER_INPUT',
    issues: [['input.config.postgres.host', 'REQUIRED']],
  },
  {
    title: 'a list for a text, an object for another',
    body: ofConfig({ postgres: { ...good.postgres, password: [canary], username: { [canary]: canary } } }),
    code: 'BAD_USER_INPUT',
    issues: [
      ['input.config.postgres.username', 'INVALID_TYPE'],
      ['input.config.postgres.password', 'INVALID_TYPE'],
    ],
  },
  {
    title: 'values in the document itself',
    body: {
      query: `mutation { createDatastore(input: { config: { postgres: { host: "${canary}", password: 7, x: "${canary}" } } }) { __typename } }`,
    },
    code: 'BAD_USER_INPUT',
  },
  {
    title: 'an id that is none',
    body: { query: `{ datastore(id: "${canary}") { id } }` },
    code: 'BAD_USER_INPUT',
    issues: [['id', 'INVALID_ID']],
  },
];

interface BadField {
  readonly title: string;
  readonly query: string;
  readonly input: Values;
  readonly typename: string;
  readonly issues: readonly (readonly [path: string, code: string])[];
}

const whole = { config: { postgres: good.postgres } };
const draft = { draft: { config: { postgres: good.postgres } } };
const field = (title: string, query: string, input: Values, ...issues: [string, string][]): BadField => ({
  title,
  query,
  input,
  typename: 'ValidationError',
  issues,
});

const HIDDEN = `${canary}\u202ex`;
/** Names that are not what they look like, in one operation: each is an issue. */
function hidden(operation: string, input: Values, ...paths: string[]): BadField {
  const type = `${operation[0]?.toUpperCase()}${operation.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) {
    ${operation}(input: $input) { __typename ... on UserError { code issues { path configPath code message } } }
  }`;
  const issues = paths.map((path): [string, string] => [path, 'INVALID_FORMAT']);
  return field(`a name that hides characters: ${operation}`, query, input, ...issues);
}

/** Wrong beside the config. */
const badFields: readonly BadField[] = [
  hidden(
    'createDatastore',
    { ...whole, label: HIDDEN, ownerName: HIDDEN, tags: [{ key: 'a', value: HIDDEN }] },
    ...['input.label', 'input.ownerName', 'input.tags.0.value'],
  ),
  hidden('updateDatastore', { id: randomUUID(), label: HIDDEN }, 'input.label'),
  hidden('upsertDatastore', { ...whole, name: 'a', label: HIDDEN }, 'input.label'),
  hidden('createApiToken', { name: HIDDEN, scopes: [], allEnvironments: true }, 'input.name'),
  hidden('createSessionToken', { scopes: [], onBehalfOf: HIDDEN }, 'input.onBehalfOf'),
  hidden('registerUsage', { datastoreId: randomUUID(), kind: HIDDEN, name: HIDDEN }, ...['input.kind', 'input.name']),
  hidden('createDataStructure', { name: HIDDEN, fields: [{ name: 'a', type: 'TEXT' }] }, 'input.name'),
  hidden(
    'createDataStructure',
    { name: 'a', fields: [{ name: 'a', type: 'TEXT', label: HIDDEN }] },
    'input.fields.0.label',
  ),
  hidden('updateDataStructure', { id: randomUUID(), name: HIDDEN }, 'input.name'),
  hidden('cloneDataStructure', { id: randomUUID(), environmentId: randomUUID(), name: HIDDEN }, 'input.name'),
  hidden(
    'applyManifest',
    {
      manifest: JSON.stringify({
        manifest: 1,
        datastores: { a: { label: HIDDEN, config: { postgres: good.postgres } } },
      }),
    },
    'input.manifest.datastores.a.label',
  ),
  field('a label of 129 characters', CREATE, { ...whole, label: canary.padEnd(129, 'x') }, ['input.label', 'TOO_LONG']),
  field('a label of 129 characters, later', UPDATE, { id: randomUUID(), label: canary.padEnd(129, 'x') }, [
    'input.label',
    'TOO_LONG',
  ]),
  field('an empty label', CREATE, { ...whole, label: '' }, ['input.label', 'TOO_SHORT']),
  field('a name with capitals', CREATE, { ...whole, name: canary.toUpperCase() }, ['input.name', 'INVALID_FORMAT']),
  field('a name that is too long', CREATE, { ...whole, name: canary.padEnd(64, 'x') }, [
    'input.name',
    'INVALID_FORMAT',
  ]),
  field(
    'ids that are none',
    CREATE,
    { ...whole, id: canary, environmentId: canary, test: { testId: `${canary}-0` } },
    ['input.id', 'INVALID_ID'],
    ['input.environmentId', 'INVALID_ID'],
    ['input.test.testId', 'INVALID_ID'],
  ),
  field('an id that is none, later', UPDATE, { id: canary, label: canary }, ['input.id', 'INVALID_ID']),
  field('a name with capitals, to upsert', UPSERT, { ...whole, name: canary.toUpperCase() }, [
    'input.name',
    'INVALID_FORMAT',
  ]),
  field('the secret twice, to upsert', UPSERT, { ...whole, name: 'upserted', configSecret: canary }, [
    'input.configSecret',
    'INVALID_COMBINATION',
  ]),
  field('an id that is none, to delete', DELETE, { select: { ids: [randomUUID(), canary] } }, [
    'input.select.ids.1',
    'INVALID_ID',
  ]),
  field('an id that is none, to test', START, { target: { datastoreId: canary } }, [
    'input.target.datastoreId',
    'INVALID_ID',
  ]),
  field('the secret twice', CREATE, { ...whole, configSecret: canary }, ['input.configSecret', 'INVALID_COMBINATION']),
  field('an empty secret', CREATE, { ...whole, configSecret: '' }, ['input.configSecret', 'TOO_SHORT']),
  field('an unknown validation method', CREATE, { ...whole, test: { validationMethods: [canary] } }, [
    'input.test.validationMethods',
    'UNKNOWN_VALIDATION_METHOD',
  ]),
  field('an unknown validation method, apart', START, { target: draft, options: { validationMethods: [canary] } }, [
    'input.options.validationMethods',
    'UNKNOWN_VALIDATION_METHOD',
  ]),
  field('too short a time', CREATE, { ...whole, test: { timeoutMs: 999 } }, ['input.test.timeoutMs', 'OUT_OF_RANGE']),
  field('too long a time', START, { target: draft, options: { timeoutMs: 300_001 } }, [
    'input.options.timeoutMs',
    'OUT_OF_RANGE',
  ]),
];

describeEachGateway('bad input', (open) => {
  let gateway: TestGateway;
  const ids: Record<string, string> = {};
  const usedId = randomUUID();

  beforeAll(async () => {
    gateway = await open({ testing: { executor: GOOGLE_NOWHERE } });
    const api = apiOf(gateway);
    for (const [key, values] of Object.entries(good)) {
      const { id } = await api.created({ config: { [key]: values } as never });
      ids[key] = id;
    }
    await api.created({ id: usedId, config: { postgres: postgresConfig() } });
  });

  const tables = [
    'environments',
    'datastores',
    'secret_versions',
    'connection_tests',
    'journal',
    'retired_ids',
  ] as const;
  const stored = async () => {
    const { query } = gateway.app.database;
    const all = await Promise.all(tables.map((table) => query.selectFrom(table).selectAll().execute()));
    const rows = all.map((some) => some.map((row) => JSON.stringify(row)).toSorted());
    return `${rows.map((some) => some.length)} ${createHash('sha256').update(JSON.stringify(rows)).digest('hex')}`;
  };

  /** Sends it, and sees that nothing is stored and that no value comes back. */
  async function refused(body: unknown) {
    const before = await stored();
    const reply = await gateway.send(body);
    expect(await stored()).toBe(before);
    expect(reply.text).not.toContain(canary);
    const [error] = reply.json.errors ?? [];
    const [result] = Object.values(reply.json.data ?? {}) as ({ __typename: string; issues?: Issue[] } | null)[];
    return { ...reply, error, result, issues: (result?.issues ?? error?.extensions?.issues ?? []) as Issue[] };
  }

  const list = (issues: readonly Issue[]) => issues.map(({ path, code }) => [path.join('.'), code]);

  test.each(badRequests)('$title', async ({ body, code, status, issues, says }) => {
    const answer = await refused(body);
    expect(answer.error?.extensions?.code).toBe(code);
    if (status) expect(answer.status).toBe(status);
    if (issues) expect(list(answer.issues)).toEqual(issues);
    expect(answer.error?.message).not.toBe('');
    if (says) expect(answer.text).toMatch(says);
  });

  test.each(badFields)('$title', async ({ query, input, typename, issues }) => {
    const answer = await refused({ query, variables: { input } });
    expect(answer.result?.__typename).toBe(typename);
    expect(list(answer.issues)).toEqual(issues);
    expect(answer.issues.every(({ configPath }) => configPath === null)).toBe(true);
  });

  test('the known validation methods are listed', async () => {
    const { issues } = await refused(created({ ...whole, test: { validationMethods: [canary] } }));
    expect(issues[0]?.message).toContain('postgres/session/authenticate');
    expect(issues[0]?.message).toContain('postgres/schema/create');
  });

  test('an id that was used', async () => {
    const { result } = await refused(created({ ...whole, id: usedId }));
    expect(result).toMatchObject({ __typename: 'ConflictError', code: 'ID_TAKEN', current: null });
  });

  describe.each(badConfigs)('$title', ({ key, wrong, issues, says }) => {
    const values = { ...good[key], ...wrong };
    const at = (prefix: string) => issues.map(([configPath, code]) => [`${prefix}.${configPath}`, code]);
    const check = (answer: Awaited<ReturnType<typeof refused>>, prefix: string) => {
      expect(answer.result?.__typename).toBe('ValidationError');
      expect(list(answer.issues)).toEqual(at(prefix));
      expect(answer.issues.map(({ configPath, code }) => [configPath, code])).toEqual(issues);
      if (says) expect(answer.issues[0]?.message).toMatch(says);
    };

    test('when it is created', async () => {
      check(await refused(ofConfig({ [key]: values })), `input.config.${key}`);
    });

    test('when it is changed', async () => {
      const input = { id: ids[key], label: canary, config: { [key]: wrong } };
      check(await refused({ query: UPDATE, variables: { input } }), `input.config.${key}`);
    });

    test('when it is tested', async () => {
      const input = { target: { draft: { config: { [key]: values } } } };
      check(await refused({ query: START, variables: { input } }), `input.target.draft.config.${key}`);
    });
  });

  test.each(badAddresses)('the address %s, when it is stored', async (host) => {
    const { result, issues } = await refused(ofConfig({ postgres: { ...good.postgres, host } }));
    expect(result?.__typename).toBe('ValidationError');
    expect(list(issues)).toEqual([['input.config.postgres.host', 'ADDRESS_NOT_ALLOWED']]);
  });

  test('none of it is in the log either', () => {
    expect(gateway.log()).toContain('"path":"/graphql"');
    expect(gateway.log()).not.toContain(canary);
  });
});
