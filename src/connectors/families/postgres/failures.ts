import type { FailureCode } from '../../../errors/check-failures.ts';
import type { Tls } from '../../kit/config/tls.ts';
import { Failure, type FailureDetails, type FailureEvidence } from '../../kit/contract/failure.ts';
import { explainPooler } from './poolers.ts';
import { isPostgresError, type PostgresError } from './wire.ts';

const PASSWORD_HINT = 'Check `username` and `password`: the server does not say which of them is wrong.';
const ADDRESS_HINT =
  'Add an entry to pg_hba.conf of the server: none lets this user in from the gateway’s address to this database.';

/** Names are all that the checks read of a database, and all that they send it. */
const NO_TEXT_HINT =
  'A name in the database cannot be told as UTF-8: its bytes are no text in the database’s encoding. Rename what is named so.';

/** The failure behind each of the server's codes that means one thing only. */
const BY_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  '28P01': ['PASSWORD_REFUSED', { hint: PASSWORD_HINT, configPath: 'password' }],
  '3D000': ['DATABASE_NOT_FOUND', { configPath: 'database' }],
  '3F000': ['SCHEMA_NOT_FOUND', { configPath: 'schema' }],
  '42501': ['PERMISSION_DENIED', { configPath: 'username' }],
  '25006': [
    'PERMISSION_DENIED',
    { hint: 'The server or the session only reads: connect to the primary server.', configPath: 'host' },
  ],
  '53300': ['TOO_MANY_REQUESTS', { hint: 'The server has no connection left for this user. Try again later.' }],
  '22021': ['SERVER_ERROR', { hint: NO_TEXT_HINT }],
  '22P05': ['SERVER_ERROR', { hint: NO_TEXT_HINT }],
  '55000': [
    'PERMISSION_DENIED',
    { configPath: 'database', hint: 'The database takes no connections (datallowconn is false): choose another one.' },
  ],
  '57014': [
    'TIMEOUT',
    {
      configPath: 'username',
      hint: 'The server ended the statement: statement_timeout is too short for this user. Raise it with ALTER ROLE … SET.',
    },
  ],
};

/** Codes that begin so are sent by a server that is starting, stopping, or out of something. */
const UNAVAILABLE = /^(57P|53|58)/;

/** The failure behind an error of a PostgreSQL server or of its driver. Undefined when the error is neither's. */
export function explainPostgres(error: unknown, tls: Tls): Failure | undefined {
  if (isPostgresError(error)) return explainServer(error, tls).with(sqlState(error));
  if (!(error instanceof Error)) return undefined;
  if (error.message.startsWith('Connection terminated')) return new Failure('CONNECTION_LOST', { error });
  if (error.message.startsWith('Received unexpected ')) return new Failure('PROTOCOL_MISMATCH', { error });
  if (error.message.startsWith('SASL: ')) return explainSasl(error);
  return undefined;
}

function explainServer(error: PostgresError, tls: Tls): Failure {
  if (error.code === '28000') return explainRefusal(error, tls);
  const known = BY_CODE[error.code];
  if (known) return new Failure(known[0], { ...known[1], error });
  const pooler = explainPooler(error);
  if (pooler) return pooler;
  return new Failure(UNAVAILABLE.test(error.code) ? 'SERVER_UNAVAILABLE' : 'SERVER_ERROR', { error });
}

/** The evidence of a refusal: its SQLSTATE. */
export function sqlState({ code }: PostgresError): FailureEvidence {
  return { serverError: /^[0-9A-Z]{5}$/.exec(code)?.[0] };
}

/** Names of methods and certificates stand in the message in most languages. */
const OUTSIDE_METHOD = /\b(PAM|LDAP|RADIUS|BSD)\b/;
const CERTIFICATE = /certifi|zertifi/i;
const OUTSIDE_HINT =
  'Check `username` and `password`. The server asks PAM, LDAP or RADIUS, which may also be away: its log says more.';
const NAME_HINT =
  'Give a certificate whose common name (CN) is the user name, or map that to it in pg_ident.conf of the server.';

/** The failure behind a method that was tried and did not let the user in: the server's function auth_failed. */
function explainMethod(error: PostgresError): Failure {
  if (OUTSIDE_METHOD.test(error.message))
    return new Failure('PASSWORD_REFUSED', { error, configPath: 'password', hint: OUTSIDE_HINT });
  if (CERTIFICATE.test(error.message))
    return new Failure('TLS_CLIENT_CERTIFICATE_REFUSED', {
      error,
      configPath: 'tls.clientCertificate',
      hint: NAME_HINT,
    });
  const hint =
    'The server signs this user in by ident, peer, GSSAPI or SSPI. Allow a password or a client certificate in pg_hba.conf.';
  return new Failure('SIGN_IN_METHOD_REFUSED', { error, configPath: 'username', hint });
}

/**
 * The failure behind 28000, which stands for every refusal but that of a wrong password. Which one it is, the name of
 * the reporting function tells: it is not translated.
 */
function explainRefusal(error: PostgresError, tls: Tls): Failure {
  if (error.routine?.startsWith('read_client_')) {
    const hint =
      'Between the gateway and the server something ends TLS and begins it anew, so the password was not sent on. Check `host`.';
    return new Failure('TLS_UNTRUSTED', { error, configPath: 'host', hint });
  }
  if (error.routine === 'auth_failed') return explainMethod(error);
  if (error.routine === undefined) {
    const pooler = explainPooler(error);
    if (pooler) return pooler;
  }
  if (error.routine !== 'ClientAuthentication') {
    return new Failure('PERMISSION_DENIED', {
      error,
      configPath: 'username',
      hint: 'The server does not let this user sign in: check that it exists, and its right to log in.',
    });
  }
  if (tls.mode === 'DISABLE') {
    return new Failure('TLS_REQUIRED', {
      error,
      configPath: 'tls.mode',
      hint: `Set tls.mode to REQUIRE or stronger. If the server takes clear text: ${ADDRESS_HINT}`,
    });
  }
  if (CERTIFICATE.test(error.message)) {
    const code = tls.clientCertificate ? 'TLS_CLIENT_CERTIFICATE_REFUSED' : 'TLS_CLIENT_CERTIFICATE_REQUIRED';
    return new Failure(code, { error, configPath: 'tls.clientCertificate' });
  }
  return new Failure('PERMISSION_DENIED', { error, hint: ADDRESS_HINT });
}

/**
 * A SCRAM exchange that the server ended with an error is its refusal (RFC 5802 §7); any other fault in it is a
 * stranger's.
 */
function explainSasl(error: Error): Failure {
  if (error.message.includes('server returned error'))
    return new Failure('PASSWORD_REFUSED', { error, configPath: 'password', hint: PASSWORD_HINT });
  if (error.message.startsWith('SASL: Only mechanism')) {
    const hint =
      'The server asks for a SASL mechanism other than SCRAM-SHA-256 (OAUTHBEARER, say): allow that one, or a client certificate, for this user.';
    return new Failure('SIGN_IN_METHOD_REFUSED', { error, configPath: 'username', hint });
  }
  if (error.message.includes('exceeds scramMaxIterations')) {
    const hint =
      'The server asks for more rounds of password hashing than the gateway goes along with, 100,000: lower scram_iterations there, and set the password anew.';
    return new Failure('PROTOCOL_MISMATCH', { error, hint });
  }
  const hint = error.message.includes('signature')
    ? 'The server could not prove that it knows the password: something else may answer there. Check the host and the port.'
    : 'The server breaks the rules of SCRAM: something else may answer there. Check the host and the port.';
  return new Failure('PROTOCOL_MISMATCH', { error, hint });
}
