import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../src/connectors/kit/config/shape.ts';
import { connectorOf } from '../../src/connectors/registry.ts';
import { type Access, scopes } from '../../src/modules/access/access.ts';
import type { TestSubject } from '../../src/modules/connection-tests/plan.ts';
import { hasEnded, running } from '../../src/modules/connection-tests/test.ts';
import { Database } from '../../src/platform/database/database.ts';
import { migrateToLatest } from '../../src/platform/database/migrate.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { constructSaving } from '../../src/saving.ts';
import { recordFault } from '../support/fault-report.ts';
import { postgresConfig } from '../support/inputs.ts';
import { newKeyring } from '../support/keys.ts';
import { printedSeed, seeded } from '../support/random.ts';
import { type Fate, SimulatedReplica } from '../support/simulated-replica.ts';
import { VirtualTime } from '../support/virtual-time.ts';

const STEPS = Number(process.env.FAULTS_STEPS ?? 100_000);
const REPLICAS = 3;
const MOST_TESTS = 20;
const MOST_SUBSCRIBERS = 20;
/** As long as a test may take, in milliseconds. */
const TIMEOUT_MS = 60_000;
/** On a machine that has nothing else to do it takes a minute. */
const PATIENCE_MS = 600_000;
/** How long a process that says nothing keeps its tests, as the runner has it. */
const LEASE_MS = 15_000;

const everything: Access = {
  tokenId: '00000000-0000-4000-8000-000000000001',
  actor: { name: 'simulation', onBehalfOf: null },
  isSession: false,
  scopes: new Set(scopes),
  environmentIds: 'all',
  expiresAt: null,
};

const restores: (() => void)[] = [];
afterEach(() => {
  for (const restore of restores.splice(0)) restore();
});

/** Who follows one test, over any replica, and looks whether each event is the one that comes next. */
interface Subscriber {
  readonly testId: string;
  seen: number;
  ends: number;
  connection: AbortController | undefined;
}

class Simulation {
  readonly time = new VirtualTime();
  readonly replicas: SimulatedReplica[] = [];
  readonly subscribers = new Set<Subscriber>();
  /** The tests that were acknowledged and not looked at since they ended. */
  readonly open = new Set<string>();
  readonly faults: string[] = [];
  deaths = 0;
  reconnections = 0;
  ended = 0;
  readonly #random: () => number;
  readonly #database: Database;
  readonly #doorbell: LocalDoorbell;
  readonly #keyring: Awaited<ReturnType<typeof newKeyring>>;
  readonly #subject: TestSubject;
  readonly #owners = new Map<string, { readonly owner: string | null; readonly lease: string | null }>();
  #count = 0;

