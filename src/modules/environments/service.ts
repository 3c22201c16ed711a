import { randomUUID } from 'node:crypto';
import {
  ConflictError,
  InUseError,
  NameTakenError,
  NotFoundError,
  RequestFault,
  ValidationError,
} from '../../errors/api.ts';
import { type FieldIssue, type Given, issueCodes, pathTo } from '../../errors/field-issues.ts';
import { type Change, type Database, isUniqueViolation } from '../../platform/database/database.ts';
import { isUsedId } from '../../platform/ids.ts';
import { type Actor, appendJournal, type JournalEntry } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { CallResult, Idempotency, KeepResult, Repeatable } from '../idempotency/service.ts';
import {
  changeEnvironment,
  deleteEnvironmentRow,
  type EnvironmentRow,
  findEnvironments,
  findOnlyEnvironments,
  hasEnvironments,
  heldDatastoreIds,
  holdsWebhookForAll,
  insertEnvironment,
  listEnvironments,
  lockEnvironment,
  retireId,
} from './store.ts';

/** How many datastores an InUseError names at most. */
const SHOWN_IN_USE = 100;

/** Says which environment an input means. When it is left out, the caller's only one is meant. */
export interface EnvironmentChoice extends Given {
  readonly environmentId?: string | null | undefined;
}

export interface NewEnvironment extends Repeatable {
  readonly id?: string | null | undefined;
  readonly name: string;
  /** From where its datastores are reached; left out or null: from any process without a network. */
  readonly network?: string | null | undefined;
}

export interface EnvironmentUpdate extends Repeatable {
  readonly id: string;
  readonly name?: string | null | undefined;
  /** Left out: it stays; null: none. */
  readonly network?: string | null | undefined;
}

/** Manages environments: the walls between datastores, for which tokens are given. */
export class EnvironmentService {
  readonly #database: Database;
  readonly #keyring: Keyring;
  readonly #sealer: Sealer;
  readonly #idempotency: Idempotency;

  constructor(database: Database, keyring: Keyring, sealer: Sealer, idempotency: Idempotency) {
    this.#database = database;
    this.#keyring = keyring;
    this.#sealer = sealer;
    this.#idempotency = idempotency;
  }

  list(access: Access, search: string | null, page: PageArguments): Promise<Page<EnvironmentRow>> {
    return listEnvironments(this.#database, access, search, readPageArguments(page, 'NAME'));
  }

  /** Returns environments in the order of the ids, with null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(EnvironmentRow | null)[]> {
    const rows = new Map((await findEnvironments(this.#database, access, ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }

  /** Returns the ids, each once. @throws NotFoundError, whose issues name those that the caller may not see */
  async requireAll(access: Access, ids: readonly string[], path: readonly string[]): Promise<readonly string[]> {
    const found = await this.find(access, ids);
    const missing = ids.flatMap((id, at) => (found[at] ? [] : [{ id, at }]));
    if (missing.length === 0) return [...new Set(ids)];
    const issues = missing.map(({ at }) => notFoundAt([...path, String(at)]));
    throw new NotFoundError(
      missing.map(({ id }) => id),
      issues,
    );
  }

  /**
   * Returns the environment that an input means: the one it names, or the caller's only one.
   * @throws NotFoundError, or ValidationError when none is named and the caller has several or none
   */
  async resolve(access: Access, choice: EnvironmentChoice): Promise<EnvironmentRow> {
    const { environmentId } = choice;
    if (environmentId != null) {
      const [row] = await this.find(access, [environmentId]);
      if (!row) throw new NotFoundError([environmentId], [notFoundAt(pathTo(choice, 'environmentId'))]);
      return row;
    }
    return this.only(access, pathTo(choice, 'environmentId'));
  }

  /** Returns the caller's only environment. @throws ValidationError with this path when there are several or none */
  async only(access: Access, path: readonly string[]): Promise<EnvironmentRow> {
    const [only, second] = await findOnlyEnvironments(this.#database, access);
    if (!only || second) {
      const message = only ? issueCodes.ENVIRONMENT_REQUIRED : 'The caller has no environment yet: create one first.';
      throw new ValidationError([{ path, configPath: null, code: 'ENVIRONMENT_REQUIRED', message }]);
    }
    return only;
  }

  /**
   * Creates an environment with a data key of its own. @throws NameTakenError, ConflictError when the id was used
   * before
   */
  async create(access: Access, input: NewEnvironment): Promise<EnvironmentRow> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    requireAllEnvironments(access);
    const call = this.#idempotency.callOf(access, { operation: 'createEnvironment', environmentId: '' }, input);
    return this.#idempotency.once(
      call,
      (keep) => this.#create(access.actor, input, keep),
      (result) => this.#again(access, result),
    );
  }

