import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { strangerFailure } from '../kit/http/answers.ts';
import { methodFailure } from '../kit/http/challenge.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import type { ClickHouseConfig } from './config.ts';

const PORT_HINT =
  'Give the port of the HTTP interface, 8443 with TLS or 8123 without, not that of the native protocol.';
/** What to do about a limit of the user's settings profile. */
function limitHint(setting: string): string {
  return `The query is over a limit of this user: raise ${setting} in its settings profile.`;
}

const READ_HINT = 'Grant the user the right to read from the database.';

/**
 * The failure behind each of ClickHouse's own codes. Newer servers send 516 for a wrong password as for an unknown
 * user.
 */
const BY_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  81: ['DATABASE_NOT_FOUND', { configPath: 'database' }],
  158: ['PERMISSION_DENIED', { configPath: 'username', hint: limitHint('max_rows_to_read or max_rows_to_group_by') }],
  159: [
    'TIMEOUT',
    {
      hint: 'The server gave the query up as too slow. Raise max_execution_time of the user, or try again when it is less busy.',
    },
  ],
  160: ['TIMEOUT', { hint: 'The server gave the query up as too slow. Try again when it is less busy.' }],
  164: ['PERMISSION_DENIED', { configPath: 'username' }],
  192: ['PASSWORD_REFUSED', { configPath: 'username', hint: 'Check `username`: the server does not know this user.' }],
  193: ['PASSWORD_REFUSED', { configPath: 'password', hint: 'Check `password`.' }],
  194: ['PASSWORD_REFUSED', { configPath: 'password', hint: 'Check `password`.' }],
  195: [
    'PERMISSION_DENIED',
    {
      configPath: 'username',
      hint: 'The server does not let this user in from the gateway’s address: allow that address in the user’s networks.',
    },
  ],
  201: ['TOO_MANY_REQUESTS', { hint: 'The quota of the user is used up: wait until it begins anew, or raise it.' }],
  202: ['TOO_MANY_REQUESTS', { hint: 'The server runs too many queries at once. Try again later.' }],
  241: ['SERVER_UNAVAILABLE', { hint: 'The server has no memory left for the query. Try again later.' }],
  291: ['PERMISSION_DENIED', { configPath: 'database', hint: READ_HINT }],
  307: ['PERMISSION_DENIED', { configPath: 'username', hint: limitHint('max_bytes_to_read') }],
  396: ['PERMISSION_DENIED', { configPath: 'username', hint: limitHint('max_result_rows or max_result_bytes') }],
  497: ['PERMISSION_DENIED', { configPath: 'database', hint: READ_HINT }],
  516: ['PASSWORD_REFUSED', { configPath: 'password' }],
};
const OF_PASSWORDS: readonly string[] = ['193', '194', '516'];

/** The failure behind an answer other than 200. */
export function failureOf(response: HttpResponse, config: ClickHouseConfig): Failure {
  const code = serverCode(response);
  // an answer without a code comes from something before the server, a proxy say, or from another port of it
  if (code === undefined) {
    if (response.status >= 500) return strangerFailure(response, { configPath: 'host' });
    return strangerFailure(response, response.status === 400 || response.status === 404 ? { hint: PORT_HINT } : {});
  }
  const evidence = { serverError: code };
  const failure = methodFailure(response, ['basic'], 'password');
  if (failure) return failure.with(evidence);
  if (config.password === undefined && OF_PASSWORDS.includes(code))
    return new Failure('CREDENTIALS_REQUIRED', {
      configPath: 'password',
      hint: 'Give the password of the user.',
      evidence,
    });
  const [known, details] = BY_CODE[code] ?? ['SERVER_ERROR', {}];
  return new Failure(known, { ...details, evidence });
}

/**
 * The server's number of an error. Old servers write it into the body alone. Undefined when the answer is none of
 * ClickHouse's.
 */
function serverCode(response: HttpResponse): string | undefined {
  const header = /^\d{1,5}$/.exec(response.headers['x-clickhouse-exception-code'] ?? '')?.[0];
  return header ?? /^Code: (\d{1,5})[.,]/.exec(response.text())?.[1];
}
