import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { InUseError, type Misfits, NotFoundError, RecordsMisfitError, ValidationError } from '../../errors/api.ts';
import { type Given, issueCodes, pathTo } from '../../errors/field-issues.ts';
import {
  type Change,
  type Database,
  isForeignKeyViolation,
  isUniqueViolation,
} from '../../platform/database/database.ts';
import { type Actor, appendJournal, type JournalEntry } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { maxPageSize, type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import {
  type DataStructure,
  deleteStructure,
  findStructures,
  insertStructure,
  listStructures,
  lockStructure,
  replaceStructure,
  usersOf,
} from './store.ts';
import type { Structure, StructureField } from './structure.ts';

export type { DataStructure } from './store.ts';

/** How many datastores an InUseError names at most. */
const SHOWN_IN_USE = 100;

export interface NewDataStructure extends EnvironmentChoice, Structure {
  readonly name: string;
}

/** What is left out, or null, stays as it is. */
export interface DataStructureUpdate extends Given {
  readonly id: string;
  readonly name?: string | null | undefined;
  readonly strict?: boolean | null | undefined;
  readonly fields?: readonly StructureField[] | null | undefined;
  /** Whether records may be left behind that do not fit. */
  readonly force: boolean;
}

export interface DataStructureClone extends Given {
  readonly id: string;
  readonly environmentId: string;
  readonly name?: string | null | undefined;
}

/** Knows the records that are stored, which structures do not. */
export interface StoredRecords {
  /** Finds the records of all that use a structure which would not fit it; nobody puts any until the change ends. */
  misfits(change: Change, structure: DataStructure): Promise<Misfits>;
}

/** What a change has made of a structure. */
export interface ChangedStructure {
  readonly structure: DataStructure;
  /** What the change has to journal last; null where nothing differs. */
  readonly entry: JournalEntry | null;
}

/** Keeps what the records of managed datastores look like. */
export class DataStructureService {
  readonly #database: Database;
  readonly #keyring: Keyring;
  readonly #environments: EnvironmentService;
  readonly #records: StoredRecords;

  constructor(database: Database, keyring: Keyring, environments: EnvironmentService, records: StoredRecords) {
    this.#database = database;
    this.#keyring = keyring;
    this.#environments = environments;
    this.#records = records;
  }

  /** Returns structures in the order of the ids, with null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(DataStructure | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = new Map((await findStructures(this.#database, access, ids)).map((one) => [one.id, one]));
    return ids.map((id) => found.get(id) ?? null);
  }

  /** Reads a structure for what uses it, within a change of that or by itself. */
  async within(database: Pick<Database, 'query'>, access: Access, id: string): Promise<DataStructure | undefined> {
    const [structure] = await findStructures(database, access, [id]);
    return structure;
  }

  /** The same, which nobody changes or deletes until the change ends. */
  locked(change: Change, access: Access, id: string): Promise<DataStructure | undefined> {
    return lockStructure(change, access, id);
  }

  async list(access: Access, environmentId: string | null, page: PageArguments): Promise<Page<DataStructure>> {
    requireScope(access, 'DATASTORES_READ');
    return listStructures(this.#database, access, environmentId, readPageArguments(page, 'NAME'));
  }

  /** Reads all structures of an environment, sorted by name. */
  async everyIn(access: Access, environmentId: string): Promise<DataStructure[]> {
    const found: DataStructure[] = [];
    for (let after: string | null = null; ; ) {
      const page = readPageArguments({ first: maxPageSize, after }, 'NAME');
      const read: Page<DataStructure> = await listStructures(this.#database, access, environmentId, page);
      found.push(...read.edges.map(({ node }) => node));
      if (!read.hasNextPage) return found;
      after = read.edges.at(-1)?.cursor ?? null;
    }
  }

  /** @throws ValidationError when the name is taken, NotFoundError for its environment */
  async create(access: Access, input: NewDataStructure): Promise<DataStructure> {
    requireScope(access, 'DATASTORES_WRITE');
    const { id: environmentId } = await this.#environments.resolve(access, input);
    const { name, strict, fields } = input;
    const structure = { id: randomUUID(), environmentId, name, strict, fields };
    return withFreeName(pathTo(input, 'name'), environmentId, () =>
      this.#journaled((change) => this.createWithin(change, access, structure)),
    );
  }

  /** @throws ValidationError when the name is taken, NotFoundError for the structure and for the environment */
  async clone(access: Access, { path, id, environmentId, name }: DataStructureClone): Promise<DataStructure> {
    requireScope(access, 'DATASTORES_WRITE');
    const [source] = await findStructures(this.#database, access, [id]);
    if (!source) throw new NotFoundError([id]);
    const { strict, fields } = source;
    return this.create(access, { path, environmentId, name: name ?? source.name, strict, fields });
  }

  /** Stores a new structure within a change of the caller's. */
  async createWithin(change: Change, { actor }: Access, structure: DataStructure): Promise<ChangedStructure> {
    await insertStructure(change, structure);
    const { name, strict } = structure;
    return { structure, entry: entryOf(actor, 'data_structure.create', structure, { name, strict }) };
  }

  /**
   * Records that are stored stay as they are: each is judged when it is put next.
   * @throws ValidationError, NotFoundError, RecordsMisfitError where some would not fit, unless that is forced
   */
  async update(access: Access, input: DataStructureUpdate): Promise<DataStructure> {
    requireScope(access, 'DATASTORES_WRITE');
    return withFreeName(pathTo(input, 'name'), null, () =>
      this.#journaled((change) => this.updateWithin(change, access, input)),
    );
  }

  /** Changes a structure within a change of the caller's. @throws NotFoundError, RecordsMisfitError */
  async updateWithin(change: Change, access: Access, input: DataStructureUpdate): Promise<ChangedStructure> {
    const { id, name, strict, fields, force } = input;
    const before = await lockStructure(change, access, id);
    if (!before) throw new NotFoundError([id]);
    const after = {
      ...before,
      name: name ?? before.name,
      strict: strict ?? before.strict,
      fields: fields ?? before.fields,
    };
    const changed = (['name', 'strict', 'fields'] as const).filter(
      (key) => !isDeepStrictEqual(before[key], after[key]),
    );
    if (changed.length === 0) return { structure: before, entry: null };
    if (!force && changed.some((key) => key !== 'name')) await this.#requireFit(change, after);
    await replaceStructure(change, after);
    const detail = { name: after.name, changed, ...(force ? { force } : {}) };
    return { structure: after, entry: entryOf(access.actor, 'data_structure.update', after, detail) };
  }

  /** @throws NotFoundError, InUseError while datastores use it */
  async delete(access: Access, id: string): Promise<string> {
    requireScope(access, 'DATASTORES_WRITE');
    await this.#journaled((change) => this.deleteWithin(change, access, id));
    return id;
  }

  /** Deletes a structure within a change of the caller's. @throws NotFoundError, InUseError */
  async deleteWithin(change: Change, access: Access, id: string): Promise<ChangedStructure> {
    const structure = await lockStructure(change, access, id);
    if (!structure) throw new NotFoundError([id]);
    const users = await usersOf(change, id, SHOWN_IN_USE);
    if (users.length > 0) throw new InUseError(users);
    await deleteStructure(change, id, change.clock.timestamp());
    const { name } = structure;
    return { structure, entry: entryOf(access.actor, 'data_structure.delete', structure, { name }) };
  }

  /** @throws RecordsMisfitError where stored records would not fit */
  async #requireFit(change: Change, after: DataStructure): Promise<void> {
    const misfits = await this.#records.misfits(change, after);
    if (misfits.count > 0) throw new RecordsMisfitError(misfits);
  }

  #journaled(work: (change: Change) => Promise<ChangedStructure>): Promise<DataStructure> {
    return this.#database.change(async (change) => {
      const { structure, entry } = await work(change);
      if (entry) await appendJournal(change, this.#keyring, entry);
      return structure;
    });
  }
}

function entryOf(
  actor: Actor,
  action: string,
  { id, environmentId }: DataStructure,
  detail: Record<string, unknown>,
): JournalEntry {
  return { environmentId, kind: '', action, actor, subjectType: 'data_structure', subjectId: id, detail };
}

/** Says in the words of the API that the name is taken, or that the environment was deleted meanwhile. */
async function withFreeName<T>(
  path: readonly string[],
  environmentId: string | null,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isUniqueViolation(error, ['environment_id', 'name']))
      throw new ValidationError([{ path, configPath: null, code: 'NAME_TAKEN', message: issueCodes.NAME_TAKEN }]);
    if (environmentId !== null && isForeignKeyViolation(error)) throw new NotFoundError([environmentId]);
    throw error;
  }
}
