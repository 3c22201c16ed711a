/**
 * The performance suite. It seeds 10,000 datastores in SQLite, starts the gateway, L (see limit.ts) and other GraphQL
 * servers (see peers/server.ts) over copies of the same file, makes sure that all answer with the same bytes and refuse
 * what is malformed, and lets them take turns. Figures are ratios of requests per second within the same round;
 * differences under 20 % mean nothing. Before that it measures starts, memory, followers and tests (see service.ts),
 * after it the gateway on Postgres beside PostGraphile (see postgres.ts), and how its queries grow (see growth.ts).
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drawChart } from './chart.ts';
import { compareGrowth, judgeGrowth } from './growth.ts';
import { addRound, emptyLoad, type Load, load, type NextBody, PAGE_SIZE, send, sendAnyhow } from './load.ts';
import { median } from './median.ts';
import { type BesidePostGraphile, measureOnPostgres } from './postgres.ts';
import { type Seeded, seed } from './seed.ts';
import { type Goal, measureService } from './service.ts';
import { type System, startSystems, stopSystems } from './systems.ts';

const USAGE = `Measures the gateway beside other servers, and what it costs as a whole.

  npm run bench                  five rounds of five seconds, and 1,000,000 rows: some 25 minutes
  npm run bench -- --quick       two rounds of one second, and no growth: under two minutes
  npm run bench -- --rounds 3    so many rounds
  npm run bench -- --seconds 2   so many seconds a round
  npm run bench -- --rows 100000 so many rows beside 10,000, where it measures growth
  npm run bench -- --json        prints the goals as its last line
`;
const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    rows: { type: 'string', default: '1000000' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit();
}
const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
const seconds = Number(values.seconds ?? (values.quick ? 1 : 5));
/** How often starts, followers and tests are measured. */
const serviceRounds = values.quick ? 1 : 3;
const DATASTORES = 10_000;
/** How many there are in Postgres. */
const IN_POSTGRES = 2_000;
const warmUpSeconds = values.quick ? 0.3 : 1;
const GROWTH_ROUNDS = 11;
const SHOWN_CHARACTERS = 400;
const CONNECTIONS = 32;
const FIELDS =
  'id name label ... on PostgresDatastore { config { host port username database schema } } environment { id name } lastTest { id status }';
const documents: Readonly<Record<string, string>> = {
  Q1: `query Q1($id: ID!) { datastore(id: $id) { ${FIELDS} } }`,
  Q2: `query Q2($environmentId: ID!) { datastores(environmentId: $environmentId, first: ${PAGE_SIZE}) { nodes { ${FIELDS} } } }`,
  M1: 'mutation M1($id: ID!, $label: String!) { updateDatastore(input: { id: $id, label: $label }) { ... on UpdateDatastoreSuccess { datastore { id label } } } }',
};
/** M1 again, with nobody to share a COMMIT with. */
const ONE_WRITER = 'M1, one writer';
/** What the gateway's requests a second are to be of another system's, by operation. */
const goals: readonly (readonly [operation: string, of: string, goal: number])[] = [
  ['Q1', 'limit', 0.85],
  ['Q2', 'limit', 1],
  ['M1', 'limit', 3],
  [ONE_WRITER, 'limit', 0.8],
  ...['Q1', 'Q2', 'M1'].flatMap((name) => [
    ...['mercurius', 'mercurius-services'].map((of) => [name, of, 1.7] as const),
    ...['apollo', 'apollo-services'].map((of) => [name, of, 2.3] as const),
  ]),
];
/** What is to be refused: no JSON, a variable of another type, one that is missing, and a field that there is not. */
const malformed: readonly string[] = [
  '{"query": "{ __typename }"',
  bodyOf('Q2', { environmentId: ['one', { and: 'another' }] }),
  bodyOf('M1', { id: 'one' }),
  JSON.stringify({ query: '{ datastores { nodes { nothing } } }' }),
];

/** The same of PostGraphile's, over one Postgres. */
const OF_POSTGRAPHILE = 1.5;

type Report = ReadonlyMap<string, ReadonlyMap<string, Load>>;

