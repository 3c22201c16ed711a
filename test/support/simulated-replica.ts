import { failed } from '../../src/connectors/kit/checks/run-checks.ts';
import { Failure } from '../../src/connectors/kit/contract/failure.ts';
import type { CheckEvent, Executor, TestJob, TestOutcome } from '../../src/executor/executor.ts';
import { type Change, type Database, DatabaseUnavailableError } from '../../src/platform/database/database.ts';
import type { Keyring } from '../../src/platform/keys/keyring.ts';
import type { Doorbell } from '../../src/platform/streams/doorbell.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { constructSaving, type Saving } from '../../src/saving.ts';

/** What becomes of a change: `lost` is stored, and its answer does not come; `refused` is not. */
export type Fate = 'done' | 'lost' | 'refused';

/** A change that waits until the simulation lets it be made. */
interface Waiting {
  decide(fate: Fate): void;
}

/** One test in a simulated executor, which goes on as the simulation says. */
export class SimulatedRun {
  readonly job: TestJob;
  readonly #onCheck: (event: CheckEvent) => void;
  readonly #settle: (outcome: TestOutcome) => void;
  #at = 0;
  #isStarted = false;
  isOver = false;

  constructor(job: TestJob, onCheck: (event: CheckEvent) => void, settle: (outcome: TestOutcome) => void) {
    this.job = job;
    this.#onCheck = onCheck;
    this.#settle = settle;
  }

  /** Begins or ends the next check, or ends the test after the last. */
  goOn(): void {
    const name = this.job.checks[this.#at];
    if (name === undefined) {
      this.end({ status: 'PASSED', failure: null, skipped: [] });
      return;
    }
    if (this.#isStarted) {
      this.#onCheck({ kind: 'ended', name, status: 'PASSED', durationMs: 1, evidence: [], failure: null });
      this.#at += 1;
    } else this.#onCheck({ kind: 'started', name });
    this.#isStarted = !this.#isStarted;
  }

  /** The executor has lost its child: all checks begin anew. */
  restart(): void {
    [this.#at, this.#isStarted] = [0, false];
    this.#onCheck({ kind: 'restarted' });
  }

  end(outcome: TestOutcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#settle(outcome);
  }
}

/**
 * A process with all of the gateway's own code for connection tests, but for what runs them: each of its changes waits
 * until the simulation lets it be made, and it can die at any moment.
 */
export class SimulatedReplica {
  readonly saving: Saving;
  readonly runs = new Set<SimulatedRun>();
  readonly #waiting: Waiting[] = [];
  #isDead = false;

  constructor(database: Database, doorbell: Doorbell, keyring: Keyring) {
    const logger = createLogger({ level: 'silent' });
    const own = new Proxy(database, {
      get: (target, name) => {
        if (name === 'change') return (work: Parameters<Database['change']>[0]) => this.#change(target, work);
        const found: unknown = Reflect.get(target, name, target);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });
    const revisionSecrets = { days: 30, versions: 10 };
    const executor = { run: this.#run.bind(this) } as unknown as Executor;
    this.saving = constructSaving({ database: own, doorbell, keyring, executor, logger, revisionSecrets });
    this.saving.runner.start();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets one of the waiting changes, the `at`-th, come to its fate. */
  decide(at: number, fate: Fate): void {
    this.#waiting.splice(at, 1)[0]?.decide(fate);
  }

  /** From now on nothing that it does comes to anything. */
  die(): void {
    this.#isDead = true;
    this.#waiting.length = 0;
    this.runs.clear();
    // its timers are gone; that it cannot write the end of anything is the point
    void this.saving.runner.stop();
  }

  #change<T>(database: Database, work: (change: Change) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const broken = () => new DatabaseUnavailableError(new Error('simulated'));
      const decide = (fate: Fate) => {
        if (fate === 'refused') return reject(broken());
        const made = database.change(work);
        made.then((result) => (fate === 'lost' ? reject(broken()) : resolve(result)), reject);
      };
      if (!this.#isDead) this.#waiting.push({ decide });
    });
  }

  #run(job: TestJob, onCheck: (event: CheckEvent) => void, signal: AbortSignal): Promise<TestOutcome> {
    return new Promise((settle) => {
      const run = new SimulatedRun(job, onCheck, (outcome) => {
        this.runs.delete(run);
        clearTimeout(deadline);
        settle(outcome);
      });
      const fail = (code: 'TIMEOUT' | 'CANCELLED') => run.end(failed(new Failure(code).report, []));
      const deadline = setTimeout(() => fail('TIMEOUT'), job.timeoutMs);
      if (!this.#isDead) this.runs.add(run);
      if (signal.aborted) fail('CANCELLED');
      else signal.addEventListener('abort', () => fail('CANCELLED'), { once: true });
    });
  }
}
