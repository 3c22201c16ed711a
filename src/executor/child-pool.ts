import { ChildHandle, type GoneReason } from './child-handle.ts';
import { type DialerSettings, type FromChild, HEARTBEAT_MS, type ToChild } from './messages.ts';

/** Another child is started, where there may be one, when each child holds this many tests and judgements. */
const SPREAD_AT = 8;

export interface PoolOptions {
  /** The most children at once, the reserved one not counted. */
  readonly size: number;
  /** A child without work ends after this many milliseconds. */
  readonly idleMs: number;
  readonly settings: DialerSettings;
  /** The file URL of the module that children take connectorOf from; undefined: the registry. */
  readonly registryUrl: string | undefined;
}

export interface PoolListener {
  onMessage(child: ChildHandle, message: FromChild): void;
  /** Called with each line that something in the child printed. */
  onOutput(child: ChildHandle, line: string): void;
  onStarted(child: ChildHandle): void;
  /** The child is out of the pool; its work is not done. */
  onGone(child: ChildHandle, reason: GoneReason): void;
}

/** The children: they are started when work comes, watched while they have any, and ended when it stays away. */
export class ChildPool {
  readonly #options: PoolOptions;
  readonly #listener: PoolListener;
  readonly #children = new Set<ChildHandle>();
  #timer: NodeJS.Timeout | undefined;
  #lastBeat = 0;

  constructor(options: PoolOptions, listener: PoolListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get size(): number {
    return this.#children.size;
  }

  /** The child with the least work, or a new one. */
  choose(): ChildHandle {
    const usable = [...this.#children].filter((child) => child.usable && !child.reserved);
    const [least] = usable.toSorted((a, b) => a.work.size - b.work.size);
    if (least && (least.work.size < SPREAD_AT || usable.length >= this.#options.size)) return least;
    return this.#start(false);
  }

  /** A new child for one piece of work alone; undefined while there is such a child. */
  reserve(): ChildHandle | undefined {
    return [...this.#children].some((child) => child.reserved) ? undefined : this.#start(true);
  }

  assign(child: ChildHandle, work: number, message: ToChild): void {
    clearTimeout(child.idleTimer);
    child.work.add(work);
    child.send(message);
  }

  /** The child has done this piece of work. */
  release(child: ChildHandle, work: number): void {
    child.work.delete(work);
    if (child.work.size > 0) return;
    if (child.reserved) child.end();
    else child.idleTimer = setTimeout(() => child.end(), this.#options.idleMs);
  }

  /** Settles when no child is left. */
  async end(): Promise<void> {
    for (const child of this.#children) child.end();
    await Promise.all([...this.#children].map((child) => child.gone));
  }

  #start(reserved: boolean): ChildHandle {
    const child: ChildHandle = new ChildHandle(
      { reserved, registryUrl: this.#options.registryUrl },
      {
        onMessage: (message) => this.#listener.onMessage(child, message),
        onOutput: (line) => this.#listener.onOutput(child, line),
        onGone: (reason) => this.#remove(child, reason),
      },
    );
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
