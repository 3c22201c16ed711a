import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { explainNetworkError } from '../../../../src/connectors/kit/contract/explain.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';

const PATHS = { hostPath: 'host', portPath: 'port' };

function errorOf(code: string, message = 'peer words'): Error {
  return Object.assign(new Error(message), { code });
}

function told(
  error: unknown,
  paths: Parameters<typeof explainNetworkError>[1] = PATHS,
): [string, string | null] | undefined {
  const report = explainNetworkError(error, paths)?.report;
  return report && [report.code, report.configPath];
}

describe('explainNetworkError', () => {
  it.each([
    ['ENOTFOUND', 'NAME_NOT_FOUND', 'host'],
    ['EAI_AGAIN', 'NAME_LOOKUP_FAILED', 'host'],
    ['ECONNREFUSED', 'CONNECTION_REFUSED', 'port'],
    ['EHOSTUNREACH', 'HOST_UNREACHABLE', 'host'],
    ['ENETUNREACH', 'HOST_UNREACHABLE', 'host'],
    ['ECONNRESET', 'CONNECTION_LOST', null],
    ['EPIPE', 'CONNECTION_LOST', null],
    ['UND_ERR_SOCKET', 'CONNECTION_LOST', null],
    ['ETIMEDOUT', 'TIMEOUT', null],
    ['UND_ERR_HEADERS_TIMEOUT', 'TIMEOUT', null],
    ['UND_ERR_HEADERS_OVERFLOW', 'TOO_MUCH_DATA', 'port'],
    ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'TOO_MUCH_DATA', 'port'],
    ['HPE_INVALID_CONSTANT', 'PROTOCOL_MISMATCH', 'port'],
    ['HPE_HEADER_OVERFLOW', 'TOO_MUCH_DATA', 'port'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'TLS_FAILED', 'port'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TLS_FAILED', 'port'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'TLS_CLIENT_CERTIFICATE_REQUIRED', 'tls.clientCertificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'TLS_CLIENT_CERTIFICATE_REFUSED', 'tls.clientCertificate'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'TLS_CLIENT_CERTIFICATE_REFUSED', 'tls.clientCertificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS_SELF_SIGNED', 'tls.caCertificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_UNTRUSTED', 'tls.caCertificate'],
    ['CERT_HAS_EXPIRED', 'TLS_EXPIRED', null],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_NAME_MISMATCH', 'tls.serverName'],
  ])('takes %s for %s at %s', (code, failure, path) => {
    expect(told(errorOf(code))).toEqual([failure, path]);
    expect(told(new Error('wrapped', { cause: new Error('again', { cause: errorOf(code) }) }))).toEqual([
      failure,
      path,
    ]);
  });

  it('takes a hang-up for a lost connection', () => {
    expect(told(new Error('socket hang up'))).toEqual(['CONNECTION_LOST', null]);
  });

  it('looks into what several attempts gave', () => {
    expect(told(new AggregateError([errorOf('EUNKNOWN'), errorOf('ECONNREFUSED')]))).toEqual([
      'CONNECTION_REFUSED',
      'port',
    ]);
  });

  it('points at the host where there is no port field, and nowhere where there is neither', () => {
    expect(told(errorOf('ECONNREFUSED'), { hostPath: 'baseUrl' })).toEqual(['CONNECTION_REFUSED', 'baseUrl']);
    expect(told(errorOf('ECONNREFUSED'), {})).toEqual(['CONNECTION_REFUSED', null]);
  });

  it('leaves what a Failure says, and adds the field', () => {
    const failure = new Failure('HOST_UNREACHABLE', {
      hint: 'Ask the operator.',
      evidence: { a: 1 },
      error: errorOf('EPIPE'),
    });
    const pointed = explainNetworkError(new Error('wrapped', { cause: failure }), PATHS);
    expect(pointed?.report).toEqual({ ...failure.report, configPath: 'host' });
    expect(pointed?.evidence).toEqual({ a: 1 });
    expect(pointed?.cause).toBe(failure.cause);
    const own = new Failure('NAME_NOT_FOUND', { configPath: 'sshTunnel.host' });
    expect(explainNetworkError(own, PATHS)).toBe(own);
  });

  it('does not keep what an HTTP peer sent', () => {
    const error = Object.assign(errorOf('HPE_INVALID_CONSTANT', 'Expected HTTP/'), { data: 'peer words' });
    expect(inspect(error)).toContain('peer words');
    expect(inspect(explainNetworkError(error))).not.toContain('peer words');
  });

  it('leaves aborts and everything else alone', () => {
    expect(told(new DOMException('aborted', 'AbortError'))).toBeUndefined();
    expect(told(new DOMException('late', 'TimeoutError'))).toBeUndefined();
    expect(told(new Error('x', { cause: AbortSignal.abort().reason }))).toBeUndefined();
    expect(told(new TypeError('a mistake of ours'))).toBeUndefined();
    expect(told('deadline')).toBeUndefined();
    expect(told(undefined)).toBeUndefined();
  });

  it('is not led in circles', () => {
    const error = new Error('circle');
    error.cause = error;
    expect(told(error)).toBeUndefined();
  });
});
