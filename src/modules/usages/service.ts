import { randomUUID } from 'node:crypto';
import { NotFoundError } from '../../errors/api.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import {
  countUsages,
  deleteUsage,
  findUsages,
  listUsages,
  lockUsed,
  type PlacedUsage,
  putUsage,
  type Usage,
  usageIdsOf,
} from './store.ts';

export type { Usage } from './store.ts';

/** What depends on a datastore, as a caller names it. */
export interface UsageInput {
  readonly datastoreId: string;
  readonly kind: string;
  readonly name: string;
  readonly url?: string | null | undefined;
}

/** Keeps what depends on datastores: scenarios, dashboards, syncs. */
export class UsageService {
  readonly #database: Database;
  readonly #keyring: Keyring;

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /** Returns usages in the order of the ids, with null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(Usage | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = new Map((await findUsages(this.#database, access, ids)).map((usage) => [usage.id, usage]));
    return ids.map((id) => found.get(id) ?? null);
  }

  async list(access: Access, datastoreId: string, page: PageArguments): Promise<Page<Usage>> {
    requireScope(access, 'DATASTORES_READ');
    return listUsages(this.#database, access, datastoreId, readPageArguments(page, 'USAGE'));
  }

  async count(access: Access, datastoreId: string): Promise<number> {
    requireScope(access, 'DATASTORES_READ');
    return countUsages(this.#database, access, datastoreId);
  }

  /** Stores a usage; one of the same kind and name gets the url. @throws NotFoundError for its datastore */
  async register(access: Access, input: UsageInput): Promise<Usage> {
    requireScope(access, 'USAGES_WRITE');
    const { datastoreId, kind, name, url = null } = input;
    return this.#database.change(async (change) => {
      const environmentId = await lockUsed(change, access, datastoreId);
      if (environmentId === undefined) throw new NotFoundError([datastoreId]);
      const wanted = { id: randomUUID(), datastoreId, kind, name, url, registeredAt: change.clock.timestamp() };
      const { usage, isChanged } = await putUsage(change, wanted);
      if (isChanged) await this.#journal(change, access, 'usage.register', { ...usage, environmentId });
      return usage;
    });
  }

  /** Takes a usage off the list. @throws NotFoundError */
  async unregister(access: Access, id: string): Promise<string> {
    requireScope(access, 'USAGES_WRITE');
    return this.#database.change(async (change) => {
      const usage = await deleteUsage(change, access, id);
      if (!usage) throw new NotFoundError([id]);
      await this.#journal(change, access, 'usage.unregister', usage);
      return usage.id;
    });
  }

  /** Reads the ids of up to `limit` usages of datastores that the change has locked: none is added until it ends. */
  ofLocked(change: Change, datastoreIds: readonly string[], limit: number): Promise<string[]> {
    return usageIdsOf(change, datastoreIds, limit);
  }

  async #journal(change: Change, { actor }: Access, action: string, usage: PlacedUsage): Promise<void> {
    const { environmentId, id, datastoreId, kind, name, url } = usage;
    await appendJournal(change, this.#keyring, {
      environmentId,
      kind: '',
      action,
      actor,
      subjectType: 'usage',
      subjectId: id,
      detail: { datastoreId, kind, name, url },
    });
  }
}
