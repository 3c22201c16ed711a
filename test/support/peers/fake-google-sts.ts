import { randomBytes } from 'node:crypto';
import { json, type PeerAnswer, type PeerRequest } from './http-peer.ts';
import { createTokenIssuer } from './token-issuer.ts';

export const PROVIDER =
  '//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-pool/providers/my-provider';
/** Whom the provider trusts. */
export const issuer = createTokenIssuer('https://tokens.example', `https:${PROVIDER}`);
/** The service account that the owner of the issuer's tokens may act as. */
export const ACTED_AS = 'reader@my-project.iam.gserviceaccount.com';

export interface FakeGoogleStsOptions {
  /** What the provider's attribute condition lets in. Left out: everybody. */
  readonly lets?: (claims: Readonly<Record<string, unknown>>) => boolean;
}

interface Issued {
  readonly scopes: readonly string[];
  readonly subject: string;
  /** Left out: the owner of the other provider's token itself. */
  readonly account?: string;
}

export interface FakeGoogleSts {
  /** The tokens that it has given so far, of which each is another one. */
  readonly issued: ReadonlyMap<string, Issued>;
  /** Its answer to a request to its own hosts; undefined for a request to another one. */
  answer(request: PeerRequest): PeerAnswer | undefined;
  /** What a request to a service may do; undefined where it brings none of the tokens that were given. */
  scopes(request: PeerRequest): string[] | undefined;
}

/** One of them is needed to act as a service account. */
const ACT_AS = ['https://www.googleapis.com/auth/iam', 'https://www.googleapis.com/auth/cloud-platform'];

/**
 * Google's Security Token Service and IAM Credentials API as far as workload identity federation uses them, written
 * from their published references. It verifies the other provider's tokens.
 */
export function createFakeGoogleSts(options: FakeGoogleStsOptions = {}): FakeGoogleSts {
  const issued = new Map<string, Issued>();
  const give = (what: Issued): string => {
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    issued.set(token, what);
    return token;
  };
  const found = ({ headers }: PeerRequest) => issued.get(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
  return {
    issued,
    answer(request) {
      const { host } = request.headers;
      if (host === 'sts.googleapis.com') return exchange(request, options, give);
      if (host !== 'iamcredentials.googleapis.com') return undefined;
      return impersonate(request, found(request), give);
    },
    scopes(request) {
      const scopes = found(request)?.scopes;
      return scopes && [...scopes];
    },
  };
}

function exchange(
  { method, path, headers, body }: PeerRequest,
  { lets }: FakeGoogleStsOptions,
  give: (what: Issued) => string,
): PeerAnswer {
  const form = new URLSearchParams(body.toString());
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  if (method !== 'POST' || path !== '/v1/token' || !isForm) return { status: 404, body: 'Not Found' };
  const [grant, wanted, given] = ['grant_type', 'requested_token_type', 'subject_token_type'].map((name) =>
    form.get(name)?.replace('urn:ietf:params:oauth:', ''),
  );
  if (grant !== 'grant-type:token-exchange' || wanted !== 'token-type:access_token' || given !== 'token-type:jwt')
    return refusal('invalid_request', 'Invalid value for "grant_type".');
  if (form.get('audience') !== PROVIDER)
    return refusal('invalid_target', 'The target service indicated by the "audience" parameters is invalid.');
  const verdict = issuer.judge(form.get('subject_token') ?? '');
  if ('fault' in verdict) return refusal('invalid_grant', FAULTS[verdict.fault]);
  if (lets && !lets(verdict.claims))
    return refusal('unauthorized_client', 'The given credential is rejected by the attribute condition.');
  const scopes = (form.get('scope') ?? '').split(' ');
  const token = give({ scopes, subject: String(verdict.claims.sub) });
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  return json(200, { access_token: token, issued_token_type: type, token_type: 'Bearer', expires_in: 3600 });
}

const FAULTS = {
  malformed: 'Error parsing the given credential.',
  signature: 'Unable to verify the ID Token signature.',
  expired: 'ID Token issued at 1700000000 is stale to sign-in.',
  issuer: 'The issuer in ID Token https://tokens.example does not match the expected ones.',
  audience: 'The audience in ID Token [others] does not match the expected audience.',
};

function impersonate(
  { method, path, body }: PeerRequest,
  caller: Issued | undefined,
  give: (what: Issued) => string,
): PeerAnswer {
  const [, name] = /^\/v1\/projects\/-\/serviceAccounts\/([^/]+):generateAccessToken$/.exec(path) ?? [];
  const account = decodeURIComponent(name ?? '');
  if (method !== 'POST' || account === '') return failed(404, 'NOT_FOUND', 'Not Found');
  if (!caller?.scopes.some((scope) => ACT_AS.includes(scope)))
    return failed(401, 'UNAUTHENTICATED', 'Invalid authentication credentials.');
  if (account !== ACTED_AS) return failed(404, 'NOT_FOUND', `Gaia id not found for email ${account}`);
  if (caller.subject !== 'gateway')
    return failed(403, 'PERMISSION_DENIED', "Permission 'iam.serviceAccounts.getAccessToken' denied on resource.");
  const { scope, lifetime } = JSON.parse(body.toString()) as { scope: string[]; lifetime: string };
  const seconds = Number(/^(\d+)s$/.exec(lifetime)?.[1]);
  if (!(seconds > 0 && seconds <= 3600))
    return failed(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.');
  const expireTime = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
  return json(200, { accessToken: give({ scopes: scope, subject: caller.subject, account }), expireTime });
}

function refusal(error: string, description: string): PeerAnswer {
  return json(400, { error, error_description: description });
}

function failed(code: number, status: string, message: string): PeerAnswer {
  return json(code, { error: { code, message, status } });
}
