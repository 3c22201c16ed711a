import { configPathOf, type FieldIssue, issueCodes } from './field-issues.ts';

/*
 * What the API answers with when it refuses: members of a mutation's result union, and top-level errors. Codes are
 * stable: they may be added, never renamed. docs/errors.md is printed from this folder.
 */

/** `code` of the members of a mutation's result union: what a person can mend. */
export const userErrorCodes = {
  VALIDATION_FAILED: 'Some inputs are not valid; issues names each of them.',
  NAME_TAKEN: 'Another one has this name already: choose another name.',
  SECRETS_REQUIRED: 'Stored secrets are not sent to a new destination: give them again.',
  NOT_FOUND: 'It does not exist, or you may not see it.',
  VERSION_CONFLICT: 'Another version is stored: load it and try again.',
  ID_TAKEN: 'This id was used before: choose another one.',
  IDEMPOTENCY_KEY_USED: 'The idempotencyKey came with another input before: give that input again, or another key.',
  CONNECTION_TEST_FAILED: 'The connection test did not pass, so nothing was stored.',
  IN_USE: 'Datastores still need it: delete those first, or have them do without it.',
  RECORDS_MISFIT: 'Stored records would not fit: change or delete them first, or take the change with force: true.',
  QUOTA_EXCEEDED: 'That is more than the store may hold: delete records, or raise maxSizeMb.',
  CONFIRMATION_REQUIRED: 'Something depends on it, as usages says: delete it with confirmed: true all the same.',
} as const;
export type UserErrorCode = keyof typeof userErrorCodes;

/** `extensions.code` of a top-level GraphQL error: what no form field can mend. */
export const requestErrorCodes = {
  UNAUTHENTICATED:
    'No valid token was given: send one as “Authorization: Bearer …”, or make another one where it was revoked or has expired.',
  FORBIDDEN: 'The token lacks a scope that this needs.',
  BAD_REQUEST: 'The request is no GraphQL over HTTP; the message says what is wrong with it.',
  PERSISTED_QUERY_NOT_SUPPORTED:
    'Documents are not kept by their hash: send the query itself. The message is PersistedQueryNotSupported, by which clients with automatic persisted queries know to do so.',
  GRAPHQL_PARSE_FAILED: 'The document is no GraphQL; the message says at which line and column.',
  GRAPHQL_VALIDATION_FAILED: 'The document does not fit the schema.',
  BAD_USER_INPUT: 'An argument is not valid; issues names each of them.',
  QUERY_TOO_COMPLEX: 'The document is over a limit; the message names it.',
  PAYLOAD_TOO_LARGE: 'The request body is over 1 MiB.',
  UNSUPPORTED_MEDIA_TYPE:
    'Send the body as JSON in UTF-8, with Content-Type: application/json; records as application/jsonl or text/csv.',
  METHOD_NOT_ALLOWED: 'Send a mutation by POST: nothing is changed by GET.',
  NOT_FOUND: 'It does not exist, or you may not see it.',
  CURSOR_EXPIRED: 'The cursor is older than what is kept: load the list again.',
  TOO_MANY_SUBSCRIPTIONS:
    'The token has too many open connections or subscriptions; the message says how many, and the variable that sets it.',
  RATE_LIMITED:
    'A limit of the operator’s is reached: extensions say which variable sets it, its value (limit), and retryAfterSeconds.',
  SECRETS_UNREADABLE:
    'The stored secrets of this datastore do not open: it was changed outside of the gateway. Restore it, or register it anew; the gateway’s log has more.',
  UNAVAILABLE: 'The gateway is stopping or its database is away: try again in a few seconds.',
  INTERNAL: 'Something unexpected went wrong in the gateway: give its operator the error id, which the log has too.',
} as const;
export type RequestErrorCode = keyof typeof requestErrorCodes;

/** What a person can mend: becomes a member of the mutation's result union, or a top-level error of a query. */
export abstract class UserError extends Error {
  readonly code: UserErrorCode;
  readonly issues: readonly FieldIssue[];

  constructor(code: UserErrorCode, issues: readonly FieldIssue[] = [], message: string = userErrorCodes[code]) {
    super(message);
    this.code = code;
    this.issues = issues;
  }
}

