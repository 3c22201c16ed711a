import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import type { MongodbConfig } from './config.ts';
import { MongoError } from './wire.ts';

const NOT_IMPLEMENTED: readonly [FailureCode, FailureDetails] = [
  'SERVER_ERROR',
  {
    hint: 'Leave the checks of fields out, or upgrade the server: $sample and $objectToArray, by which they look at a collection, are there since MongoDB 3.6, and not in FerretDB 1.',
  },
];
const SECONDARY_HINT = 'The server only reads, as a secondary does: connect to the primary of its replica set.';

/** The failure behind each of the server's codes that means one thing only. */
const BY_CODE: Readonly<Record<number, readonly [FailureCode, FailureDetails]>> = {
  26: ['COLLECTION_NOT_FOUND', { hint: 'The collection was dropped while the test ran: try again.' }],
  50: ['TIMEOUT', { hint: 'The server gave up on the command. Try again when it is less busy.' }],
  73: [
    'DATABASE_NOT_FOUND',
    { configPath: 'database', hint: 'The server does not take such a name. Check `database`.' },
  ],
  // Azure Cosmos DB's
  16500: [
    'TOO_MANY_REQUESTS',
    { hint: 'The service limits the request units a second: try again later, or raise its throughput.' },
  ],
  168: NOT_IMPLEMENTED,
  238: NOT_IMPLEMENTED,
  40324: NOT_IMPLEMENTED,
  334: ['SIGN_IN_METHOD_REFUSED', { configPath: 'authMechanism' }],
};
const AUTHENTICATION_FAILED: readonly number[] = [18, 11];
/** The code with which a hosted cluster refuses anything before it asks the database. */
const ATLAS = 8000;
export const UNAUTHORIZED = 13;
const NOT_PRIMARY: readonly number[] = [10107, 10058, 13435];
/** The codes of a server that is starting, stopping, electing, cut off from its set, or too busy. */
const UNAVAILABLE: readonly number[] = [6, 7, 89, 91, 133, 189, 262, 9001, 11600, 11602, 13436];

/** Tells whether the error is about the server as a whole rather than about the one command. */
export function isUnavailable({ code }: MongoError): boolean {
  return UNAVAILABLE.includes(code);
}

/** The failure behind an error of a MongoDB server. Undefined when the error is none of its own. */
export function explainMongodb(error: unknown, config: MongodbConfig): Failure | undefined {
  if (!(error instanceof MongoError)) return undefined;
  return explainServer(error, config).with({ serverError: error.code || undefined });
}

function explainServer(error: MongoError, config: MongodbConfig): Failure {
  const { code } = error;
  if (AUTHENTICATION_FAILED.includes(code) || code === ATLAS) return signInRefused(error, config);
  if (code === UNAUTHORIZED) return notAllowed(error, config);
  if (NOT_PRIMARY.includes(code)) {
    return new Failure('PERMISSION_DENIED', { error, configPath: 'host', hint: SECONDARY_HINT });
  }
  const known = BY_CODE[code];
  if (known) return new Failure(known[0], { ...known[1], error });
  if (isUnavailable(error)) return new Failure('SERVER_UNAVAILABLE', { error });
  // an error without a code is none that a MongoDB server sends
  return new Failure(code === 0 ? 'UNEXPECTED_ANSWER' : 'SERVER_ERROR', { error });
}

function signInRefused(error: MongoError, { authMechanism }: MongodbConfig): Failure {
  if (authMechanism === 'X509') {
    return new Failure('TLS_CLIENT_CERTIFICATE_REFUSED', {
      error,
      configPath: 'tls.clientCertificate',
      hint: 'The server has no user for the subject of the client certificate, or does not trust its CA: add there what is missing.',
    });
  }
  return new Failure('PASSWORD_REFUSED', {
    error,
    configPath: 'password',
    hint: 'Check `username`, `password` and `authSource`: the server does not say which of them is wrong.',
  });
}

function notAllowed(error: MongoError, { username, authMechanism }: MongodbConfig): Failure {
  if (username === undefined && authMechanism === undefined) {
    return new Failure('CREDENTIALS_REQUIRED', { error, configPath: 'username', hint: 'Give user name and password.' });
  }
  return new Failure('PERMISSION_DENIED', { error, configPath: 'username' });
}
