import { z } from 'zod';
import { googleToken } from '../families/google/token.ts';
import { GOOGLE_DOMAIN } from '../kit/config/service-account.ts';
import { tls } from '../kit/config/tls.ts';
import type { CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { statusFailure } from '../kit/http/answers.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../kit/http/client.ts';
import type { BigqueryConfig } from './config.ts';

/** What the checks of one test share. */
export interface BigqueryState {
  http?: HttpClient;
}

export type BigqueryContext = CheckContext<BigqueryConfig, BigqueryState>;

/** Reads what there is; says nothing of the data. */
export const METADATA = 'https://www.googleapis.com/auth/bigquery.readonly';
/** Google asks for this one whenever a query runs, be it one that only reads. */
export const QUERIES = 'https://www.googleapis.com/auth/bigquery';

const REFUSAL = z.object({
  error: z.object({
    code: z.int(),
    message: z.string().optional(),
    errors: z.array(z.object({ reason: z.string() })).optional(),
  }),
});
type Refusal = z.output<typeof REFUSAL>['error'];

export function targetOf({ credentials }: BigqueryConfig): Target {
  const { universeDomain } = credentials;
  const target = { host: `bigquery.${universeDomain ?? GOOGLE_DOMAIN}`, port: 443, tls: tls().parse({}) };
  return universeDomain === undefined ? target : { ...target, hostPath: 'credentials.universeDomain' };
}

/** Sends a request with a token for the scope; `path` goes on behind the project's. */
export async function askBigquery(
  { config, state }: BigqueryContext,
  scope: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  if (!state.http) throw new Error('session/authenticate has to run first.');
  const authorization = `Bearer ${await googleToken(config.credentials, scope)}`;
  const path = `/bigquery/v2/projects/${encodeURIComponent(config.projectId)}${request.path}`;
  return state.http.request({ ...request, path, headers: { ...request.headers, authorization } });
}

export function postJson(path: string, body: unknown): HttpRequest {
  return { method: 'POST', path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** The answer, where it is none of Google's refusals. */
export function accepted(response: HttpResponse, config: BigqueryConfig): HttpResponse {
  if (response.status >= 200 && response.status < 300) return response;
  const refusal = refusalOf(response);
  if (refusal) throw refusalFailure(refusal);
  const hostPath = config.credentials.universeDomain ? { configPath: 'credentials.universeDomain' } : {};
  throw statusFailure(response.status, hostPath);
}

/** An answer in the form that Google's errors have: those of something in between do not count. */
export function refusalOf(response: HttpResponse): Refusal | undefined {
  if (!response.headers['content-type']?.startsWith('application/json')) return undefined;
  const refusal = REFUSAL.safeParse(response.json()).data?.error;
  return refusal?.code === response.status ? refusal : undefined;
}

function refusalFailure({ code, message = '', errors }: Refusal): Failure {
  const reason = errors?.[0]?.reason ?? '';
  if (/rateLimitExceeded|quotaExceeded/i.test(reason)) return new Failure('TOO_MANY_REQUESTS');
  if (code === 401) {
    return new Failure('KEY_REFUSED', {
      configPath: 'credentials.privateKey',
      hint: 'Check that the key belongs to `credentials.clientEmail`, that neither is deleted or disabled, and the gateway’s clock.',
    });
  }
  if (reason === 'accessNotConfigured') {
    const hint = 'Enable the BigQuery API in the project.';
    return new Failure('PERMISSION_DENIED', { configPath: 'projectId', hint });
  }
  if (code === 403) {
    return new Failure('PERMISSION_DENIED', {
      configPath: 'credentials.clientEmail',
      hint: 'Grant the account BigQuery Job User on the project and BigQuery Data Viewer on its data.',
    });
  }
  if (code === 404 || (code === 400 && reason === 'invalid' && /project/i.test(message))) return notFound(message);
  return statusFailure(code);
}

/** Google's text says in its first words what is not there, and where else it was looked for. */
function notFound(message: string): Failure {
  if (/not found in location/.test(message)) {
    return new Failure('WRONG_REGION', { configPath: 'location', hint: 'Check `location`: the dataset is elsewhere.' });
  }
  if (/dataset/i.test(message)) {
    const hint = 'Check `dataset`: there is none of that name, or the account may not know of it.';
    return new Failure('RESOURCE_NOT_FOUND', { configPath: 'dataset', hint });
  }
  return new Failure('RESOURCE_NOT_FOUND', { configPath: 'projectId', hint: 'Check `projectId`.' });
}
