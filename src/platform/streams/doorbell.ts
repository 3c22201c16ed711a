/** The Postgres channel that carries topics, and nothing else. */
export const doorbellChannel = 'datastore_gateway';

/** Tells that something new can be read, never what. A listener may be rung for nothing; it must not throw. */
export interface Doorbell {
  /** Listens to a topic until the returned function is called. */
  on(topic: string, listener: () => void): () => void;
  /** Rings those who listen in this process. Changes ring through their Change instead, after the commit. */
  ring(topic: string): void;
  close(): Promise<void>;
}

/** A doorbell within this process: all that SQLite needs. */
export class LocalDoorbell implements Doorbell {
  readonly #listeners = new Map<string, Set<() => void>>();

  on(topic: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    // each call gets an entry of its own, so that the same function can listen twice and end each by itself
    const entry = () => listener();
    this.#listeners.set(topic, listeners.add(entry));
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /** Tells whether anybody listens to a topic. */
  hears(topic: string): boolean {
    return this.#listeners.has(topic);
  }

  ring(topic: string): void {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
  }

  ringAll(): void {
    for (const topic of [...this.#listeners.keys()]) this.ring(topic);
  }

  /** How many listen: a listener that was left behind would show here. */
  get size(): number {
    let count = 0;
    for (const listeners of this.#listeners.values()) count += listeners.size;
    return count;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
