import { z } from 'zod';
import { GOOGLE_DOMAIN, type ServiceAccount } from '../../kit/config/service-account.ts';
import { serviceTarget } from '../../kit/config/target.ts';
import type { CheckContext, Target } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { jsonIfAny, statusFailure } from '../../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../../kit/http/client.ts';
import type { HttpState } from '../../kit/http/http-base.ts';
import { googleToken } from './token.ts';

/** What all configs of the family have. */
export interface GoogleConfig {
  readonly credentials: ServiceAccount;
}

const REFUSAL = z.object({
  error: z.object({
    code: z.int(),
    message: z.string().optional(),
    errors: z.array(z.object({ reason: z.string() })).optional(),
  }),
});
export type GoogleRefusal = z.output<typeof REFUSAL>['error'];

/** Where a service of the account's cloud answers: `bigquery`, `storage`. */
export function googleTarget(service: string, { credentials }: GoogleConfig): Target {
  const { universeDomain } = credentials;
  return serviceTarget(`${service}.${universeDomain ?? GOOGLE_DOMAIN}`, universeDomain && 'credentials.universeDomain');
}

/** Sends a request with a token for the scope. */
export async function askGoogle(
  { config, state }: CheckContext<GoogleConfig, HttpState>,
  scope: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const authorization = `Bearer ${await googleToken(config.credentials, scope)}`;
  return state.http.request({ ...request, headers: { ...request.headers, authorization } });
}

/** An answer in the form that Google's errors have: those of something in between do not count. */
export function googleRefusal(response: HttpResponse): GoogleRefusal | undefined {
  const refusal = jsonIfAny(response, REFUSAL)?.error;
  return refusal?.code === response.status ? refusal : undefined;
}

/** The answer where it is a 2xx. `failureOf` is what one of Google's own refusals stands for, where that is more than its status. */
export function googleAccepted(
  response: HttpResponse,
  { credentials }: GoogleConfig,
  failureOf: (refusal: GoogleRefusal) => Failure | undefined,
): HttpResponse {
  if (response.status >= 200 && response.status < 300) return response;
  const refusal = googleRefusal(response);
  if (refusal?.code === 401) {
    throw new Failure('KEY_REFUSED', {
      configPath: 'credentials.privateKey',
      hint: 'Check that the key belongs to `credentials.clientEmail`, that neither is deleted or disabled, and the gateway’s clock.',
    });
  }
  const hostPath = credentials.universeDomain ? { configPath: 'credentials.universeDomain' } : {};
  throw (refusal && failureOf(refusal)) ?? statusFailure(response.status, hostPath);
}