  /** What an earlier call came to, as it is now. @throws NotFoundError when it was deleted since */
  async #again(access: Access, { id }: CallResult): Promise<EnvironmentRow> {
    const [row] = await this.find(access, [id]);
    if (!row) throw new NotFoundError([id]);
    return row;
  }

  async #create(actor: Actor, input: NewEnvironment, keep?: KeepResult): Promise<EnvironmentRow> {
    const id = input.id ?? randomUUID();
    const at = this.#database.clock.timestamp();
    const network = input.network ?? null;
    const row = { id, name: input.name, network, created_at: at, updated_at: at, created_by: actor.name };
    const detail = { name: input.name, ...(network !== null && { network }) };
    const entry = { action: 'environment.create', actor, subjectId: id, detail };
    return unique(pathTo(input, 'name'), () =>
      this.#change(entry, async (change) => {
        await keep?.(change, { id });
        if (await isUsedId(change, id)) throw new ConflictError('ID_TAKEN');
        await insertEnvironment(change, row);
        await this.#sealer.createDataKey(change, id);
        return row;
      }),
    );
  }

  /** Makes a first environment when there is none at all, for the first start on a fresh machine. */
  async ensureFirst(name: string): Promise<void> {
    if (await hasEnvironments(this.#database)) return;
    await this.#create({ name: 'first start', onBehalfOf: null }, { name, path: [] });
  }

  /** Changes an environment’s name or network. @throws NotFoundError, NameTakenError, ConflictError */
  async update(access: Access, input: EnvironmentUpdate): Promise<EnvironmentRow> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    const call = this.#idempotency.callOf(access, { operation: 'updateEnvironment', environmentId: input.id }, input);
    return this.#idempotency.once(
      call,
      (keep) => this.#update(access, input, keep),
      (result) => this.#again(access, result),
    );
  }

  async #update(access: Access, input: EnvironmentUpdate, keep: KeepResult): Promise<EnvironmentRow> {
    const [row] = await this.find(access, [input.id]);
    if (!row) throw new NotFoundError([input.id]);
    const wanted = {
      ...(input.name != null && input.name !== row.name && { name: input.name }),
      ...(input.network !== undefined && input.network !== row.network && { network: input.network }),
    };
    if (Object.keys(wanted).length === 0) return row;
    const changes = { ...wanted, updated_at: this.#database.clock.timestamp() };
    const changed = { ...row, ...changes };
    const detail = changesOf(row, changed);
    const entry = { action: 'environment.update', actor: access.actor, subjectId: row.id, detail };
    return unique(pathTo(input, 'name'), () =>
      this.#change(entry, async (change) => {
        await keep(change, { id: row.id });
        if (!(await lockEnvironment(change, row.id))) throw new NotFoundError([row.id]);
        await changeEnvironment(change, row.id, changes);
        return changed;
      }),
    );
  }

  /**
   * Deletes an environment. @throws NotFoundError, InUseError while it holds datastores, ValidationError while it has a
   * webhook for all environments
   */
  async delete(access: Access, id: string): Promise<string> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    const [row] = await this.find(access, [id]);
    if (!row) throw new NotFoundError([id]);
    const detail = { name: row.name };
    const entry = { action: 'environment.delete', actor: access.actor, subjectId: row.id, detail };
    return this.#change(entry, async (change) => {
      if (!(await lockEnvironment(change, row.id))) throw new NotFoundError([id]);
      const held = await heldDatastoreIds(change, row.id, SHOWN_IN_USE);
      if (held.length > 0) throw new InUseError(held);
      if (await holdsWebhookForAll(change, row.id))
        throw new ValidationError([
          { path: ['id'], configPath: null, code: 'INVALID_COMBINATION', message: HEARS_OF_ALL },
        ]);
      await deleteEnvironmentRow(change, row.id);
      await retireId(change, row.id, change.clock.timestamp());
      return row.id;
    });
  }

  /** The entries stand in the gateway's own chain, because they outlive their environment. */
  #change<T>(
    entry: Pick<JournalEntry, 'action' | 'actor' | 'subjectId' | 'detail'>,
    work: (change: Change) => Promise<T>,
  ): Promise<T> {
    return this.#database.change(async (change) => {
      const result = await work(change);
      await appendJournal(change, this.#keyring, { ...entry, environmentId: '', kind: '', subjectType: 'environment' });
      return result;
    });
  }
}

/** What differs between two states of an environment, as the journal has it. */
function changesOf(before: EnvironmentRow, after: EnvironmentRow) {
  const columns = (['name', 'network'] as const).filter((column) => before[column] !== after[column]);
  return Object.fromEntries(columns.map((column) => [column, { before: before[column], after: after[column] }]));
}

/** Says what the database found taken in the words of the API. */
async function unique<T>(namePath: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isUniqueViolation(error, 'name')) throw new NameTakenError(namePath);
    if (isUniqueViolation(error)) throw new ConflictError('ID_TAKEN');
    throw error;
  }
}

const HEARS_OF_ALL =
  'A webhook for all environments belongs to it: delete that one first, or have it tell of its own environment alone.';

/** Refuses a token that lists its environments, because it could not see the new one. */
function requireAllEnvironments(access: Access): void {
  if (access.environmentIds === 'all') return;
  throw new RequestFault('FORBIDDEN', 'Creating environments takes a token that is for all environments.');
}

export type { EnvironmentRow };

function notFoundAt(path: readonly string[]): FieldIssue {
  return { path, configPath: null, code: 'NOT_FOUND', message: issueCodes.NOT_FOUND };
}
