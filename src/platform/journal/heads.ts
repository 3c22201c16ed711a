import { timingSafeEqual } from 'node:crypto';
import type { JournalHead } from '../database/database.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Logger } from '../telemetry/logger.ts';

/** The message of a log line with the end of a chain. */
const HEAD_MESSAGE = 'journal head';
/** How often the ends of the chains that have grown are logged, in milliseconds. */
const EVERY_MS = 5_000;

/**
 * Logs the ends of the journal's chains, signed, as this process has written them. The log is kept elsewhere than the
 * database: who cuts the last entries off there cannot take them out of the log.
 */
export class JournalHeadLog {
  readonly #keyring: Keyring;
  readonly #logger: Logger;
  readonly #grown = new Map<string, JournalHead>();
  #timer: NodeJS.Timeout | undefined;

  constructor(keyring: Keyring, logger: Logger) {
    this.#keyring = keyring;
    this.#logger = logger;
  }

  /** Takes down that a chain has grown; what is stored in commit order may be told in another. */
  note(head: JournalHead): void {
    const known = this.#grown.get(head.environmentId);
    if (known && known.sequence > head.sequence) return;
    this.#grown.set(head.environmentId, head);
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS).unref();
  }

  /** Logs what has been taken down, one line for each chain. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const head of this.#grown.values())
      this.#logger.info({ head: { ...head, signature: signatureOf(this.#keyring, head) } }, HEAD_MESSAGE);
    this.#grown.clear();
  }
}

/**
 * Reads the end of a chain from a line of the gateway's log; null for any other line.
 * @throws Error for one that was not signed with these keys
 */
export function readLoggedHead(keyring: Keyring, line: string): JournalHead | null {
  if (!line.includes(`"${HEAD_MESSAGE}"`)) return null;
  const { msg, head } = JSON.parse(line) as { msg?: unknown; head?: Partial<JournalHead & { signature: string }> };
  if (msg !== HEAD_MESSAGE) return null;
  const { environmentId, sequence, mac, signature } = head ?? {};
  if (typeof environmentId !== 'string' || typeof sequence !== 'number' || typeof mac !== 'string')
    throw new Error('A journal head in the log is not whole.');
  const [given, expected] = [String(signature), signatureOf(keyring, { environmentId, sequence, mac })].map((text) =>
    Buffer.from(text),
  );
  if (!given || !expected || given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new Error('A journal head in the log was not signed with these keys.');
  return { environmentId, sequence, mac };
}

function signatureOf(keyring: Keyring, { environmentId, sequence, mac }: JournalHead): string {
  return keyring.mac('journal head', environmentId, String(sequence), mac).toString('base64url');
}
