import { GOOGLE_DOMAIN } from '../../kit/config/service-account.ts';
import { serviceTarget } from '../../kit/config/target.ts';
import type { CheckContext, Target } from '../../kit/contract/connector.ts';
import type { HttpRequest, HttpResponse } from '../../kit/http/client.ts';
import type { HttpState } from '../../kit/http/http-base.ts';
import type { GoogleSignIn } from './config.ts';
import { googleToken } from './token.ts';
import { federatedToken, type GoogleSigned } from './workload-identity.ts';

export type GoogleState = HttpState<GoogleSigned>;

/** The target at which a service of the account's cloud answers: `bigquery`, `storage`. */
export function googleTarget(service: string, { credentials }: GoogleSignIn): Target {
  const universeDomain = credentials?.universeDomain;
  // a key file names Google's own domain too, which nobody has chosen
  const isChosen = universeDomain !== undefined && universeDomain !== GOOGLE_DOMAIN;
  return serviceTarget(
    `${service}.${universeDomain ?? GOOGLE_DOMAIN}`,
    isChosen ? 'credentials.universeDomain' : undefined,
  );
}

/** The account that is signed in as; undefined where a token’s owner is none. */
export function googleAccount({ credentials, workloadIdentity }: GoogleSignIn): string | undefined {
  return credentials?.clientEmail ?? workloadIdentity?.serviceAccountEmail;
}

/** Sends a request, signed in with a token for this scope. */
export async function askGoogle(
  context: CheckContext<GoogleSignIn, GoogleState>,
  scope: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const authorization = `Bearer ${await tokenFor(context, scope)}`;
  return context.state.http.request({ ...request, headers: { ...request.headers, authorization } });
}

function tokenFor(context: CheckContext<GoogleSignIn, GoogleState>, scope: string): Promise<string> {
  const { credentials, workloadIdentity } = context.config;
  if (workloadIdentity) return federatedToken(context, workloadIdentity, scope);
  if (!credentials) throw new Error('A config without a sign-in was taken.');
  return googleToken(credentials, scope, context.signal);
}
