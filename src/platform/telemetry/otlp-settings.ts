const NO_PAIRS = 'no list of name=value';
const NAME = /^[!#$%&'*+.^`|~\w-]+$/;
const MAX_PAIRS = 64;

/**
 * Reads the form that OpenTelemetry's variables have for headers and attributes, which is that of W3C Baggage:
 * `name=value,name=value`, each value with %XX. @throws Error
 */
export function parsePairs(text: string): Readonly<Record<string, string>> {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length > MAX_PAIRS) throw new Error(NO_PAIRS);
  return Object.fromEntries(parts.map(readPair));
}

function readPair(part: string): [string, string] {
  const at = part.indexOf('=');
  const name = part.slice(0, at).trim();
  const value = decoded(part.slice(at + 1).trim());
  if (at < 1 || !NAME.test(name) || value === undefined || /\p{Cc}/u.test(value)) throw new Error(NO_PAIRS);
  return [name, value];
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
