import type { FailureCode } from '../../../errors/check-failures.ts';
import { Failure, type FailureDetails } from '../../kit/contract/failure.ts';
import type { PostgresError } from './wire.ts';

const LIMIT_HINT = 'The pooler in front of the server has no connection left (max_client_conn). Try again later.';
const BEHIND_HINT = 'A pooler answers, but cannot reach or sign in at the server behind it. Ask its operator.';

/**
 * What poolers say. PgBouncer (1.18) sends nearly all of it under 08P01, "protocol violation", in fixed English; PgCat,
 * Odyssey and Supavisor use words of their own. The first that fits is taken.
 */
const SAYINGS: readonly (readonly [RegExp, FailureCode, FailureDetails])[] = [
  [
    /^(SASL|password) authentication failed|^(auth|authentication) failed|^no such user|^Tenant or user not found/i,
    'PASSWORD_REFUSED',
    {
      configPath: 'password',
      hint: 'Check `username` and `password`: the pooler in front of the server knows no such pair.',
    },
  ],
  [
    /^no such database|^database "?[^"]*"? (does not exist|not found)|^No pool configured/i,
    'DATABASE_NOT_FOUND',
    { configPath: 'database', hint: 'Check `database`: the pooler in front of the server has none of this name.' },
  ],
  // what the server behind it has said, which PgBouncer hands on
  [
    /^permission denied for database/i,
    'PERMISSION_DENIED',
    { configPath: 'database', hint: 'Grant the user CONNECT on the database.' },
  ],
  [
    /^too many connections for (role|database)/i,
    'TOO_MANY_REQUESTS',
    { hint: 'The server has no connection left for this user. Try again later.' },
  ],
  [/^(TLS|SSL) required/i, 'TLS_REQUIRED', { configPath: 'tls.mode' }],
  [
    /^no more connections allowed|too many (clients|connections)|max(imum)? client/i,
    'TOO_MANY_REQUESTS',
    { hint: LIMIT_HINT },
  ],
  [/^(query_wait_timeout|client_login_timeout|client_idle_timeout)/i, 'SERVER_UNAVAILABLE', { hint: BEHIND_HINT }],
  [
    /^(pgbouncer cannot connect|server (login|conn|closed)|server_login|connect failed|pooler is shut)/i,
    'SERVER_UNAVAILABLE',
    { hint: BEHIND_HINT },
  ],
  [
    /^(bouncer config error|the database system is|pgbouncer is|database .* (is paused|does not allow))/i,
    'SERVER_UNAVAILABLE',
    { hint: BEHIND_HINT },
  ],
];

/** The failure behind an error that a pooler sent instead of the server: it names no function of the server's. */
export function explainPooler(error: PostgresError): Failure | undefined {
  if (error.routine !== undefined) return undefined;
  const found = SAYINGS.find(([words]) => words.test(error.message));
  return found && new Failure(found[1], { ...found[2], error });
}
