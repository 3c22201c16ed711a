import type { CheckEvent } from '../../executor/executor.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { type TestFact, tellingOf } from './facts.ts';
import type { Lease, TestQueue } from './queue.ts';
import type { TestRecorder } from './recorder.ts';
import type { TestSnapshot } from './test.ts';
import type { TestTrace } from './test-trace.ts';

/** The log of one test while this process owns it. */
export class TestLog {
  snapshot: TestSnapshot;
  sequence: number;
  /** Whether somebody else goes on with the test. */
  isLost = false;
  onLost: () => void = () => {};
  readonly trace: TestTrace | undefined;
  readonly #lease: Lease;
  readonly #recorder: TestRecorder;
  readonly #clock: TestQueue['clock'];
  readonly #logger: Logger;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    lease: Lease,
    recorder: TestRecorder,
    clock: TestQueue['clock'],
    logger: Logger,
    trace: TestTrace | undefined,
  ) {
    this.trace = trace;
    this.snapshot = lease.test;
    this.sequence = lease.sequence;
    this.#lease = lease;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Adds an event; the recorder keeps their order. */
  async write(fact: TestFact): Promise<void> {
    const telling = tellingOf(this.snapshot, fact, this.#clock.timestamp());
    if (!telling) return;
    this.snapshot = telling.snapshot;
    this.sequence += 1;
    const event = { sequence: this.sequence, ...telling };
    const writing = this.#recorder.record({ lease: this.#lease, fact, event }).then((written) => {
      if (!written) this.#lose();
    });
    this.#last = writing.catch(() => this.#lose());
    await writing;
  }

  async flushed(): Promise<void> {
    await this.#last;
  }

  /** A failed write means that the test is no longer ours to go on with; onLost ends it. */
  onCheck(event: CheckEvent): void {
    this.trace?.onCheck(event);
    this.write(event).catch((error: unknown) => {
      const testId = this.#lease.test.id;
      this.#logger.error({ err: error, testId }, 'an event of a connection test could not be written');
      this.#lose();
    });
  }

  #lose(): void {
    this.isLost = true;
    this.onLost();
  }
}
