import { isUtf8 } from 'node:buffer';
import type { CastingContext, CsvError } from 'csv-parse';
import { ValidationError } from '../../errors/api.ts';
import type { FieldIssue } from '../../errors/field-issues.ts';
import { findRepeatedName } from '../../platform/json-names.ts';
import { isObject } from '../data-structures/judge.ts';
import type { FieldType, Structure } from '../data-structures/structure.ts';
import { type Column, DATA_COLUMN, KEY_COLUMN, knownColumns } from './csv-columns.ts';
import { issueAt, keyOf, MAX_LINE, type ReadLine, textBytes, unreadable } from './transfer-text.ts';

/** How many columns a row may have. */
const MAX_COLUMNS = 1_000;
const LINE_BREAKS = /\r\n|\r|\n/g;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const NOT_UTF8 = Symbol('no UTF-8');

/** A text; undefined for an empty cell without quotes. */
type Cell = string | undefined | typeof NOT_UTF8;

/** Reads records that stand in a row of CSV (RFC 4180) each, behind one with the names of their fields. */
export async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  structure: Structure | null,
  keyField: string | undefined,
): AsyncGenerator<ReadLine> {
  let header: readonly Column[] | undefined;
  for await (const row of rowsOf(source)) {
    if (header) yield { line: row.line, size: row.size, ...readRow(row.cells, header, keyField) };
    else header = readHeader(row, structure);
  }
  if (!header) throw unreadable(1, 'There is no first row with the names of the columns.');
}

interface Row {
  readonly line: number;
  readonly size: number;
  /** Whether one of its values stands in quotes. */
  readonly isQuoted: boolean;
  readonly cells: readonly Cell[];
}

/** Rows as the parser finds them, empty ones left out. Those before one that is no CSV are given before it fails. */
async function* rowsOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const { parse } = await import('csv-parse');
  const place = new RowPlace();
  const found: Row[] = [];
  const parser = parse({
    // as bytes: it would put a sign for those that are no text
    encoding: null,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    max_record_size: MAX_LINE,
    cast: (value, context) => place.cell(value as unknown as Uint8Array, context),
    // from here they are taken, for a parser that fails forgets those that nobody has read yet
    on_record: (cells: readonly Cell[]) => {
      const row = { ...place.next(), cells };
      if (cells.length > 1 || cells[0] !== undefined) found.push(row);
      return null;
    },
  });
  // whoever writes to it is told
  parser.on('error', () => undefined);
  let isJson: boolean | undefined;
  const checked = function* (error: Error | null) {
    yield* found.splice(0);
    if (error) throw isCsvError(error) ? unreadable(place.line, messageOf(error, isJson)) : error;
  };
  for await (const bytes of textBytes(source)) {
    isJson ??= bytes[0] === OPEN_BRACE || bytes[0] === OPEN_BRACKET;
    yield* checked(await done((tell) => parser.write(bytes, tell)));
  }
  yield* checked(await done((tell) => parser.end(tell)));
}

/** Waits for what tells of its end, or of an error. */
function done(work: (tell: (error?: Error | null) => void) => void): Promise<Error | null> {
  return new Promise((resolve) => work((error) => resolve(error ?? null)));
}

/**
 * Counts the lines and bytes of rows, for the parser counts CR LF within quotes as two lines, and of bytes those of one
 * value alone.
 */
class RowPlace {
  #line = 1;
  #breaks = 0;
  #size = 0;
  #isQuoted = false;

  /** Where the row begins that is read. */
  get line(): number {
    return this.#line;
  }

