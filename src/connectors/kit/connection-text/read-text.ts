import { readCommandLine } from './command-line.ts';
import type { ConnectionText, ConnectionUrl, GivenUrl, Setting } from './connection-text.ts';
import { plainName } from './connection-text.ts';
import { readLines } from './lines.ts';
import { readKeywords, readPairs } from './pairs.ts';
import { readUrl } from './url.ts';

/** How many settings a text may have. */
const MAX_SETTINGS = 1_000;
/** How deep the objects of a JSON text are looked into. */
const MAX_DEPTH = 4;
/** The names of settings that hold a whole text: `DATABASE_URL`, `ConnectionStrings__Shop`. */
const HOLDS_TEXT = /(?:url|uri|dsn|connectionstring|connection|json|credentials|key)$|^connectionstrings/;
/** A client that is given a URL alone, in which nothing need stand in quotes. */
const COMMAND = /^(?:psql|mongosh|mongo|mysqlsh)\s+(?=[a-z+]+:\/\/\S*$)/i;

/**
 * Takes a text apart: a URL, a JSON object, lines of a `.env` or of an option file, `Server=…;User Id=…`, libpq's
 * `host=… user=…`, or how a client is called. Undefined when it is none of these, or has more than 1,000 settings.
 */
export function readText(text: string): ConnectionText | undefined {
  const trimmed = unquoted(text.trim().replace(COMMAND, ''));
  const called = readCommandLine(trimmed);
  if (called) return called.length > MAX_SETTINGS ? undefined : apart(called);
  const url = /\s/.test(trimmed) ? urlOnOneLine(trimmed) : readUrl(trimmed);
  if (url && url.parameters.length <= MAX_SETTINGS)
    return { urls: [{ url, setting: undefined }], within: [], settings: [] };
  const settings = readSettings(trimmed);
  if (!settings || settings.length === 0 || settings.length > MAX_SETTINGS) return undefined;
  return apart(settings);
}

/** A URL whose password has spaces, or whose parameters do, as JDBC's may. */
function urlOnOneLine(text: string): ConnectionUrl | undefined {
  return /[\r\n]/.test(text) ? undefined : readUrl(text);
}

function readSettings(text: string): Setting[] | undefined {
  if (text.startsWith('{')) return readJson(text);
  if (!/[\r\n]/.test(text)) return readOneLine(text);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const given = lines.filter((line) => line !== '');
  // a string of ADO.NET may be broken into lines behind its semicolons
  if (given.length > 1 && given.slice(0, -1).every((line) => line.endsWith(';'))) return readPairs(given.join(''));
  return readLines(text);
}

function readOneLine(text: string): Setting[] | undefined {
  const [name = ''] = text.split('=', 1);
  const isVariable = /^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name);
  if (isVariable && (/^export\s/.test(name) || /_(?:URL|URI|DSN|STRING)$/i.test(name))) return readLines(text);
  const keywords = readKeywords(text);
  // in the other form the first value ends with a semicolon
  if (keywords && !keywords[0]?.value.includes(';')) return keywords;
  if (text.includes(';')) return readPairs(text);
  return text.includes('=') ? readLines(text) : undefined;
}

/** The values of a JSON object by the names of their fields, those of inner objects behind a dot. */
function readJson(text: string): Setting[] | undefined {
  const value = parsed(text);
  return isObject(value) ? settingsOf(value, '', 1) : undefined;
}

function settingsOf(object: Readonly<Record<string, unknown>>, prefix: string, depth: number): Setting[] {
  return Object.entries(object).flatMap(([key, value]): Setting[] => {
    const name = prefix + key;
    if (isObject(value) && depth < MAX_DEPTH) return settingsOf(value, `${name}.`, depth + 1);
    if (value === null) return [];
    return [{ name, value: typeof value === 'string' ? value : JSON.stringify(value) }];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 has a RangeError for what is nested too deep
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Finds the settings that are texts themselves: URLs, JSON objects, strings of ADO.NET. */
function apart(given: readonly Setting[]): ConnectionText {
  const urls: GivenUrl[] = [];
  const within: Setting[] = [];
  const settings: Setting[] = [];
  for (const setting of given) {
    const { name, value } = setting;
    const holdsText = HOLDS_TEXT.test(plainName(name));
    const url = /\s/.test(value) ? undefined : readUrl(value);
    if (url) urls.push({ url, setting });
    const inner = holdsText && !url ? innerSettings(value) : undefined;
    if (inner) within.push(...inner);
    else if (!url) settings.push(setting);
  }
  return { urls, within, settings };
}

function innerSettings(value: string): Setting[] | undefined {
  if (value.startsWith('{')) return readJson(value);
  return /^[A-Za-z][A-Za-z ]{1,63}=[^;]*;/.test(value) ? readPairs(value) : undefined;
}

function unquoted(text: string): string {
  const quote = text[0];
  const isQuoted = (quote === '"' || quote === "'") && text.length > 1 && text.endsWith(quote);
  return isQuoted ? text.slice(1, -1).trim() : text;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
