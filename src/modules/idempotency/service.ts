import { ConflictError, UserError } from '../../errors/api.ts';
import type { Given } from '../../errors/field-issues.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Access } from '../access/access.ts';
import { findCall, insertCall, removeCalls } from './store.ts';

/** How long a call that is repeated gets the first answer again. */
const KEPT_MS = 24 * 3_600_000;
/** How many keys are removed in one step. */
const REMOVED_AT_ONCE = 500;

/** An input that may come with a key. */
export interface Repeatable extends Given {
  readonly idempotencyKey?: string | null | undefined;
  readonly test?: object | null | undefined;
}

/** What a call has come to: ids alone, from which the answer is read anew. */
export interface CallResult {
  readonly id: string;
  /** Of a datastore: another one that has its id by now is not what the call came to. */
  readonly firstVersion?: number;
  readonly outcome?: string;
}

/** One call, as it is recognised when it comes again. */
export interface Call {
  readonly keyMac: string;
  readonly inputMac: string;
}

/** Says what a call is about: `environmentId` is '' for what belongs to none. */
export interface CallPlace {
  readonly operation: string;
  readonly environmentId: string;
}

/** Stores in a change, before what it changes, what the call comes to by it. */
export type KeepResult = (change: Change, result: CallResult) => Promise<void>;

/**
 * Has a call with an idempotency key take effect once. What it came to is stored in the very change that it makes, so
 * that there is never one without the other. Keys and inputs are kept as MACs: a plain hash of an input would tell
 * whoever reads the database whether a guessed password is right.
 */
export class Idempotency {
  readonly #database: Database;
  readonly #keyring: Keyring;
  /** The calls that go on in this process, by their keys. */
  readonly #running = new Map<string, { readonly inputMac: string; readonly answer: Promise<unknown> }>();

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /** Recognises a call by its key, which counts for the token and the environment; null for one without a key. */
  callOf({ tokenId }: Access, { operation, environmentId }: CallPlace, input: Repeatable): Call | null {
    const { path: _, idempotencyKey: key, test, ...rest } = input;
    if (key == null) return null;
    const content = JSON.stringify([operation, { ...rest, test: test && { ...test, path: undefined } }]);
    const mac = (label: string, ...parts: string[]) => this.#keyring.mac(label, ...parts).toString('base64url');
    return {
      keyMac: mac('idempotency key', tokenId, environmentId, key),
      inputMac: mac('idempotency input', tokenId, content),
    };
  }

  /**
   * Finds what a call came to when it was made before; null when it was not, or came to nothing.
   * @throws ConflictError when its key came with another input
   */
  async find(call: Call): Promise<CallResult | null> {
    const row = await findCall(this.#database, call.keyMac, this.#database.clock.timestamp(-KEPT_MS));
    if (!row) return null;
    if (row.input_mac !== call.inputMac) throw new ConflictError('IDEMPOTENCY_KEY_USED');
    return JSON.parse(row.result) as CallResult;
  }

  /** Stores what a call comes to, before what its change changes, which fails with ConflictError if its key is used. */
  async keep(change: Change, { keyMac, inputMac }: Call, result: CallResult): Promise<void> {
    const { clock } = change;
    const row = { key_mac: keyMac, input_mac: inputMac, result: JSON.stringify(result), created_at: clock.timestamp() };
    const expired = clock.timestamp(-KEPT_MS);
    await insertCall(change, { row, expired }, () => new ConflictError('IDEMPOTENCY_KEY_USED'));
  }

  /**
   * Does the work of a call, unless that was done before: then its result is read again. Calls that come while the
   * first one goes on share its answer. A call that is refused leaves nothing, and may come again.
   * @throws ConflictError when its key came with another input, and what `work` and `again` throw
   */
  async once<Answer>(
    call: Call | null,
    work: (keep: KeepResult) => Promise<Answer>,
    again: (result: CallResult) => Promise<Answer>,
  ): Promise<Answer> {
    if (!call) return work(async () => undefined);
    for (;;) {
      const running = this.#running.get(call.keyMac);
      if (!running) break;
      // the input's MAC covers the operation, so the answer is of its kind
      if (running.inputMac === call.inputMac) return running.answer as Promise<Answer>;
      await running.answer.catch(() => undefined);
    }
    const answer = this.#once(call, work, again).finally(() => this.#running.delete(call.keyMac));
    this.#running.set(call.keyMac, { inputMac: call.inputMac, answer });
    return answer;
  }

  async #once<Answer>(
    call: Call,
    work: (keep: KeepResult) => Promise<Answer>,
    again: (result: CallResult) => Promise<Answer>,
  ): Promise<Answer> {
    const known = await this.find(call);
    if (known) return again(known);
    try {
      return await work((change, result) => this.keep(change, call, result));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // another process may have been first, and its effect be the reason
      const done = await this.find(call);
      if (done) return again(done);
      throw error;
    }
  }

  /** Removes some keys that nobody can repeat any more. @returns whether there may be more */
  async removeExpired(): Promise<boolean> {
    return this.#database.change(async (change) => {
      const expired = change.clock.timestamp(-KEPT_MS);
      return (await removeCalls(change, expired, REMOVED_AT_ONCE)) === REMOVED_AT_ONCE;
    });
  }
}
