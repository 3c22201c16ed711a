import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { z } from 'zod';

/** How long the provider may take to answer, and how long its metadata is kept, in milliseconds. */
const ANSWER_MS = 5_000;
const METADATA_KEPT_MS = 3_600_000;
/** How far the provider's clock may be from ours, in seconds. */
const CLOCK_SKEW_S = 60;
const MAX_ANSWER_BYTES = 256 * 1024;
/** Signatures by keys of which the gateway only ever knows the public half. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** What jose says of a token that is not good, and not of a provider that is away. */
const REFUSED =
  /^ERR_(JWT|JWS|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)/;

const metadata = z.object({
  issuer: z.string(),
  jwks_uri: z.url(),
  authorization_endpoint: z.url().optional(),
  token_endpoint: z.url().optional(),
});
type Metadata = z.output<typeof metadata>;

const tokenAnswer = z.object({ id_token: z.string().optional(), access_token: z.string().optional() });

export interface ProviderOptions {
  readonly issuer: string;
  readonly audience: string;
  /** For sign-in by code flow. Left out: the audience. */
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  /** How long keys are kept before an unknown one makes the gateway ask again, in milliseconds. Left out: 30 s. */
  readonly cooldownMs?: number | undefined;
}

/** Where a browser goes to sign in. */
export interface Authorization {
  readonly endpoint: string;
  readonly clientId: string;
}

/** What a browser brings back from there. */
export interface AuthorizationCode {
  readonly code: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** An OpenID provider: its keys by discovery, and sign-in by code flow with PKCE (RFC 7636). */
export class OpenIdProvider {
  readonly #options: ProviderOptions;
  #known: { readonly at: number; readonly found: Promise<{ metadata: Metadata; keys: JWTVerifyGetKey }> } | undefined;

  constructor(options: ProviderOptions) {
    this.#options = options;
  }

  get issuer(): string {
    return this.#options.issuer;
  }

  /**
   * The claims of a token that the provider has signed for this gateway and that is good now; null for any other.
   * Rejects while the provider's keys cannot be had.
   */
  async verify(token: string): Promise<JWTPayload | null> {
    const { jwtVerify } = await import('jose');
    const { keys } = await this.#discover();
    const { issuer, audience } = this.#options;
    const expected = {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_SKEW_S,
      requiredClaims: ['sub', 'exp', 'iat'],
    };
    try {
      return (await jwtVerify(token, keys, expected)).payload;
    } catch (error) {
      if (error instanceof Error && 'code' in error && REFUSED.test(String(error.code))) return null;
      throw error;
    }
  }

  /** Where to sign in; undefined where the provider has no page for it. */
  async authorization(): Promise<Authorization | undefined> {
    const { authorization_endpoint: endpoint } = (await this.#discover()).metadata;
    return endpoint === undefined ? undefined : { endpoint, clientId: this.#clientId };
  }

  /** Exchanges a code for a token that verify() takes; null where the provider does not take the code. */
  async exchange({ code, verifier, redirectUri }: AuthorizationCode): Promise<string | null> {
    const { token_endpoint: endpoint } = (await this.#discover()).metadata;
    if (endpoint === undefined) return null;
    const { clientSecret } = this.#options;
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: redirectUri,
      client_id: this.#clientId,
      ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
    });
    const answer = await ask(endpoint, { method: 'POST', body });
    if (!answer.ok) return null;
    const { access_token, id_token } = tokenAnswer.parse(answer.json);
    for (const token of [access_token, id_token])
      if (token !== undefined && looksLikeJwt(token) && (await this.verify(token))) return token;
    return null;
  }

  get #clientId(): string {
    return this.#options.clientId ?? this.#options.audience;
  }

  #discover(): Promise<{ metadata: Metadata; keys: JWTVerifyGetKey }> {
    const now = performance.now();
    if (this.#known && now - this.#known.at < METADATA_KEPT_MS) return this.#known.found;
    const found = this.#read();
    this.#known = { at: now, found };
    found.catch(() => {
      if (this.#known?.found === found) this.#known = undefined;
    });
    return found;
  }

  async #read(): Promise<{ metadata: Metadata; keys: JWTVerifyGetKey }> {
    const { issuer, cooldownMs } = this.#options;
    const answer = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    if (!answer.ok) throw new Error(`the OpenID provider has no metadata (HTTP ${answer.status})`);
    const found = metadata.parse(answer.json);
    if (found.issuer !== issuer) throw new Error('the OpenID provider calls itself by another name than OIDC_ISSUER');
    const { createRemoteJWKSet } = await import('jose');
    const keys = createRemoteJWKSet(new URL(found.jwks_uri), {
      timeoutDuration: ANSWER_MS,
      ...(cooldownMs === undefined ? {} : { cooldownDuration: cooldownMs }),
    });
    return { metadata: found, keys };
  }
}

/** Whether a bearer token has the form of a JWT (RFC 7519): three parts, the first of them a JSON object. */
export function looksLikeJwt(token: string): boolean {
  return /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
}

async function ask(url: string, init: RequestInit = {}): Promise<{ ok: boolean; status: number; json: unknown }> {
  const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) });
  const text = await answer.text();
  if (text.length > MAX_ANSWER_BYTES) throw new Error('the OpenID provider answers with too much');
  return { ok: answer.ok, status: answer.status, json: answer.ok ? JSON.parse(text) : undefined };
}
