import { Failure } from '../../kit/contract/failure.ts';

const HEADER_BYTES = 5;
/** The longest message taken from a server, in bytes; rows of the checks are far smaller. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** The messages that a server may open with: a request for sign-in, an error, a notice. */
const OPENING_TYPES = 'REN';
/** The messages that a server may send later on. The copy protocol's are not among them: it is never asked for. */
const TYPES = `${OPENING_TYPES}SKZTDCAInt123s`;
/** The request for the password itself. */
const CLEAR_TEXT = 3;
/** The kinds of sign-in request that are taken: clear text, MD5 and SCRAM, and the answers that belong to them. */
const SIGN_IN_KINDS: readonly number[] = [0, CLEAR_TEXT, 5, 10, 11, 12];
/**
 * The kinds of sign-in request that are refused by name: Kerberos V5, SCM credentials, GSSAPI and its continuation,
 * SSPI.
 */
const OTHER_SIGN_IN_KINDS: readonly number[] = [2, 6, 7, 8, 9];
const UNKNOWN_KIND_HINT =
  'The server asks for a kind of sign-in other than password (SCRAM-SHA-256, MD5 or clear text) or client certificate: allow one of these for this user.';
const OTHER_KIND_HINT =
  'The server asks for Kerberos, GSSAPI or SSPI. Allow a password or a client certificate for this user in pg_hba.conf.';

const CLEAR_TEXT_HINT =
  'The server asks for the password in clear text, and without TLS everybody on the way could read it. Turn TLS on: set tls.mode to REQUIRE or stronger. ' +
  'Or let the server ask by SCRAM-SHA-256. On a network that you trust, allowCleartextPassword sends it all the same.';

/**
 * Cuts what a server sends into whole messages and looks at each before the driver does, which trusts lengths and ends:
 * a message that is not well-formed would make it loop for ever or throw where nobody catches.
 */
export class PostgresMessages {
  /** Whether a server that asks for the password in clear text may have it. */
  readonly #takesClearText: boolean;
  /** The bytes that came in after the last whole message. */
  #chunks: Buffer[] = [];
  #length = 0;
  /** How many bytes there have to be before they are looked at again. */
  #wanted = 1;
  #opened = false;

  constructor({ takesClearText }: { readonly takesClearText: boolean }) {
    this.#takesClearText = takesClearText;
  }

  /** The messages that this chunk completes. Fails with PROTOCOL_MISMATCH. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    // a long message that comes in many small pieces is put together once, not at each piece
    if (this.#length < this.#wanted) return;
    let rest = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    for (;;) {
      this.#checkType(rest);
      const length = rest.length < HEADER_BYTES ? 0 : lengthOf(rest);
      if (rest.length < HEADER_BYTES || rest.length < length) {
        this.#chunks = rest.length === 0 ? [] : [rest];
        this.#length = rest.length;
        this.#wanted = Math.max(length, rest.length === 0 ? 1 : HEADER_BYTES);
        return;
      }
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      this.#checkBody(message);
      this.#opened = true;
      yield message;
    }
  }

  #checkType(rest: Buffer): void {
    const [type] = rest;
    if (type === undefined) return;
    const known = this.#opened ? TYPES : OPENING_TYPES;
    if (!known.includes(String.fromCharCode(type))) throw new Failure('PROTOCOL_MISMATCH');
  }

  #checkBody(message: Buffer): void {
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === 'R' && signInKind(message) === CLEAR_TEXT && !this.#takesClearText)
      throw new Failure('SIGN_IN_METHOD_REFUSED', { configPath: 'tls.mode', hint: CLEAR_TEXT_HINT });
    if (type === 'E' || type === 'N') checkFields(message);
    if (type === 'D') checkRow(message);
  }
}

/** The length of the whole message, its first byte included. Fails with PROTOCOL_MISMATCH when it cannot be one. */
function lengthOf(rest: Buffer): number {
  const length = rest.readUInt32BE(1);
  if (length < 4 || length > MAX_MESSAGE_BYTES) throw new Failure('PROTOCOL_MISMATCH');
  return length + 1;
}

/** The kind of a sign-in request. Fails with PROTOCOL_MISMATCH, or with SIGN_IN_METHOD_REFUSED where it is known. */
function signInKind(message: Buffer): number {
  if (message.length < HEADER_BYTES + 4) throw new Failure('PROTOCOL_MISMATCH');
  const kind = message.readUInt32BE(HEADER_BYTES);
  if (OTHER_SIGN_IN_KINDS.includes(kind)) {
    throw new Failure('SIGN_IN_METHOD_REFUSED', { configPath: 'username', hint: OTHER_KIND_HINT });
  }
  if (!SIGN_IN_KINDS.includes(kind)) throw new Failure('PROTOCOL_MISMATCH', { hint: UNKNOWN_KIND_HINT });
  return kind;
}

/**
 * Looks at an error or a notice: a list of fields, each one letter and a text that ends in a zero byte; another zero
 * byte ends the list.
 */
function checkFields(message: Buffer): void {
  let at = HEADER_BYTES;
  while (message[at] !== 0) {
    const end = message.indexOf(0, at + 1);
    if (end < 0) throw new Failure('PROTOCOL_MISMATCH');
    at = end + 1;
  }
  if (at !== message.length - 1) throw new Failure('PROTOCOL_MISMATCH');
}

/**
 * Looks at a row: a number of values, each behind its length, or -1 for null. The driver would read on past the end.
 */
function checkRow(message: Buffer): void {
  const values = HEADER_BYTES + 2;
  let at = values;
  let left = message.length < values ? -1 : message.readInt16BE(HEADER_BYTES);
  for (; left > 0 && at + 4 <= message.length; left -= 1) at += 4 + Math.max(0, message.readInt32BE(at));
  if (left !== 0 || at !== message.length) throw new Failure('PROTOCOL_MISMATCH');
}
