import type { KeyObject } from 'node:crypto';
import type { ServiceAccount } from '../../kit/config/service-account.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { openPrivateKey } from '../../kit/keys/private-key.ts';

const TOKEN_SECONDS = 300;
const MIN_KEY_BITS = 2048;

/**
 * Makes a bearer token that the account's own key signs. Google's APIs take it as it is, so no token endpoint is ever
 * called. `scope` is the least right that the caller needs. The token is valid for 5 minutes. Fails with KEY_UNUSABLE.
 */
export async function googleToken(account: ServiceAccount, scope: string, signal: AbortSignal): Promise<string> {
  const key = await privateKeyOf(account, signal);
  const { SignJWT } = await import('jose');
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(account.privateKeyId ? { kid: account.privateKeyId } : {}) })
    .setIssuer(account.clientEmail)
    .setSubject(account.clientEmail)
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_SECONDS)
    .sign(key);
}

async function privateKeyOf(account: ServiceAccount, signal: AbortSignal): Promise<KeyObject> {
  const configPath = 'credentials.privateKey';
  // a service account's key is never encrypted, so its passphrase is never asked for
  const paths = { keyPath: configPath, passphrasePath: configPath };
  const key = await openPrivateKey(account.privateKey, { ...paths, signal });
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_KEY_BITS) {
    throw new Failure('KEY_UNUSABLE', {
      configPath,
      hint: 'Give the RSA key of 2048 to 8192 bits from the account’s key file.',
    });
  }
  return key;
}
