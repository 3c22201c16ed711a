import type { FailureCode } from '../../../errors/check-failures.ts';
import { Failure } from './failure.ts';

/** The config fields that a network failure points at. */
export interface NetworkPaths {
  readonly hostPath?: string;
  readonly portPath?: string;
  /** What to do about a name that does not resolve. Left out: what the table of codes says. */
  readonly nameHint?: string;
}

const SOCKET_ERRORS: Readonly<Record<string, FailureCode>> = {
  ENOTFOUND: 'NAME_NOT_FOUND',
  ENODATA: 'NAME_NOT_FOUND',
  EAI_AGAIN: 'NAME_LOOKUP_FAILED',
  EAI_FAIL: 'NAME_LOOKUP_FAILED',
  ESERVFAIL: 'NAME_LOOKUP_FAILED',
  ECONNREFUSED: 'CONNECTION_REFUSED',
  EHOSTUNREACH: 'HOST_UNREACHABLE',
  EHOSTDOWN: 'HOST_UNREACHABLE',
  ENETUNREACH: 'HOST_UNREACHABLE',
  ENETDOWN: 'HOST_UNREACHABLE',
  EADDRNOTAVAIL: 'HOST_UNREACHABLE',
  EAFNOSUPPORT: 'HOST_UNREACHABLE',
  EACCES: 'HOST_UNREACHABLE',
  EPERM: 'HOST_UNREACHABLE',
  ECONNRESET: 'CONNECTION_LOST',
  ECONNABORTED: 'CONNECTION_LOST',
  EPIPE: 'CONNECTION_LOST',
  ENOTCONN: 'CONNECTION_LOST',
  ERR_STREAM_PREMATURE_CLOSE: 'CONNECTION_LOST',
  ERR_STREAM_DESTROYED: 'CONNECTION_LOST',
  ERR_STREAM_WRITE_AFTER_END: 'CONNECTION_LOST',
  UND_ERR_SOCKET: 'CONNECTION_LOST',
  ETIMEDOUT: 'TIMEOUT',
  ESOCKETTIMEDOUT: 'TIMEOUT',
  UND_ERR_CONNECT_TIMEOUT: 'TIMEOUT',
  UND_ERR_HEADERS_TIMEOUT: 'TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'TIMEOUT',
  UND_ERR_HEADERS_OVERFLOW: 'TOO_MUCH_DATA',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'TOO_MUCH_DATA',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'PROTOCOL_MISMATCH',
};

/**
 * The failure behind each of OpenSSL's names of what is wrong with a chain: Node gives it as `authorizationError`, or
 * as the code of an error.
 */
const CHAIN_ERRORS: Readonly<Record<string, FailureCode>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'TLS_SELF_SIGNED',
  SELF_SIGNED_CERT_IN_CHAIN: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'TLS_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS_UNTRUSTED',
  CERT_UNTRUSTED: 'TLS_UNTRUSTED',
  CERT_REJECTED: 'TLS_UNTRUSTED',
  CERT_REVOKED: 'TLS_UNTRUSTED',
  CERT_CHAIN_TOO_LONG: 'TLS_UNTRUSTED',
  CERT_SIGNATURE_FAILURE: 'TLS_UNTRUSTED',
  INVALID_CA: 'TLS_UNTRUSTED',
  INVALID_PURPOSE: 'TLS_UNTRUSTED',
  PATH_LENGTH_EXCEEDED: 'TLS_UNTRUSTED',
  CERT_HAS_EXPIRED: 'TLS_EXPIRED',
  CERT_NOT_YET_VALID: 'TLS_NOT_YET_VALID',
  HOSTNAME_MISMATCH: 'TLS_NAME_MISMATCH',
  ERR_TLS_CERT_ALTNAME_INVALID: 'TLS_NAME_MISMATCH',
};

/** A server sends these alerts about our certificate alone. */
const CLIENT_CERTIFICATE_ALERTS =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)$/;

