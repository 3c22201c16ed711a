import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { basePath, targetOfUrl } from '../kit/config/url.ts';
import type { Check, CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import {
  jsonAnswer,
  jsonIfAny,
  ownFailure,
  refusalEvidence,
  serverProduct,
  strangerFailure,
} from '../kit/http/answers.ts';
import { methodFailure } from '../kit/http/challenge.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import type { MongoDataApiConfig } from './config.ts';

type DataApiCheck = Check<MongoDataApiConfig, HttpState>;
type Context = CheckContext<MongoDataApiConfig, HttpState>;

const FOUND = z.object({ document: z.record(z.string(), z.unknown()).nullable() });
/** The form of the API's own errors. */
const REFUSAL = z.object({ error: z.string(), error_code: z.string() });

const authenticate: DataApiCheck = authenticateCheck(
  'The server knows the API and takes the API key.',
  async (context) => {
    // the filter matches nothing, because this is about the key alone
    const response = await findOne(context, { _id: `datastore-gateway-${randomUUID()}` });
    if (!isLeftToFind(response, context.config)) jsonAnswer(accepted(response, context.config), FOUND);
    return { evidence: { server: serverProduct(response) } };
  },
);

const findDocuments: DataApiCheck = {
  name: 'documents/find',
  title: 'Find a document',
  description:
    'One document of the collection can be asked for; only its _id is read. Warns when there is none: MongoDB does not tell an empty collection from one that does not exist.',
  appliesTo: (config) => config.collection !== undefined,
  async run(context) {
    const response = await findOne(context, {});
    const { document } = jsonAnswer(accepted(response, context.config), FOUND);
    const { database, collection } = context.config;
    return { evidence: { database, collection, found: document !== null }, warning: document === null };
  },
};

export const mongoDataApiChecks: readonly DataApiCheck[] = [authenticate, findDocuments];

function findOne({ config, state }: Context, filter: Record<string, unknown>): Promise<HttpResponse> {
  const { dataSource, database, collection = 'datastore-gateway-test' } = config;
  return state.http.request({
    method: 'POST',
    path: `${basePath(config.apiUrl)}/action/findOne`,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(config.apiKey === undefined ? {} : { 'api-key': config.apiKey }),
    },
    body: JSON.stringify({ dataSource, database, collection, filter, projection: { _id: 1 } }),
  });
}

/**
 * Tells whether a server that has taken the key refuses for a reason that documents/find tells: a right is missing, or
 * a name is unknown to it. Without a collection that check does not run, and no right is needed.
 */
function isLeftToFind(response: HttpResponse, { collection }: MongoDataApiConfig): boolean {
  if (refusalCode(response) === undefined) return false;
  return response.status === 403 || (response.status === 400 && collection !== undefined);
}

/** The API's own name of an error. Undefined when the answer is none of its errors. */
function refusalCode(response: HttpResponse): string | undefined {
  return jsonIfAny(response, REFUSAL)?.error_code;
}

function accepted(response: HttpResponse, config: MongoDataApiConfig): HttpResponse {
  if (response.status === 200) return response;
  const code = refusalCode(response);
  if (code === undefined) throw strangerFailure(response);
  const failure = methodFailure(response, ['bearer', 'apikey'], 'apiKey') ?? statusFailure(response.status, config);
  throw failure?.with(refusalEvidence(response, code)) ?? ownFailure(response, code);
}

function statusFailure(status: number, { apiKey }: MongoDataApiConfig): Failure | undefined {
  switch (status) {
    case 400: {
      const hint = 'The server cannot do this request: check `dataSource`, `database` and `collection`.';
      return new Failure('RESOURCE_NOT_FOUND', { configPath: 'dataSource', hint });
    }
    case 401:
      if (apiKey !== undefined) return new Failure('KEY_REFUSED', { configPath: 'apiKey' });
      return new Failure('CREDENTIALS_REQUIRED', { configPath: 'apiKey', hint: 'Give the API key.' });
    case 403: {
      const hint = 'Give the key a rule that lets it read the collection.';
      return new Failure('PERMISSION_DENIED', { configPath: 'collection', hint });
    }
    case 404: {
      const hint = 'The server knows no Data API at this URL: check `apiUrl`.';
      return new Failure('RESOURCE_NOT_FOUND', { configPath: 'apiUrl', hint });
    }
  }
  return undefined;
}

export function targetOf(config: MongoDataApiConfig): Target {
  return targetOfUrl(config.apiUrl, config.tls, { hostPath: 'apiUrl' });
}
