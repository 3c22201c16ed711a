import type { Logger } from 'pino';
import { RequestFault } from '../errors/api.ts';
import { requestError } from './request-error.ts';

/** What the server asks about tokens; modules/access answers. */
export interface Authenticator<Access> {
  /** Who a token is; null when it is unknown, expired or revoked. */
  authenticate(token: string): Promise<Access | null>;
  /** Told of a token that was refused to somebody who asked with it. Left out: nobody is. */
  refused?(token: string): void;
}

/** Who asks. */
export interface Identity<Access> {
  readonly access: Access;
  readonly token: string;
}

/** Tokens of the gateway's own have at most 512 characters, those of an OpenID provider more. */
const BEARER = /^Bearer +([\x21-\x7e]{1,8192}) *$/i;

/**
 * Finds the identity behind an Authorization header, or behind the same in a WebSocket's connection_init. @throws a
 * request error UNAUTHENTICATED or UNAVAILABLE
 */
export async function authenticate<Access>(
  authenticator: Authenticator<Access>,
  authorization: unknown,
  logger: Logger,
): Promise<Identity<Access>> {
  const token = typeof authorization === 'string' ? BEARER.exec(authorization)?.[1] : undefined;
  const access = token === undefined ? null : await ask(authenticator, token, logger);
  if (token === undefined || access === null) {
    if (token !== undefined) authenticator.refused?.(token);
    throw requestError('UNAUTHENTICATED', { status: 401, headers: { 'www-authenticate': 'Bearer' } });
  }
  return { access, token };
}

async function ask<Access>(
  authenticator: Authenticator<Access>,
  token: string,
  logger: Logger,
): Promise<Access | null> {
  try {
    return await authenticator.authenticate(token);
  } catch (error) {
    // a database that is away is told once, by the database
    if (!(error instanceof RequestFault)) logger.error({ err: error }, 'a token could not be checked');
    throw requestError('UNAVAILABLE', { status: 503, headers: { 'retry-after': '5' } });
  }
}
