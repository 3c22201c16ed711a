import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConfigValues, secretPathsOf, setAt, valueAt } from '../../src/connectors/kit/config/shape.ts';
import { type Connector, configKey, connectorId } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import {
  type CanaryConfig,
  canaryConfigs,
  misplacedKeys,
  misplacedSecrets,
  needlesFor,
  needlesOf,
  newCanary,
  openConfigs,
  openTextPaths,
  planted,
  search,
  withMisplaced,
} from '../support/canaries.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { DatastoreEvents, Progress } from '../support/operations.ts';
import { type Mirror, startMirror } from '../support/peers/mirror.ts';
import { SealedRecord, sqliteFiles } from '../support/sealed-record.ts';
import { stands } from '../support/stands/index.ts';
import type { Stand, StandPeer } from '../support/stands/stand.ts';

const TEST = `id status failure { code cause message hint configPath }
  checks { name title status evidence { name value } failure { code cause message hint configPath } }`;
const DATASTORE = `id name label version createdBy updatedBy configJson config { __typename } secrets { path isSet updatedAt }
  lastTest { ${TEST} } connectionTests(first: 100) { nodes { ${TEST} } }
  revisions(first: 100) { nodes { version actor changes { path isSecret before after } } }`;
const ERRORS = '... on UserError { code message issues { path configPath code message } }';
const FAILED = `... on ConnectionTestFailedError { test { ${TEST} } }`;
const CREATE = `mutation ($input: CreateDatastoreInput!) {
  createDatastore(input: $input) { __typename ${ERRORS} ${FAILED} ... on CreateDatastoreSuccess { datastore { ${DATASTORE} } } }
}`;
const UPDATE = CREATE.replaceAll('CreateDatastore', 'UpdateDatastore').replace('createDatastore', 'updateDatastore');
const START = `mutation ($input: StartConnectionTestInput!) {
  startConnectionTest(input: $input) { __typename ${ERRORS} ... on StartConnectionTestSuccess { test { ${TEST} } } }
}`;
const REGISTER = `mutation ($input: RegisterUsageInput!) { registerUsage(input: $input) { __typename ${ERRORS} } }`;
const REVERT = `mutation ($input: RevertDatastoreInput!) {
  revertDatastore(input: $input) { __typename ${ERRORS} ... on RevertDatastoreSuccess { datastore { ${DATASTORE} } } }
}`;
const PURGE = `mutation ($id: ID!) { purgeRevisionSecrets(datastoreId: $id) { __typename ${ERRORS} } }`;
const AUDIT = `query ($after: String) { auditLog(first: 100, after: $after) {
  nodes { actor onBehalfOf action subjectType subjectId outcome detail } pageInfo { hasNextPage endCursor } } }`;
const DELETE = `mutation ($input: DeleteDatastoresInput!) {
  deleteDatastores(input: $input) { __typename ${ERRORS} ... on ConfirmationRequiredError { usages { kind name url } } }
}`;
/** Its answer holds the secrets of the text, for who sent that. */
const PARSE = `query ($type: DatastoreType, $text: String!) {
  parseConnection(type: $type, text: $text) { __typename ${ERRORS} ... on ParseConnectionSuccess { configJson ignored { name } } }
}`;
const READ = `query ($id: ID!) { datastore(id: $id) { ${DATASTORE} } datastores(first: 5) { nodes { id configJson } } }`;

/** At peers that work: on a slow machine this may take long. */
const PATIENCE_MS = 120_000;
/** At the mirror nothing ever passes: long enough to be heard there, by how long everything took at the peers. */
const impatienceMs = (tookMs: number) => Math.round(Math.min(PATIENCE_MS, Math.max(1_500, tookMs / 10)));

/** One type, as this suite leads it to peers on this machine. */
interface Subject {
  readonly connector: Connector;
  readonly key: string;
  /** Works at the peer. */
  readonly works: ConfigValues;
  readonly places: readonly string[];
  readonly configs: readonly CanaryConfig[];
  peer?: StandPeer;
}

