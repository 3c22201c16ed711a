import type { FailureCode } from '../../../errors/check-failures.ts';
import type { Tls } from '../../kit/config/tls.ts';
import { explainNetworkError } from '../../kit/contract/explain.ts';
import { Failure, type FailureDetails } from '../../kit/contract/failure.ts';

/** What to do about a statement that the server ended itself. */
function timeLimit(setting: string): string {
  return `The server ended the statement: ${setting} is too short. Raise it for this user or at the server.`;
}

const BEHIND_HINT = 'A proxy answers, but reaches no server behind it. Ask its operator.';

/** The failure behind each of the server's numbers that means one thing only. */
const BY_NUMBER: Readonly<Record<number, readonly [FailureCode, FailureDetails]>> = {
  // a user who has no right on all databases is told the same of one that does not exist
  1044: [
    'PERMISSION_DENIED',
    { configPath: 'database', hint: 'Check `database`, and grant the user a right on it or on something in it.' },
  ],
  1049: ['DATABASE_NOT_FOUND', { configPath: 'database' }],
  1142: ['PERMISSION_DENIED', { configPath: 'username' }],
  1143: ['PERMISSION_DENIED', { configPath: 'username' }],
  1227: ['PERMISSION_DENIED', { configPath: 'username' }],
  1130: [
    'PERMISSION_DENIED',
    { hint: 'The server lets nobody in from the gateway’s address: create an account for that host.' },
  ],
  1129: [
    'SERVER_UNAVAILABLE',
    { hint: 'The server has blocked the gateway’s address after broken connections: run FLUSH HOSTS there.' },
  ],
  1040: ['TOO_MANY_REQUESTS', { hint: 'The server has no connection left. Try again later.' }],
  1203: ['TOO_MANY_REQUESTS', { hint: 'The server has no connection left for this user. Try again later.' }],
  1226: ['TOO_MANY_REQUESTS', { hint: 'The user has used up a limit of the account. Try again later.' }],
  1053: ['SERVER_UNAVAILABLE', {}],
  1184: [
    'SERVER_UNAVAILABLE',
    { hint: 'The server ended the new connection, for a fault in its init_connect say: look at its log.' },
  ],
  1275: [
    'SIGN_IN_METHOD_REFUSED',
    {
      configPath: 'username',
      hint: 'The account has a password in the format before MySQL 4.1, which the server refuses: set it anew.',
    },
  ],
  1969: ['TIMEOUT', { configPath: 'username', hint: timeLimit('max_statement_time') }],
  3024: ['TIMEOUT', { configPath: 'username', hint: timeLimit('max_execution_time') }],
  1290: ['PERMISSION_DENIED', { configPath: 'host', hint: 'The server only reads: connect to the primary server.' }],
  1836: ['PERMISSION_DENIED', { configPath: 'host', hint: 'The server only reads: connect to the primary server.' }],
  1698: [
    'PASSWORD_REFUSED',
    { configPath: 'username', hint: 'The account does not sign in with a password. Give one that does.' },
  ],
  // what MySQL Router and ProxySQL say for themselves
  2003: ['SERVER_UNAVAILABLE', { hint: BEHIND_HINT }],
  9001: ['SERVER_UNAVAILABLE', { hint: BEHIND_HINT }],
  3159: ['TLS_REQUIRED', { configPath: 'tls.mode' }],
};

/** Dolt and Vitess have this one number for most of what they refuse. */
const UNKNOWN_ERROR = 1105;
/** Their words for it, and the number that MySQL has for the same. */
const BY_WORDS: readonly (readonly [words: string, number: number])[] = [
  ["' to database '", 1044],
  ["command denied to user '", 1142],
  ['Unknown system variable', 1193],
  ['does not allow insecure connections', 3159],
];
/** Their number for an account that they have no way to sign in. */
const NO_WAY_TO_SIGN_IN = 2012;

const PASSWORD_EXPIRED: readonly number[] = [1820, 1862];
const ACCOUNT_LOCKED: readonly number[] = [3118, 3955, 4151];
const WRONG_PASSWORD = 1045;

const SIGN_IN_HINT =
  'The server asks for a way to sign in other than those that are known: mysql_native_password, caching_sha2_password, ' +
  'sha256_password, or a client certificate. A password is never sent as clear text.';

const UNKNOWN_WAY = 'Server requests authentication using unknown plugin';

/** The failure behind each code of the driver's own. */
const BY_DRIVER_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  HANDSHAKE_NO_SSL_SUPPORT: ['TLS_NOT_OFFERED', { configPath: 'tls.mode' }],
  PROTOCOL_CONNECTION_LOST: ['CONNECTION_LOST', {}],
  MYSQL_CLEAR_PASSWORD_NOT_ENABLED: ['SIGN_IN_METHOD_REFUSED', { configPath: 'username', hint: SIGN_IN_HINT }],
  AUTH_SWITCH_PLUGIN_ERROR: ['PROTOCOL_MISMATCH', { configPath: 'username', hint: SIGN_IN_HINT }],
};