const CONFIG_PATHS: Partial<Record<FailureCode, string>> = {
  TLS_SELF_SIGNED: 'tls.caCertificate',
  TLS_UNTRUSTED: 'tls.caCertificate',
  TLS_NAME_MISMATCH: 'tls.serverName',
  TLS_CLIENT_CERTIFICATE_REQUIRED: 'tls.clientCertificate',
  TLS_CLIENT_CERTIFICATE_REFUSED: 'tls.clientCertificate',
  TLS_NOT_OFFERED: 'tls.mode',
  TLS_REQUIRED: 'tls.mode',
};
const AT_HOST: readonly FailureCode[] = [
  'ADDRESS_NOT_ALLOWED',
  'NAME_NOT_FOUND',
  'NAME_LOOKUP_FAILED',
  'HOST_UNREACHABLE',
  'SSH_FORWARDING_REFUSED',
  'SSH_TARGET_UNREACHABLE',
];
const AT_PORT: readonly FailureCode[] = ['CONNECTION_REFUSED', 'PROTOCOL_MISMATCH', 'TLS_FAILED', 'TOO_MUCH_DATA'];

/**
 * The failure behind an error of a socket, of the resolver, of TLS or of the HTTP client, wherever a driver has put it
 * (`cause`, `errors`). A Failure on the way is taken as it is and told which field it is about. Undefined for any other
 * error, and for aborts: run-checks.ts alone knows whether one is a deadline or a cancellation.
 */
export function explainNetworkError(error: unknown, paths: NetworkPaths = {}): Failure | undefined {
  for (const each of causes(error)) {
    if (isAbort(each)) return undefined;
    const found = each instanceof Failure ? each : explainOne(each);
    if (found) return pointed(found, paths);
  }
  return undefined;
}

/** The failure behind an error of a TLS handshake, or behind an alert that came after it. */
export function explainTlsError(error: Error): Failure | undefined {
  const code = codeOf(error);
  const chain = chainFailureCode(code);
  if (chain) return tlsFailure(chain, error);
  if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') return tlsFailure('TLS_CLIENT_CERTIFICATE_REQUIRED', error);
  if (!/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) return undefined;
  return tlsFailure(CLIENT_CERTIFICATE_ALERTS.test(code) ? 'TLS_CLIENT_CERTIFICATE_REFUSED' : 'TLS_FAILED', error);
}

/** The code of the failure behind OpenSSL's name of why it refuses a chain. */
export function chainFailureCode(reason: string): FailureCode | undefined {
  return CHAIN_ERRORS[reason];
}

function explainOne(error: Error): Failure | undefined {
  const code = codeOf(error);
  const known = SOCKET_ERRORS[code];
  if (known) return new Failure(known, { error });
  // the parser's error holds what the peer sent, so only its code goes on
  if (code.startsWith('HPE_') || error.name === 'HTTPParserError') {
    return new Failure(code === 'HPE_HEADER_OVERFLOW' ? 'TOO_MUCH_DATA' : 'PROTOCOL_MISMATCH', {
      error: new Error(code || error.name),
    });
  }
  if (error.message === 'socket hang up') return new Failure('CONNECTION_LOST', { error });
  return explainTlsError(error);
}

function tlsFailure(code: FailureCode, error: Error): Failure {
  return new Failure(code, { configPath: CONFIG_PATHS[code], error });
}

/** The same failure, which is told the field of the config that it is about when it does not know it yet. */
function pointed(failure: Failure, { hostPath, portPath, nameHint }: NetworkPaths): Failure {
  const { code, configPath, ...words } = failure.report;
  const hint = code === 'NAME_NOT_FOUND' ? (nameHint ?? words.hint) : words.hint;
  if (configPath !== null) return failure;
  const path = AT_HOST.includes(code) ? hostPath : AT_PORT.includes(code) ? (portPath ?? hostPath) : CONFIG_PATHS[code];
  if (path === undefined) return failure;
  return new Failure(code, {
    configPath: path,
    hint: hint ?? undefined,
    error: failure.cause,
    evidence: failure.evidence,
  });
}

/** The error itself, then those that caused it, the outermost first. */
function causes(error: unknown): Error[] {
  const found = new Set<Error>();
  const visit = (each: unknown) => {
    if (!(each instanceof Error) || found.has(each)) return;
    found.add(each);
    visit(each.cause);
    if (each instanceof AggregateError) each.errors.forEach(visit);
  };
  visit(error);
  return [...found];
}

function isAbort(error: Error): boolean {
  return error.name === 'AbortError' || error.name === 'TimeoutError';
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
