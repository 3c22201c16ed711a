import { RequestFault } from '../../errors/api.ts';

/**
 * True when a statement failed because a unique constraint or primary key was violated. With columns (`'name'`,
 * `['environment_id', 'name']`, or with the table in front: `'datastores.id'`) it is true for the constraint on exactly
 * these.
 */
export function isUniqueViolation(error: unknown, columns?: string | readonly string[]): boolean {
  if (!(error instanceof Error)) return false;
  const violated = violatedColumns(error);
  if (!violated || columns === undefined) return violated !== undefined;
  const asked = typeof columns === 'string' ? [columns] : columns;
  return (
    asked.length === violated.length &&
    asked.every((column) => violated.some((one) => one === column || one.endsWith(`.${column}`)))
  );
}

/**
 * True when a statement failed because rows refer to one another: the one referred to is missing, or is still referred
 * to.
 */
export function isForeignKeyViolation(error: unknown): boolean {
  const code = codeOf(error);
  if (code === '23503' || code === '23001') return true;
  // SQLite reports a RESTRICT as a trigger's doing, so its code alone does not tell
  return (
    error instanceof Error && code.startsWith('SQLITE_CONSTRAINT') && error.message === 'FOREIGN KEY constraint failed'
  );
}

/**
 * Changes that were to share a COMMIT of SQLite are taken back together, of which one is at fault: each is to be made
 * again.
 */
export class GroupRefusedError extends Error {
  constructor(cause: unknown) {
    super('Changes were refused together', { cause });
  }
}

/** The thread that stores changes on SQLite has ended: what it was storing may be stored, or not. */
export class StoringThreadEndedError extends Error {
  override readonly name = 'StoringThreadEndedError';

  constructor(cause: unknown) {
    super('The thread that stores changes has ended', { cause });
  }
}

/** What a change took for granted, as it was when it was last looked at, is otherwise by now: it is made again. */
export class OutdatedGuessError extends Error {
  override readonly name = 'OutdatedGuessError';
}

/**
 * True for the failure of a statement that Postgres does not have prepared, or that a change of its tables has made
 * useless as it is prepared: it can be done once it is prepared anew.
 */
export function isOutdated(error: unknown): boolean {
  const code = codeOf(error);
  return (
    code === '26000' ||
    code === '42P05' ||
    (code === '0A000' && (error as { routine?: unknown }).routine === 'RevalidateCachedQuery')
  );
}

/**
 * True when a transaction was broken off because of another one: Postgres' serialization failures and deadlocks, and
 * SQLite's groups of changes; and because of what was prepared or guessed before. Doing it again may help.
 */
export function isTransactionConflict(error: unknown): boolean {
  if (error instanceof GroupRefusedError || error instanceof OutdatedGuessError || isOutdated(error)) return true;
  const code = codeOf(error instanceof DatabaseUnavailableError ? error.cause : error);
  return code === '40001' || code === '40P01';
}

/**
 * The database could not do its work for now, whatever was asked of it: it is away, full, locked by another process, or
 * it broke a transaction off. Nothing of the change was stored, but for a commit whose answer was lost. `cause` is the
 * database's own error.
 */
export class DatabaseUnavailableError extends RequestFault {
  constructor(cause: unknown) {
    super('UNAVAILABLE', 'The gateway’s database cannot do this now: try again in some seconds.');
    this.cause = cause;
  }
}

/** The error as it is, or a DatabaseUnavailableError around one that says nothing about the statement. */
export function explainDatabaseError(error: unknown): unknown {
  return isUnavailability(error) ? new DatabaseUnavailableError(error) : error;
}

/**
 * These are SQLSTATE codes of PostgreSQL (appendix A of its manual): 08 is the connection, 53 resources, 57P01–57P05
 * shutdown and start, 58 a system error, 40001 and 40P01 are conflicts, 55P03 is a lock, 25006 a standby, 25P03 an idle
 * transaction that was ended.
 */
const POSTGRES_STATES = /^(08|53)[0-9A-Z]{3}$|^(57P0[1-5]|58000|58030|40001|40P01|55P03|25006|25P03)$/;
/** These are SQLite's result codes, each with its extensions. A rollback that SQLite did by itself has no code. */
const SQLITE_CODES = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|PROTOCOL|NOMEM)(_|$)/;
const SOCKET_CODES =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EMFILE)$/;
/** pg gives its own errors no code, so they are known by their words. */
const PG_MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Connection ended)/;

function isUnavailability(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof StoringThreadEndedError) return true;
  if (error instanceof AggregateError && error.errors.some(isUnavailability)) return true;
  const code = codeOf(error);
  if (code === '') return PG_MESSAGES.test(error.message);
  return POSTGRES_STATES.test(code) || SQLITE_CODES.test(code) || SOCKET_CODES.test(code);
}

/** The columns of the violated constraint, each as `table.column`; undefined when it is no unique violation. */
function violatedColumns(error: Error): readonly string[] | undefined {
  const code = codeOf(error);
  if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') {
    return error.message.replace(/^UNIQUE constraint failed: /, '').split(', ');
  }
  if (code !== '23505') return undefined;
  const { table = '', detail = '' } = error as { table?: string; detail?: string };
  // the server says, in its own language, something like "Key (environment_id, name)=(…) already exists.": the columns
  // come first in each
  const columns = /\(([^()]*)\)=\(/.exec(detail)?.[1] ?? '';
  return columns.split(', ').map((column) => `${table}.${column}`);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}
