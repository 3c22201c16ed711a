import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { statusFailure } from '../kit/http/answers.ts';
import type { TrinoConfig } from './config.ts';

const LATER_HINT = 'The cluster cannot take the query now. Try again later; check the coordinator’s own log.';

/** The failure behind each of Trino's names of an error that means one thing only. */
const BY_NAME: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  CATALOG_NOT_FOUND: ['CATALOG_NOT_FOUND', { configPath: 'catalog' }],
  SCHEMA_NOT_FOUND: ['SCHEMA_NOT_FOUND', { configPath: 'schema' }],
  PERMISSION_DENIED: [
    'PERMISSION_DENIED',
    { configPath: 'username', hint: 'Grant the user the right to run queries and to use the catalog.' },
  ],
  QUERY_QUEUE_FULL: ['TOO_MANY_REQUESTS', { hint: 'The queue of the user’s resource group is full. Try again later.' }],
  EXCEEDED_TIME_LIMIT: ['TIMEOUT', { hint: 'The cluster gave the query up as too slow: it may be busy.' }],
  SERVER_STARTING_UP: ['SERVER_UNAVAILABLE', { hint: 'The coordinator is starting. Try again in a moment.' }],
  SERVER_SHUTTING_DOWN: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
  NO_NODES_AVAILABLE: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
};

/** The failure behind an error of any other name, by Trino's type of it. */
const BY_TYPE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  INSUFFICIENT_RESOURCES: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
  EXTERNAL: [
    'SERVER_UNAVAILABLE',
    { configPath: 'catalog', hint: 'Trino cannot reach what lies behind the catalog, or it reports an error.' },
  ],
};

/** The failure behind an error that ended a statement which the server had taken. */
export function queryFailure(error: { errorName: string; errorType?: string | null | undefined }): Failure {
  const [code, details] = BY_NAME[error.errorName] ?? BY_TYPE[error.errorType ?? ''] ?? ['SERVER_ERROR', {}];
  const name = /^[A-Z0-9_]{1,80}$/.exec(error.errorName)?.[0];
  return new Failure(code, { ...details, evidence: { serverError: name } });
}

/** The failure behind an answer other than 200. */
export function refusal(status: number, { password, tls }: TrinoConfig): Failure {
  if (status === 401) {
    if (password !== undefined) return new Failure('PASSWORD_REFUSED', { configPath: 'password' });
    return new Failure('CREDENTIALS_REQUIRED', {
      configPath: 'password',
      hint: 'Give the password of the user; Trino takes it over TLS alone.',
    });
  }
  // a server that signs users in lets nobody in over clear text, which it says by 403
  if (status === 403 && tls.mode === 'DISABLE') return new Failure('TLS_REQUIRED', { configPath: 'tls.mode' });
  if (status === 403) return new Failure('PERMISSION_DENIED', { configPath: 'username' });
  if (status === 400 || status === 404 || status === 405)
    return new Failure('PROTOCOL_MISMATCH', { configPath: 'port' });
  return statusFailure(status, { configPath: 'host' });
}
