import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';

export const AUDIENCE = 'urn:datastore-gateway';
const CLIENT = 'graphiql';

/** A real OpenID provider (oidc-provider) on loopback, whose people sign in by their names alone. */
export interface OpenIdPeer {
  readonly issuer: string;
  readonly audience: string;
  readonly clientId: string;
  /** A token of the provider's own key; `more` overrides its claims, and `header` its header. */
  tokenFor(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** From now on the provider signs with a new key, and shows that alone. */
  rotateKey(): Promise<void>;
  /** Sends its client's people back there from now on. */
  redirectTo(uri: string): void;
  /** Takes the provider off the network, and puts it back. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** How often its keys were asked for. */
  keyRequests(): number;
  close(): Promise<void>;
}

/** `redirectUri` is where its one client may be sent back to. */
export async function startOpenIdPeer(
  people: Readonly<Record<string, object>>,
  redirectUri: string,
): Promise<OpenIdPeer> {
  let signing = await newKey();
  let keyRequests = 0;
  let handle: ReturnType<Provider['callback']> = async () => undefined;
  const start = (port: number) =>
    new Promise<Server>((resolve) => {
      const server = createServer((request, response) => {
        if (request.url?.startsWith('/jwks')) keyRequests += 1;
        void handle(request, response);
      }).listen(port, '127.0.0.1', () => resolve(server));
    });
  let server = await start(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  let redirect = redirectUri;
  const configure = () => {
    // it warns of what only matters in production
    const { info, warn } = console;
    Object.assign(console, { info: () => undefined, warn: () => undefined });
    handle = new Provider(issuer, configurationOf(people, redirect, signing.jwk)).callback();
    Object.assign(console, { info, warn });
  };
  configure();
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    issuer,
    audience: AUDIENCE,
    clientId: CLIENT,
    async tokenFor(claims, header = {}) {
      const now = Math.floor(Date.now() / 1_000);
      const all = { iss: issuer, aud: AUDIENCE, iat: now, exp: now + 600, ...claims };
      const jwt = new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: signing.kid, ...header });
      return jwt.sign(signing.privateKey);
    },
    async rotateKey() {
      signing = await newKey();
      configure();
    },
    redirectTo(uri) {
      redirect = uri;
      configure();
    },
    goAway: stop,
    async comeBack() {
      server = await start(port);
    },
    keyRequests: () => keyRequests,
    close: stop,
  };
}

async function newKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = randomBytes(4).toString('hex');
  return { privateKey, kid, jwk: { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' } };
}

function configurationOf(people: Readonly<Record<string, object>>, redirectUri: string, key: JWK): Configuration {
  return {
    clients: [
      {
        client_id: CLIENT,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [key] } as NonNullable<Configuration['jwks']>,
    cookies: { keys: [randomBytes(16).toString('hex')] },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'profile',
          audience: AUDIENCE,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    extraTokenClaims: (_context, token) => ('accountId' in token ? { ...people[String(token.accountId)] } : {}),
    findAccount: (_context, id) =>
      people[id] ? { accountId: id, claims: async () => ({ sub: id, ...people[id] }) } : undefined,
    ttl: { AccessToken: 300, IdToken: 300, Interaction: 300, Session: 300, Grant: 300 },
  };
}

/** What a browser does at the provider’s development pages: signs in, agrees, and is sent back. */
export async function signInAt(endpoint: string, clientId: string, redirectUri: string, login: string) {
  const [verifier, state] = [randomBytes(32).toString('base64url'), randomBytes(8).toString('hex')];
  const url = new URL(endpoint);
  const asked = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const cookies = new Map<string, string>();
  let next = { url: url.href, body: undefined as URLSearchParams | undefined };
  for (let step = 0; step < 20; step += 1) {
    const answer = await fetch(next.url, {
      redirect: 'manual',
      method: next.body ? 'POST' : 'GET',
      ...(next.body ? { body: next.body } : {}),
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = answer.headers.get('location');
    if (location?.startsWith(redirectUri)) {
      const back = new URL(location).searchParams;
      return { code: back.get('code') ?? '', state: back.get('state') === state, verifier };
    }
    if (location) next = { url: new URL(location, next.url).href, body: undefined };
    else {
      const page = await answer.text();
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
      const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
      if (!prompt || !action) throw new Error(`This is no page to sign in: ${answer.status} ${page.slice(0, 200)}`);
      const body = new URLSearchParams({ prompt, ...(prompt === 'login' ? { login, password: 'any' } : {}) });
      next = { url: new URL(action, next.url).href, body };
    }
  }
  throw new Error('It never ends.');
}
