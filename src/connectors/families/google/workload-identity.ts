import { z } from 'zod';
import { serviceTarget } from '../../kit/config/target.ts';
import type { Check, CheckContext, Target } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { jsonAnswer, jsonIfAny, ownFailure, refusalEvidence, strangerFailure } from '../../kit/http/answers.ts';
import { HttpClient, type HttpRequest, type HttpResponse } from '../../kit/http/client.ts';
import { googleAccepted } from './answers.ts';
import type { GoogleSignIn, WorkloadIdentity } from './config.ts';

/** Where a token of another provider becomes one of Google's. */
const STS = serviceTarget('sts.googleapis.com');
/** Where one of Google's becomes one of a service account. */
const ACCOUNTS = serviceTarget('iamcredentials.googleapis.com');
/** What a token may do that is given to act as a service account. */
const ACT_AS = 'https://www.googleapis.com/auth/iam';
/** How long a service account's token is valid, in seconds. */
const LASTS = 300;

const TOKEN = z.string().regex(/^[\x21-\x7e]{1,16384}$/);
const EXCHANGED = z.object({ access_token: TOKEN });
const IMPERSONATED = z.object({ accessToken: TOKEN });
const REFUSAL = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/), error_description: z.string().optional() });

/** What the checks of a test share besides the client: tokens that were given for the other provider's, by scope. */
export interface GoogleSigned {
  tokens: Map<string, string>;
}

type GoogleContext = CheckContext<GoogleSignIn, Partial<GoogleSigned>>;

interface Federated<Config, State> {
  readonly targets: (config: Config) => readonly Target[];
  readonly checks: readonly Check<Config, State>[];
}

/**
 * What a connector has where its config may name a workload identity: its token is exchanged first, by servers that are
 * targets too. `scope` is the least right of its checks.
 */
export function withWorkloadIdentity<
  Config extends GoogleSignIn,
  State extends Partial<GoogleSigned>,
  Parts extends Federated<Config, State>,
>(scope: string, parts: Parts & Federated<Config, State>) {
  return {
    ...parts,
    targets: (config: Config): readonly Target[] => [...parts.targets(config), ...targetsOf(config)],
    checks: [exchangeCheck<Config, State>(scope), ...parts.checks].map(pointingAtIdentity),
  };
}

/** The same check where its failures point at who signs in by a key: with a workload identity they point at that. */
export function pointingAtIdentity<Config extends GoogleSignIn, State>(
  check: Check<Config, State>,
): Check<Config, State> {
  return {
    ...check,
    run: async (context) => {
      try {
        return await check.run(context);
      } catch (error) {
        throw error instanceof Failure ? ofIdentity(error, context.config) : error;
      }
    },
  };
}

function ofIdentity(failure: Failure, { workloadIdentity }: GoogleSignIn): Failure {
  const { code, configPath, hint } = failure.report;
  if (!workloadIdentity || !configPath?.startsWith('credentials.')) return failure;
  const { evidence } = failure;
  if (code === 'PERMISSION_DENIED') {
    const isAccount = workloadIdentity.serviceAccountEmail !== undefined;
    const told = hint === null ? {} : { hint };
    return new Failure(code, { configPath: isAccount ? ACCOUNT_PATH : AUDIENCE_PATH, ...told, evidence });
  }
  return new Failure(code, {
    configPath: TOKEN_PATH,
    hint: 'Google does not take the token that it has given for this one: check that neither the pool nor the service account is disabled.',
    evidence,
  });
}

function targetsOf({ workloadIdentity }: GoogleSignIn): readonly Target[] {
  if (!workloadIdentity) return [];
  return workloadIdentity.serviceAccountEmail === undefined ? [STS] : [STS, ACCOUNTS];
}

/** The check that exchanges the token, which has nothing to do for a config with a key. It stands before all others. */
function exchangeCheck<Config extends GoogleSignIn, State extends Partial<GoogleSigned>>(
  scope: string,
): Check<Config, State> {
  return {
    name: 'identity/exchange',
    title: 'Exchange the token',
    description:
      'Google’s Security Token Service takes the token, and the service account, if one is named, lets its owner act as itself. The owner needs Workload Identity User on that account (iam.serviceAccounts.getAccessToken).',
    base: true,
    signsIn: true,
    appliesTo: ({ workloadIdentity }) => workloadIdentity !== undefined,
    async run(context) {
      const { workloadIdentity } = context.config;
      if (!workloadIdentity) throw new Error('identity/exchange was run for a config without a workload identity.');
      await federatedToken(context, workloadIdentity, scope);
      return { evidence: { account: workloadIdentity.serviceAccountEmail } };
    },
  };
}

