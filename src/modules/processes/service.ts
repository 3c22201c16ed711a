import { RequestFault } from '../../errors/api.ts';
import type { Database } from '../../platform/database.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { KEPT_MS, type Process, type ProcessCounts, SILENT_MS } from './process.ts';
import { countLiving, listProcesses, removeSilent } from './store.ts';

/** Tells operators which processes there are. */
export class ProcessService {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Reads a page of the processes, the oldest first. @throws RequestFault FORBIDDEN */
  async list(access: Access, page: PageArguments): Promise<Page<Process>> {
    requireScope(access, 'PROCESSES_READ');
    // where the gateways stand and what they are is no environment's
    if (access.environmentIds !== 'all')
      throw new RequestFault('FORBIDDEN', 'Reading processes takes a token that is for all environments.');
    return listProcesses(this.#database, readPageArguments(page, 'STARTED_AT'));
  }

  /** Whether a process has told within the last 15 s that it lives. */
  isAlive({ lastSeenAt }: Process): boolean {
    return lastSeenAt > this.#database.clock.timestamp(-SILENT_MS);
  }

  /** Counts the processes that live, for the metrics. */
  counts(): Promise<ProcessCounts> {
    return countLiving(this.#database);
  }

  /** Removes those that were seen last more than an hour ago. @returns false: there is no more to do */
  async removeGone(): Promise<boolean> {
    await removeSilent(this.#database, this.#database.clock.timestamp(-KEPT_MS));
    return false;
  }
}
