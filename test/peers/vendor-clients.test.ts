import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpPeer, PeerRequest } from '../support/peers/http-peer.ts';
import { describePeer } from '../support/peers/installed.ts';
import { VENDOR_CLIENTS, vendorPython } from '../support/peers/vendor-clients.ts';
import { athenaStand } from '../support/stands/athena.ts';
import { bigqueryStand } from '../support/stands/bigquery.ts';
import { ownCockroachdbStand } from '../support/stands/cockroachdb.ts';
import { databricksStand } from '../support/stands/databricks.ts';
import { READER } from '../support/stands/elastic-family.ts';
import { elasticsearchStand } from '../support/stands/elasticsearch.ts';
import { fireboltStand } from '../support/stands/firebolt.ts';
import { federatedGcsStand, googleCloudStorageStand } from '../support/stands/google-cloud-storage.ts';
import { mongodbStand } from '../support/stands/mongodb.ts';
import { mssqlStand } from '../support/stands/mssql.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import { qdrantStand } from '../support/stands/qdrant.ts';
import { ownRedshiftStand } from '../support/stands/redshift.ts';
import { s3Stand } from '../support/stands/s3.ts';
import { snowflakeStand } from '../support/stands/snowflake.ts';
import { changed, type Stand } from '../support/stands/stand.ts';
import { trinoStand } from '../support/stands/trino.ts';
import { authority, openStand } from '../support/use-stand.ts';

/** How long a client may take for its start, its sign-in and a statement, in milliseconds. */
const PATIENCE_MS = 60_000;
const INSTALL_MS = 300_000;
const CLIENTS = join(import.meta.dirname, 'vendor-clients');
/** One is of Node, with packages of its own: 120 MB that no newcomer needs. */
const NODE_CLIENT = 'snowflake-node';
/** What their clients ask besides the hosts that a config names. */
const VENDOR_HOSTS = ['oauth2.googleapis.com', 'id.app.firebolt.io', 'api.app.firebolt.io'];
const run = promisify(execFile);

interface Told {
  readonly answer?: unknown;
  /** The class of the error. */
  readonly refused?: string;
  readonly message?: string;
}

/** Each with the module that has its vendor's client sign in, and what that answers. */
const clients = (): readonly (readonly [client: string, stand: Stand<never, never>, answer: unknown])[] =>
  [
    ['pytds_client', mssqlStand, 1],
    ['pymssql_client', mssqlStand, 1],
    ['cockroach_client', ownCockroachdbStand, 1],
    ['qdrant', qdrantStand, ['empty', 'products']],
    ['redshift', ownRedshiftStand, 1],
    ['mysql_client', mysqlStand, '1'],
    ['mongo_client', mongodbStand, ['customers', 'orders', 'recent', 'system.views']],
    ['snowflake_client', snowflakeStand, '1'],
    [NODE_CLIENT, snowflakeStand, '1'],
    ['databricks_client', databricksStand, 'main'],
    ['firebolt_client', fireboltStand, 1],
    ['trino_client', trinoStand, 1],
    ['elasticsearch_client', withPlainPassword(elasticsearchStand), expect.any(String)],
    ['opensearch_client', withPlainPassword(opensearchStand), expect.any(String)],
    ['bigquery_client', bigqueryStand, ['sales', 'web']],
    ['gcs_client', googleCloudStorageStand, ['a.csv', 'b.csv']],
    ['gcs_federated_client', federatedGcsStand, ['a.csv', 'b.csv']],
    ['s3_client', s3Stand, ['exports/2026/a b.csv', "exports/2026/q's & <r>.csv", 'exports/empty', 'readme']],
    ['athena_client', athenaStand, '1'],
  ] as never;

/** Their vendors' clients have no passwords beyond ASCII. */
function withPlainPassword(stand: typeof elasticsearchStand): typeof elasticsearchStand {
  const user = { ...READER, password: 'plain' };
  const config = { ...stand.config, password: user.password };
  return { ...stand, config, start: (certificate, options) => stand.start(certificate, { users: [user], ...options }) };
}

