import { setImmediate as immediate } from 'node:timers/promises';
import { ConflictError, type UserError } from '../../errors/api.ts';
import type { FieldIssue } from '../../errors/field-issues.ts';
import type { Access } from '../access/access.ts';
import { type PutResult, type RecordInput, TooMuchMerged } from './record-batch.ts';
import type { RecordService } from './service.ts';
import type { ImportOptions, ReadLine } from './transfer-text.ts';

/**
 * How many lines one transaction takes, and how many bytes of them. With 500 on SQLite V8 lets its heap grow by some
 * 60 MB more.
 */
const AT_ONCE = 200;
const AT_ONCE_BYTES = 2 * 1_048_576;
/** How often progress is told, in milliseconds. */
const PROGRESS_MS = 1_000;
/** How many refused lines are told, and in how many characters; the others are counted. */
const MAX_TOLD = 1_000;
const MAX_TOLD_SIZE = 1_048_576;
/** How many faults of a line are told, and how many characters of each name on the way to one. */
const MAX_TOLD_ISSUES = 20;
const MAX_TOLD_NAME = 256;

/** How far an import has come. */
export interface ImportCounts {
  /** How many records the text has had so far, whatever became of them. */
  readonly read: number;
  /** How many are stored. */
  readonly put: number;
  /** How many were passed over, for their key is there already and only new ones were asked for. */
  readonly skipped: number;
  readonly refused: number;
  /** How many bytes have come. */
  readonly bytes: number;
}

export type ImportReport =
  | ({ readonly type: 'progress' } & ImportCounts)
  | {
      readonly type: 'refused';
      readonly line: number;
      readonly code: UserError['code'];
      readonly message: string;
      readonly issues: readonly FieldIssue[];
    }
  | ({
      readonly type: 'end';
      /** STOPPED at the first refused line. FAILED: `error` says why. In either case what was put stays. */
      readonly status: 'COMPLETE' | 'STOPPED' | 'FAILED';
      /** How many refused lines were not told. */
      readonly untold: number;
      readonly error: unknown;
    } & ImportCounts);

export interface RecordImportOptions {
  readonly records: RecordService;
  readonly access: Access;
  readonly datastoreId: string;
  readonly options: ImportOptions;
  readonly signal: AbortSignal;
}

/** One import, of lines that were read: it puts them, and tells how it goes. */
export class RecordImport {
  readonly #given: RecordImportOptions;
  readonly #counts = { read: 0, put: 0, skipped: 0, refused: 0, bytes: 0 };
  #told = 0;
  #toldSize = 0;
  #toldAt = performance.now();

  constructor(given: RecordImportOptions) {
    this.#given = given;
  }

  /** The same bytes, which are counted. */
  async *counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#counts.bytes += chunk.byteLength;
      yield chunk;
    }
  }

  /** Puts the lines. What ends it early is the `error` of its last report. */
  async *reports(lines: AsyncIterable<ReadLine>): AsyncGenerator<ImportReport> {
    let error: unknown = null;
    let isStopped = false;
    try {
      for await (const batch of this.#batches(lines)) {
        const refused = await this.#put(batch);
        yield* refused;
        isStopped = this.#given.options.stopAtFirst && this.#counts.refused > 0;
        if (isStopped) break;
        this.#given.signal.throwIfAborted();
        if (performance.now() - this.#toldAt >= PROGRESS_MS) yield this.#progress();
        await immediate();
      }
    } catch (thrown) {
      error = thrown;
    }
    const status = error !== null ? 'FAILED' : isStopped ? 'STOPPED' : 'COMPLETE';
    yield { type: 'end', status, ...this.#counts, untold: this.#counts.refused - this.#told, error };
  }

  /** Gathers lines. What was read before the text cannot be read on is put. */
  async *#batches(lines: AsyncIterable<ReadLine>): AsyncGenerator<readonly ReadLine[]> {
    let batch: ReadLine[] = [];
    let size = 0;
    try {
      for await (const line of lines) {
        batch.push(line);
        size += line.size;
        if (batch.length < AT_ONCE && size < AT_ONCE_BYTES) continue;
        yield batch;
        batch = [];
        size = 0;
      }
    } catch (error) {
      // what has aborted it has no time
      if (batch.length > 0 && !this.#given.signal.aborted) yield batch;
      throw error;
    }
    if (batch.length > 0) yield batch;
  }

  /** Puts a batch. @returns the reports of what was refused */
  async #put(batch: readonly ReadLine[]): Promise<ImportReport[]> {
    const { stopAtFirst } = this.#given.options;
    const wrong = stopAtFirst ? batch.findIndex(({ record }) => record === null) : -1;
    const lines = wrong < 0 ? batch : batch.slice(0, wrong + 1);
    const inputs = lines.flatMap((line) => (line.record ? [this.#inputOf(line.record)] : []));
    const results = inputs.length > 0 ? await this.#results(inputs) : [];
    const reports: ImportReport[] = [];
    let next = 0;
    for (const { line, record, issues } of lines) {
      const result = record ? results[next] : undefined;
      // behind the first that is refused nothing was put
      if (record && !result) break;
      if (record) next += 1;
      this.#counts.read += 1;
      if (result?.record) this.#counts.put += 1;
      else if (result?.error && isConflict(result.error)) this.#counts.skipped += 1;
      else reports.push(...this.#refused(line, result?.error ?? { ...UNREADABLE, issues }));
    }
    return reports;
  }

  /** Puts records, in several calls where one would merge too much. There are none behind what it stops at. */
  async #results(inputs: readonly RecordInput[]): Promise<readonly PutResult[]> {
    const { records, access, datastoreId, options } = this.#given;
    const stopsAt = (refusal: UserError) =>
      refusal instanceof TooMuchMerged || (options.stopAtFirst && !isConflict(refusal));
    const results = await records.importSome(access, datastoreId, inputs, stopsAt);
    if (!(results.at(-1)?.error instanceof TooMuchMerged)) return results;
    const done = results.length - 1;
    return [...results.slice(0, done), ...(await this.#results(inputs.slice(done)))];
  }

  #inputOf({ key, data }: NonNullable<ReadLine['record']>): RecordInput {
    const { mode } = this.#given.options;
    return { path: [], key, data, merge: mode === 'merge', expectedVersion: mode === 'new' ? 0 : null };
  }

  #refused(line: number, { code, message, issues }: Pick<UserError, 'code' | 'message' | 'issues'>): ImportReport[] {
    this.#counts.refused += 1;
    const shown = issues.slice(0, MAX_TOLD_ISSUES).map((issue) => ({
      ...issue,
      path: issue.path.map((name) => name.slice(0, MAX_TOLD_NAME)),
    }));
    const size = JSON.stringify(shown).length;
    if (this.#told >= MAX_TOLD || this.#toldSize + size > MAX_TOLD_SIZE) return [];
    this.#told += 1;
    this.#toldSize += size;
    return [{ type: 'refused', line, code, message, issues: shown }];
  }

  #progress(): ImportReport {
    this.#toldAt = performance.now();
    return { type: 'progress', ...this.#counts };
  }
}

const UNREADABLE = { code: 'VALIDATION_FAILED', message: 'The line is not valid; issues says why.' } as const;

/** Whether a record was refused for what is stored under its key. */
function isConflict(refusal: UserError): boolean {
  return refusal instanceof ConflictError;
}