/** The parts of a config that decide what a refusal means. */
export interface MysqlSignIn {
  readonly password?: string | undefined;
  readonly tls: Tls;
}

/** An error that a MySQL server sent. */
export interface MysqlError extends Error {
  /** The error's number in MySQL's own table: 1045. MariaDB and SingleStore have the same ones below 1900. */
  readonly errno: number;
}

export function isMysqlError(error: unknown): error is MysqlError {
  return error instanceof Error && 'sqlMessage' in error && 'errno' in error && typeof error.errno === 'number';
}

/** The number that MySQL has for what the server says, be it under that of the unknown. */
export function numberOf({ errno, message }: MysqlError): number {
  if (errno !== UNKNOWN_ERROR) return errno;
  return BY_WORDS.find(([words]) => message.includes(words))?.[1] ?? errno;
}

/** The failure behind an error of a MySQL server or of its driver. Undefined when the error is neither's. */
export function explainMysql(error: unknown, signIn: MysqlSignIn): Failure | undefined {
  if (isMysqlError(error)) return explainServer(error, signIn).with({ serverError: error.errno });
  if (!(error instanceof Error)) return undefined;
  // the driver has one code for a way that it does not know and for one that the server does not keep to
  if (error.message.startsWith(UNKNOWN_WAY))
    return new Failure('SIGN_IN_METHOD_REFUSED', { error, configPath: 'username', hint: SIGN_IN_HINT });
  const known = BY_DRIVER_CODE['code' in error ? String(error.code) : ''];
  if (known) return new Failure(known[0], { ...known[1], error });
  // the driver marks errors that end the connection; when the network is behind one, that says more
  if (!('fatal' in error)) return undefined;
  return explainNetworkError(error) ?? new Failure('PROTOCOL_MISMATCH', { error });
}

/** MySQL has these numbers for a view whose definer is gone, and for a role that is none. */
const NO_SUCH_USER: readonly unknown[] = [1449, 3162];

/**
 * The failure behind an error at the sign-in whose number means another thing later: servers made of go-mysql and of
 * mysql-mimic send it.
 */
export function unknownAccount(error: MysqlError): Failure | undefined {
  if (!NO_SUCH_USER.includes(error.errno)) return undefined;
  const hint = 'The server knows no such account. Check `username`.';
  const evidence = { serverError: error.errno };
  return new Failure('PASSWORD_REFUSED', { error, configPath: 'username', hint, evidence });
}

function explainServer(error: MysqlError, signIn: MysqlSignIn): Failure {
  const errno = numberOf(error);
  if (errno === WRONG_PASSWORD) return explainRefusal(error, signIn);
  if (PASSWORD_EXPIRED.includes(errno)) {
    const hint = 'The password has expired: change it at the server.';
    return new Failure('PASSWORD_REFUSED', { error, configPath: 'password', hint });
  }
  if (ACCOUNT_LOCKED.includes(errno)) {
    return new Failure('PERMISSION_DENIED', {
      error,
      configPath: 'username',
      hint: 'The account is locked: unlock it at the server (ALTER USER … ACCOUNT UNLOCK).',
    });
  }
  if (errno === NO_WAY_TO_SIGN_IN) {
    const hint = 'The server has no way to sign this account in: check `username`.';
    const also =
      signIn.tls.mode === 'DISABLE' ? ' It may also be one that signs in over TLS alone: choose another tls.mode.' : '';
    return new Failure('PASSWORD_REFUSED', { error, configPath: 'username', hint: hint + also });
  }
  const known = BY_NUMBER[errno];
  if (known) return new Failure(known[0], { ...known[1], error });
  return new Failure('SERVER_ERROR', { error });
}

/**
 * The failure behind the one number for a wrong password, an unknown user and a connection that the account does not
 * allow.
 */
function explainRefusal(error: MysqlError, { password, tls }: MysqlSignIn): Failure {
  if (password === undefined && tls.clientCertificate === undefined) {
    return new Failure('CREDENTIALS_REQUIRED', { error, configPath: 'password', hint: 'Give the password.' });
  }
  return new Failure('PASSWORD_REFUSED', {
    error,
    configPath: 'password',
    hint: `Check \`username\` and \`password\`: the server does not say which of them is wrong. ${besides(tls)}`,
  });
}

function besides(tls: Tls): string {
  if (tls.mode === 'DISABLE')
    return 'The account or the server may also ask for TLS, or not allow the gateway’s address.';
  if (tls.clientCertificate === undefined)
    return 'The account may also ask for a client certificate, or not allow the gateway’s address.';
  return 'The account may also ask for another client certificate, or not allow the gateway’s address.';
}