/** A token with this scope for who has the other provider's token. Each is asked for once in a test. */
export async function federatedToken(
  context: GoogleContext,
  identity: WorkloadIdentity,
  scope: string,
): Promise<string> {
  const { state } = context;
  state.tokens ??= new Map();
  const known = state.tokens.get(scope);
  if (known !== undefined) return known;
  const email = identity.serviceAccountEmail;
  const exchanged = await exchange(context, identity, email === undefined ? scope : ACT_AS);
  const token = email === undefined ? exchanged : await impersonate(context, email, exchanged, scope);
  state.tokens.set(scope, token);
  return token;
}

async function exchange(context: GoogleContext, { audience, token }: WorkloadIdentity, scope: string): Promise<string> {
  const form = {
    audience,
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  };
  const response = await askOnce(context, STS, {
    method: 'POST',
    path: '/v1/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams(form).toString(),
  });
  if (response.status !== 200) throw exchangeFailure(response);
  return jsonAnswer(response, EXCHANGED).access_token;
}

async function impersonate(context: GoogleContext, email: string, token: string, scope: string): Promise<string> {
  const response = await askOnce(context, ACCOUNTS, {
    method: 'POST',
    path: `/v1/projects/-/serviceAccounts/${encodeURIComponent(email)}:generateAccessToken`,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ scope: [scope], lifetime: `${LASTS}s` }),
  });
  const configPath = ACCOUNT_PATH;
  const accepted = googleAccepted(response, ({ code }) => {
    const hint =
      'The token’s owner may not act as this service account: check `workloadIdentity.serviceAccountEmail`, and grant its owner Workload Identity User on the account.';
    if (code === 403) return new Failure('PERMISSION_DENIED', { configPath, hint });
    return code === 404 ? new Failure('RESOURCE_NOT_FOUND', { configPath, hint }) : undefined;
  });
  return jsonAnswer(accepted, IMPERSONATED).accessToken;
}

/** Sends a request over a connection of its own, which the endpoint's checks do not show. */
async function askOnce(
  { dialer, signal, link }: GoogleContext,
  target: Target,
  request: HttpRequest,
): Promise<HttpResponse> {
  const http = new HttpClient({ dialer, signal, link: { socket: undefined, take: link.take } }, target);
  try {
    return await http.request(request);
  } finally {
    http.close();
  }
}

/** The failure behind a refused exchange. What is wrong with a token, only Google's text tells. */
function exchangeFailure(response: HttpResponse): Failure {
  const refusal = jsonIfAny(response, REFUSAL);
  if (!refusal) return strangerFailure(response);
  const { error, error_description: text = '' } = refusal;
  const failure = refusedToken(error, text);
  return failure?.with(refusalEvidence(response, error)) ?? ownFailure(response, error);
}

function refusedToken(error: string, text: string): Failure | undefined {
  switch (error) {
    case 'invalid_grant':
      if (/\bstale\b|\bexpired\b/i.test(text)) return new Failure('TOKEN_EXPIRED', { configPath: TOKEN_PATH });
      return new Failure('KEY_REFUSED', {
        configPath: TOKEN_PATH,
        hint: 'The token was refused: check that it is a whole one of the issuer that the pool’s provider names, for an audience that is allowed there.',
      });
    case 'invalid_target':
      return new Failure('RESOURCE_NOT_FOUND', {
        configPath: AUDIENCE_PATH,
        hint: 'Check `workloadIdentity.audience`: there is no such pool or provider, or it is disabled.',
      });
    case 'unauthorized_client':
      return new Failure('PERMISSION_DENIED', {
        configPath: AUDIENCE_PATH,
        hint: 'Check the attribute condition of the pool’s provider: it does not let the token’s owner in.',
      });
    default:
      return undefined;
  }
}

const TOKEN_PATH = 'workloadIdentity.token';
const ACCOUNT_PATH = 'workloadIdentity.serviceAccountEmail';
const AUDIENCE_PATH = 'workloadIdentity.audience';
