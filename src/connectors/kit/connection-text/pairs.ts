import type { Setting } from './connection-text.ts';

const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '{': '}' };

/**
 * Reads `Server=db.example.com;Password="a;b";Database={shop}`, as ADO.NET, ODBC and JDBC write it: a value may stand
 * in quotes or braces, in which the closing one is doubled. A word without a value is a switch that is on.
 */
export function readPairs(text: string): Setting[] {
  const settings: Setting[] = [];
  let [at, equals, semicolon] = [0, text.indexOf('='), text.indexOf(';')];
  while (at < text.length) {
    // each is looked for again only when it was passed, so that a text is looked at once
    if (equals >= 0 && equals < at) equals = text.indexOf('=', at);
    if (semicolon >= 0 && semicolon < at) semicolon = text.indexOf(';', at);
    const end = semicolon < 0 ? text.length : semicolon;
    if (equals < 0 || equals > end) {
      const name = text.slice(at, end).trim();
      if (name !== '') settings.push({ name, value: 'true' });
      at = end + 1;
      continue;
    }
    const { value, next } = readValue(text, equals + 1);
    settings.push({ name: text.slice(at, equals).trim(), value });
    at = next;
  }
  return settings;
}

function readValue(text: string, from: number): { readonly value: string; readonly next: number } {
  let start = from;
  while (text[start] === ' ' || text[start] === '\t') start += 1;
  const closing = CLOSING[text[start] ?? ''];
  const quoted = closing === undefined ? undefined : readQuoted(text, start + 1, closing);
  const semicolon = text.indexOf(';', quoted?.end ?? start);
  const end = semicolon < 0 ? text.length : semicolon;
  return { value: quoted?.value ?? text.slice(start, end).trim(), next: end + 1 };
}

function readQuoted(text: string, from: number, closing: string): { value: string; end: number } | undefined {
  let value = '';
  let at = from;
  for (;;) {
    const end = text.indexOf(closing, at);
    if (end < 0) return undefined;
    value += text.slice(at, end);
    if (text[end + 1] !== closing) return { value, end: end + 1 };
    value += closing;
    at = end + 2;
  }
}

const KEYWORD =
  /\s*(?<name>[A-Za-z][A-Za-z0-9_]*)\s*=\s*(?:'(?<quoted>(?:[^'\\]|\\[\s\S])*)'|(?<plain>(?:[^\s'\\]|\\[\s\S])*))(?=\s|$)/y;

/** Reads `host=db.example.com password='it\'s'` as libpq does. Undefined when the text is none of these. */
export function readKeywords(text: string): Setting[] | undefined {
  const settings: Setting[] = [];
  KEYWORD.lastIndex = 0;
  while (KEYWORD.lastIndex < text.length) {
    const found = KEYWORD.exec(text)?.groups;
    if (!found?.name) return undefined;
    settings.push({ name: found.name, value: (found.quoted ?? found.plain ?? '').replace(/\\([\s\S])/g, '$1') });
  }
  return settings;
}
