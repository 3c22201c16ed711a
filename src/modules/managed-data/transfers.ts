import { setImmediate as immediate } from 'node:timers/promises';
import { NotFoundError } from '../../errors/api.ts';
import type { Database } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { JsonObject } from '../data-structures/judge.ts';
import type { Structure } from '../data-structures/structure.ts';
import { type CellStyle, chosenRow, headerRow, knownColumns, recordRow } from './csv-columns.ts';
import { readCsv } from './csv-reader.ts';
import { type ImportReport, RecordImport } from './import.ts';
import { chosenLine, jsonLine, readJsonLines } from './json-lines.ts';
import { nextStored, type StoredRecord } from './record-store.ts';
import type { RecordService } from './service.ts';
import { findStores, lockStore } from './store.ts';
import {
  type ExportOptions,
  exportOptions,
  importOptions,
  type RecordFormat,
  readParameters,
} from './transfer-text.ts';

export type { ImportReport } from './import.ts';
export { type RecordFormat, recordFormats } from './transfer-text.ts';

export interface RecordExport {
  readonly format: RecordFormat;
  /** How many records there were when it began. */
  readonly recordCount: number;
  /** The text in pieces, of about a megabyte at most. Nothing is held between two of them. */
  readonly pieces: AsyncIterable<string>;
}

export interface RecordTransfersOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly records: RecordService;
}

/** Brings all records of a managed datastore out of the gateway, and others in, as text of any length. */
export class RecordTransfers {
  readonly #options: RecordTransfersOptions;

  constructor(options: RecordTransfersOptions) {
    this.#options = options;
  }

  /**
   * Begins an export, which is in the journal before its first byte is out. Records come in the order of their keys,
   * each as it is when it is read. It fails half way when the datastore is deleted meanwhile.
   * @throws ValidationError for the parameters, NotFoundError
   */
  async export(access: Access, datastoreId: string, parameters: URLSearchParams): Promise<RecordExport> {
    requireScope(access, 'RECORDS_READ');
    const options = readParameters(exportOptions, parameters, ['field']);
    const structure = await this.#options.records.structureOf(access, datastoreId);
    const recordCount = await this.#journalExport(access, datastoreId, options.format);
    const text = options.format === 'csv' ? csvText(structure, options) : jsonLinesText(options);
    return { format: options.format, recordCount, pieces: this.#pieces(access, datastoreId, text) };
  }

  /**
   * Puts what a text says, in transactions of up to 200 lines, and tells how it goes. A line that is refused is told
   * and passed over, unless `stopAtFirst` is asked for. When `signal` aborts, it ends behind the transaction that goes
   * on.
   * @throws ValidationError for the parameters, NotFoundError
   */
  async import(
    access: Access,
    datastoreId: string,
    format: RecordFormat,
    parameters: URLSearchParams,
    source: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ImportReport>> {
    requireScope(access, 'RECORDS_WRITE');
    const options = readParameters(importOptions, parameters, []);
    const { records } = this.#options;
    const structure = await records.structureOf(access, datastoreId);
    const run = new RecordImport({ records, access, datastoreId, options, signal });
    const { keyField } = options;
    const bytes = run.counted(source);
    return run.reports(format === 'csv' ? readCsv(bytes, structure, keyField) : readJsonLines(bytes, keyField));
  }

  async #journalExport(access: Access, datastoreId: string, format: RecordFormat): Promise<number> {
    const { database, keyring } = this.#options;
    return database.change(async (change) => {
      const store = await lockStore(change, access, datastoreId);
      if (!store) throw new NotFoundError([datastoreId]);
      const { environmentId, recordCount } = store;
      const detail = { format, count: recordCount };
      const subject = { subjectType: 'datastore', subjectId: datastoreId, detail };
      const { actor } = access;
      await appendJournal(change, keyring, { environmentId, kind: '', action: 'records.export', actor, ...subject });
      return recordCount;
    });
  }

  async *#pieces(access: Access, datastoreId: string, { head, write }: ExportText): AsyncGenerator<string> {
    if (head !== '') yield head;
    for (let after: string | null = ''; after !== null; await immediate()) {
      const page: Awaited<ReturnType<typeof nextStored>> = await nextStored(
        this.#options.database,
        access,
        datastoreId,
        after,
      );
      if (page.records.length > 0) yield page.records.map(write).join('');
      after = page.next;
    }
    // a datastore that is deleted has no records either
    const [store] = await findStores(this.#options.database, access, [datastoreId]);
    if (!store) throw new NotFoundError([datastoreId]);
  }
}

/** How an export is written. */
interface ExportText {
  readonly head: string;
  write(record: StoredRecord): string;
}

const dataOf = ({ data }: StoredRecord) => JSON.parse(data) as JsonObject;

function jsonLinesText({ field: names }: ExportOptions): ExportText {
  if (names.length === 0) return { head: '', write: ({ key, data }) => jsonLine(key, data) };
  return { head: '', write: (record) => chosenLine(names, record.key, dataOf(record)) };
}

function csvText(structure: Structure | null, { field: names, formulas }: ExportOptions): ExportText {
  const style: CellStyle = { escapesFormulas: formulas === 'escape' };
  if (names.length > 0) {
    const chosen = names.map((name) => ({ name, type: null }));
    return {
      head: headerRow(chosen, false, style),
      write: (record) => chosenRow(names, record.key, dataOf(record), style),
    };
  }
  const columns = knownColumns(structure);
  return {
    head: headerRow(columns, true, style),
    write: (record) => recordRow(columns, record.key, dataOf(record), style),
  };
}