/** These speak protocols of their own. */
const spokenOtherwise = [
  'pytds_client',
  'pymssql_client',
  'cockroach_client',
  'redshift',
  'mysql_client',
  'mongo_client',
];

/** What a client asks and the connector does not: it is no part of signing in, or there is another way to it. */
const theirOwn: Readonly<Record<string, readonly string[]>> = {
  // it sends a token that it does not have yet
  snowflake_client: ['POST /telemetry/send Snowflake', 'POST /session/v1/login-request Snowflake'],
  [NODE_CLIENT]: ['POST /telemetry/send Snowflake'],
  databricks_client: ['GET /.well-known/databricks-config none'],
  // the SDK leaves out the path that Firebolt's published API has, and tries an old token first
  firebolt_client: ['POST / Bearer', 'GET /web/v3/account/my-account/engineUrl none'],
};

/** What a request is about, without what is made anew for each. */
function shapeOf({ method, path, headers }: PeerRequest): string {
  const [scheme] = (headers.authorization ?? (headers['api-key'] ? 'api-key' : 'none')).split(' ');
  return `${method} ${path.replaceAll(/[0-9a-f-]{36}/g, '…')} ${scheme}`;
}

describePeer('a fake and its vendor’s own client', VENDOR_CLIENTS, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gateway-vendor-clients-'));
    await writeFile(join(folder, 'ca.pem'), authority.certificate);
    const place = join(CLIENTS, NODE_CLIENT);
    if (!existsSync(join(place, 'node_modules'))) await run('npm', ['ci'], { cwd: place });
  }, INSTALL_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Has a client sign in at a peer, to which every host leads. */
  async function told(client: string, port: number, config: object): Promise<Told> {
    const ca = join(folder, 'ca.pem');
    const trust = { SSL_CERT_FILE: ca, REQUESTS_CA_BUNDLE: ca, AWS_CA_BUNDLE: ca, NODE_EXTRA_CA_CERTS: ca };
    const env = { PATH: '/usr/bin:/bin', HOME: folder, PYTHONDONTWRITEBYTECODE: '1', ...trust };
    const [program, ...given] =
      client === NODE_CLIENT
        ? [process.execPath, join(CLIENTS, client, 'first.js')]
        : [vendorPython, join(CLIENTS, 'run.py'), client];
    const running = run(program, given, { cwd: folder, env, timeout: PATIENCE_MS });
    running.child.stdin?.end(JSON.stringify({ config, port, ca }));
    return JSON.parse((await running).stdout) as Told;
  }

  describe.each(clients())('%s', (client, stand, answer) => {
    const used = openStand(stand as Stand);
    afterAll(() => used.close());
    const start = async () => {
      const names = ['localhost', ...used.hosts, ...VENDOR_HOSTS];
      return used.keep(Promise.resolve(used.stand.start(await used.issue({ names }))));
    };

    test('signs in, and runs its first statement', async () => {
      const { port } = await start();
      expect(await told(client, port, used.stand.config)).toEqual({ answer });
    });

    test('is refused with a wrong password or key', async () => {
      const trial = used.stand.trials['wrong password or key'];
      if ('never' in trial) throw new Error('Nobody signs in there.');
      const peer = trial.start ? await used.keep(trial.start(undefined)) : await start();
      const { refused } = await told(client, peer.port, changed(used.stand.config, trial.change ?? {}));
      expect(refused).toEqual(expect.any(String));
    });

    if (spokenOtherwise.includes(client)) return;
    test('asks what the connector asks', async () => {
      const [theirs, ours] = [await start(), await start()];
      await told(client, theirs.port, used.stand.config);
      await used.tryAt(ours);
      const shapes = (peer: object) => (peer as HttpPeer).requests.map(shapeOf);
      const known = [...shapes(ours), ...(theirOwn[client] ?? [])];
      expect(shapes(theirs).filter((shape) => !known.includes(shape))).toEqual([]);
    });
  });
});
