import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { Allowance } from '../platform/allowance.ts';
import { GatheringWriter, readMessages } from './channel.ts';
import { CHANNEL_FD, type ChildCommand } from './child-command.ts';
import { cpuTimeOf } from './cpu-time.ts';
import type { Judgement } from './judgement.ts';
import {
  BadMessageError,
  type FromChild,
  HEARTBEAT_MS,
  LONGEST_MESSAGE,
  readFromChild,
  type ToChild,
  type WorkId,
} from './messages.ts';
import type { RunningTest } from './running-test.ts';

/** How long a child may be silent that works. */
const SILENCE_MS = 2_000;
/** How much of the machine's time a child has to have had in its silence for being hung rather than starved. */
const HUNG_CPU_MS = SILENCE_MS / 2;
/** A child that got more than this share of the time between two beats is busy. */
const BUSY_SHARE = 0.75;
/** How long a child may be silent that gets none, and how long one may take to start. */
const STARVED_MS = 20_000;
const START_MS = 20_000;
/** How long a child that is told to end may take, in milliseconds: a second of it is for its tests' clean-ups. */
const STOP_MS = 2_000;
/** The longest printed line that is passed on, in characters. */
const LONGEST_LINE = 2_000;
/** What is passed on of what a child prints, in lines and characters: a hostile server must not fill the log. */
const PRINTED = { count: 200, size: 200 * LONGEST_LINE, periodMs: 60_000 };
/**
 * What a child may send at most, in messages or parts of one, and bytes: many times what two hundred tests at once do.
 */
