import { NotFoundError, RequestFault } from '../../errors/api.ts';
import { LimitFault, type LimitSettings, limitOf } from '../../errors/limits.ts';
import type { Database } from '../../platform/database/database.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import {
  KEPT_MS,
  type Process,
  type ProcessCounts,
  type ProcessFacts,
  type RemoteProcess,
  SILENT_MS,
} from './process.ts';
import { countLiving, countOfToken, findRemote, listProcesses, putBeat, removeProcess, removeSilent } from './store.ts';

const WORKERS = 'MAX_WORKERS_PER_TOKEN';
/** Nobody knows when one of the others stops. */
const RETRY_SECONDS = 60;

/** Tells operators which processes there are. */
export class ProcessService {
  readonly #database: Database;
  readonly #limits: LimitSettings;

  constructor(database: Database, limits: LimitSettings = {}) {
    this.#database = database;
    this.#limits = limits;
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

  /**
   * Writes that a worker lives which asks this gateway. Network and key stay as they were at its first beat.
   * @returns whether this is its first beat
   * @throws NotFoundError when a process of this id is another token's; LimitFault where the token has too many
   */
  async beat(access: Access, facts: ProcessFacts, running: number, publicKey: string): Promise<boolean> {
    const at = this.#database.clock.timestamp();
    const columns = { started_at: at, last_seen_at: at, token_id: access.tokenId, public_key: publicKey };
    const result = await putBeat(this.#database, { ...facts, running, ...columns });
    if (result === 'refused') throw new NotFoundError([facts.id]);
    if (result === 'first') await this.#requireRoom(access, facts.id);
    return result === 'first';
  }

  /** Takes the newest out again where its token has too many: those that come at once may all be refused. */
  async #requireRoom({ tokenId }: Access, newest: string): Promise<void> {
    const limit = limitOf(this.#limits, WORKERS);
    if (limit === undefined || (await countOfToken(this.#database, tokenId)) <= limit) return;
    await removeProcess(this.#database, newest);
    throw new LimitFault(WORKERS, limit, RETRY_SECONDS);
  }

  /** Finds a worker that asks with the caller's own token. @throws NotFoundError */
  async findRemote(access: Access, id: string): Promise<RemoteProcess> {
    const found = await findRemote(this.#database, access, id);
    if (!found) throw new NotFoundError([id]);
    return found;
  }

  /** Takes a worker of the caller's out, which has stopped. */
  async remove(access: Access, id: string): Promise<void> {
    await this.findRemote(access, id);
    await removeProcess(this.#database, id);
  }

  /** Removes those that were seen last more than an hour ago. @returns false: there is no more to do */
  async removeGone(): Promise<boolean> {
    await removeSilent(this.#database, this.#database.clock.timestamp(-KEPT_MS));
    return false;
  }
}
