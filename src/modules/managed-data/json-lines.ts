import { isUtf8 } from 'node:buffer';
import type { FieldIssue } from '../../errors/field-issues.ts';
import { findRepeatedName } from '../../platform/json-names.ts';
import { isObject, type JsonObject } from '../data-structures/judge.ts';
import { issueAt, keyOf, MAX_LINE, type ReadLine, textBytes } from './transfer-text.ts';

/** What a line looks like, for messages. */
const FORM = '{"key": "…", "data": {…}}';
const MEMBERS = ['key', 'data'];
const LINE_FEED = 0x0a;

/** Writes a record as a line, of its data as they are stored. */
export function jsonLine(key: string, data: string): string {
  return `{"key":${JSON.stringify(key)},"data":${data}}\n`;
}

/** Writes some fields of a record as a line; one that the record does not have is left out. */
export function chosenLine(names: readonly string[], key: string, data: JsonObject): string {
  const chosen = names.filter((name) => Object.hasOwn(data, name)).map((name) => [name, data[name]]);
  return jsonLine(key, JSON.stringify(Object.fromEntries(chosen)));
}

/** Reads records that stand in a line of JSON each; empty lines are passed over. */
export async function* readJsonLines(
  source: AsyncIterable<Uint8Array>,
  keyField: string | undefined,
): AsyncGenerator<ReadLine> {
  let line = 0;
  for await (const bytes of linesOf(textBytes(source))) {
    line += 1;
    const issues: FieldIssue[] = [];
    const record = bytes === null ? tooLong(issues) : readLine(bytes, keyField, issues);
    if (record === undefined) continue;
    yield { line, size: bytes?.length ?? MAX_LINE, record: issues.length > 0 ? null : record, issues };
  }
}

/** Splits bytes into lines; null stands for one that is too long, of which nothing is kept. */
async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer) => {
    length += part.length;
    if (length > MAX_LINE) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const take = () => {
    const [only, second] = parts;
    const line = length > MAX_LINE ? null : only && !second ? only : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      add(chunk.subarray(from, end));
      yield take();
      from = end + 1;
    }
    add(chunk.subarray(from));
  }
  if (length > 0) yield take();
}

function tooLong(issues: FieldIssue[]): null {
  issues.push(issueAt([], 'TOO_LONG', `At most ${MAX_LINE} bytes a line.`));
  return null;
}

/** Reads what stands in a line; undefined for an empty one. What is wrong with it is added to `issues`. */
function readLine(bytes: Buffer, keyField: string | undefined, issues: FieldIssue[]): ReadLine['record'] | undefined {
  if (!isUtf8(bytes)) {
    issues.push(issueAt([], 'INVALID_FORMAT', 'This line is no UTF-8.'));
    return null;
  }
  const text = bytes.toString();
  if (text.trim() === '') return undefined;
  const value = parsed(text, issues);
  if (issues.length > 0) return null;
  if (!isObject(value)) {
    issues.push(issueAt([], 'INVALID_TYPE', `Give a JSON object, each record in a line of its own: ${FORM}.`));
    return null;
  }
  const repeated = findRepeatedName(text);
  if (repeated) issues.push(issueAt(repeated, 'INVALID_VALUE', 'This name stands twice in its object.'));
  for (const name of Object.keys(value).filter((each) => !MEMBERS.includes(each)))
    issues.push(issueAt([name], 'UNKNOWN_FIELD', `A line has nothing but key and data: ${FORM}.`));
  if (!Object.hasOwn(value, 'data')) issues.push(issueAt(['data'], 'REQUIRED', `The record is missing: ${FORM}.`));
  const { key, data } = value;
  return { key: keyOf(key, data, keyField, issues), data };
}

function parsed(text: string, issues: FieldIssue[]): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // V8's message quotes the text
    issues.push(issueAt([], 'INVALID_FORMAT', `This line is no JSON: a record stands whole in its line, ${FORM}.`));
    return null;
  }
}
