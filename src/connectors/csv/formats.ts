import { malformed } from './parse.ts';

/** Files of other kinds, by what they begin with, in hexadecimal digits. */
const BINARY: readonly (readonly [beginning: RegExp, hint: string])[] = [
  [/^1f8b/, 'The file is compressed by gzip: give the one that is unpacked.'],
  [/^425a683[1-9]314159265359/, 'The file is compressed by bzip2: give the one that is unpacked.'],
  [/^fd377a585a00/, 'The file is compressed by xz: give the one that is unpacked.'],
  [/^28b52ffd/, 'The file is compressed by Zstandard: give the one that is unpacked.'],
  [/^504b0304/, 'The file is a ZIP archive or a workbook (XLSX, ODS): unpack it, or save the sheet as CSV.'],
  [/^d0cf11e0a1b11ae1/, 'The file is a workbook (XLS): save the sheet as CSV.'],
  [/^5041523115/, 'The file is Parquet: export it as CSV.'],
  [/^255044462d/, 'The file is a PDF: export the table as CSV.'],
];
const LONGEST_BEGINNING = 16;
/** Texts of other kinds, by what they begin with. No table begins so, not even one without a header. */
const TEXTS: readonly (readonly [beginning: RegExp, hint: string])[] = [
  [/^\s*(\{\s*["}]|\[\s*["[\]{])/, 'The file is JSON: export it as CSV.'],
  [/^\s*<(!doctype\b|!--|html\b|head\b|body\b)/i, 'The file is a web page: give the URL that downloads the CSV file.'],
  [/^\s*<(\?xml|svg|error)\b/i, 'The file is XML: export it as CSV, or look in it for what the server says.'],
];

/** The delimiters that are looked for where the one that is given splits nothing. */
const DELIMITERS = [',', ';', '\t', '|'] as const;
/** The line in which Excel says by what it has separated: `sep=;`. */
const DELIMITER_LINE = /^"?sep=([^"\r\n])"?(?:\r\n|\r|\n|$)/i;

/** Fails with FILE_MALFORMED when the bytes are a file of another kind. `configPath` is where the file comes from. */
export function refuseBinary(bytes: Buffer, configPath: string): void {
  const first = bytes.subarray(0, LONGEST_BEGINNING).toString('hex');
  const hint = BINARY.find(([beginning]) => beginning.test(first))?.[1];
  if (hint !== undefined) throw malformed(hint, configPath);
}

/** Fails with FILE_MALFORMED when the text is one of another kind. `configPath` is where it comes from. */
export function refuseOtherText(text: string, configPath: string): void {
  const hint = TEXTS.find(([beginning]) => beginning.test(text))?.[1];
  if (hint !== undefined) throw malformed(hint, configPath);
}

/** The text without the line that names its delimiter, and that delimiter; or the given one where there is no such. */
export function takeDelimiter(text: string, given: string): { readonly rest: string; readonly delimiter: string } {
  const [line, delimiter] = DELIMITER_LINE.exec(text) ?? [];
  if (line === undefined || delimiter === undefined) return { rest: text, delimiter: given };
  return { rest: text.slice(line.length), delimiter };
}

/** What stands in the only value of a first row and is likely what separates; undefined where nothing does. */
export function likelyDelimiter(row: readonly string[]): string | undefined {
  const [only = '', ...others] = row;
  return others.length > 0 ? undefined : DELIMITERS.find((delimiter) => only.includes(delimiter));
}

/** A delimiter in a word, where it could not be seen. */
export function shownDelimiter(delimiter: string): string {
  if (delimiter === '\t') return 'tab';
  return delimiter === ' ' ? 'space' : delimiter;
}
