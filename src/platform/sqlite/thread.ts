import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StoringThreadEndedError } from '../database/errors.ts';
import { END, READY, type ThreadAnswer, type ThreadData, type ThreadGroup } from './thread-group.ts';

/** A thread that stores groups of changes over a connection of its own, one after the other. */
export class StoringThread {
  readonly #worker: Worker;
  #asker: PromiseWithResolvers<ThreadAnswer> | undefined;
  #isReady = false;
  #error: unknown;

  /** `onEnd` is told why the thread has ended, where it was not told to. */
  constructor(data: ThreadData, onEnd: (error: unknown) => void) {
    const entry = new URL(`./thread-entry${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData: data, env: {}, name: 'store' });
    this.#worker.on('message', (message: ThreadAnswer | typeof READY) => {
      if (message === READY) this.#isReady = true;
      else this.#settle()?.resolve(message);
    });
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
    // its connection is closed by then, and what it had not stored is taken back
    this.#worker.on('exit', () => {
      this.#isReady = false;
      const ended = new StoringThreadEndedError(this.#error);
      this.#settle()?.reject(ended);
      onEnd(ended);
    });
    // it keeps no process alive that waits for nothing of it: said last, for listeners make it count again
    this.#worker.unref();
  }

  /** Whether it can be told to store something: its file is open. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Stores a group; called again only after the answer. Rejects when the thread has ended meanwhile. */
  store(group: ThreadGroup): Promise<ThreadAnswer> {
    this.#asker = Promise.withResolvers();
    this.#worker.ref();
    this.#worker.postMessage(group);
    return this.#asker.promise;
  }

  #settle(): PromiseWithResolvers<ThreadAnswer> | undefined {
    const asker = this.#asker;
    this.#asker = undefined;
    this.#worker.unref();
    return asker;
  }

  /** Ends it, which waits for nothing that it stores. */
  async close(): Promise<void> {
    this.#worker.ref();
    const exited = once(this.#worker, 'exit');
    this.#worker.postMessage(END);
    await exited;
  }
}