export class ValidationError extends UserError {
  override readonly name = 'ValidationError';
  constructor(issues: readonly FieldIssue[]) {
    super('VALIDATION_FAILED', issues);
  }
}

export class NameTakenError extends UserError {
  override readonly name = 'NameTakenError';
  constructor(path: readonly string[]) {
    super('NAME_TAKEN', [{ path, configPath: null, code: 'NAME_TAKEN', message: issueCodes.NAME_TAKEN }]);
  }
}

export class SecretsRequiredError extends UserError {
  override readonly name = 'SecretsRequiredError';
  constructor(issues: readonly FieldIssue[]) {
    super('SECRETS_REQUIRED', issues);
  }
}

export class NotFoundError extends UserError {
  override readonly name = 'NotFoundError';
  readonly ids: readonly string[];
  /** `issues` say where the ids stand, where the caller gave several, and where an environment’s does. */
  constructor(ids: readonly string[], issues: readonly FieldIssue[] = []) {
    super('NOT_FOUND', issues);
    this.ids = ids;
  }
}

export class ConflictError extends UserError {
  override readonly name = 'ConflictError';
  /** The datastore whose stored version differs; null when an id or a key was used before. */
  readonly currentId: string | null;
  /** The record of a managed datastore whose stored version differs. */
  readonly currentRecord: { readonly datastoreId: string; readonly key: string } | null;
  constructor(
    code: 'VERSION_CONFLICT' | 'ID_TAKEN' | 'IDEMPOTENCY_KEY_USED',
    currentId: string | null = null,
    currentRecord: ConflictError['currentRecord'] = null,
  ) {
    super(code);
    this.currentId = currentId;
    this.currentRecord = currentRecord;
  }
}

export class ConnectionTestFailedError extends UserError {
  override readonly name = 'ConnectionTestFailedError';
  readonly testId: string;
  constructor(testId: string, issues: readonly FieldIssue[]) {
    super('CONNECTION_TEST_FAILED', issues);
    this.testId = testId;
  }
}

export class InUseError extends UserError {
  override readonly name = 'InUseError';
  readonly datastoreIds: readonly string[];
  constructor(datastoreIds: readonly string[]) {
    super('IN_USE');
    this.datastoreIds = datastoreIds;
  }
}

export class ConfirmationRequiredError extends UserError {
  override readonly name = 'ConfirmationRequiredError';
  readonly usageIds: readonly string[];
  constructor(usageIds: readonly string[], message?: string) {
    super('CONFIRMATION_REQUIRED', [], message);
    this.usageIds = usageIds;
  }
}

export class QuotaExceededError extends UserError {
  override readonly name = 'QuotaExceededError';
  readonly usedBytes: number;
  readonly maxBytes: number;
  constructor({ usedBytes, maxBytes }: { usedBytes: number; maxBytes: number }, path: readonly string[]) {
    const message = `${userErrorCodes.QUOTA_EXCEEDED} ${usedBytes} of ${maxBytes} bytes are in use.`;
    super('QUOTA_EXCEEDED', [{ path, configPath: configPathOf(path), code: 'OUT_OF_RANGE', message }], message);
    this.usedBytes = usedBytes;
    this.maxBytes = maxBytes;
  }
}

/** Stored records that do not fit a data structure. */
export interface Misfits {
  readonly count: number;
  /** Some of them: the first that were found. */
  readonly shown: readonly Misfit[];
}

export interface Misfit {
  readonly datastoreId: string;
  readonly key: string;
  /** What is wrong with it, each with its path from the record's root. */
  readonly issues: readonly FieldIssue[];
}

export class RecordsMisfitError extends UserError {
  override readonly name = 'RecordsMisfitError';
  readonly misfits: Misfits;
  /** `path` is where the arguments name the data structure, when they do. */
  constructor(misfits: Misfits, path?: readonly string[]) {
    const message = `${userErrorCodes.RECORDS_MISFIT} There are ${misfits.count}.`;
    super(
      'RECORDS_MISFIT',
      path ? [{ path, configPath: configPathOf(path), code: 'INVALID_COMBINATION', message }] : [],
      message,
    );
    this.misfits = misfits;
  }
}

/** What no form can mend: becomes a top-level error of the request with this code. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly code: RequestErrorCode;
  constructor(code: RequestErrorCode, message: string = requestErrorCodes[code]) {
    super(message);
    this.code = code;
  }
}
