import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { secretPathsOf, setAt, valueAt } from '../../src/connectors/kit/config/shape.ts';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import { issuer } from '../support/aws-role-table.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { S3_KEY } from '../support/peers/fake-s3.ts';
import { createFakeSts, type FakeRole } from '../support/peers/fake-sts.ts';
import { judgeRdsToken, startRdsFront } from '../support/peers/rds.ts';
import { athenaStand, KEY } from '../support/stands/athena.ts';
import { federatedGcsStand } from '../support/stands/google-cloud-storage.ts';
import { mongoDataApiStand } from '../support/stands/mongo-data-api.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import { postgresStand } from '../support/stands/postgres.ts';
import { s3Stand } from '../support/stands/s3.ts';
import type { Changes, Stand } from '../support/stands/stand.ts';
import { trinoStand } from '../support/stands/trino.ts';
import { authority, useStand } from '../support/use-stand.ts';

/* Ways to sign in that no stand's own config shows, through a gateway: stored, tested and changed by the API. */

const CREATE = `mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename
  ... on UserError { code issues { path configPath code message } }
  ... on ConnectionTestFailedError { test { failure { code configPath hint } } }
  ... on CreateDatastoreSuccess { datastore { id configJson secrets { path isSet } lastTest { status checks { name status } } } } } }`;
const UPDATE = CREATE.replaceAll('CreateDatastore', 'UpdateDatastore').replace('createDatastore', 'updateDatastore');
const START = `mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename
  ... on UserError { code issues { path configPath code message } }
  ... on StartConnectionTestSuccess { test { id } } } }`;
const READ = `query ($id: ID!) { connectionTest(id: $id) { status failure { code configPath } } }`;

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const roles: readonly FakeRole[] = [{ arn: ROLE, trusts: [S3_KEY.accessKeyId, KEY.accessKeyId], issuer }];
const sts = (region: string) => ({ sts: createFakeSts({ region, credentials: [S3_KEY, KEY], roles }) });
const webIdentity = {
  accessKeyId: undefined,
  secretAccessKey: undefined,
  webIdentity: { roleArn: ROLE, token: issuer.token() },
};

const rds = { host: 'db.example', region: 'eu-central-1', credentials: () => [KEY] };
const awsIam = {
  username: 'app',
  password: undefined,
  'awsIam.region': 'eu-central-1',
  'awsIam.accessKeyId': KEY.accessKeyId,
  'awsIam.secretAccessKey': KEY.secretAccessKey,
};

interface Way {
  readonly title: string;
  readonly stand: Stand<never>;
  readonly change: Changes;
  readonly options: object;
  /** Another peer than the stand's own. */
  readonly start?: (
    keep: <Peer extends { close(): unknown }>(starting: Promise<Peer>) => Promise<Peer>,
  ) => Promise<{ port: number }>;
  /** A change that the peer refuses, and how. */
  readonly wrong: { readonly change: Changes; readonly code: string; readonly configPath: string };
}

const refused = (path: string, value: unknown, code: string, configPath = path) => ({
  change: { [path]: value },
  code,
  configPath,
});

