import { randomUUID } from 'node:crypto';
import {
  ConflictError,
  InUseError,
  NameTakenError,
  NotFoundError,
  RequestFault,
  ValidationError,
} from '../../errors/api.ts';
import { issueCodes } from '../../errors/field-issues.ts';
import { type Change, type Database, isUniqueViolation } from '../../platform/database.ts';
import { appendJournal } from '../../platform/journal.ts';
import type { Keyring } from '../../platform/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Sealer } from '../../platform/sealer.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import {
  deleteEnvironmentRow,
  type EnvironmentRow,
  findEnvironments,
  findOnlyEnvironments,
  hasEnvironments,
  heldDatastoreIds,
  insertEnvironment,
  isRetired,
  listEnvironments,
  lockEnvironment,
  renameEnvironment,
  retireId,
} from './store.ts';

const SHOWN_IN_USE = 100;

/** Environments: the walls between datastores, and what tokens are given for. */
export class EnvironmentService {
  readonly #database: Database;
  readonly #keyring: Keyring;
  readonly #sealer: Sealer;

  constructor(database: Database, keyring: Keyring, sealer: Sealer) {
    this.#database = database;
    this.#keyring = keyring;
    this.#sealer = sealer;
  }

  list(access: Access, search: string | null, page: PageArguments): Promise<Page<EnvironmentRow>> {
    return listEnvironments(this.#database, access, search, readPageArguments(page, 'NAME'));
  }

  /** In the order of the ids; null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(EnvironmentRow | null)[]> {
    const rows = new Map((await findEnvironments(this.#database, access, ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }

  /**
   * The environment that an input means: the one it names, or the caller's only one.
   * @throws NotFoundError, or ValidationError when none is named and the caller has several or none
   */
  async resolve(
    access: Access,
    environmentId: string | null | undefined,
    path: readonly string[],
  ): Promise<EnvironmentRow> {
    if (environmentId != null) {
      const [row] = await this.find(access, [environmentId.toLowerCase()]);
      if (!row) throw new NotFoundError([environmentId]);
      return row;
    }
    const [only, second] = await findOnlyEnvironments(this.#database, access);
    if (!only || second) {
      const message = only ? issueCodes.ENVIRONMENT_REQUIRED : 'The caller has no environment yet: create one first.';
      throw new ValidationError([{ path, configPath: null, code: 'ENVIRONMENT_REQUIRED', message }]);
    }
    return only;
  }

  /** @throws NameTakenError, ConflictError when the id was used before */
  async create(access: Access, input: { id?: string | null | undefined; name: string }): Promise<EnvironmentRow> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    requireAllEnvironments(access);
    return this.createAs(access.tokenName, input);
  }

  /** The same for the command line and the first start, which have no token. */
  async createAs(actor: string, input: { id?: string | null | undefined; name: string }): Promise<EnvironmentRow> {
    const id = input.id?.toLowerCase() ?? randomUUID();
    const at = new Date().toISOString();
    const row = { id, name: input.name, created_at: at, updated_at: at, created_by: actor };
    return this.#change('environment.create', actor, id, { name: input.name }, async (change) => {
      if (await isRetired(change, id)) throw new ConflictError('ID_TAKEN');
      await insertEnvironment(change, row);
      await this.#sealer.createDataKey(change, id);
      return row;
    });
  }

  /** Makes a first environment when there is none at all: for the first start on a fresh machine. */
  async ensureFirst(name: string): Promise<void> {
    if (await hasEnvironments(this.#database)) return;
    await this.createAs('first start', { name });
  }

  /** @throws NotFoundError, NameTakenError */
  async update(access: Access, input: { id: string; name?: string | null | undefined }): Promise<EnvironmentRow> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    const [row] = await this.find(access, [input.id]);
    if (!row) throw new NotFoundError([input.id]);
    if (input.name == null || input.name === row.name) return row;
    const renamed = { ...row, name: input.name, updated_at: new Date().toISOString() };
    const detail = { name: { before: row.name, after: renamed.name } };
    return this.#change('environment.update', access.tokenName, row.id, detail, async (change) => {
      if (!(await lockEnvironment(change, row.id))) throw new NotFoundError([row.id]);
      await renameEnvironment(change, row.id, renamed.name, renamed.updated_at);
      return renamed;
    });
  }

  /** @throws NotFoundError, InUseError while it holds datastores */
  async delete(access: Access, id: string): Promise<string> {
    requireScope(access, 'ENVIRONMENTS_WRITE');
    const [row] = await this.find(access, [id]);
    if (!row) throw new NotFoundError([id]);
    return this.#change('environment.delete', access.tokenName, row.id, { name: row.name }, async (change) => {
      if (!(await lockEnvironment(change, row.id))) throw new NotFoundError([id]);
      const held = await heldDatastoreIds(change, row.id, SHOWN_IN_USE);
      if (held.length > 0) throw new InUseError(held);
      await deleteEnvironmentRow(change, row.id);
      await retireId(change, row.id, new Date().toISOString());
      return row.id;
    });
  }

  /** Environments are entries of the gateway's own chain: they outlive the environment. */
  async #change<T>(
    action: string,
    actor: string,
    id: string,
    detail: Record<string, unknown>,
    work: (change: Change) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#database.change(async (change) => {
        const result = await work(change);
        await appendJournal(change, this.#keyring, {
          environmentId: '',
          kind: '',
          action,
          actor,
          subjectType: 'environment',
          subjectId: id,
          detail,
        });
        return result;
      });
    } catch (error) {
      if (isUniqueViolation(error, 'name')) throw new NameTakenError(['input', 'name']);
      if (isUniqueViolation(error)) throw new ConflictError('ID_TAKEN');
      throw error;
    }
  }
}

/** A token that lists its environments could not see the new one. */
function requireAllEnvironments(access: Access): void {
  if (access.environmentIds === 'all') return;
  throw new RequestFault('FORBIDDEN', 'Creating environments takes a token that is for all environments.');
}

export type { EnvironmentRow };
