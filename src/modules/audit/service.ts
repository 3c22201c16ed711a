import type { Database } from '../../platform/database/database.ts';
import type { AuditOutcome } from '../../platform/journal/journal.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { type AuditFilter, type AuditRow, auditOrder, listEntries } from './store.ts';

/** An entry of the journal as it is read. */
export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly actor: string;
  readonly onBehalfOf: string | null;
  readonly action: string;
  readonly environmentId: string | null;
  readonly subjectType: string;
  readonly subjectId: string | null;
  readonly outcome: AuditOutcome;
  /** Never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Lets the journal be read. */
export class AuditService {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Reads a page of the entries that the caller may see, the newest first.
   * @throws ValidationError for page arguments that make no sense
   */
  async list(access: Access, filter: AuditFilter, page: PageArguments): Promise<Page<AuditEntry>> {
    requireScope(access, 'AUDIT_READ');
    const found = await listEntries(this.#database, access, filter, readPageArguments(page, auditOrder));
    return { ...found, edges: found.edges.map(({ cursor, node }) => ({ cursor, node: entryOf(node) })) };
  }
}

function entryOf(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    at: row.at,
    actor: row.actor,
    onBehalfOf: row.on_behalf_of,
    action: row.action,
    // '' stands for none in the columns of a key
    environmentId: row.environment_id || null,
    subjectType: row.subject_type,
    subjectId: row.subject_id || null,
    outcome: row.outcome as AuditOutcome,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  };
}