const TRAFFIC = { count: 20_000, size: 32 * 1024 * 1024, periodMs: HEARTBEAT_MS };
/** Signals that the program itself cannot bring about: the machine or its operator ended the child. */
const FROM_OUTSIDE: readonly (NodeJS.Signals | null)[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * Why a child is gone. `ended`: the gateway told it to end. `crashed`: it ended by itself. `killed`: somebody outside
 * of the gateway ended it. `blocked`: its heartbeat stopped. `overdue`: it held a test past the test's deadline.
 * `misbehaved`: it sent what no child of ours sends.
 */
export type GoneReason = 'ended' | 'crashed' | 'killed' | 'blocked' | 'overdue' | 'misbehaved';

export interface ChildListener {
  /** Called with each message that has the right form; a BadMessageError that it throws ends the child. */
  onMessage(message: FromChild): void;
  /**
   * Called with each line that something in the child printed, and with what the gateway has to say about the child.
   */
  onOutput(line: string): void;
  /** Called once, when the child has ended and its last message has been delivered. */
  onGone(reason: GoneReason): void;
}

/** For whom a child is started. */
export interface ChildPurpose {
  /** It takes the tests of this group alone; null: it takes any. */
  readonly group: string | null;
  /** It is started for a single test, which may have brought another child down. */
  readonly reserved: boolean;
}

/** One child process, as the gateway sees it. */
export class ChildHandle {
  /** What it holds, even when the gateway has settled it itself. It may speak of nothing else. */
  readonly work = new Map<WorkId, RunningTest | Judgement>();
  readonly purpose: ChildPurpose;
  /** Settles when the process has ended. */
  readonly gone: Promise<void>;
  /** The test that it said to be busy with last. */
  lastActive: RunningTest | undefined;
  idleTimer: NodeJS.Timeout | undefined;
  readonly #process: ChildProcess;
  readonly #channel: Duplex;
  readonly #writer: GatheringWriter;
  readonly #listener: ChildListener;
  readonly #traffic = new Allowance(TRAFFIC);
  #ready = false;
  #silentMs = 0;
  /** What it had got of the machine's time when its silence began to show. */
  #cpuMs: number | undefined;
  /**
   * What it had got at the last beat at which it had work, and which share of the time before that it got, none where
   * it had nothing to do; undefined: nobody knows.
   */
  #beatCpuMs: number | undefined;
  #share: number | undefined;
  #ending = false;
  #reason: GoneReason | undefined;

  constructor({ file, args, options }: ChildCommand, purpose: ChildPurpose, listener: ChildListener) {
    this.purpose = purpose;
    this.#listener = listener;
    this.#process = spawn(file, args, options);
    this.#channel = this.#process.stdio[CHANNEL_FD] as Duplex;
    this.#writer = new GatheringWriter(this.#channel);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.gone.then(() => listener.onGone(this.#reason ?? 'crashed'));
    this.#listen();
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
    return this.#channel.writable && this.#reason === undefined;
  }

  /** Whether its event loop is turning, as far as the gateway knows. */
  get beating(): boolean {
    return this.#ready && this.#silentMs < 3 * HEARTBEAT_MS;
  }

  /** Whether it is known to have time for more work: most tests wait for their servers, and take hardly any. */
  get hasTime(): boolean {
    return this.beating && this.#share !== undefined && this.#share <= BUSY_SHARE;
  }

  send(message: ToChild): void {
    // a message that cannot be sent is one to a child that is about to be found gone
    if (this.#channel.writable) this.#writer.write(message);
  }

  /** Called at each beat of the gateway: kills a child that is silent while it should work, or does not get ready. */
  watch(elapsedMs: number): void {
    this.#measure(elapsedMs);
    // a gateway that was itself held up has messages to read first, and must not take that time for the child's silence
    const counted = Math.min(elapsedMs, 2 * HEARTBEAT_MS);
    this.#silentMs = this.work.size > 0 || !this.#ready ? this.#silentMs + counted : 0;
    if (!this.#ready) {
      if (this.#silentMs > START_MS) this.kill('crashed');
      return;
    }
    if (this.#silentMs === counted) this.#cpuMs = this.#beatCpuMs;
    if (this.#silentMs > SILENCE_MS && (this.#silentMs > STARVED_MS || !this.#isStarved())) this.kill('blocked');
  }

  #measure(elapsedMs: number): void {
    if (!this.#ready) return;
    if (this.work.size === 0) {
      this.#share = 0;
      this.#beatCpuMs = undefined;
      return;
    }
    const [before, now] = [this.#beatCpuMs, this.#cpuTime()];
    if (before !== undefined) this.#share = now === undefined ? undefined : (now - before) / elapsedMs;
    this.#beatCpuMs = now;
  }

  /** Whether the machine had no time for it: what holds an event loop takes time. */
  #isStarved(): boolean {
    const now = this.#cpuTime();
    return now !== undefined && this.#cpuMs !== undefined && now - this.#cpuMs < HUNG_CPU_MS;
  }

  #cpuTime(): number | undefined {
    return this.pid === undefined ? undefined : cpuTimeOf(this.pid);
  }

  kill(reason: GoneReason): void {
    this.#reason ??= reason;
    this.#process.kill('SIGKILL');
  }

  /** Asks it to end; kills it when it has not within two seconds. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#reason ??= 'ended';
    this.send({ type: 'stop' });
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS);
    this.gone.then(() => clearTimeout(timer));
  }

  #listen(): void {
    // the channel breaks with the child, which is told by its end
    this.#channel.on('error', () => undefined);
    this.#channel.on('data', (chunk: Buffer) => this.#count(chunk.length));
    readMessages(this.#channel, LONGEST_MESSAGE, {
      onMessage: (message) => this.#receive(message),
      onUnreadable: () => this.#misbehaved('It has sent a message that cannot be read or is too long.'),
    });
    const printed = new Allowance(PRINTED);
    const onLine = (line: string) => {
      const taken = printed.take(line.length);
      if (taken === 'within') this.#listener.onOutput(line);
      if (taken === 'spent') this.#listener.onOutput('More lines of this minute are left out.');
    };
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => this.#count(chunk.length));
      eachLine(stream, onLine);
    }
  }

  #receive(given: unknown): void {
    if (this.#reason === 'misbehaved') return;
    try {
      this.#count(0);
      const message = readFromChild(given);
      this.#silentMs = 0;
      if (message.type === 'ready') this.#ready = true;
      this.#listener.onMessage(message);
    } catch (error) {
      if (!(error instanceof BadMessageError)) throw error;
      this.#misbehaved(error.message);
    }
  }

  #count(bytes: number): void {
    if (this.#traffic.take(bytes) === 'spent') this.#misbehaved('It has sent too much at once.');
  }

  #misbehaved(how: string): void {
    if (this.#reason !== undefined) return;
    this.kill('misbehaved');
    this.#listener.onOutput(how);
  }
}

function eachLine(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = '';
  const decoder = new TextDecoder();
  stream?.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
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