const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'));
try {
  goOnTo(`seeding ${DATASTORES} datastores`);
  const seeded = await seed(folder, DATASTORES);
  goOnTo('starts, memory, followers and tests at once');
  const service = await measureService(folder, seeded, serviceRounds);
  goOnTo('the other servers');
  const systems = await startSystems(folder, seeded.token);
  const bodies = bodiesFor(seeded);
  for (const [name, body] of Object.entries(bodies)) await compare(systems, name, body);
  await probe(systems);
  const report = new Map<string, ReadonlyMap<string, Load>>();
  for (const [name, body] of Object.entries(bodies)) {
    goOnTo(name);
    report.set(name, await measure(systems, body, CONNECTIONS));
  }
  const fewest = systems.filter(({ name }) => name === 'gateway' || name === 'limit');
  report.set(ONE_WRITER, await measure(fewest, bodies.M1, 1));
  await stopSystems();
  goOnTo('Postgres, beside PostGraphile');
  const onPostgres = await measureOnPostgres(folder, IN_POSTGRES, { rounds, seconds, warmUpSeconds }, bodiesFor);
  const grown = values.quick ? [] : await measureGrowth(typeof onPostgres !== 'string');
  await write(report, service, onPostgres, grown);
} finally {
  await stopSystems();
  await rm(folder, { recursive: true, force: true });
}

