import { Failure } from '../kit/contract/failure.ts';

/** The most values that a row may have. */
const MAX_COLUMNS = 10_000;
const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface ParseOptions {
  /** The character between two values. */
  readonly delimiter: string;
  /** True when the text breaks off somewhere: its last row is then left out. */
  readonly truncated?: boolean;
}

/**
 * The rows of a CSV text (RFC 4180), one at a time. Lines end in CR LF, LF or CR, and empty ones are passed over. A
 * quote within a value that does not begin with one is a character like any other. Fails with FILE_MALFORMED.
 */
export function* parseCsv(text: string, { delimiter, truncated = false }: ParseOptions): Generator<string[]> {
  const end = delimiter.charCodeAt(0);
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const quoted = text.charCodeAt(at) === QUOTE;
    const close = quoted ? closingQuote(text, at + 1) : valueEnd(text, at, end);
    if (quoted && close < 0) {
      if (truncated) return;
      throw malformed('A quote is opened and not closed: check the quotes.');
    }
    row.push(quoted ? text.slice(at + 1, close).replaceAll('""', '"') : text.slice(at, close));
    if (row.length > MAX_COLUMNS)
      throw malformed('A row has more than 10,000 values: check the delimiter and the quotes.');
    at = quoted ? close + 1 : close;
    const next = text.charCodeAt(at);
    if (next === end) {
      at += 1;
      // an empty value stands behind a delimiter at the end of the text
      if (at === text.length) row.push('');
      continue;
    }
    if (at < text.length && next !== LINE_FEED && next !== CARRIAGE_RETURN)
      throw malformed('Something stands behind a closing quote: check the delimiter and the quotes.');
    if (at === text.length && truncated) return;
    at += next === CARRIAGE_RETURN && text.charCodeAt(at + 1) === LINE_FEED ? 2 : 1;
    if (row.length > 1 || row[0] !== '' || quoted) yield row;
    row = [];
  }
  if (row.length > 0 && !truncated) yield row;
}

/** Where the quote stands that closes a value, which is one that is not doubled; -1 where there is none. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text.charCodeAt(at + 1) !== QUOTE) return at;
  }
  return -1;
}

function valueEnd(text: string, from: number, end: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === end || code === LINE_FEED || code === CARRIAGE_RETURN) return at;
  }
  return text.length;
}

export function malformed(hint: string, configPath?: string): Failure {
  return new Failure('FILE_MALFORMED', { hint, ...(configPath === undefined ? {} : { configPath }) });
}