  constructor(
    random: () => number,
    parts: { database: Database; doorbell: LocalDoorbell; keyring: Awaited<ReturnType<typeof newKeyring>> },
    environmentId: string,
  ) {
    this.#random = random;
    this.#database = parts.database;
    this.#doorbell = parts.doorbell;
    this.#keyring = parts.keyring;
    const connector = connectorOf('POSTGRES');
    const config = parseConfig(connector, { ...postgresConfig() }).data;
    if (!config) throw new Error('The config is none');
    const nothingStored = { datastoreId: null, storedVersion: null, firstVersion: null };
    this.#subject = { connector, config, tenancy: null, environmentId, ...nothingStored };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #anyOf<Item>(items: Iterable<Item>): Item | undefined {
    const all = [...items];
    return all[this.#below(all.length)];
  }

  begin(): void {
    while (this.replicas.length < REPLICAS)
      this.replicas.push(new SimulatedReplica(this.#database, this.#doorbell, this.#keyring));
  }

  /** Lets one thing happen, of those that may. */
  async step(): Promise<void> {
    const dice = this.#random();
    const replica = this.#anyOf(this.replicas);
    if (!replica) throw new Error('There is no replica');
    if (dice < 0.5) await this.#decide();
    else if (dice < 0.75) this.#goOn();
    else if (dice < 0.85) await this.time.advance(this.#below(dice < 0.751 ? LEASE_MS : 100));
    else if (dice < 0.9) this.#startTest(replica);
    else if (dice < 0.905) this.#cancel(replica);
    else if (dice < 0.95) this.#subscribe(replica);
    else if (dice < 0.98) this.#disconnect();
    else if (dice < 0.984) this.#kill(replica);
    await turn();
  }

  async #decide(): Promise<void> {
    const replica = this.#anyOf(this.replicas.filter(({ waiting }) => waiting > 0));
    if (!replica) return;
    const luck = this.#random();
    const fate: Fate = luck < 0.02 ? 'lost' : luck < 0.04 ? 'refused' : 'done';
    replica.decide(this.#below(replica.waiting), fate);
    await turn();
    await this.#look();
  }

  #goOn(): void {
    const run = this.#anyOf(this.replicas.flatMap(({ runs }) => [...runs]));
    if (this.#random() < 0.01) run?.restart();
    else run?.goOn();
  }

  #startTest(replica: SimulatedReplica): void {
    if (this.open.size >= MOST_TESTS) return;
    this.#count += 1;
    const testId = `00000000-0000-4000-8000-${String(this.#count).padStart(12, '0')}`;
    // it may be stored although nobody hears of it: then it has to end all the same
    this.open.add(testId);
    const options = { testId, timeoutMs: TIMEOUT_MS, path: [] };
    const purpose = this.#random() < 0.1 ? 'BEFORE_SAVE' : 'REQUESTED';
    replica.saving.connectionTests.start(everything, this.#subject, purpose, options).catch(ignore);
  }

  #cancel(replica: SimulatedReplica): void {
    const id = this.#anyOf(this.open);
    if (id !== undefined) replica.saving.connectionTests.cancel(everything, id).catch(ignore);
  }

  #subscribe(replica: SimulatedReplica): void {
    const waiting = [...this.subscribers].filter(({ connection }) => connection === undefined);
    const found = this.#anyOf(waiting);
    if (found) {
      this.reconnections += 1;
      return void this.#follow(replica, found);
    }
    const testId = this.#anyOf(this.open);
    if (testId === undefined || this.subscribers.size >= MOST_SUBSCRIBERS) return;
    const subscriber: Subscriber = { testId, seen: 0, ends: 0, connection: undefined };
    this.subscribers.add(subscriber);
    void this.#follow(replica, subscriber);
  }

  async #follow({ saving }: SimulatedReplica, subscriber: Subscriber): Promise<void> {
    const connection = new AbortController();
    subscriber.connection = connection;
    try {
      const { testId, seen } = subscriber;
      for await (const event of saving.connectionTests.progress(everything, testId, seen, connection.signal)) {
        // what comes after the connection broke is seen by nobody
        if (connection.signal.aborted) return;
        if (event.sequence !== subscriber.seen + 1)
          this.faults.push(`${testId}: ${event.sequence} came after ${subscriber.seen}`);
        subscriber.seen = event.sequence;
        if (hasEnded(event.test)) subscriber.ends += 1;
      }
    } catch {
      // the test was never stored
      this.subscribers.delete(subscriber);
    }
    if (!connection.signal.aborted) subscriber.connection = undefined;
    if (subscriber.ends > 0) this.subscribers.delete(subscriber);
    if (subscriber.ends > 1) this.faults.push(`${subscriber.testId}: ended ${subscriber.ends} times for who follows`);
  }

  #disconnect(): void {
    const subscriber = this.#anyOf(this.subscribers);
    subscriber?.connection?.abort();
    if (subscriber) subscriber.connection = undefined;
  }