/** Says what comes next to who waits: it takes minutes, and the figures come at the end. */
function goOnTo(what: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(0)} s: ${what} …\n`);
}

function bodiesFor({ environmentId, ids }: Seeded): Readonly<Record<'Q1' | 'Q2' | 'M1', NextBody>> {
  return {
    Q1: (count) => bodyOf('Q1', { id: ids[count % ids.length] }),
    Q2: () => bodyOf('Q2', { environmentId }),
    M1: (count) => bodyOf('M1', { id: ids[count % ids.length], label: `label ${count}` }),
  };
}

function bodyOf(operationName: string, variables: Record<string, unknown>): string {
  return JSON.stringify({ query: documents[operationName], operationName, variables });
}

/** Makes sure that all say the same, for else the benchmark would compare nothing. */
async function compare([first, ...others]: readonly System[], name: string, body: NextBody): Promise<void> {
  const expected = first ? await send(first, body(1)) : '';
  for (const other of others) {
    const answer = (await send(other, body(1))).trimEnd();
    if (answer === expected) continue;
    const [ours, theirs] = [expected, answer].map((text) => text.slice(0, SHOWN_CHARACTERS));
    throw new Error(`${name}: ${other.name} answers otherwise\n${ours}\n${theirs}`);
  }
}

/** Makes sure that none answers with data what is malformed: one that skips checks is quicker for nothing. */
async function probe(systems: readonly System[]): Promise<void> {
  // L knows no GraphQL
  for (const system of systems.filter(({ name }) => name !== 'limit'))
    for (const body of malformed) {
      const [status, text] = await sendAnyhow(system, body);
      if (status >= 400 && status < 500) continue;
      const { errors, data } = JSON.parse(text) as { errors?: object; data?: object | null };
      if (!errors || data) throw new Error(`${system.name} takes ${body}\n${status} ${text}`);
    }
}

async function measure(
  systems: readonly System[],
  body: NextBody,
  connections: number,
): Promise<ReadonlyMap<string, Load>> {
  for (const system of systems) await load(system, body, connections, warmUpSeconds);
  const measured = new Map(systems.map((system) => [system, emptyLoad()]));
  for (let round = 0; round < rounds; round += 1)
    for (const [system, found] of measured) await addRound(found, system, body, connections, seconds);
  return new Map([...measured].map(([{ name }, found]) => [name, found]));
}

async function measureGrowth(hasPostgres: boolean): Promise<readonly ReturnType<typeof judgeGrowth>[]> {
  const judged: ReturnType<typeof judgeGrowth>[] = [];
  for (const kind of hasPostgres ? (['sqlite', 'postgres'] as const) : (['sqlite'] as const)) {
    goOnTo(`${values.rows} datastores beside 10,000 in ${kind}`);
    judged.push(judgeGrowth(kind, await compareGrowth(kind, { rows: Number(values.rows), rounds: GROWTH_ROUNDS })));
  }
  return judged;
}

/** The ratios of one system's requests a second to another's, round by round, in order of size. */
function ratios(report: Report, operation: string, name: string, to: string): number[] {
  const [ours, theirs] = [name, to].map((one) => report.get(operation)?.get(one)?.perSecond ?? []);
  return ratiosOf(ours ?? [], theirs ?? []);
}

function ratiosOf(ours: readonly number[], theirs: readonly number[]): number[] {
  return ours.map((rate, round) => rate / (theirs[round] ?? Number.NaN)).toSorted((a, b) => a - b);
}

/** One line: the median of ratios with their spread, and what one system did. */
function lineOf(heads: readonly string[], found: readonly number[], { perSecond, cpuMicros }: Load): string {
  const spread = `${found.at(0)?.toFixed(2)} to ${found.at(-1)?.toFixed(2)}`;
  const [rate, cpu] = [Math.round(median(perSecond)), Math.round(median(cpuMicros))];
  return `| ${heads.join(' | ')} | ${median(found).toFixed(2)} | ${spread} | ${rate} | ${cpu} |`;
}

function tableOf(report: Report): string {
  const lines = [...report].flatMap(([operation, measured]) =>
    [...measured].map(([name, found]) => lineOf([operation, name], ratios(report, operation, name, 'limit'), found)),
  );
  return [
    '| | | ratio to L | spread | requests/s | CPU µs a request |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

function besidePostGraphile(measured: readonly BesidePostGraphile[] | string): readonly Goal[] {
  if (typeof measured === 'string') return [];
  return measured.map(({ name, gateway, postgraphile }) => {
    const ratio = Number(median(ratiosOf(gateway.perSecond, postgraphile.perSecond)).toFixed(2));
    return { name: `${name} to postgraphile`, measured: ratio, goal: OF_POSTGRAPHILE, met: ratio >= OF_POSTGRAPHILE };
  });
}

function tableOfPostgres(measured: readonly BesidePostGraphile[] | string): string {
  if (typeof measured === 'string') return `Not measured beside PostGraphile, for there is no Postgres: ${measured}\n`;
  const lines = measured.flatMap(({ name, ...both }) =>
    Object.entries(both).map(([system, found]) =>
      lineOf([name, system], ratiosOf(found.perSecond, both.postgraphile.perSecond), found),
    ),
  );
  const head = `| ${IN_POSTGRES} in Postgres | | ratio to PostGraphile | spread | requests/s | CPU µs a request |`;
  return [head, '| --- | --- | --- | --- | --- | --- |', ...lines, ''].join('\n');
}

/** The queries that take longer than they may with so many rows. */
function tableOfGrowth(grown: readonly ReturnType<typeof judgeGrowth>[]): string {
  if (grown.length === 0) return '';
  const head = `| CPU ms a query | | 10000 datastores | ${values.rows} | ratio | |`;
  return [head, '| --- | --- | --- | --- | --- | --- |', ...grown.map(({ lines }) => lines.trimEnd()), ''].join('\n');
}

async function write(
  report: Report,
  service: Awaited<ReturnType<typeof measureService>>,
  onPostgres: readonly BesidePostGraphile[] | string,
  grown: readonly ReturnType<typeof judgeGrowth>[],
): Promise<void> {
  const ofRequests = goals.map(([operation, of, goal]): Goal => {
    const ratio = Number(median(ratios(report, operation, 'gateway', of)).toFixed(2));
    return { name: `${operation} to ${of}`, measured: ratio, goal, met: ratio >= goal };
  });
  const ofGrowth = grown.map(({ goal }) => goal);
  const measured = [...ofRequests, ...besidePostGraphile(onPostgres), ...service.goals, ...ofGrowth];
  const goalLines = measured.map(
    ({ name, measured: is, goal, met }) => `| ${name} | ${is} | ${goal} | ${met ? 'met' : 'not met'} |`,
  );
  const table = [
    `${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections, ${DATASTORES} datastores in SQLite, Node ${process.versions.node}`,
    '',
    tableOf(report),
    tableOfPostgres(onPostgres),
    service.table,
    tableOfGrowth(grown),
    '| the gateway’s requests/s to those of others; what it takes at most | measured | goal | |',
    '| --- | --- | --- | --- |',
    ...goalLines,
    '',
  ].join('\n');
  process.stdout.write(table);
  const results = new URL('results/', import.meta.url);
  await mkdir(results, { recursive: true });
  await writeFile(new URL('latest.md', results), table);
  const bars = [...report].map(([operation, systems]) => ({
    name: operation,
    bars: [...systems.keys()].map((name) => ({ name, value: median(ratios(report, operation, name, 'limit')) })),
  }));
  await writeFile(new URL('latest.svg', results), drawChart('Requests a second, of those of L', bars));
  if (values.json) process.stdout.write(`${JSON.stringify({ goals: measured })}\n`);
}
