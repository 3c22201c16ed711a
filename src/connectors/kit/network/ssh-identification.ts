import { TUNNEL_PATHS } from '../config/ssh-tunnel.ts';
import { Failure } from '../contract/failure.ts';

/** The longest identification, in characters, with the end of its line (RFC 4253 §4.2). */
const LONGEST_IDENTIFICATION = 255;
/** How much a bastion may say before its identification, in characters. */
const LONGEST_GREETING = 8_192;
/**
 * What OpenSSH says to a client that it does not let sign in for now, because of MaxStartups or, since 9.8, of
 * PerSourcePenalties.
 */
const HAS_ENOUGH = /^(Exceeded MaxStartups|Not allowed at this time)/m;
const BUSY_HINT =
  'The bastion limits how many sign in at once (MaxStartups), or keeps this address away for a while after failed attempts ' +
  '(PerSourcePenalties): try again later.';
/** The first lines of mail, file, web and Redis servers, after which a client would wait for ever. */
const OTHER_PROTOCOL = /^(\d{3}[ -]|HTTP\/|\+OK|\* (OK|BYE)|-ERR |-NOAUTH|RFB )/m;
/** The characters that show another protocol: text of any alphabet is legal, control characters are not. */
const BINARY = /[^\t\r\n\x20-\x7e\x80-\xff]/;

/**
 * Reads what a bastion calls itself. Lines of text before its identification are legal (RFC 4253 §4.2), and are passed
 * over. What cannot become SSH any more is told at once.
 */
export class SshIdentification {
  #text = '';
  /**
   * The bastion's software; only what names and numbers of versions are made of is kept. Undefined as long as it is not
   * known.
   */
  software: string | undefined;

  get isEmpty(): boolean {
    return this.#text === '';
  }

  /** Reads on. Gives the reason as soon as it is known that this is no bastion that lets us in. */
  read(chunk: Buffer): Failure | undefined {
    this.#text = (this.#text + chunk.toString('latin1')).slice(0, LONGEST_GREETING);
    const at = /^SSH-/m.exec(this.#text)?.index;
    const greeting = at === undefined ? this.#text : this.#text.slice(0, at);
    if (HAS_ENOUGH.test(greeting)) return tooMany();
    if (OTHER_PROTOCOL.test(greeting) || BINARY.test(greeting)) return mismatch();
    if (at === undefined) return this.#text.length < LONGEST_GREETING ? undefined : mismatch();
    const [line = '', ending] = this.#text.slice(at, at + LONGEST_IDENTIFICATION).split('\n', 2);
    if (ending === undefined) return line.length < LONGEST_IDENTIFICATION ? undefined : mismatch();
    const found = /^SSH-(?:2\.0|1\.99)-([\x21-\x7e]*)/.exec(line);
    if (!found) return mismatch();
    this.software = (found[1] ?? '').replace(/[^A-Za-z0-9._+-]/g, '').slice(0, 64) || 'unknown';
    return undefined;
  }

  /** The failure of a connection that has ended, or has said nothing more for long. */
  ended(error?: Error): Failure {
    return this.isEmpty
      ? new Failure('CONNECTION_LOST', { configPath: TUNNEL_PATHS.portPath, error })
      : mismatch(error);
  }
}

function tooMany(): Failure {
  return new Failure('TOO_MANY_REQUESTS', { configPath: TUNNEL_PATHS.hostPath, hint: BUSY_HINT });
}

function mismatch(error?: Error): Failure {
  return new Failure('SSH_PROTOCOL_MISMATCH', { configPath: TUNNEL_PATHS.portPath, error });
}
