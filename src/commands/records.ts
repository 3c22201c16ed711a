import { createWriteStream, type ReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type RecordFormat, recordFormats } from '../modules/managed-data/transfers.ts';
import { options, optionsAndFile, UsageError, UUID } from './command.ts';
import { GATEWAY, type GivenGateway, readGateway } from './gateway.ts';
import {
  databaseRecords,
  gatewayRecords,
  type RecordTarget,
  type Report,
  type ReportedIssue,
} from './record-target.ts';
import { withTransfers } from './settings.ts';

/** How often progress is told to who watches it, and to a log, in milliseconds. */
const PROGRESS_MS = 1_000;
const LOGGED_MS = 10_000;
const LINE_FEED = 0x0a;
const QUOTE = 0x22;

const DATASTORE = { ...GATEWAY, datastore: { type: 'string' }, format: { type: 'string' } } as const;

interface GivenDatastore extends GivenGateway {
  readonly datastore?: string | undefined;
  readonly format?: string | undefined;
}

export async function exportRecords(args: readonly string[]): Promise<void> {
  const given = options(args, {
    ...DATASTORE,
    ...{ out: { type: 'string' }, field: { type: 'string', multiple: true }, 'escape-formulas': { type: 'boolean' } },
  });
  const { out, field = [] } = given;
  const format = formatOf(given.format, out, 'jsonl');
  const parameters = new URLSearchParams([['format', format], ...field.map((name) => ['field', name])]);
  if (given['escape-formulas']) parameters.set('formulas', 'escape');
  await withTarget(given, async (target) => {
    const progress = new Progress();
    const counted = count(await target.export(parameters), format, progress);
    if (out === undefined) await pipeline(counted, process.stdout, { end: false });
    else await writeWhole(counted, out);
    progress.end();
  });
}

export async function importRecords(args: readonly string[]): Promise<void> {
  const { values: given, file } = optionsAndFile(args, {
    ...DATASTORE,
    ...{ mode: { type: 'string' }, 'key-field': { type: 'string' }, 'stop-at-first': { type: 'boolean' } },
  });
  const format = formatOf(given.format, file);
  const parameters = new URLSearchParams();
  if (given.mode !== undefined) parameters.set('mode', given.mode);
  if (given['key-field'] !== undefined) parameters.set('keyField', given['key-field']);
  if (given['stop-at-first']) parameters.set('stopAtFirst', 'true');
  await withTarget(given, async (target) => {
    const source = file === '-' ? process.stdin : await openFile(file);
    const name = file === '-' ? 'stdin' : file;
    let end: Report | undefined;
    const progress = new Progress();
    for await (const report of await target.import(format, parameters, source)) {
      if (report.type === 'refused') progress.tell(refusedLines(name, report));
      else progress.show(importLine(report));
      end = report.type === 'end' ? report : undefined;
    }
    progress.end();
    if (end?.status === undefined) throw new Error('The answer was cut off: run the same again.');
    if (end.status === 'FAILED') throw new Error(`The import has ended early: ${failure(name, end.error)}`);
    if (end.status === 'STOPPED' || (end.refused ?? 0) > 0) process.exitCode = 1;
  });
}

/** Does something with the records of the database or, where one is named, of a gateway. */
async function withTarget(given: GivenDatastore, work: (target: RecordTarget) => Promise<void>): Promise<void> {
  const { datastore } = given;
  if (datastore === undefined) throw new UsageError('Give --datastore ID.');
  if (!UUID.test(datastore)) throw new UsageError('--datastore takes the id of a datastore: a UUID, not its name.');
  const gateway = readGateway(given);
  if (gateway) await work(gatewayRecords(gateway, datastore));
  else await withTransfers((transfers) => work(databaseRecords(transfers, datastore.toLowerCase())));
}

/** @throws UsageError for a format that there is not, and where none is given and the file's name tells none */
function formatOf(format: string | undefined, file: string | undefined, otherwise?: RecordFormat): RecordFormat {
  const wanted = format ?? { '.csv': 'csv', '.jsonl': 'jsonl', '.ndjson': 'jsonl' }[extname(file ?? '')] ?? otherwise;
  const found = recordFormats.find((each) => each === wanted);
  if (!found) throw new UsageError(`--format takes one of ${recordFormats.join(', ')}.`);
  return found;
}

/** Opens a file before anything is asked, so that it is said what is wrong with it. @throws Error, for a folder too */
async function openFile(path: string): Promise<ReadStream> {
  const handle = await open(path);
  if (!(await handle.stat()).isDirectory()) return handle.createReadStream();
  await handle.close();
  throw new Error(`${path} is a folder: give a file.`);
}

/** Writes a file that is there when it is whole. */
async function writeWhole(pieces: AsyncIterable<string | Uint8Array>, file: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await pipeline(pieces, createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Counts bytes and records: lines, and those outside of quotes in CSV, where the first one names the columns. */
async function* count(
  pieces: AsyncIterable<string | Uint8Array>,
  format: RecordFormat,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  let records = format === 'csv' ? -1 : 0;
  let bytes = 0;
  let isQuoted = false;
  for await (const piece of pieces) {
    const chunk = Buffer.from(piece as Uint8Array);
    bytes += chunk.length;
    for (const byte of chunk) {
      if (byte === QUOTE && format === 'csv') isQuoted = !isQuoted;
      else if (byte === LINE_FEED && !isQuoted) records += 1;
    }
    progress.show(`${Math.max(records, 0)} records, ${bytes} bytes`);
    yield chunk;
  }
}

function importLine({ put = 0, skipped = 0, refused = 0, untold = 0, bytes = 0 }: Report): string {
  const there = skipped > 0 ? `, ${skipped} there already` : '';
  const more = untold > 0 ? ` (${untold} of them not shown)` : '';
  return `${put} records put${there}, ${refused} refused${more}, ${bytes} bytes`;
}

function refusedLines(name: string, { line, message = '', issues = [] }: Report): string {
  const faults = issues.length > 0 ? issues : [{ path: [], message }];
  return faults.map((issue) => `${name}:${line}: ${issueText(issue)}\n`).join('');
}

function issueText({ path, message }: ReportedIssue): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}

/** Says why an import has ended early: an error of a service, or what a gateway says of one. */
function failure(name: string, error: unknown): string {
  const { message, issues = [] } = error as { readonly message: string; readonly issues?: readonly ReportedIssue[] };
  const [issue] = issues;
  if (!issue) return message;
  return issue.line === undefined ? issueText(issue) : `${name}:${issue.line}: ${issueText(issue)}`;
}

/** Says on stderr how far something has come: in one line on a terminal, in lines now and then elsewhere. */
class Progress {
  readonly #isTerminal = process.stderr.isTTY;
  #text = '';
  #shownAt = performance.now();

  show(text: string): void {
    this.#text = text;
    if (performance.now() - this.#shownAt < (this.#isTerminal ? PROGRESS_MS : LOGGED_MS)) return;
    this.#shownAt = performance.now();
    process.stderr.write(this.#isTerminal ? `\r${text}\u001b[K` : `${text}\n`);
  }

  /** Says something that stays. */
  tell(lines: string): void {
    process.stderr.write(this.#isTerminal ? `\r\u001b[K${lines}` : lines);
  }

  /** Shows the last that was said. */
  end(): void {
    this.tell(`${this.#text}\n`);
  }
}
