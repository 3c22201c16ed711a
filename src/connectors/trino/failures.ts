import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { isWebPage, refusalEvidence, strangerFailure } from '../kit/http/answers.ts';
import { methodFailure, offeredSchemes } from '../kit/http/challenge.ts';
import type { HttpResponse } from '../kit/http/client.ts';
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
  EXCEEDED_TIME_LIMIT: [
    'TIMEOUT',
    { hint: 'The cluster gave the query up as too slow. Try again when it is less busy.' },
  ],
  SERVER_STARTING_UP: ['SERVER_UNAVAILABLE', { hint: 'The coordinator is starting. Try again in a moment.' }],
  SERVER_SHUTTING_DOWN: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
  NO_NODES_AVAILABLE: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
};

/** The failure behind an error of any other name, by Trino's type of it. */
const BY_TYPE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  INSUFFICIENT_RESOURCES: ['SERVER_UNAVAILABLE', { hint: LATER_HINT }],
  EXTERNAL: [
    'SERVER_UNAVAILABLE',
    {
      configPath: 'catalog',
      hint: 'Trino cannot reach what lies behind the catalog, or gets an error from it: look at the coordinator’s log.',
    },
  ],
};

/** The failure behind an error that ended a statement which the server had taken. */
export function queryFailure(error: { errorName: string; errorType?: string | null | undefined }): Failure {
  const [code, details] = BY_NAME[error.errorName] ?? BY_TYPE[error.errorType ?? ''] ?? ['SERVER_ERROR', {}];
  const name = /^[A-Z0-9_]{1,80}$/.exec(error.errorName)?.[0];
  return new Failure(code, { ...details, evidence: { serverError: name } });
}

/** The failure behind an answer other than 200. Trino refuses in words, so that the status is all the code there is. */
export function refusal(response: HttpResponse, config: TrinoConfig): Failure {
  const own = unauthorized(response, config) ?? forbidden(response, config);
  const { status } = response;
  return own?.with(refusalEvidence(response)) ?? strangerFailure(response, status >= 500 ? { configPath: 'host' } : {});
}

function forbidden(response: HttpResponse, { tls }: TrinoConfig): Failure | undefined {
  if (response.status !== 403) return undefined;
  const text = response.text();
  // a server that signs users in lets nobody in over clear text
  if (tls.mode === 'DISABLE' && /over HTTP is not enabled/.test(text))
    return new Failure('TLS_REQUIRED', { configPath: 'tls.mode' });
  return DENIAL.test(text) ? new Failure('PERMISSION_DENIED', { configPath: 'username' }) : undefined;
}

/** The words with which Trino's access control begins, as plain text. */
const DENIAL = /^Access Denied: (Cannot|User|Principal|Role)\b/;
/** What a coordinator calls itself when it asks for a sign-in; those that send to a page of their own have no name. */
const OWN_CHALLENGE = /realm="(Trino|Presto|Starburst[^"]{0,40})"|x_redirect_server=|x_token_server=/i;

const METHOD_HINT =
  'The coordinator signs nobody in by password: give an access token, or turn http-server.authentication.type=PASSWORD on beside its other ways.';
const TOKEN_METHOD_HINT =
  'The coordinator takes no tokens: give a password, or turn http-server.authentication.type=JWT on beside its other ways.';

/** The failure behind a 401. Undefined for one of a proxy before the coordinator, which wants a sign-in of its own. */
function unauthorized(response: HttpResponse, { password, accessToken }: TrinoConfig): Failure | undefined {
  if (response.status !== 401 || !isOwnChallenge(response)) return undefined;
  if (accessToken !== undefined)
    return methodFailure(response, ['bearer'], 'accessToken', TOKEN_METHOD_HINT) ?? refusedToken(response);
  // without anything to sign in with, either way would do
  const ways = password === undefined ? ['basic', 'bearer'] : ['basic'];
  const failure = methodFailure(response, ways, 'password', METHOD_HINT);
  if (failure) return failure;
  if (password !== undefined) return new Failure('PASSWORD_REFUSED', { configPath: 'password' });
  return new Failure('CREDENTIALS_REQUIRED', {
    configPath: 'password',
    hint: 'Give the password of the user, or an access token; Trino takes either over TLS alone.',
  });
}

function refusedToken(response: HttpResponse): Failure {
  if (/\bexpired\b/i.test(response.text())) return new Failure('TOKEN_EXPIRED', { configPath: 'accessToken' });
  const hint =
    'Check that the token is a whole one of an issuer that the coordinator trusts, for its audience, and that its subject may run queries as `username`.';
  return new Failure('KEY_REFUSED', { configPath: 'accessToken', hint });
}

/** Tells whether a coordinator asks for a sign-in. One with Kerberos alone says nothing but `Negotiate`. */
function isOwnChallenge(response: HttpResponse): boolean {
  if (OWN_CHALLENGE.test(response.headers['www-authenticate'] ?? '')) return true;
  return offeredSchemes(response).join() === 'negotiate' && !isWebPage(response);
}
