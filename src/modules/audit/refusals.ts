import type { Database } from '../../platform/database/database.ts';
import { type Actor, appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Access } from '../access/access.ts';

/** For how long refusals of one kind are counted before another entry is made, in milliseconds. */
const PERIOD_MS = 60_000;
/** How many kinds are told apart at once. */
const MAX_KINDS = 1_000;

/** Something that the gateway refused. Those of the same actor, action and reason are of one kind. */
export interface Refusal {
  readonly actor: Actor;
  readonly action: string;
  readonly subjectType: string;
  /** '' where there is no such thing. */
  readonly subjectId: string;
  /** Why, in the gateway's own words: never anything that a caller has sent. */
  readonly reason: string;
  /** JSON; never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The refusals of one kind since its last entry. */
interface Kind {
  readonly refusal: Refusal;
  readonly until: number;
  more: number;
}

export interface RefusalLogOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly logger: Logger;
  /** How many kinds are told apart at once: so many entries a minute a process makes at most. Left out: 1,000. */
  readonly maxKinds?: number | undefined;
}

/**
 * Enters refusals in the gateway's own chain of the journal, after the rollback of what was refused and beside its
 * answer. Nobody can fill the log: the first of a kind is an entry, the others of a minute are counted, and their count
 * stands in another entry at its end. Each process counts for itself.
 */
export class RefusalLog {
  readonly #options: RefusalLogOptions;
  readonly #kinds = new Map<string, Kind>();
  #writing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #untold = 0;

  constructor(options: RefusalLogOptions) {
    this.#options = options;
  }

  /** Takes down a refusal. It is written soon; a failure to write it is logged. */
  note(refusal: Refusal, now = performance.now()): void {
    const key = JSON.stringify([refusal.actor.name, refusal.action, refusal.reason]);
    const known = this.#kinds.get(key);
    if (known) {
      known.more += 1;
    } else if (this.#kinds.size < (this.#options.maxKinds ?? MAX_KINDS)) {
      this.#kinds.set(key, { refusal, until: now + PERIOD_MS, more: 0 });
      this.#write(refusal, {});
    } else this.#untold += 1;
    this.#timer ??= setInterval(() => this.sweep(), PERIOD_MS).unref();
  }

  /** Takes down that an operation, such as `Mutation.createDatastore`, was refused to a caller. */
  operation({ actor, tokenId }: Access, coordinate: string, reason: string): void {
    this.note({
      actor,
      action: coordinate,
      subjectType: 'operation',
      subjectId: '',
      reason,
      detail: { tokenId },
    });
  }

  /** Enters what was counted in the periods that are over, and forgets kinds that did not come again. */
  sweep(now = performance.now()): void {
    for (const [key, { refusal, until, more }] of this.#kinds) {
      if (until > now) continue;
      // a kind that goes on keeps to one entry in each period
      if (more > 0) this.#kinds.set(key, { refusal, until: now + PERIOD_MS, more: 0 });
      else this.#kinds.delete(key);
      if (more > 0) this.#write(refusal, { more });
    }
    if (this.#untold > 0)
      this.#options.logger.warn(
        { count: this.#untold },
        'refusals of too many kinds for the audit log were not entered',
      );
    this.#untold = 0;
  }

  /** Enters what was counted until now, and waits until all is written. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.sweep(Number.POSITIVE_INFINITY);
    await this.#writing;
  }

  /** Writes one after the other: all of them change the same chain, and others need the connections. */
  #write(refusal: Refusal, count: { readonly more?: number }): void {
    const { action, actor } = refusal;
    this.#writing = this.#writing
      .then(() => this.#append(refusal, count))
      .catch((error: unknown) => {
        const about = { err: error, action, actor: actor.name };
        this.#options.logger.error(about, 'a refusal could not be entered in the audit log');
      });
  }

  async #append(refusal: Refusal, count: { readonly more?: number }): Promise<void> {
    const { database, keyring } = this.#options;
    const { actor, action, subjectType, subjectId, reason } = refusal;
    const detail = { reason, ...refusal.detail, ...count };
    await database.change((change) =>
      appendJournal(change, keyring, {
        environmentId: '',
        kind: '',
        action,
        actor,
        subjectType,
        subjectId,
        detail,
        outcome: 'REFUSED',
      }),
    );
  }
}
