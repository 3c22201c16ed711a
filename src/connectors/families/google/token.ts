import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { ServiceAccount } from '../../kit/config/service-account.ts';
import { Failure } from '../../kit/contract/failure.ts';

const TOKEN_SECONDS = 300;
const MAX_KEY_BITS = 8192;

/**
 * A bearer token that the account's own key signs; Google's APIs take it as it is, so no token endpoint is ever called.
 * `scope` is the least right that the caller needs. Valid for 5 minutes. Fails with KEY_UNUSABLE or CREDENTIALS_REQUIRED.
 */
export async function googleToken(account: ServiceAccount, scope: string): Promise<string> {
  const key = privateKeyOf(account);
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

function privateKeyOf(account: ServiceAccount): KeyObject {
  const configPath = 'credentials.privateKey';
  if (!account.privateKey)
    throw new Failure('CREDENTIALS_REQUIRED', { configPath, hint: 'Give the private key of the service account.' });
  const key = parseKey(account.privateKey, configPath);
  const bits = key.asymmetricKeyDetails?.modulusLength;
  // signing with a giant key would hold the process for minutes
  if (key.asymmetricKeyType !== 'rsa' || bits === undefined || bits < 2048 || bits > MAX_KEY_BITS) {
    throw new Failure('KEY_UNUSABLE', {
      configPath,
      hint: 'Give the RSA key of 2048 to 8192 bits from the account’s key file.',
    });
  }
  return key;
}

function parseKey(pem: string, configPath: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new Failure('KEY_UNUSABLE', { configPath, error });
  }
}
