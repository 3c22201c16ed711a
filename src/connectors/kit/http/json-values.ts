/**
 * The most values that one JSON answer may have: parsing and checking so many holds the event loop for some tenths of a
 * second, where the bytes that a list of 100,000 names takes have room for millions of `[]`.
 */
export const MOST_VALUES = 250_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;

/** Tells whether a JSON text has more than so many values: what stands in lists and objects, and these themselves. */
export function hasMoreValues(json: Buffer, most: number): boolean {
  let values = 1;
  let isText = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (isText) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === COMMA || byte === BRACKET || byte === BRACE) {
      values += 1;
      if (values > most) return true;
    }
  }
  return values > most;
}
