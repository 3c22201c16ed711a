import type { DatabaseConnection } from 'kysely';

/** The connections of a driver that are waited for before it closes: nothing else may know of them yet. */
export class HeldConnections {
  readonly #held = new Set<DatabaseConnection>();
  #onLastRelease: (() => void) | undefined;

  add<Connection extends DatabaseConnection>(connection: Connection): Connection {
    this.#held.add(connection);
    return connection;
  }

  release(connection: DatabaseConnection): void {
    this.#held.delete(connection);
    if (this.#held.size === 0) this.#onLastRelease?.();
  }

  /** Waits until none is held: called once, when nobody gets one any more. */
  async released(): Promise<void> {
    if (this.#held.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onLastRelease = resolve;
    });
  }
}
