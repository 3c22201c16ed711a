import type { Setting } from './connection-text.ts';

const LINE = /^(?:export\s+|set\s+|\$env:)?(?<name>[A-Za-z_][\w.-]{0,127})\s*(?:=|:(?=\s|$))(?<value>.*)$/i;
const SECTION = /^\[[^[\]]{1,128}\]$/;
/** The options of MySQL's clients that stand without a value. */
const SWITCH = /^(?:skip|enable|disable|ssl|tls|compress)[a-z-]{0,60}$/;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', s: ' ' };

/**
 * Reads lines of `NAME=value`: a `.env`, MySQL's option files. A value in quotes may go over several lines. `[client]`
 * and a word by itself, as `skip-ssl` is, come as switches that are on. Undefined when a line is none of these.
 */
export function readLines(text: string): Setting[] | undefined {
  const lines = text.split(/\r?\n/);
  const settings: Setting[] = [];
  /** The quotes that no later line ends with. */
  const unclosed = new Set<string>();
  for (let at = 0; at < lines.length; at += 1) {
    const line = (lines[at] ?? '').trim();
    if (line === '' || /^(?:[#;]|\/\/)/.test(line)) continue;
    const found = LINE.exec(line)?.groups;
    if (!found?.name) {
      if (!SECTION.test(line) && !SWITCH.test(line)) return undefined;
      settings.push({ name: line, value: 'true' });
      continue;
    }
    let value = (found.value ?? '').trim();
    const quote = value[0] === '"' || value[0] === "'" ? value[0] : undefined;
    if (quote !== undefined && value.indexOf(quote, 1) < 0 && !unclosed.has(quote)) {
      let last = at + 1;
      while (last < lines.length && !lines[last]?.trimEnd().endsWith(quote)) last += 1;
      if (last === lines.length) {
        unclosed.add(quote);
      } else {
        value = [value, ...lines.slice(at + 1, last), (lines[last] ?? '').trimEnd()].join('\n');
        at = last;
      }
    }
    settings.push({ name: found.name, value: readValue(value) });
  }
  return settings;
}

function readValue(value: string): string {
  const quote = value[0];
  const end = quote === '"' || quote === "'" ? endOfQuoted(value, quote) : -1;
  if (end < 0) return withoutComment(value);
  const inner = value.slice(1, end);
  return quote === "'" ? inner : inner.replace(/\\([\s\S])/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}

/** Where the quote that closes a value stands: the first that is not escaped, a comment at most behind it. */
function endOfQuoted(value: string, quote: string): number {
  for (let at = 1; at < value.length; at += 1) {
    if (value[at] === '\\' && quote === '"') at += 1;
    else if (value[at] === quote) return /^\s*(?:[#;,]|$)/.test(value.slice(at + 1, at + 64)) ? at : -1;
  }
  return -1;
}

function withoutComment(value: string): string {
  const at = value.indexOf(' #');
  return at < 0 ? value : value.slice(0, at).trimEnd();
}