  cell(bytes: Uint8Array, { index, quoting }: CastingContext): Cell {
    this.#size += bytes.length + 1;
    if (this.#size > MAX_LINE) throw unreadable(this.#line, TOO_LONG);
    if (index >= MAX_COLUMNS) throw unreadable(this.#line, `A row has at most ${MAX_COLUMNS} values.`);
    this.#isQuoted ||= quoting;
    if (bytes.length === 0 && !quoting) return undefined;
    if (!isUtf8(bytes)) return NOT_UTF8;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    if (quoting) this.#breaks += text.match(LINE_BREAKS)?.length ?? 0;
    return text;
  }

  /** Ends a row. @returns where it began, and what it is like */
  next(): Omit<Row, 'cells'> {
    const ended = { line: this.#line, size: this.#size, isQuoted: this.#isQuoted };
    this.#line += this.#breaks + 1;
    this.#breaks = 0;
    this.#size = 0;
    this.#isQuoted = false;
    return ended;
  }
}

const TOO_LONG = `A row has at most ${MAX_LINE} bytes: look for a quote that is not closed.`;
const COMMAS = 'separate values by commas, or quote the name of the one column.';
const JSON_TEXT = 'This is JSON, and no CSV: send records in lines of JSON as jsonl.';
const BROKEN = 'From this row on it is no CSV.';
const MESSAGES: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'A quote is opened in this row or behind it and never closed.',
  CSV_INVALID_CLOSING_QUOTE: 'Something stands behind a closing quote in this row: a quote within quotes is doubled.',
  INVALID_OPENING_QUOTE: 'A quote stands within a value without quotes in this row: quote the value, and double it.',
  CSV_MAX_RECORD_SIZE: TOO_LONG,
};

/** JSON is no CSV at its first quote, which stands within a value. */
function messageOf({ code }: CsvError, isJson = false): string {
  return isJson && code === 'INVALID_OPENING_QUOTE' ? JSON_TEXT : (MESSAGES[code] ?? BROKEN);
}

function isCsvError(error: unknown): error is CsvError {
  return error instanceof Error && !(error instanceof ValidationError) && 'code' in error && isKnown(error.code);
}

const isKnown = (code: unknown) => typeof code === 'string' && /^(CSV_|INVALID_OPENING_QUOTE)/.test(code);

/** What spreadsheets put between values in the place of a comma, where a comma is in their numbers. */
const SEPARATORS: readonly (readonly [string, string])[] = [
  [';', 'semicolons'],
  ['\t', 'tabs'],
];

/** @throws ValidationError for names that records cannot have, and where no commas stand between them */
function readHeader({ line, cells, isQuoted }: Row, structure: Structure | null): Column[] {
  const types = new Map(knownColumns(structure).map(({ name, type }) => [name, type]));
  const [only] = cells;
  if (cells.length === 1 && typeof only === 'string' && !isQuoted && !types.has(only)) {
    const [, separators] = SEPARATORS.find(([character]) => only.includes(character)) ?? [];
    if (separators) throw unreadable(line, `The first row has ${separators} and no comma: ${COMMAS}`);
  }
  const seen = new Set<string>();
  return cells.map((name, at) => {
    const wrong = faultOfName(name, seen);
    if (wrong || typeof name !== 'string') throw unreadable(line, `Column ${at + 1} ${wrong}: name each field once.`);
    seen.add(name);
    return { name, type: types.get(name) ?? null };
  });
}

function faultOfName(name: Cell, seen: ReadonlySet<string>): string | null {
  if (name === NOT_UTF8) return 'has a name that is no UTF-8';
  if (name === undefined || name === '') return 'has no name';
  if (name.includes('\0')) return 'has a name with a zero byte';
  if (name === '__proto__') return 'is called __proto__, which no field may be';
  return seen.has(name) ? 'has the name of one before it' : null;
}

function readRow(
  cells: readonly Cell[],
  header: readonly Column[],
  keyField: string | undefined,
): Pick<ReadLine, 'record' | 'issues'> {
  const issues: FieldIssue[] = [];
  if (cells.length !== header.length) {
    const message = `This row has ${cells.length} values, and the first row names ${header.length} columns.`;
    return { record: null, issues: [issueAt([], 'INVALID_FORMAT', message)] };
  }
  let key: string | undefined;
  let rest: Readonly<Record<string, unknown>> = {};
  const data: [string, unknown][] = [];
  for (const [at, { name, type }] of header.entries()) {
    const path = name === KEY_COLUMN ? ['key'] : name === DATA_COLUMN ? [DATA_COLUMN] : ['data', name];
    const text = textOf(cells[at], path, issues);
    if (text === undefined) continue;
    if (name === KEY_COLUMN) key = text;
    else if (name === DATA_COLUMN)
      rest = (readJson(text, path, isObject, 'a JSON object', issues) ?? {}) as typeof rest;
    else {
      const value = readers[type ?? 'TEXT'](text, path, issues);
      if (value !== undefined) data.push([name, value]);
    }
  }
  for (const [name] of data)
    if (Object.hasOwn(rest, name))
      issues.push(issueAt([DATA_COLUMN, name], 'INVALID_COMBINATION', 'This field has a column of its own.'));
  const whole = Object.fromEntries([...Object.entries(rest), ...data]);
  const found = keyOf(key, whole, keyField, issues);
  return { record: issues.length > 0 ? null : { key: found, data: whole }, issues };
}

function textOf(cell: Cell, path: readonly string[], issues: FieldIssue[]): string | undefined {
  if (cell === NOT_UTF8) issues.push(issueAt(path, 'INVALID_FORMAT', 'This value is no UTF-8.'));
  else if (cell?.includes('\0')) issues.push(issueAt(path, 'INVALID_FORMAT', 'Give it without zero bytes.'));
  else return cell;
  return undefined;
}

type ReadCell = (text: string, path: readonly string[], issues: FieldIssue[]) => unknown;

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Reads a cell of a type; undefined where it has no value. What is no value of the type is added to the issues. */
const readers: Readonly<Record<FieldType, ReadCell>> = {
  TEXT: (text) => text,
  DATE: (text) => (text === '' ? undefined : text),
  NUMBER: (text, path, issues) => {
    const trimmed = text.trim();
    if (trimmed === '') return undefined;
    if (NUMBER.test(trimmed)) return Number(trimmed);
    issues.push(issueAt(path, 'INVALID_TYPE', 'Give a number, as -12.5.'));
    return undefined;
  },
  BOOLEAN: (text, path, issues) => {
    const trimmed = text.trim().toLowerCase();
    if (trimmed === '') return undefined;
    if (trimmed === 'true' || trimmed === 'false') return trimmed === 'true';
    issues.push(issueAt(path, 'INVALID_TYPE', 'Give true or false.'));
    return undefined;
  },
  ARRAY: (text, path, issues) => readJson(text, path, Array.isArray, 'a JSON list', issues),
  COLLECTION: (text, path, issues) => readJson(text, path, isObject, 'a JSON object', issues),
};

function readJson(
  text: string,
  path: readonly string[],
  isWanted: (value: unknown) => boolean,
  wanted: string,
  issues: FieldIssue[],
): unknown {
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message quotes the text
    issues.push(issueAt(path, 'INVALID_FORMAT', `This is no JSON: give ${wanted}.`));
    return undefined;
  }
  const repeated = findRepeatedName(text);
  if (repeated) issues.push(issueAt([...path, ...repeated], 'INVALID_VALUE', 'This name stands twice in its object.'));
  if (isWanted(value)) return value;
  issues.push(issueAt(path, 'INVALID_TYPE', `Give ${wanted}.`));
  return undefined;
}
