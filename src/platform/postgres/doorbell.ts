import pg from 'pg';
import { type Doorbell, doorbellChannel, LocalDoorbell } from '../streams/doorbell.ts';
import { KEEP_ALIVE_MS } from './dialect.ts';
import { type OnDatabasePeer, tellingSockets } from './peers.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** The pause before a lost connection is made again: it doubles from the first to the last. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
const POLL_MS = 2_000;

export interface PostgresDoorbellOptions {
  readonly url: string;
  readonly onPeer?: OnDatabasePeer | undefined;
  /** Milliseconds between two rings for everyone, whatever comes; 2,000 when it is left out. */
  readonly pollMs?: number;
}

/**
 * A doorbell that every replica hears, by LISTEN on a connection of its own. A lost connection is made again, then
 * everyone is rung for what was missed; as a fallback everyone is rung every 2 s.
 */
export class PostgresDoorbell implements Doorbell {
  readonly #url: string;
  readonly #onPeer: OnDatabasePeer | undefined;
  readonly #local = new LocalDoorbell();
  readonly #poll: NodeJS.Timeout;
  #client: pg.Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  private constructor({ url, onPeer, pollMs = POLL_MS }: PostgresDoorbellOptions) {
    this.#url = url;
    this.#onPeer = onPeer;
    this.#poll = setInterval(() => this.#local.ringAll(), pollMs).unref();
  }

  /** Rejects when the first connection fails. */
  static async open(options: PostgresDoorbellOptions): Promise<PostgresDoorbell> {
    const doorbell = new PostgresDoorbell(options);
    await doorbell.#connect();
    return doorbell;
  }

  on(topic: string, listener: () => void): () => void {
    return this.#local.on(topic, listener);
  }

  ring(topic: string): void {
    this.#local.ring(topic);
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      stream: tellingSockets(this.#onPeer),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      application_name: 'datastore-gateway doorbell',
    });
    client.on('notification', ({ payload }) => payload && this.#local.ring(payload));
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    try {
      await client.connect();
      await client.query(`listen ${doorbellChannel}`);
    } catch (error) {
      await end(client);
      throw error;
    }
    if (this.#closed) return await end(client);
    this.#client = client;
    this.#retryMs = FIRST_RETRY_MS;
  }

  #lost(client: pg.Client): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    void end(client);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#reconnect(), this.#retryMs * (0.5 + Math.random() / 2)).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
    } catch {
      // the poll goes on meanwhile, and the pool reports a database that is away
      return this.#retryLater();
    }
    if (!this.#closed) this.#local.ringAll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    if (client) await end(client);
    await this.#local.close();
  }
}

/** Says goodbye; a connection that is broken already cannot, which is no news. */
async function end(client: pg.Client): Promise<void> {
  await client.end().catch(() => undefined);
}
