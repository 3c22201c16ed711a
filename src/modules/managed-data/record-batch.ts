import { randomUUID } from 'node:crypto';
import { ConflictError, QuotaExceededError, UserError, ValidationError } from '../../errors/api.ts';
import { type Given, issueCodes, pathTo } from '../../errors/field-issues.ts';
import type { Change } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import { Faults } from '../data-structures/faults.ts';
import { isObject, type JsonObject, judgeJson, judgeRecord } from '../data-structures/judge.ts';
import type { Structure } from '../data-structures/structure.ts';
import { appendRecordEvents, type RecordEventRow } from './event-store.ts';
import { findHeads, type RecordHead, readRecords, type SizedRecord, writeRecords } from './record-store.ts';
import { countStore, type LockedStore } from './store.ts';
import { recordsTopic } from './topic.ts';

/** In bytes of JSON: a request holds 1 MiB. */
export const MAX_RECORD = 524_288;
/** How many bytes of stored records one call may merge into. */
const MAX_MERGED = 16 * 1_048_576;

/** What a caller puts. */
export interface RecordInput extends Given {
  /** Left out: one is made. */
  readonly key?: string | null | undefined;
  readonly data?: unknown;
  /** Whether fields that `data` leaves out stay as they are stored. */
  readonly merge: boolean;
  /** The version that the put is about; 0: there is none yet. Left out: whatever is stored. */
  readonly expectedVersion?: number | null | undefined;
}

/** A put whose data are JSON that can be stored. */
export interface PreparedRecord {
  readonly key: string;
  readonly data: JsonObject;
  readonly input: RecordInput;
}

/** @throws ValidationError for what is no JSON object, or none that can be stored */
export function prepareRecord(input: RecordInput): PreparedRecord {
  const { data } = input;
  const path = pathTo(input, 'data');
  const faults = new Faults();
  if (isObject(data)) judgeJson(data, path, faults);
  else faults.add(path, 'INVALID_TYPE', 'Give a JSON object.');
  if (faults.list.length > 0) throw new ValidationError(faults.list);
  return { key: input.key ?? randomUUID(), data: data as JsonObject, input };
}

/** What is put into a store that a change has locked: each put sees those before it, and all are written at the end. */
export class RecordBatch {
  readonly #change: Change;
  readonly #access: Access;
  readonly #store: LockedStore;
  readonly #structure: Structure | null;
  readonly #stored = new Map<string, RecordHead & { readonly data?: JsonObject }>();
  readonly #put = new Map<string, SizedRecord>();
  readonly #events: RecordEventRow[] = [];
  #usedBytes: number;
  #recordCount: number;
  #lastEvent: number;

  constructor(change: Change, access: Access, store: LockedStore, structure: Structure | null) {
    this.#change = change;
    this.#access = access;
    this.#store = store;
    this.#structure = structure;
    this.#usedBytes = store.usedBytes;
    this.#recordCount = store.recordCount;
    this.#lastEvent = store.lastEvent;
  }

  /** Reads what the puts will meet: of those that merge, the first 16 MiB. */
  async read(puts: readonly PreparedRecord[]): Promise<void> {
    const { datastoreId } = this.#store;
    const keys = puts.filter(({ input }) => input.key != null).map(({ key }) => key);
    for (const head of await findHeads(this.#change, datastoreId, keys)) this.#stored.set(head.key, head);
    let bytes = 0;
    const merged = new Set(puts.filter(({ input }) => input.merge).map(({ key }) => key));
    const wanted = [...merged].filter((key) => {
      bytes += this.#stored.get(key)?.size ?? 0;
      return bytes <= MAX_MERGED;
    });
    for (const record of await readRecords(this.#change, datastoreId, wanted)) this.#stored.set(record.key, record);
  }

  /**
   * @throws ValidationError naming each wrong field, ConflictError for another version, QuotaExceededError; what was
   * put before stays
   */
  put({ key, data: given, input }: PreparedRecord): SizedRecord {
    const before = this.#put.get(key) ?? this.#stored.get(key);
    const { expectedVersion, merge } = input;
    if (expectedVersion != null && expectedVersion !== (before?.version ?? 0))
      throw new ConflictError('VERSION_CONFLICT', null, { datastoreId: this.#store.datastoreId, key });
    if (merge && before && !before.data) throw new TooMuchMerged(input);
    const data = this.#judged(merge && before?.data ? { ...before.data, ...given } : given, input);
    const size = sizeOf(key, data, input);
    const usedBytes = this.#usedBytes - (before?.size ?? 0) + size;
    const { maxBytes } = this.#store;
    if (usedBytes > maxBytes)
      throw new QuotaExceededError({ usedBytes: this.#usedBytes, maxBytes }, pathTo(input, 'data'));
    this.#usedBytes = usedBytes;
    this.#recordCount += before ? 0 : 1;
    this.#lastEvent += 1;
    const at = this.#change.clock.timestamp();
    const record = { key, data, size, version: this.#lastEvent, updatedAt: at };
    this.#put.set(key, record);
    this.#events.push({ sequence: this.#lastEvent, at, kind: 'PUT', key, actor: this.#access.actor.name });
    return record;
  }

  /** Stores what was put, and tells it to those who follow the store. */
  async write(): Promise<void> {
    if (this.#events.length === 0) return;
    const { datastoreId } = this.#store;
    await writeRecords(this.#change, datastoreId, [...this.#put.values()]);
    await appendRecordEvents(this.#change, datastoreId, this.#events);
    const counts = { usedBytes: this.#usedBytes, recordCount: this.#recordCount, lastEvent: this.#lastEvent };
    await countStore(this.#change, { datastoreId, ...counts });
    this.#change.ring(recordsTopic(datastoreId));
  }

  /** Fills in defaults. @throws ValidationError naming each field that the structure refuses */
  #judged(data: JsonObject, input: RecordInput): JsonObject {
    if (!this.#structure) return data;
    const faults = new Faults();
    const judged = judgeRecord(this.#structure, data, pathTo(input, 'data'), faults);
    if (faults.list.length > 0) throw new ValidationError(faults.list);
    return judged;
  }
}

/** In bytes. @throws ValidationError for more than a record may have */
function sizeOf(key: string, data: JsonObject, input: RecordInput): number {
  const size = Buffer.byteLength(JSON.stringify(data));
  if (size <= MAX_RECORD) return size + Buffer.byteLength(key);
  const message = `${issueCodes.TOO_LONG} At most ${MAX_RECORD} bytes as JSON.`;
  throw new ValidationError([{ path: pathTo(input, 'data'), configPath: null, code: 'TOO_LONG', message }]);
}

/** A record that has nothing wrong with it, but is behind as many as one call merges. */
export class TooMuchMerged extends ValidationError {
  constructor(input: RecordInput) {
    const message = `${issueCodes.TOO_LONG} One call merges into ${MAX_MERGED} bytes of stored records at most: send the rest in another.`;
    super([{ path: pathTo(input, 'merge'), configPath: null, code: 'TOO_LONG', message }]);
  }
}

/** What one of several puts has come to: both are null when another one is the reason that it was not stored. */
export interface PutResult {
  readonly record: SizedRecord | null;
  readonly error: UserError | null;
}

/** Does what may be refused, and gives the refusal instead of throwing it. */
export function resultOf<T>(work: () => T): T | UserError {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}
