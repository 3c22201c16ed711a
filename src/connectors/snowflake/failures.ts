import type { FailureCode } from '../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { refusalEvidence, strangerFailure } from '../kit/http/answers.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import type { SnowflakeConfig } from './config.ts';

const PASSWORD = 'authentication.password.password';
const PRIVATE_KEY = 'authentication.keyPair.privateKey';
const TOKEN = 'authentication.accessToken.token';

const KEY_HINT =
  'Check that the key belongs to `username` (RSA_PUBLIC_KEY of the user), and that `account` is written as Snowflake shows it.';
const NO_WAREHOUSE = 'Check `warehouse`: there is none of that name, or the role lacks USAGE on it.';

/** The failure behind each of Snowflake's own codes. */
const BY_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  390100: ['PASSWORD_REFUSED', { configPath: PASSWORD, hint: 'Check `username` and the password.' }],
  390144: ['KEY_REFUSED', { configPath: PRIVATE_KEY, hint: KEY_HINT }],
  394300: ['KEY_REFUSED', { configPath: 'username', hint: 'Snowflake does not know this user: check `username`.' }],
  394302: ['CLOCK_SKEW', {}],
  394303: ['CLOCK_SKEW', {}],
  394304: ['KEY_REFUSED', { configPath: PRIVATE_KEY, hint: KEY_HINT }],
  394306: ['KEY_REFUSED', { configPath: PRIVATE_KEY, hint: KEY_HINT }],
  390303: ['KEY_REFUSED', { configPath: TOKEN, hint: 'Check the token, and that it is for this account and user.' }],
  390318: ['TOKEN_EXPIRED', { configPath: TOKEN }],
  394400: ['KEY_REFUSED', { configPath: TOKEN, hint: 'Check the token, and that it has not been revoked.' }],
  390186: ['PERMISSION_DENIED', { configPath: 'role', hint: 'Check `role`: it is not granted to the user.' }],
  390189: ['RESOURCE_NOT_FOUND', { configPath: 'role', hint: 'Check `role`: it does not exist, or is not granted.' }],
  390422: [
    'PERMISSION_DENIED',
    {
      configPath: 'account',
      hint: 'A network policy of the account does not let the gateway’s address in: ask its administrator to add it.',
    },
  ],
  394509: [
    'SIGN_IN_METHOD_REFUSED',
    {
      configPath: 'authentication',
      hint: 'Snowflake wants a second factor of this user, which nobody can give here: use a key pair or an access token.',
    },
  ],
  '090073': [
    'SERVER_UNAVAILABLE',
    {
      configPath: 'warehouse',
      hint: 'The warehouse may not run: resume it, or raise the quota of its resource monitor.',
    },
  ],
  391920: ['RESOURCE_NOT_FOUND', { configPath: 'warehouse', hint: NO_WAREHOUSE }],
  '000606': ['RESOURCE_NOT_FOUND', { configPath: 'warehouse', hint: NO_WAREHOUSE }],
  '003001': ['PERMISSION_DENIED', { configPath: 'role', hint: 'Grant the role the right that the check needs.' }],
};

/**
 * The codes for an object that does not exist, or that the role may not know of. At best the text says which object it
 * is.
 */
const NOT_FOUND = ['002003', '002043', '390201'];

/** The kinds of objects in a config, in Snowflake's words. */
export type SnowflakeObject = 'database' | 'schema' | 'warehouse' | 'role';

/** The failure behind one of Snowflake's codes. `message` is looked through for the kind of object alone. */
export function codeFailure(code: string, message: string, config: SnowflakeConfig): Failure {
  const failure = knownFailure(code, message, config) ?? new Failure('SERVER_ERROR');
  return failure.with({ serverError: /^\d{6}$/.exec(code)?.[0] });
}

function knownFailure(code: string, message: string, config: SnowflakeConfig): Failure | undefined {
  const known = BY_CODE[code];
  if (known) return new Failure(...known);
  if (NOT_FOUND.includes(code)) {
    const kind = /\b(database|schema|warehouse|role)\b/i.exec(message)?.[1]?.toLowerCase() as
      | SnowflakeObject
      | undefined;
    return kind ? notFound(kind) : new Failure('RESOURCE_NOT_FOUND', { hint: NAMES_HINT });
  }
  // the other codes of this range are about signing in: a locked user or an expired password, say
  if (!/^39[045]\d{3}$/.test(code)) return undefined;
  return new Failure(config.authentication.password ? 'PASSWORD_REFUSED' : 'KEY_REFUSED', {
    configPath: signInPath(config),
    hint: 'Snowflake does not let this user in: look its code up, or ask the account’s administrator.',
  });
}

const NAMES_HINT = 'Check `database`, `schema` and `warehouse`, and what the role has USAGE on.';

/**
 * The failure for an object that does not exist, or that the role may not know of: Snowflake does not tell the two
 * apart.
 */
export function notFound(kind: SnowflakeObject): Failure {
  const hint = `Check \`${kind}\`: there is none of that name, or the role lacks USAGE on it.`;
  const code =
    kind === 'database' ? 'DATABASE_NOT_FOUND' : kind === 'schema' ? 'SCHEMA_NOT_FOUND' : 'RESOURCE_NOT_FOUND';
  return new Failure(code, { configPath: kind, hint });
}

/** The status of a host that no account has, and of nobody else. */
const NO_ACCOUNT = 513;

/**
 * The failure behind a status that comes without one of Snowflake's codes. Hosts that no account has answer 403, 404 or
 * 513; what stands between the gateway and Snowflake may answer the first two as well.
 */
export function plainFailure(response: HttpResponse): Failure {
  const { status } = response;
  if (status === NO_ACCOUNT)
    return new Failure('RESOURCE_NOT_FOUND', {
      configPath: 'account',
      hint: 'Check `account`: Snowflake has none there.',
      evidence: refusalEvidence(response),
    });
  if (status !== 403 && status !== 404) return strangerFailure(response);
  const hint = 'Check `account`: Snowflake has none there, or a proxy or firewall on the way answers in its place.';
  return strangerFailure(response, { hint });
}

/** The path of the secret that this config signs in with. */
export function signInPath({ authentication }: SnowflakeConfig): string {
  if (authentication.password) return PASSWORD;
  return authentication.keyPair ? PRIVATE_KEY : TOKEN;
}
