import { randomUUID } from 'node:crypto';
import type { ChildCommand } from './child-command.ts';
import { ChildHandle, type ChildPurpose, type GoneReason } from './child-handle.ts';
import type { Judgement } from './judgement.ts';
import { type DialerSettings, type FromChild, HEARTBEAT_MS, type ToChild, type WorkId } from './messages.ts';
import type { RunningTest } from './running-test.ts';

/**
 * Another child is started, where there may be one, when each child holds this many tests and judgements, unless the
 * one with the least is known to have time for more: a start takes, with the first tests of a child, as much CPU time
 * as two hundred later ones, which mostly wait.
 */
const SPREAD_AT = 32;
/** The most children at once that belong to a group, over all groups. */
const MOST_IN_GROUPS = 8;

export interface PoolOptions {
  /** The most children at once that share a group or have none, the reserved one not counted. */
  readonly size: number;
  /** A child without work ends after this many milliseconds. */
  readonly idleMs: number;
  readonly settings: DialerSettings;
}

export interface PoolListener {
  onMessage(child: ChildHandle, message: FromChild): void;
  /** Called with each line that something in the child printed, and with what there is to say about it. */
  onOutput(child: ChildHandle, line: string): void;
  onStarted(child: ChildHandle): void;
  /** The child is out of the pool; its work is not done. */
  onGone(child: ChildHandle, reason: GoneReason): void;
}

/** The children: they are started when work comes, watched while they have any, and ended when it stays away. */
export class ChildPool {
  /** How the next child is started. */
  command: ChildCommand;
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #children = new Set<ChildHandle>();
  #timer: NodeJS.Timeout | undefined;
  #lastBeat = 0;

  constructor(command: ChildCommand, options: PoolOptions, listener: PoolListener) {
    this.command = command;
    this.#options = options;
    this.#listener = listener;
  }

  get size(): number {
    return this.#children.size;
  }

  /**
   * The group's child with the least work, or a new one; undefined while other groups have all the children there may
   * be. The group null always has one.
   */
  choose(group: string | null): ChildHandle | undefined {
    const usable = [...this.#children].filter((child) => child.usable && !child.purpose.reserved);
    const own = usable.filter((child) => child.purpose.group === group).toSorted((a, b) => a.work.size - b.work.size);
    const [least] = own;
    if (least && (least.work.size < SPREAD_AT || least.hasTime || own.length >= this.#options.size)) return least;
    const inGroups = usable.filter((child) => child.purpose.group !== null);
    if (group === null || inGroups.length < MOST_IN_GROUPS) return this.#start({ group, reserved: false });
    if (least) return least;
    const idle = inGroups.find((child) => child.work.size === 0);
    idle?.end();
    return idle && this.#start({ group, reserved: false });
  }

  /** A new child for one test alone; undefined while there is such a child. */
  reserve(): ChildHandle | undefined {
    const isTaken = [...this.#children].some((child) => child.purpose.reserved);
    return isTaken ? undefined : this.#start({ group: null, reserved: true });
  }

  /** Tells every child that there is. */
  tellAll(message: ToChild): void {
    for (const child of this.#children) child.send(message);
  }

  /** Gives work to the child, by the message that `say` makes of the number that the work gets. */
  assign(child: ChildHandle, work: RunningTest | Judgement, say: (id: WorkId) => ToChild): WorkId {
    clearTimeout(child.idleTimer);
    const id = randomUUID();
    child.work.set(id, work);
    child.send(say(id));
    return id;
  }

  /** The child has done this piece of work. */
  release(child: ChildHandle, id: WorkId): void {
    child.work.delete(id);
    if (child.work.size > 0) return;
    if (child.purpose.reserved) child.end();
    else child.idleTimer = setTimeout(() => child.end(), this.#options.idleMs);
  }

  /** Settles when no child is left. */
  async end(): Promise<void> {
    for (const child of this.#children) child.end();
    await Promise.all([...this.#children].map((child) => child.gone));
  }

  #start(purpose: ChildPurpose): ChildHandle {
    const child: ChildHandle = new ChildHandle(this.command, purpose, {
      onMessage: (message) => this.#listener.onMessage(child, message),
      onOutput: (line) => this.#listener.onOutput(child, line),
      onGone: (reason) => this.#remove(child, reason),
    });
    this.#children.add(child);
    child.send({ type: 'start', settings: this.#options.settings });
    this.#listener.onStarted(child);
    if (!this.#timer) {
      this.#lastBeat = performance.now();
      this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    }
    return child;
  }

  #beat(): void {
    const now = performance.now();
    for (const child of this.#children) child.watch(now - this.#lastBeat);
    this.#lastBeat = now;
  }

  #remove(child: ChildHandle, reason: GoneReason): void {
    clearTimeout(child.idleTimer);
    this.#children.delete(child);
    if (this.#children.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#listener.onGone(child, reason);
  }
}
