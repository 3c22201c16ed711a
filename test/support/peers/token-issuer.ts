import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

export type Claims = Readonly<Record<string, unknown>>;

/** What is wrong with a token. */
export type TokenFault = 'malformed' | 'signature' | 'expired' | 'issuer' | 'audience';

/** An OpenID provider: it signs tokens (RS256), and tells for one what a party that trusts it finds out. */
export interface TokenIssuer {
  /** A token for the audience, valid for five minutes, with these claims besides or instead. */
  token(claims?: Claims): string;
  /** Of the key that it signs with, as PEM. */
  readonly publicKey: string;
  judge(token: string): { readonly claims: Claims } | { readonly fault: TokenFault };
}

/** An OpenID provider with a fresh key. */
export function createTokenIssuer(issuer: string, audience: string): TokenIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    token: (claims) => {
      const now = Math.floor(Date.now() / 1000);
      return signed({ iss: issuer, aud: audience, sub: 'gateway', iat: now, exp: now + 300, ...claims }, privateKey);
    },
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    judge: (token) => judge(token, publicKey, { issuer, audience }),
  };
}

function signed(claims: Claims, key: KeyObject): string {
  const content = [{ alg: 'RS256', typ: 'JWT' }, claims].map(encode).join('.');
  return `${content}.${sign('RSA-SHA256', Buffer.from(content), key).toString('base64url')}`;
}

function judge(token: string, key: KeyObject, trusted: { readonly issuer: string; readonly audience: string }) {
  const [, header = '', payload = '', signature = ''] = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
  if (!signature) return { fault: 'malformed' } as const;
  const { alg } = decode(header);
  const isSigned = verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
  if (alg !== 'RS256' || !isSigned) return { fault: 'signature' } as const;
  const claims = decode(payload);
  if (claims.iss !== trusted.issuer) return { fault: 'issuer' } as const;
  if (claims.aud !== trusted.audience) return { fault: 'audience' } as const;
  return Number(claims.exp) > Date.now() / 1000 ? { claims } : ({ fault: 'expired' } as const);
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function decode(part: string): Claims {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims;
  } catch {
    return {};
  }
}
