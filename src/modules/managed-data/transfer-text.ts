import { z } from 'zod';
import { anyText } from '../../connectors/kit/config/text.ts';
import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, fieldIssue, issueCodes } from '../../errors/field-issues.ts';
import { recordKey } from './fields.ts';

/* What JSON lines and CSV have in common: bytes that come in pieces, and records that each stand in a line. */

/** In bytes: a line of a text of records, or a row of several lines. A record that may be stored has half of it. */
export const MAX_LINE = 1_048_576;
/** In characters: the longest name of a field that a column may be about. */
const MAX_FIELD_NAME = 1_024;
const MAX_FIELDS = 1_000;

export const recordFormats = ['jsonl', 'csv'] as const;
export type RecordFormat = (typeof recordFormats)[number];

const fieldName = anyText(MAX_FIELD_NAME);

/** What an export may be asked for. */
export const exportOptions = z.strictObject({
  format: z.enum(recordFormats).default('jsonl'),
  field: z.array(fieldName).max(MAX_FIELDS).default([]),
  formulas: z.enum(['keep', 'escape']).default('keep'),
});
export type ExportOptions = z.infer<typeof exportOptions>;

const flag = z.enum(['true', 'false']).default('false');

/** What an import may be asked for. */
export const importOptions = z.strictObject({
  mode: z.enum(['put', 'merge', 'new']).default('put'),
  keyField: fieldName.optional(),
  stopAtFirst: flag.transform((text) => text === 'true'),
});
export type ImportOptions = z.infer<typeof importOptions>;

/** Reads the parameters of a URL. @throws ValidationError naming each that is wrong or unknown */
export function readParameters<Output>(schema: z.ZodType<Output>, parameters: URLSearchParams, lists: string[]) {
  const given = [...new Set(parameters.keys())].map((name): [string, unknown] => {
    const values = parameters.getAll(name);
    return [name, lists.includes(name) || values.length > 1 ? values : values[0]];
  });
  const { data, error } = schema.safeParse(Object.fromEntries(given));
  if (error) throw new ValidationError(error.issues.flatMap(parameterIssues));
  return data as Output;
}

function parameterIssues(found: z.core.$ZodIssue): FieldIssue[] {
  const paths = found.code === 'unrecognized_keys' ? found.keys.map((key) => [key]) : [found.path.map(String)];
  return paths.map((path) => ({ ...fieldIssue(found, path), configPath: null }));
}

/** What stands in a line, from 1 on: of a row of several lines, in its first one. */
export interface ReadLine {
  readonly line: number;
  /** In bytes, about. */
  readonly size: number;
  /** Null when something is wrong with it. */
  readonly record: { readonly key: string | null; readonly data: unknown } | null;
  readonly issues: readonly FieldIssue[];
}

export function issueAt(path: readonly string[], code: FieldIssue['code'], message: string): FieldIssue {
  return { path, configPath: null, code, message };
}

/** The fault of a text that cannot be read on from a line, for nobody can tell where its next record begins. */
export function unreadable(line: number, message: string): ValidationError {
  return new ValidationError([{ ...issueAt([], 'INVALID_FORMAT', message), line }]);
}

/**
 * Finds the key that a record is stored under: its own or, where it has none, what stands in its `keyField`. Null: one
 * is made. What is wrong with it is added to `issues`.
 */
export function keyOf(own: unknown, data: unknown, keyField: string | undefined, issues: FieldIssue[]): string | null {
  const isOwn = own != null || keyField === undefined;
  const path = isOwn ? ['key'] : ['data', keyField];
  const given = isOwn ? own : fieldOf(data, keyField);
  if (given == null && !isOwn) issues.push(issueAt(path, 'REQUIRED', issueCodes.REQUIRED));
  if (given == null) return null;
  const key = !isOwn && typeof given === 'number' ? String(given) : given;
  const { data: judged, error } = recordKey.safeParse(key);
  if (error) issues.push(...error.issues.map((found) => fieldIssue(found, path)));
  return judged ?? null;
}

function fieldOf(data: unknown, name: string): unknown {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, name)) return undefined;
  return (data as Readonly<Record<string, unknown>>)[name];
}

const BEGINNINGS: readonly { readonly bytes: readonly number[]; readonly message: string }[] = [
  { bytes: [0x1f, 0x8b], message: 'This is compressed by gzip: decompress it first.' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], message: 'This is a ZIP file, as those of spreadsheets are: save it as text.' },
  { bytes: [0xff, 0xfe], message: 'This is UTF-16: save it as UTF-8.' },
  { bytes: [0xfe, 0xff], message: 'This is UTF-16: save it as UTF-8.' },
];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const LONGEST_BEGINNING = 4;

const beginsWith = (bytes: Uint8Array, beginning: readonly number[]) =>
  beginning.every((each, at) => bytes[at] === each);

/** The bytes of a text in UTF-8, without a byte order mark. @throws ValidationError for what is no text to see */
export async function* textBytes(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let start: Buffer | null = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (start === null) yield bytes;
    else {
      start = Buffer.concat([start, bytes]);
      if (start.length < LONGEST_BEGINNING) continue;
      yield checkedStart(start);
      start = null;
    }
  }
  if (start !== null && start.length > 0) yield checkedStart(start);
}

function checkedStart(start: Buffer): Buffer {
  const wrong = BEGINNINGS.find(({ bytes }) => beginsWith(start, bytes));
  if (wrong) throw unreadable(1, wrong.message);
  return beginsWith(start, BYTE_ORDER_MARK) ? start.subarray(BYTE_ORDER_MARK.length) : start;
}