/** Every secret that is ever sent. */
const secrets: string[] = [...misplacedSecrets];
const remember = (secret: string) => void secrets.push(secret);
const BASTION = 'bastion.example:22';

const subjects = connectors.map((connector): Subject => {
  const stand = stands.find((each) => each.connector === connector);
  const { works, places } = apart(connector, stand);
  for (const path of secretPathsOf(connector)) {
    const secret = stand && valueAt(works, path);
    if (typeof secret === 'string') remember(secret);
  }
  return { connector, key: configKey(connector), works, places, configs: canaryConfigs(connector, works, remember) };
});

/** The stand's config with hosts that no other type has, so that one table of names leads each type to its own peer. */
function apart(connector: Connector, stand: Stand | undefined): { works: ConfigValues; places: string[] } {
  const given = stand?.config ?? connector.example ?? {};
  const placesOf = (config: ConfigValues) =>
    connector.targets(connector.config.parse(config)).map(({ host, port }) => `${host}:${port}`);
  let [text, extra] = [JSON.stringify(given), JSON.stringify(stand?.places ?? [])];
  for (const place of placesOf(given)) {
    const host = place.slice(0, place.lastIndexOf(':'));
    const own = `${connectorId(connector).replaceAll('_', '-')}.${host}`;
    text = text.replaceAll(host, own);
    extra = extra.replaceAll(host, own);
  }
  const works = JSON.parse(text) as ConfigValues;
  return { works, places: [...placesOf(works), ...(JSON.parse(extra) as string[])] };
}

const hostsOf = (places: readonly string[]) => places.map((place) => place.slice(0, place.lastIndexOf(':')));

let authority: Authority;
let mirror: Mirror;

beforeAll(async () => {
  authority = await createAuthority();
  const hosts = subjects.flatMap(({ places }) => hostsOf(places));
  mirror = await startMirror(await authority.issue({ names: [...new Set(hosts)] }));
  await Promise.all(
    subjects.map(async (subject) => {
      const stand = stands.find(({ connector }) => connector === subject.connector);
      if (stand) subject.peer = await stand.start(await authority.issue({ names: hostsOf(subject.places) }));
    }),
  );
});

afterAll(async () => {
  await Promise.all([mirror.close(), ...subjects.map(({ peer }) => peer?.close())]);
});

