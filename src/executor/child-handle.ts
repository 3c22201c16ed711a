import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import { childEntry, forkOptions } from './fork-options.ts';
import { type FromChild, HEARTBEAT_MS, type ToChild } from './messages.ts';

const SILENCE_MS = 2_000;
const START_MS = 20_000;
const STOP_MS = 1_000;
const LONGEST_LINE = 2_000;
/** A driver that prints a line for each odd message of a hostile server must not fill the log. */
const LINES_IN_A_MINUTE = 200;
const MINUTE_MS = 60_000;
/** Signals that the program itself cannot bring about: the machine or its operator ended the child. */
const FROM_OUTSIDE: readonly (NodeJS.Signals | null)[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * Why a child is gone. `ended`: the gateway told it to end. `crashed`: it ended by itself. `killed`: somebody outside
 * of the gateway ended it. `blocked`: its heartbeat stopped. `overdue`: it held a test past the test's deadline.
 */
export type GoneReason = 'ended' | 'crashed' | 'killed' | 'blocked' | 'overdue';

export interface ChildListener {
  onMessage(message: FromChild): void;
  /** Called with each line that something in the child printed. */
  onOutput(line: string): void;
  /** Called once, when the child has ended and its last message has been delivered. */
  onGone(reason: GoneReason): void;
}

/** One child process, as the gateway sees it. */
export class ChildHandle {
  /** The numbers of the runs and judgements that it holds, even when the gateway has settled the test itself. */
  readonly work = new Set<number>();
  /** It was started for a single test, which may have brought another child down. */
  readonly reserved: boolean;
  /** Settles when the process has ended. */
  readonly gone: Promise<void>;
  /** The run that it said to be busy with last. */
  lastActive: number | undefined;
  idleTimer: NodeJS.Timeout | undefined;
  #process: ChildProcess;
  #ready = false;
  #silentMs = 0;
  #ending = false;
  #reason: GoneReason | undefined;

  constructor(options: { registryUrl: string | undefined; reserved: boolean }, listener: ChildListener) {
    this.reserved = options.reserved;
    this.#process = fork(
      childEntry(),
      options.registryUrl ? [options.registryUrl] : [],
      forkOptions(options.registryUrl),
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.gone.then(() => listener.onGone(this.#reason ?? 'crashed'));
    this.#process.on('message', (message: FromChild) => {
      this.#silentMs = 0;
      if (message.type === 'ready') this.#ready = true;
      listener.onMessage(message);
    });
    const onLine = atMost(LINES_IN_A_MINUTE, listener.onOutput);
    eachLine(this.#process.stdout, onLine);
    eachLine(this.#process.stderr, onLine);
    this.#process.on('error', (error) => {
      listener.onOutput(String(error));
      if (this.#process.pid === undefined) resolve();
    });
    this.#process.on('exit', (_code, signal) => {
      this.#reason ??= FROM_OUTSIDE.includes(signal) ? 'killed' : 'crashed';
    });
    // unlike exit it comes after the last message and the last line
    this.#process.on('close', () => resolve());
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Whether it takes tests. */
  get usable(): boolean {
    return this.#process.connected && this.#reason === undefined;
  }

  /** Whether its event loop is turning, as far as the gateway knows. */
  get beating(): boolean {
    return this.#ready && this.#silentMs < 3 * HEARTBEAT_MS;
  }

  send(message: ToChild): void {
    // a message that cannot be sent is one to a child that is about to be found gone
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Called at each beat of the gateway: kills a child that is silent while it should work, or does not get ready. */
  watch(elapsedMs: number): void {
    // a gateway that was itself held up has messages to read first, and must not take that time for the child's silence
    const counted = Math.min(elapsedMs, 2 * HEARTBEAT_MS);
    this.#silentMs = this.work.size > 0 || !this.#ready ? this.#silentMs + counted : 0;
    if (this.#silentMs > (this.#ready ? SILENCE_MS : START_MS)) this.kill(this.#ready ? 'blocked' : 'crashed');
  }

  kill(reason: GoneReason): void {
    this.#reason ??= reason;
    this.#process.kill('SIGKILL');
  }

  /** Asks it to end; kills it when it has not within a second. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#reason ??= 'ended';
    this.send({ type: 'stop' });
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    this.gone.then(() => clearTimeout(timer));
  }
}

/** Passes on `count` lines a minute, and says once that there were more. */
function atMost(count: number, onLine: (line: string) => void): (line: string) => void {
  let since = Number.NEGATIVE_INFINITY;
  let lines = 0;
  return (line) => {
    const now = performance.now();
    if (now - since > MINUTE_MS) {
      since = now;
      lines = 0;
    }
    lines += 1;
    if (lines <= count) onLine(line);
    else if (lines === count + 1) onLine('More lines of this minute are left out.');
  };
}

function eachLine(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) {
      lines.push(rest);
      rest = '';
    }
    for (const line of lines) if (line !== '') onLine(line.slice(0, LONGEST_LINE));
  });
  stream?.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