  #kill(replica: SimulatedReplica): void {
    this.deaths += 1;
    replica.die();
    this.replicas.splice(this.replicas.indexOf(replica), 1);
    this.begin();
  }

  /** No test is taken from who lives, keeps its lease and has time left. */
  async #look(): Promise<void> {
    const rows = await this.#database.query
      .selectFrom('connection_tests')
      .select(['id', 'owner', 'status', 'attempt', 'lease_expires_at', 'deadline_at', 'cancel_requested'])
      .where('status', 'in', running)
      .execute();
    const now = this.#database.clock.timestamp();
    const owners = new Map(rows.map((row) => [row.id, { owner: row.owner, lease: row.lease_expires_at }]));
    const alive = new Map<string, SimulatedReplica>(
      this.replicas.map((replica) => [replica.saving.runner.owner, replica]),
    );
    for (const [id, { owner, lease }] of this.#owners) {
      const current = owners.get(id)?.owner;
      const former = alive.get(owner ?? '');
      const runsIt = former && [...former.runs].some(({ job }) => job.testId === id);
      if (current !== undefined && current !== owner && runsIt && (lease ?? '') > now)
        this.faults.push(`${id}: taken from a process that lives, ${lease} > ${now}`);
    }
    this.#owners.clear();
    for (const [id, owner] of owners) this.#owners.set(id, owner);
  }

  /** Takes the tests out that have ended, or that were never stored, and looks at their logs. */
  async settle(): Promise<void> {
    for (const id of this.open) {
      const { query } = this.#database;
      const row = await query.selectFrom('connection_tests').selectAll().where('id', '=', id).executeTakeFirst();
      if (row && !row.finished_at) continue;
      if (!row && this.replicas.some(({ waiting }) => waiting > 0)) continue;
      this.open.delete(id);
      if (!row) continue;
      this.ended += 1;
      const events = await query.selectFrom('test_events').selectAll().where('test_id', '=', id).execute();
      const log = events.sort((a, b) => a.sequence - b.sequence);
      const ends = log.filter(({ snapshot }) => hasEnded(JSON.parse(snapshot)));
      if (ends.length !== 1 || ends[0] !== log.at(-1)) this.faults.push(`${id}: ${ends.length} ends`);
      if (log.some(({ sequence }, at) => sequence !== at + 1)) this.faults.push(`${id}: a gap`);
      if (row.draft_secrets !== null) this.faults.push(`${id}: keeps its secrets`);
    }
  }

  /** Nothing fails any more, and all that is open has to come to its end. */
  async drain(): Promise<void> {
    const isOver = () => this.open.size === 0 && this.subscribers.size === 0;
    for (let round = 0; round < 5_000 && !isOver(); round += 1) {
      for (const replica of this.replicas) {
        while (replica.waiting > 0) {
          replica.decide(0, 'done');
          await turn();
        }
        for (const run of [...replica.runs]) run.goOn();
        this.#subscribe(replica);
      }
      await this.time.advance(100);
      await this.settle();
    }
  }
}

const ignore = () => undefined;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test(`${STEPS} steps of deaths, delays and reconnections lose no end of a test and double none`, {
  timeout: PATIENCE_MS,
}, async () => {
  const seed = printedSeed('queue and subscribers');
  const doorbell = new LocalDoorbell();
  const database = await Database.open({ url: 'sqlite::memory:', doorbell });
  await migrateToLatest(database);
  const keyring = await newKeyring();
  const simulation = new Simulation(
    seeded(seed),
    { database, doorbell, keyring },
    await firstEnvironment(database, doorbell, keyring),
  );
  restores.push(simulation.time.install());
  const cpu = process.cpuUsage();
  simulation.begin();
  for (let step = 0; step < STEPS && simulation.faults.length === 0; step += 1) {
    await simulation.step();
    if (step % 100 === 0) await simulation.settle();
  }
  if (simulation.faults.length === 0) await simulation.drain();
  for (const replica of simulation.replicas) replica.die();
  const { user, system } = process.cpuUsage(cpu);
  const { ended, deaths, reconnections, faults, open, subscribers } = simulation;
  process.stdout.write(
    `${STEPS} steps: ${ended} tests ended, ${deaths} deaths, ${reconnections} reconnections, ${Math.round((user + system) / 1_000)} ms of CPU\n`,
  );
  for (const restore of restores.splice(0)) restore();
  const lost = open.size + subscribers.size;
  recordFault({ fault: 'simulated deaths and delays', times: deaths, lost, doubled: faults.length, recoveryMs: null });
  expect(faults, `FAULTS_SEED=${seed}`).toEqual([]);
  expect([...open], `FAULTS_SEED=${seed}`).toEqual([]);
  expect([...subscribers].map(({ testId, seen }) => [testId, seen])).toEqual([]);
  expect(ended).toBeGreaterThan(STEPS / 200);
  await database.close();
});

async function firstEnvironment(...[database, doorbell, keyring]: ConstructorParameters<typeof SimulatedReplica>) {
  const logger = createLogger({ level: 'silent' });
  const revisionSecrets = { days: 30, versions: 10 };
  const { environments } = constructSaving({
    ...{ database, doorbell, keyring, logger, revisionSecrets },
    executor: {} as never,
  });
  await environments.ensureFirst('default');
  const { id } = await database.query.selectFrom('environments').select('id').executeTakeFirstOrThrow();
  return id;
}
