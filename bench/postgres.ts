/** The gateway on Postgres beside PostGraphile over the same tables, which answers the same in its own form. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type PostgresServer, preparePostgres, startPostgres } from '../src/demo/postgres-server.ts';
import { startGatewayOn } from './gateway.ts';
import { addRound, emptyLoad, type Load, load, type NextBody, PAGE_SIZE, send, type Target } from './load.ts';
import { type Seeded, seed } from './seed.ts';

const CONNECTIONS = 32;
const DATABASE = 'postgres';
/** What no foreign key of the gateway's tells PostGraphile. */
const LAST_TEST = `comment on table datastores is E'@foreignKey (last_test_id) references connection_tests (id)'`;
const FIELDS =
  'id name label config environment: environmentByEnvironmentId { id name } lastTest: connectionTestByLastTestId { id status }';
const documents: Readonly<Record<string, string>> = {
  Q1: `query Q1($id: String!) { datastore: datastoreById(id: $id) { ${FIELDS} } }`,
  Q2: `query Q2($environmentId: String!) { datastores: allDatastores(
    condition: { environmentId: $environmentId }, orderBy: [LABEL_FOLDED_ASC, ID_ASC], first: ${PAGE_SIZE}) { nodes { ${FIELDS} } } }`,
  M1: `mutation M1($id: String!, $label: String!, $folded: String!) { updateDatastore: updateDatastoreById(
    input: { id: $id, datastorePatch: { label: $label, labelFolded: $folded } }) { datastore { id label } } }`,
};

/** The requests a second of one operation, an entry a round, and the CPU time of each process a request. */
export interface BesidePostGraphile {
  readonly name: string;
  readonly gateway: Load;
  readonly postgraphile: Load;
}

/** Measures both by turns; `ours` makes the gateway's bodies. Gives the reason where there is no Postgres. */
export async function measureOnPostgres(
  folder: string,
  count: number,
  {
    rounds,
    seconds,
    warmUpSeconds,
  }: { readonly rounds: number; readonly seconds: number; readonly warmUpSeconds: number },
  ours: (seeded: Seeded) => Readonly<Record<string, NextBody>>,
): Promise<readonly BesidePostGraphile[] | string> {
  const place = join(folder, 'postgres');
  await mkdir(place);
  const server = await startServer();
  if (typeof server === 'string') return server;
  const url = server.databaseUrl(DATABASE);
  const stops: (() => Promise<void>)[] = [() => server.stop()];
  try {
    const seeded = await seed(place, count, url);
    await describeLastTest(url);
    const gateway = await startGatewayOn(url, place, seeded.token);
    stops.unshift(() => gateway.stop());
    const headers = { authorization: `Bearer ${seeded.token}`, accept: 'application/graphql-response+json' };
    const postgraphile = await startPostGraphile(url);
    stops.unshift(postgraphile.stop);
    const measured: BesidePostGraphile[] = [];
    for (const [name, body] of Object.entries(ours(seeded))) {
      const gateways = { target: { ...gateway, headers }, body, found: emptyLoad() };
      const others = { target: postgraphile.target, body: theirs(name, body), found: emptyLoad() };
      const turns = [gateways, others];
      const [one = '', other = ''] = await Promise.all(turns.map(({ target, body }) => send(target, body(1))));
      requireSame(name, one, other);
      for (const { target, body } of turns) await load(target, body, CONNECTIONS, warmUpSeconds);
      for (let round = 0; round < rounds; round += 1)
        for (const { target, body, found } of turns) await addRound(found, target, body, CONNECTIONS, seconds);
      measured.push({ name, gateway: gateways.found, postgraphile: others.found });
    }
    return measured;
  } finally {
    for (const stop of stops) await stop();
  }
}

async function startServer(): Promise<PostgresServer | string> {
  try {
    return await startPostgres({}, await preparePostgres());
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function describeLastTest(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(LAST_TEST);
  await client.end();
}

async function startPostGraphile(url: string): Promise<{ target: Target; stop: () => Promise<void> }> {
  const script = fileURLToPath(new URL('peers/postgraphile.ts', import.meta.url));
  const env = { PATH: process.env.PATH, NODE_ENV: 'production', GRAPHILE_ENV: 'production' };
  const child = spawn(process.execPath, [script, url], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const stop = async () => {
    child.kill();
    await exited;
  };
  return { target: { port: Number(chunk.toString()), pid: child.pid ?? 0, headers: {} }, stop };
}

/** The same request in PostGraphile's form. */
function theirs(name: string, ours: NextBody): NextBody {
  return (count) => {
    const { variables } = JSON.parse(ours(count)) as { variables: Record<string, string> };
    const folded = name === 'M1' ? { folded: variables.label?.toLowerCase() } : {};
    return JSON.stringify({ query: documents[name], operationName: name, variables: { ...variables, ...folded } });
  };
}

/** Makes sure that both say the same: a config is a text there, of which the gateway shows some fields. */
function requireSame(name: string, ours: string, theirs: string): void {
  const shownOf = (key: string, value: unknown) => {
    if (key !== 'config') return value;
    const { host, port, username, database, schema } = typeof value === 'string' ? JSON.parse(value) : value;
    return { host, port, username, database, schema };
  };
  const [one, other] = [ours, theirs].map((text) => JSON.stringify(JSON.parse(text, shownOf)));
  if (one !== other) throw new Error(`${name}: PostGraphile answers otherwise\n${one}\n${other}`);
}
