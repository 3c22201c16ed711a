import { describe, expect, test } from 'vitest';
import { explainPostgres } from '../../../../src/connectors/families/postgres/failures.ts';

const TLS = { mode: 'VERIFY_FULL' } as const;

function serverError(code: string, message: string, routine?: string): Error {
  return Object.assign(new Error(message), { severity: 'FATAL', code, routine });
}

describe('what a pooler says in the place of the server', () => {
  test.each([
    ['password authentication failed', 'PASSWORD_REFUSED', 'password'],
    ['SASL authentication failed', 'PASSWORD_REFUSED', 'password'],
    ['no such user: ann', 'PASSWORD_REFUSED', 'password'],
    ['Tenant or user not found', 'PASSWORD_REFUSED', 'password'],
    ['no such database: nope', 'DATABASE_NOT_FOUND', 'database'],
    ['SSL required', 'TLS_REQUIRED', 'tls.mode'],
    ['permission denied for database "closed"', 'PERMISSION_DENIED', 'database'],
    ['too many connections for role "crowded"', 'TOO_MANY_REQUESTS', null],
    ['no more connections allowed (max_client_conn)', 'TOO_MANY_REQUESTS', null],
    ['pgbouncer cannot connect to server', 'SERVER_UNAVAILABLE', null],
    ['server login has been failing, try again later (server_login_retry)', 'SERVER_UNAVAILABLE', null],
    ['query_wait_timeout', 'SERVER_UNAVAILABLE', null],
    ['something that nobody knows', 'SERVER_ERROR', null],
  ])('%s', (message, code, configPath) => {
    const report = explainPostgres(serverError('08P01', message), TLS)?.report;
    expect(report).toMatchObject({ code, configPath });
  });

  test('is not looked for in what the server itself says', () => {
    const error = serverError('XX000', 'no such user: ann', 'some_function');
    expect(explainPostgres(error, TLS)?.report.code).toBe('SERVER_ERROR');
  });
});

describe('a refusal under 28000', () => {
  const withCertificate = { ...TLS, clientCertificate: 'PEM' };

  test.each([
    ['PAM authentication failed for user "ann"', 'PASSWORD_REFUSED', 'password'],
    ['LDAP-Authentifizierung für Benutzer »ann« fehlgeschlagen', 'PASSWORD_REFUSED', 'password'],
    ['RADIUS authentication failed for user "ann"', 'PASSWORD_REFUSED', 'password'],
    ['certificate authentication failed for user "ann"', 'TLS_CLIENT_CERTIFICATE_REFUSED', 'tls.clientCertificate'],
    ['Ident authentication failed for user "ann"', 'SIGN_IN_METHOD_REFUSED', 'username'],
    ['GSSAPI authentication failed for user "ann"', 'SIGN_IN_METHOD_REFUSED', 'username'],
  ])('%s: the same with and without a client certificate', (message, code, configPath) => {
    for (const tls of [TLS, withCertificate]) {
      const report = explainPostgres(serverError('28000', message, 'auth_failed'), tls)?.report;
      expect(report).toMatchObject({ code, configPath });
    }
  });

  test('of a role that may not log in is not the certificate’s', () => {
    const error = serverError('28000', 'role "ann" is not permitted to log in', 'InitializeSessionUserId');
    expect(explainPostgres(error, withCertificate)?.report).toMatchObject({
      code: 'PERMISSION_DENIED',
      configPath: 'username',
    });
  });
});

test.each([
  ['55000', 'PERMISSION_DENIED', 'database'],
  ['57014', 'TIMEOUT', 'username'],
  ['XX999', 'SERVER_ERROR', null],
])('%s', (code, expected, configPath) => {
  const failure = explainPostgres(serverError(code, 'boom', 'some_function'), TLS);
  expect(failure?.report).toMatchObject({ code: expected, configPath });
});

test('an error that ends SCRAM is a refusal of the credentials', () => {
  const error = new Error('SASL: SCRAM-SERVER-FINAL-MESSAGE: server returned error: "invalid-proof"');
  expect(explainPostgres(error, TLS)?.report).toMatchObject({ code: 'PASSWORD_REFUSED', configPath: 'password' });
});