describeEachGateway('a secret', (open, kind) => {
  /** Everything that ever came back from a gateway: replies, progress, events. */
  const said: string[] = [];
  const gateways: TestGateway[] = [];
  /** What each of them sealed. */
  const records: SealedRecord[] = [];
  const passed: string[] = [];
  /** What became of private keys in fields that are read back. */
  const misplaced: { field: string; result: string | undefined }[] = [];
  let refreshed = 0;

  async function start(leadTo: (subject: Subject) => number | undefined): Promise<TestGateway> {
    const led = subjects.flatMap((subject) =>
      subject.places.map((place) => [place, leadTo(subject) ?? mirror.port] as const),
    );
    const names = Object.fromEntries(
      [...led, [BASTION, mirror.port] as const].map(([place, port]) => [place, `127.0.0.1:${port}`]),
    );
    const record = new SealedRecord();
    const executor = { names, publicCa: authority.certificate };
    const gateway = await open({ testing: { executor, onStatement: record.onStatement } });
    gateways.push(gateway);
    records.push(record);
    return gateway;
  }

  function callerOf(gateway: TestGateway) {
    const ask = async (query: string, variables: object) => {
      const { text, json } = await gateway.send({ query, variables });
      said.push(text);
      const [result] = Object.values(json.data ?? {}) as ({
        __typename?: string;
        datastore?: { id: string };
        test?: { id: string; status: string };
      } | null)[];
      return result ?? {};
    };
    const follow = async (id: string | undefined, by: 'follow' | 'followSse' = 'follow') => {
      if (!id) return undefined;
      const results = await gateway[by](Progress, { id, after: 0 });
      said.push(...results.map((result) => JSON.stringify(result)));
      return results.at(-1)?.data?.connectionTestProgress.test.status;
    };
    return { ask, follow };
  }

  /** Stores, changes, tests and deletes a datastore, each time with secrets that were never sent before. */
  async function exercise(
    gateway: TestGateway,
    { key, connector, configs }: Subject,
    config: CanaryConfig,
    { keep, timeoutMs }: { keep: boolean; timeoutMs: number },
  ): Promise<void> {
    const { ask, follow } = callerOf(gateway);
    // the secrets of TLS and of the tunnel are the same fields in each type
    const inEveryWay = config === configs[0];
    const create = (values: ConfigValues, more: object = {}) =>
      ask(CREATE, { input: { config: { [key]: values }, ...more } });
    const [first = ''] = config.paths;

    await create({ ...config.fresh(), nonsense: 'x' });
    const pasted = { type: connector.type, text: JSON.stringify(config.fresh()) };
    const { json } = await gateway.send({ query: PARSE, variables: pasted });
    expect(json.data).toMatchObject({ parseConnection: { __typename: 'ParseConnectionSuccess' } });
    const [secret = ''] = config.paths.map((path) => valueAt(config.fresh(), path));
    expect(await ask(PARSE, { text: secret })).toMatchObject({ __typename: 'ValidationError' });
    await create(config.fresh(), { label: 'x'.repeat(129) });
    const list = config.fresh();
    setAt(list, first, [valueAt(list, first)]);
    await create(list);
    const text = String(valueAt(config.fresh(), connector.principalSecret ?? first) ?? '');
    await create(config.fresh(), { configSecret: text || 'x' });
    await create(config.fresh(), { test: { validationMethods: [text || 'x'] } });

    const testId = randomUUID();
    const progress = follow(testId);
    const before = await create(config.fresh(), { test: { testId, timeoutMs } });
    expect(before.__typename).toBe('ConnectionTestFailedError');
    await progress;

    const { datastore } = await create(config.fresh());
    const id = datastore?.id ?? '';
    const update = (more: object) => ask(UPDATE, { input: { id, config: { [key]: config.freshPatch() }, ...more } });
    expect(await update({})).toMatchObject({ __typename: 'UpdateDatastoreSuccess' });
    if (inEveryWay) {
      expect(await update({ test: { timeoutMs } })).toMatchObject({ __typename: 'ConnectionTestFailedError' });
      const tested = async (target: object) =>
        (await ask(START, { input: { target, options: { timeoutMs } } })).test?.id;
      await follow(await tested({ datastoreId: id }), 'followSse');
      await follow(await tested({ change: { datastoreId: id, config: { [key]: config.freshPatch() } } }));
      await follow(await tested({ draft: { config: { [key]: config.fresh() } } }));
      await rely(gateway, config, key);
    }
    await ask(READ, { id });
    if (!keep)
      expect(await ask(DELETE, { input: { select: { ids: [id] } } })).toMatchObject({
        __typename: 'DeleteDatastoresSuccess',
      });
  }

  /** Sends idempotency keys and usages, goes back to an older version, and asks whether it may be deleted. */
  async function rely(gateway: TestGateway, config: CanaryConfig, key: string): Promise<void> {
    const { ask } = callerOf(gateway);
    const sent = () => {
      const text = newCanary();
      remember(text);
      return text;
    };
    const [idempotencyKey, password] = [sent(), sent()];
    const input = { config: { [key]: config.fresh() }, idempotencyKey };
    const { datastore } = await ask(CREATE, { input });
    const datastoreId = datastore?.id ?? '';
    expect((await ask(CREATE, { input })).datastore?.id).toBe(datastoreId);
    const other = { ...input, label: 'Another' };
    expect((await ask(CREATE, { input: other })).__typename).toBe('ConflictError');
    const changed = { id: datastoreId, config: { [key]: config.freshPatch() }, idempotencyKey: sent() };
    expect((await ask(UPDATE, { input: changed })).__typename).toBe('UpdateDatastoreSuccess');
    const back = { id: datastoreId, toVersion: 1, idempotencyKey: sent() };
    expect((await ask(REVERT, { input: back })).__typename).toBe('RevertDatastoreSuccess');
    const usage = { datastoreId, kind: 'dashboard', name: 'Sales' };
    const url = `https://user:${password}@bi.example/sales`;
    expect((await ask(REGISTER, { input: { ...usage, url } })).__typename).toBe('ValidationError');
    await ask(REGISTER, { input: { ...usage, url: 'https://bi.example/sales' } });
    const select = { ids: [datastoreId] };
    expect((await ask(DELETE, { input: { select } })).__typename).toBe('ConfirmationRequiredError');
    expect((await ask(PURGE, { id: datastoreId })).__typename).toBe('PurgeRevisionSecretsSuccess');
    await ask(DELETE, { input: { select, confirmed: true } });
  }

  /** Reads the whole audit log as the API answers it. What `audit export` prints are the rows of the same table. */
  async function readAuditLog(gateway: TestGateway): Promise<void> {
    for (let after: string | null = null; ; ) {
      const { text, json } = await gateway.send({ query: AUDIT, variables: { after } });
      said.push(text);
      const { auditLog } = json.data as { auditLog: { pageInfo: { hasNextPage: boolean; endCursor: string } } };
      if (!auditLog.pageInfo.hasNextPage) return;
      after = auditLog.pageInfo.endCursor;
    }
  }

  /** The same with the right secrets. */
  async function work(gateway: TestGateway, { key, works, connector }: Subject, keep: boolean): Promise<void> {
    const { ask, follow } = callerOf(gateway);
    const { datastore } = await ask(CREATE, { input: { config: { [key]: works }, test: { timeoutMs: PATIENCE_MS } } });
    const id = datastore?.id;
    if (!id) throw new Error(`${connector.type}: ${said.at(-1)}`);
    const started = await ask(START, { input: { target: { datastoreId: id }, options: { timeoutMs: PATIENCE_MS } } });
    if ((await follow(started.test?.id)) === 'PASSED') passed.push(connector.type);
    if (connector.catalogCheck) {
      const query = `mutation ($input: RefreshCatalogInput!) { refreshCatalog(input: $input) { __typename ${ERRORS} ... on RefreshCatalogSuccess { test { ${TEST} } } } }`;
      const { test: catalog } = await ask(query, { input: { datastoreId: id, timeoutMs: PATIENCE_MS } });
      await follow(catalog?.id);
      await ask('query ($id: ID!) { datastore(id: $id) { catalog { entries(first: 100) { nodes { name } } } } }', {
        id,
      });
      refreshed += 1;
    }
    await ask(UPDATE, { input: { id, label: `changed ${id}` } });
    if (!keep) await ask(DELETE, { input: { select: { ids: [id] } } });
  }

  /** Puts a private key into each text that is read back. */
  async function misplace(gateway: TestGateway, { key, connector, works, configs: held }: Subject): Promise<void> {
    const { ask } = callerOf(gateway);
    const configs = openConfigs(connector, works, held);
    for (const text of misplacedKeys) {
      const named = { schemaName: text, tableName: text, tableClientNameColumn: text, tablePrimaryKeyColumn: text };
      const tenancy = { level: 'TABLE', clientColumnType: 'STRING', ...named };
      const ways = [
        ...openTextPaths(connector).map((path) => ({ path, more: {}, config: withMisplaced(configs, path, text) })),
        { path: 'the label', more: { label: text }, config: configs[0]?.fresh() },
        ...(connector.tenancyLevels ? [{ path: 'the tenancy', more: { tenancy }, config: configs[0]?.fresh() }] : []),
      ];
      for (const { path, more, config } of ways) {
        const { __typename: result } = await ask(CREATE, { input: { config: { [key]: config }, ...more } });
        misplaced.push({ field: `${connector.type} ${path}`, result });
      }
    }
  }

  async function listen(gateway: TestGateway, work: () => Promise<unknown>): Promise<void> {
    let over = false;
    const last = `last ${randomUUID()}`;
    const events = Promise.all(
      (['follow', 'followSse'] as const).map((by) =>
        gateway[by](
          DatastoreEvents,
          {},
          {
            enough: (results) => over && results.at(-1)?.data?.datastoreEvents.datastore?.label === last,
            onResult: (result) => said.push(JSON.stringify(result)),
          },
        ),
      ),
    );
    await work();
    over = true;
    const { ask } = callerOf(gateway);
    const [subject] = subjects;
    await ask(CREATE, { input: { label: last, config: { [subject?.key ?? '']: subject?.works } } });
    await events;
  }

  beforeAll(async () => {
    const atPeers = await start(({ peer }) => peer?.port);
    const from = performance.now();
    await listen(atPeers, () =>
      Promise.all(
        subjects.map(async (subject, at) => {
          const as = { keep: at % 2 === 0, timeoutMs: PATIENCE_MS };
          await Promise.all(subject.configs.map((config) => exercise(atPeers, subject, config, as)));
          await misplace(atPeers, subject);
          if (subject.peer) await work(atPeers, subject, !as.keep);
        }),
      ),
    );
    await readAuditLog(atPeers);
    // what peers say back never gets as far as the database, so one of the two is enough
    if (kind === 'postgres') return;
    const timeoutMs = impatienceMs(performance.now() - from);
    const atMirror = await start(() => undefined);
    await listen(atMirror, () =>
      Promise.all(
        subjects.flatMap((subject, at) =>
          subject.configs
            .filter(({ paths }) => !paths.some((path) => /^(tls|sshTunnel)\./.test(path)))
            .map((config) => exercise(atMirror, subject, config, { keep: at % 2 === 1, timeoutMs })),
        ),
      ),
    );
  });

  const needles = () => needlesFor([...new Set(secrets)]);
  const inReplies = () => said.join('\n');
  const inLogs = () => gateways.map((gateway) => gateway.log()).join('\n');
  const inDatabases = async () =>
    Buffer.concat(await Promise.all(gateways.map((gateway) => contentOf(gateway.databaseUrl))));

  test('of every type was sent, and was right where it had to be', () => {
    for (const { connector, configs } of subjects)
      expect(new Set(configs.flatMap(({ paths }) => paths))).toEqual(new Set(secretPathsOf(connector)));
    expect(passed.toSorted()).toEqual(
      subjects.flatMap(({ connector, peer }) => (peer ? [connector.type] : [])).toSorted(),
    );
    expect(refreshed).toBeGreaterThan(0);
    // they were told to a peer that says it all back
    if (kind === 'sqlite') expect(search(mirror.heard(), needles()).length).toBeGreaterThan(1);
    expect(said.length).toBeGreaterThan(subjects.length * 10);
  });

  test('is refused in every text that is read back, if it is a private key', () => {
    expect(misplaced.filter(({ result }) => result !== 'ValidationError')).toEqual([]);
    const texts = connectors.flatMap((connector) =>
      openTextPaths(connector).map((path) => `${connector.type} ${path}`),
    );
    expect(misplaced.map(({ field }) => field)).toEqual(expect.arrayContaining(texts));
  });

  test('is in no reply and in no event', () => {
    for (const part of ['"datastore.updated"', '"connection_test.start"', '"revisions"', '"ConfirmationRequiredError"'])
      expect(inReplies()).toContain(part);
    expect(search(inReplies(), needles())).toEqual([]);
  });

  test('is not in the log', () => {
    expect(inLogs()).toContain('A check failed');
    expect(search(inLogs(), needles())).toEqual([]);
  });

  test('is not in what `audit export` prints', async () => {
    const [{ databaseUrl = '', folder = '' } = {}] = gateways;
    const env = { ...process.env, DATABASE_URL: databaseUrl, KEY_FILE: join(folder, 'master.key') };
    const launcher = fileURLToPath(new URL('../../bin/datastore-gateway.js', import.meta.url));
    const options = { env, maxBuffer: 2 ** 28 };
    const { stdout } = await promisify(execFile)(process.execPath, [launcher, 'audit', 'export'], options);
    expect(stdout).toContain('"action":"datastore.revision-secrets.purged"');
    expect(search(stdout, needles())).toEqual([]);
  });

  test('is not in the database, its journal files included', async () => {
    const content = await inDatabases();
    expect(content.length).toBeGreaterThan(100_000);
    expect(search(content, needles())).toEqual([]);
  });

  describe('that is planted', () => {
    test('is found in each of these places, however it is encoded', async () => {
      const [gateway] = gateways;
      if (!gateway) throw new Error('no gateway');
      const { ask } = callerOf(gateway);
      const [subject] = subjects;
      const before = said.length;
      // as texts that a label can hold, and the path of a request, which is logged
      const forms = needlesOf('planted', planted).filter(({ form }) => !/^UTF|JSON in/.test(form));
      for (const { bytes } of forms) {
        await ask(CREATE, { input: { label: `<${bytes}>`, config: { [subject?.key ?? '']: subject?.works } } });
        await fetch(`${gateway.url}/${/^[\w%]+$/.test(bytes) ? bytes : encodeURIComponent(bytes)}`);
      }
      const replies = said.splice(before).join('\n');
      const formsIn = (place: string | Buffer) => search(place, needles()).map((hit) => / as (.+?): …/.exec(hit)?.[1]);
      const [inReply, inLog, inDatabase] = [formsIn(replies), formsIn(inLogs()), formsIn(await inDatabases())];
      const wanted = forms.map(({ form }) => form);
      expect(wanted).toHaveLength(8);
      // within JSON what is raw is escaped once more
      expect(inReply).toEqual(expect.arrayContaining(wanted.filter((form) => form !== 'raw')));
      expect(inDatabase).toEqual(expect.arrayContaining(wanted));
      expect(inLog).toEqual(expect.arrayContaining(wanted.filter((form) => !/raw|JSON/.test(form))));
    });

    test('as UTF-16 is found too', () => {
      const bytes = Buffer.concat([Buffer.from('x'), Buffer.from(planted, 'utf16le')]);
      expect(search(bytes, needles())).toHaveLength(1);
    });

    test.each(['a whole secret', 'a line of a key'])('as %s is found', (what) => {
      const [secret = ''] = secrets.filter((each) => each.includes('-----') === (what === 'a line of a key'));
      const line = what === 'a line of a key' ? (secret.split('\n')[2] ?? '') : secret;
      for (const { bytes } of needlesOf('', line)) expect(search(`…${bytes}…`, needles())).not.toEqual([]);
    });
  });

  if (kind === 'sqlite')
    test('is not in the file either once the gateway has closed it', async () => {
      // the first one holds what was planted
      const gateway = gateways.at(-1);
      const { query } = gateway?.app.database ?? {};
      const inUse = await query?.selectFrom('secret_keys').select('id').execute();
      const older = await query?.selectFrom('revision_keys').select('id').execute();
      const keys = inUse && older && [...inUse, ...older];
      await gateway?.close();
      const content = await contentOf(gateway?.databaseUrl ?? '');
      expect(content.length).toBeGreaterThan(50_000);
      expect(search(content, needles())).toEqual([]);
      // nor is it there sealed, with the key that opens it, once it was deleted or its test ended
      const record = records.at(-1);
      expect(record?.ids().length).toBeGreaterThan((keys?.length ?? 0) * 2);
      expect(record?.openableIn(content).toSorted()).toEqual(keys?.map(({ id }) => id).toSorted());
    });
});

/** A SQLite database's files; every value of every table of a Postgres one. */
async function contentOf(databaseUrl: string): Promise<Buffer> {
  if (databaseUrl.startsWith('sqlite:')) return sqliteFiles(databaseUrl);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')`,
    );
    const values = [];
    for (const { name } of tables.rows) {
      const { rows } = await client.query<Record<string, unknown>>(`select * from ${name}`);
      values.push(...rows.flatMap((row) => Object.values(row)));
    }
    return Buffer.from(values.join('\n'));
  } finally {
    await client.end();
  }
}
