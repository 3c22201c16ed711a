import type { CatalogColumn } from '../../connectors/kit/contract/catalog-entry.ts';
import type { Evidence, OwnStorage } from '../../connectors/kit/contract/connector.ts';
import { Failure } from '../../connectors/kit/contract/failure.ts';
import { type Change, type Database, DatabaseUnavailableError } from '../../platform/database/database.ts';
import type { GatewayJob } from '../connection-tests/gateway-tests.ts';
import type { StructureField } from '../data-structures/structure.ts';
import { BYTES_IN_MB, type ManagedConfig } from './managed-config.ts';
import { type RecordHead, readRecords, removeRecords, type SizedRecord, writeRecords } from './record-store.ts';

/** No record of a caller has a control character in its key. */
const TRIAL_KEY = '\u0001trial';
const AWAY_HINT = 'The gateway’s own database is away: try again in a moment, or tell the operator.';
const NO_STRUCTURE_HINT = 'Check `dataStructureId`: it has to be that of a data structure in the same environment.';

/** What the checks of a managed datastore see; of one that is not stored yet, where it would be kept. */
export class ManagedStorage implements OwnStorage {
  readonly #database: Database;
  readonly #datastoreId: string | null;
  readonly #environmentId: string;
  readonly #config: ManagedConfig;

  constructor(database: Database, { datastoreId, environmentId, config }: GatewayJob) {
    this.#database = database;
    this.#datastoreId = datastoreId;
    this.#environmentId = environmentId;
    this.#config = config as unknown as ManagedConfig;
  }

  read(): Promise<Evidence> {
    return whileThere(async () => {
      await this.#fields();
      const { recordCount, usedBytes } = await this.#counts();
      return { records: recordCount, usedBytes, maxBytes: this.#maxBytes };
    });
  }

  write(): Promise<Evidence> {
    return whileThere(async () => {
      const id = this.#datastoreId;
      if (id === null) {
        // nothing of its own is there yet to write into
        await this.#database.checkWritable();
        return {};
      }
      const { usedBytes } = await this.#counts();
      const trial = trialRecord(this.#database.clock.timestamp());
      const evidence = { usedBytes, maxBytes: this.#maxBytes };
      if (usedBytes + trial.size > this.#maxBytes)
        throw new Failure('QUOTA_EXCEEDED', { configPath: 'maxSizeMb', evidence });
      await this.#database.change((change) => writeAndTakeBack(change, id, trial));
      return { ...evidence, writtenBytes: trial.size };
    });
  }

  columns(): Promise<readonly CatalogColumn[]> {
    return whileThere(async () => columnsOf(await this.#fields()));
  }

  get #maxBytes(): number {
    return this.#config.maxSizeMb * BYTES_IN_MB;
  }

  async #counts(): Promise<{ recordCount: number; usedBytes: number }> {
    const row = await this.#database.query
      .selectFrom('managed_stores')
      .select(['record_count', 'used_bytes'])
      .where('datastore_id', '=', this.#datastoreId ?? '')
      .executeTakeFirst();
    return { recordCount: Number(row?.record_count ?? 0), usedBytes: Number(row?.used_bytes ?? 0) };
  }

  /** The fields of the data structure; none where records may have any. */
  async #fields(): Promise<readonly StructureField[]> {
    const { dataStructureId } = this.#config;
    if (dataStructureId == null) return [];
    const row = await this.#database.query
      .selectFrom('data_structures')
      .select('fields')
      .where('id', '=', dataStructureId)
      .where('environment_id', '=', this.#environmentId)
      .executeTakeFirst();
    if (!row) throw new Failure('RESOURCE_NOT_FOUND', { configPath: 'dataStructureId', hint: NO_STRUCTURE_HINT });
    return JSON.parse(row.fields) as StructureField[];
  }
}

function trialRecord(updatedAt: string): SizedRecord {
  const data = { trial: true };
  const size = Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(TRIAL_KEY);
  return { key: TRIAL_KEY, data, size, version: 0, updatedAt };
}

/** Nobody else sees the record: it goes in the change that it comes in. */
async function writeAndTakeBack(change: Change, datastoreId: string, trial: SizedRecord): Promise<void> {
  await writeRecords(change, datastoreId, [trial]);
  const [read]: RecordHead[] = await readRecords(change, datastoreId, [trial.key]);
  if (read?.size !== trial.size) throw new Error('a record that was written cannot be read');
  await removeRecords(change, datastoreId, [trial.key]);
}

/** Says in the words of a check that the gateway’s database is away. */
async function whileThere<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    throw new Failure('SERVER_UNAVAILABLE', { hint: AWAY_HINT, error });
  }
}

function columnsOf(fields: readonly StructureField[], prefix = ''): CatalogColumn[] {
  return fields.flatMap(({ name, type, itemType, required, fields: inner }) => {
    const path = prefix + name;
    const dataType = (itemType ? `${type} of ${itemType}` : type).toLowerCase();
    const below = inner ? columnsOf(inner, `${path}${type === 'ARRAY' ? '[]' : ''}.`) : [];
    return [{ name: path, dataType, nullable: !required }, ...below];
  });
}
