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
  /** How many events are not written yet, and who waits for that. */
  #unwritten = 0;
  #whenFlushed: (() => void) | undefined;

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

  /** Adds an event, and resolves once it is written; the recorder keeps their order. */
  write(fact: TestFact): Promise<void> {
    return new Promise((resolve, reject) => this.#record(fact, resolve, reject));
  }

  /** Resolves once all events are written, or given up. */
  async flushed(): Promise<void> {
    if (this.#unwritten === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenFlushed = resolve;
    });
  }

  /** A failed write means that the test is no longer ours to go on with; onLost ends it. */
  onCheck(event: CheckEvent): void {
    this.trace?.onCheck(event);
    this.#record(
      event,
      () => undefined,
      (error) => {
        const testId = this.#lease.test.id;
        this.#logger.error({ err: error, testId }, 'an event of a connection test could not be written');
      },
    );
  }

  #record(fact: TestFact, written: () => void, failed: (error: unknown) => void): void {
    const telling = tellingOf(this.snapshot, fact, this.#clock.timestamp());
    if (!telling) {
      written();
      return;
    }
    this.snapshot = telling.snapshot;
    this.sequence += 1;
    this.#unwritten += 1;
    this.#recorder.record({
      lease: this.#lease,
      fact,
      event: { sequence: this.sequence, ...telling },
      settle: (isWritten) => {
        if (!isWritten) this.#lose();
        this.#settled();
        written();
      },
      fail: (error) => {
        this.#lose();
        this.#settled();
        failed(error);
      },
    });
  }

  #settled(): void {
    this.#unwritten -= 1;
    if (this.#unwritten === 0) this.#whenFlushed?.();
  }

  #lose(): void {
    this.isLost = true;
    this.onLost();
  }
}
