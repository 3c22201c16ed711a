import { type GoogleRefusal, googleAccepted } from '../families/google/answers.ts';
import { askGoogle, type GoogleState } from '../families/google/client.ts';
import type { CheckContext } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { type BigqueryConfig, dataProject } from './config.ts';

export type BigqueryContext = CheckContext<BigqueryConfig, GoogleState>;

/** The scope that lets the gateway read what there is in a project. */
export const METADATA = 'https://www.googleapis.com/auth/bigquery.readonly';
/** The scope that Google asks for whenever a query runs, even if that only reads. */
export const QUERIES = 'https://www.googleapis.com/auth/bigquery';

/**
 * Sends a request, signed in with a token for the scope. The project's path is put before the request's: datasets are
 * in the project that holds the data, and jobs in the one that pays.
 */
export function askBigquery(context: BigqueryContext, scope: string, request: HttpRequest): Promise<HttpResponse> {
  const { config } = context;
  const project = request.path.startsWith('/datasets') ? dataProject(config) : config.projectId;
  const path = `/bigquery/v2/projects/${encodeURIComponent(project)}${request.path}`;
  return askGoogle(context, scope, { ...request, path });
}

export function postJson(path: string, body: unknown): HttpRequest {
  return { method: 'POST', path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** The answer when it is a success. Fails with what any other answer stands for. */
export function accepted(response: HttpResponse): HttpResponse {
  return googleAccepted(response, (refusal) => refusalFailure(refusal, 'projectId'));
}

/** The same for a request that is about datasets, which may be in a project of their own. */
export function acceptedData(response: HttpResponse, { dataProjectId }: BigqueryConfig): HttpResponse {
  const project = dataProjectId === undefined ? 'projectId' : 'dataProjectId';
  return googleAccepted(response, (refusal) => refusalFailure(refusal, project));
}

type ProjectPath = 'projectId' | 'dataProjectId';

function refusalFailure({ code, message = '', errors }: GoogleRefusal, project: ProjectPath): Failure | undefined {
  const reason = errors?.[0]?.reason ?? '';
  if (/rateLimitExceeded|quotaExceeded/i.test(reason)) return new Failure('TOO_MANY_REQUESTS');
  if (reason === 'accessNotConfigured') {
    const hint = 'Enable the BigQuery API in the project.';
    return new Failure('PERMISSION_DENIED', { configPath: project, hint });
  }
  if (code === 403) {
    return new Failure('PERMISSION_DENIED', {
      configPath: 'credentials.clientEmail',
      hint: 'Grant the account BigQuery Job User on the project that pays and BigQuery Data Viewer on the data.',
    });
  }
  if (code === 404 || (code === 400 && reason === 'invalid' && /project/i.test(message)))
    return notFound(message, project);
  return undefined;
}

/** The failure behind a 404. Google's text says in its first words what is not there, and where it was looked for. */
function notFound(message: string, project: ProjectPath): Failure {
  if (/not found in location/.test(message)) {
    return new Failure('WRONG_REGION', { configPath: 'location', hint: 'Check `location`: the dataset is elsewhere.' });
  }
  if (/dataset/i.test(message)) {
    const hint = 'Check `dataset`: there is none of that name, or the account may not know of it.';
    return new Failure('RESOURCE_NOT_FOUND', { configPath: 'dataset', hint });
  }
  const hint = project === 'projectId' ? 'Check `projectId`.' : 'Check `dataProjectId`.';
  return new Failure('RESOURCE_NOT_FOUND', { configPath: project, hint });
}
