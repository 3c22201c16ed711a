import { setImmediate as immediate } from 'node:timers/promises';
import type { CatalogColumn } from '../kit/contract/catalog-entry.ts';
import type { CsvConfig } from './config.ts';
import { likelyDelimiter, takeDelimiter } from './formats.ts';
import { malformed, parseCsv } from './parse.ts';

export const columnTypes = ['NUMBER', 'BOOLEAN', 'DATE', 'TEXT'] as const;
export type ColumnType = (typeof columnTypes)[number];

/** What a file holds. */
export interface CsvTable {
  readonly columns: readonly CatalogColumn[];
  /** The number of rows, the header not counted. */
  readonly rows: number;
  /** The number of rows that have more or fewer values than there are columns. */
  readonly uneven: number;
  /** The number of columns whose name a column before them has. */
  readonly doubles: number;
  /** What the values were read as separated by: the config's delimiter, or the one that the file names. */
  readonly delimiter: string;
  /** What likely separates them, where that is another one. */
  readonly likelyDelimiter: string | undefined;
}

/** How many rows and values are read in one step. */
const STEP = 50_000;
/** The longest value that is looked at, in characters: longer ones are text, whatever they look like. */
const LONGEST_TYPED = 64;
/** The longest name of a table or a column that is shown, in characters. */
export const LONGEST_NAME = 255;
const LOOKS_LIKE: readonly (readonly [ColumnType, (text: string) => boolean])[] = [
  // digits that begin with a zero are a code, such as a postal code
  ['NUMBER', (text) => /^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text)],
  ['BOOLEAN', (text) => /^(true|false|yes|no)$/i.test(text)],
  ['DATE', isDate],
];
const DATE = /^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

function isDate(text: string): boolean {
  const day = DATE.exec(text)?.[1];
  return day !== undefined && new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) === true;
}

/**
 * Reads the whole text and guesses each column's type from all of its values, in steps between which the event loop
 * goes on and the signal can end it. Fails with FILE_MALFORMED.
 */
export async function readTable(
  text: string,
  truncated: boolean,
  config: CsvConfig,
  signal: AbortSignal,
): Promise<CsvTable> {
  // a text has no zero byte, while nearly every other kind of file has one
  if (text.includes('\0'))
    throw malformed('This is no text, or in another encoding: check `encoding`, and that it is a CSV file.');
  const { hasHeader } = config;
  const { rest, delimiter } = takeDelimiter(text.replace(/^\uFEFF/, ''), config.delimiter);
  const rows = parseCsv(rest, { delimiter, truncated });
  const first = rows.next().value as string[] | undefined;
  if (!first) throw malformed(truncated ? 'Its first row is longer than 5 MiB.' : 'The file is empty.');
  const names = hasHeader ? first.map((name) => name.trim()) : first.map(() => '');
  const guesses = names.map(() => new Guess());
  let count = 0;
  let uneven = 0;
  let fewest = names.length;
  let untilPause = STEP;
  const take = (row: readonly string[]) => {
    count += 1;
    if (row.length !== names.length) uneven += 1;
    fewest = Math.min(fewest, row.length);
    for (const [index, value] of row.entries()) guesses[index]?.take(value);
  };
  if (!hasHeader) take(first);
  for (const row of rows) {
    take(row);
    untilPause -= 1 + row.length;
    if (untilPause > 0) continue;
    await immediate();
    signal.throwIfAborted();
    untilPause = STEP;
  }
  const columns = guesses.map((guess, index) => ({
    name: names[index]?.slice(0, LONGEST_NAME) || `column${index + 1}`,
    dataType: guess.type,
    // a file without a missing value says nothing of the next one
    nullable: guess.sawEmpty || index >= fewest ? true : null,
  }));
  const doubles = columns.length - new Set(columns.map(({ name }) => name)).size;
  return { columns, rows: count, uneven, doubles, delimiter, likelyDelimiter: likelyDelimiter(first) };
}

/** What the values of a column have in common so far. */
class Guess {
  #possible = LOOKS_LIKE;
  #sawValue = false;
  sawEmpty = false;

  take(value: string): void {
    const text = value.trim();
    if (text === '') {
      this.sawEmpty = true;
      return;
    }
    this.#sawValue = true;
    if (this.#possible.length === 0) return;
    this.#possible = text.length > LONGEST_TYPED ? [] : this.#possible.filter(([, fits]) => fits(text));
  }

  get type(): ColumnType {
    return (this.#sawValue ? this.#possible[0]?.[0] : undefined) ?? 'TEXT';
  }
}