const ways: readonly Way[] = [
  {
    title: 'S3 by an assumed role',
    stand: s3Stand as Stand<never>,
    change: { assumeRole: { roleArn: ROLE } },
    options: sts('us-east-1'),
    wrong: refused('assumeRole.externalId', 'another', 'PERMISSION_DENIED', 'assumeRole.roleArn'),
  },
  {
    title: 'S3 by a web identity',
    stand: s3Stand as Stand<never>,
    change: webIdentity,
    options: sts('us-east-1'),
    wrong: refused('webIdentity.token', 'no.such.token', 'KEY_REFUSED'),
  },
  {
    title: 'Athena by an assumed role',
    stand: athenaStand as Stand<never>,
    change: { assumeRole: { roleArn: ROLE } },
    options: sts('eu-central-1'),
    wrong: refused('secretAccessKey', 'wrong', 'KEY_REFUSED'),
  },
  {
    title: 'Athena by a web identity',
    stand: athenaStand as Stand<never>,
    change: webIdentity,
    options: sts('eu-central-1'),
    wrong: refused('webIdentity.token', 'no.such.token', 'KEY_REFUSED'),
  },
  {
    title: 'MySQL by a token of AWS IAM',
    stand: mysqlStand as Stand<never>,
    change: awsIam,
    options: {
      username: 'app',
      plugin: 'mysql_clear_password',
      judges: (token: string, username: string) => judgeRdsToken(token, username, { ...rds, port: 3306 }),
    },
    wrong: refused('awsIam.secretAccessKey', 'wrong', 'KEY_REFUSED', 'awsIam.accessKeyId'),
  },
  {
    title: 'PostgreSQL by a token of AWS IAM',
    stand: postgresStand as Stand<never>,
    change: awsIam,
    options: {},
    start: async (keep) => {
      const trusting = { hba: ['host all all 127.0.0.1/32 trust'] };
      const { port: upstream } = await keep(postgresStand.start(undefined, trusting));
      const certificate = await authority.issue({ names: [rds.host] });
      return keep(startRdsFront({ ...rds, port: 5432, certificate, upstream }));
    },
    wrong: refused('awsIam.secretAccessKey', 'wrong', 'KEY_REFUSED', 'awsIam.accessKeyId'),
  },
  {
    title: 'Google Cloud Storage by workload identity federation',
    stand: federatedGcsStand as Stand<never>,
    change: {},
    options: {},
    wrong: refused('workloadIdentity.token', 'no.such.token', 'KEY_REFUSED'),
  },
  {
    title: 'Trino by an access token',
    stand: trinoStand as Stand<never>,
    change: { password: undefined, accessToken: issuer.token({ sub: 'reader' }) },
    options: { issuer },
    wrong: refused('accessToken', 'no.such.token', 'KEY_REFUSED'),
  },
  {
    title: 'OpenSearch by signed requests',
    stand: opensearchStand as Stand<never>,
    change: {
      username: undefined,
      password: undefined,
      'awsSigV4.service': 'ES',
      'awsSigV4.region': 'eu-central-1',
      'awsSigV4.accessKeyId': KEY.accessKeyId,
      'awsSigV4.secretAccessKey': KEY.secretAccessKey,
    },
    options: { signed: { service: 'es', region: 'eu-central-1', credentials: [KEY] } },
    wrong: refused('awsSigV4.secretAccessKey', 'wrong', 'KEY_REFUSED'),
  },
  {
    title: 'a Data API by a password',
    stand: mongoDataApiStand as Stand<never>,
    change: { apiKey: undefined, username: 'reader', password: 'pä55' },
    options: { apiKey: undefined, users: { reader: 'pä55' } },
    wrong: refused('password', 'wrong', 'PASSWORD_REFUSED'),
  },
  {
    title: 'a Data API by an access token',
    stand: mongoDataApiStand as Stand<never>,
    change: { apiKey: undefined, accessToken: issuer.token() },
    options: { apiKey: undefined, issuer },
    wrong: refused('accessToken', 'no.such.token', 'KEY_REFUSED'),
  },
];

describe.each(ways)('$title', ({ stand, change, options, start, wrong }) => {
  const used = useStand(stand);
  const { connector } = stand;
  const key = configKey(connector);
  const config = used.configFor(change);
  let gateway: TestGateway;
  beforeAll(async () => {
    const { port } = await (start ? start(used.keep) : used.start(options as never));
    const executor = { names: used.namesFor(port, config), publicCa: authority.certificate };
    gateway = await startGateway({ testing: { executor } });
  });
  afterAll(() => gateway?.close());

  const ask = async (query: string, variables: object) => {
    const { json } = await gateway.send({ query, variables });
    expect(json.errors).toBeUndefined();
    return Object.values(json.data ?? {})[0] as Record<string, unknown>;
  };
  const patch = (changes: Changes) => {
    const patched = {};
    for (const [path, value] of Object.entries(changes)) setAt(patched, path, value);
    return { config: { [key]: patched } };
  };

  test('is tested, stored without its secrets, tested again, and changed', async () => {
    const created = await ask(CREATE, {
      input: { config: { [key]: config }, label: 'x', test: { timeoutMs: 20_000 } },
    });
    expect(created).toMatchObject({ __typename: 'CreateDatastoreSuccess' });
    const { datastore } = created as { datastore: { id: string; configJson: object; secrets: { path: string }[] } };
    const given = secretPathsOf(connector).filter((path) => valueAt(config, path) !== undefined);
    expect(given).not.toEqual([]);
    for (const path of given) expect(valueAt(datastore.configJson as never, path)).toBeUndefined();
    expect(datastore.secrets).toEqual(expect.arrayContaining(given.map((path) => ({ path, isSet: true }))));

    const test = { timeoutMs: 20_000 };
    const input = { id: datastore.id, ...patch(wrong.change), test };
    expect(await ask(UPDATE, { input })).toMatchObject({
      __typename: 'ConnectionTestFailedError',
      test: { failure: { code: wrong.code, configPath: wrong.configPath } },
    });
    expect(await ask(UPDATE, { input: { id: datastore.id, label: 'y', test } })).toMatchObject({
      __typename: 'UpdateDatastoreSuccess',
    });

    const started = await ask(START, { input: { target: { datastoreId: datastore.id } } });
    const { test: stored } = started as { test: { id: string } };
    await expect
      .poll(() => ask(READ, { id: stored.id }), { timeout: 20_000 })
      .toMatchObject({ status: 'PASSED', failure: null });
  });
});
