import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import type { PeerRequest } from './http-peer.ts';

export interface GoogleAccount {
  readonly email: string;
  readonly keyId: string;
  /** What goes into credentials.privateKey. */
  readonly privateKey: string;
}

/** A service account with a fresh RSA key. */
export function createGoogleAccount(email = 'reader@my-project.iam.gserviceaccount.com'): GoogleAccount {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { email, keyId: 'a1b2c3', privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

/**
 * The scopes of a self-signed token, verified with the account's public key, its names and its times; undefined for any
 * other. `clockAhead` is how far the server's clock is ahead, in seconds.
 */
export function googleScopes(request: PeerRequest, account: GoogleAccount, clockAhead = 0): string[] | undefined {
  const [, header = '', payload = '', signature = ''] =
    /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(request.headers.authorization ?? '') ?? [];
  const publicKey = createPublicKey(account.privateKey);
  if (
    !signature ||
    !verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url'))
  )
    return undefined;
  const { alg, kid } = decode(header);
  const { iss, sub, aud, scope, iat, exp } = decode(payload);
  const { email, keyId } = account;
  if (alg !== 'RS256' || (kid !== undefined && kid !== keyId) || iss !== email || sub !== email) return undefined;
  const now = Date.now() / 1000 + clockAhead;
  const [issued, expires] = [Number(iat), Number(exp)];
  if (!(issued <= now + 60 && expires > now && expires - issued <= 3600)) return undefined;
  // those with an audience instead of a scope have every right, and are not asked for here
  return aud === undefined && scope !== undefined ? String(scope).split(' ') : undefined;
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
}
