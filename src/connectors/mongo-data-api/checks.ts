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
import { basicAuthorization } from '../kit/http/basic-auth.ts';
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
  'The server knows the API and takes the API key, the password or the access token.',
  async (context) => {
    // the filter matches nothing, because this is about the sign-in alone
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
      ...authorization(config),
    },
    body: JSON.stringify({ dataSource, database, collection, filter, projection: { _id: 1 } }),
  });
}

function authorization({ apiKey, username, password, accessToken }: MongoDataApiConfig): Record<string, string> {
  if (accessToken !== undefined) return { authorization: `Bearer ${accessToken}` };
  if (username !== undefined) return { authorization: basicAuthorization(username, password ?? '') };
  return apiKey === undefined ? {} : { 'api-key': apiKey };
}

/** What signs in: its field, and the schemes by which a server offers it. */
function wayOf({
  apiKey,
  username,
  accessToken,
}: MongoDataApiConfig): readonly [path: string, ways: readonly string[]] {
  if (accessToken !== undefined) return ['accessToken', ['bearer']];
  if (username !== undefined) return ['password', ['basic']];
  // without anything to sign in with, any way would do
  return ['apiKey', apiKey === undefined ? ['bearer', 'apikey', 'basic'] : ['bearer', 'apikey']];
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
  const failure = refusedMethod(response, config) ?? statusFailure(response.status, config);
  throw failure?.with(refusalEvidence(response, code)) ?? ownFailure(response, code);
}

function refusedMethod(response: HttpResponse, config: MongoDataApiConfig): Failure | undefined {
  const [path, ways] = wayOf(config);
  return methodFailure(response, ways, path);
}

function refusedSignIn(config: MongoDataApiConfig): Failure {
  const [configPath] = wayOf(config);
  if (configPath === 'accessToken') return new Failure('KEY_REFUSED', { configPath, hint: TOKEN_HINT });
  if (configPath === 'password') return new Failure('PASSWORD_REFUSED', { configPath });
  if (config.apiKey !== undefined) return new Failure('KEY_REFUSED', { configPath });
  const hint = 'Give an API key, a user name with its password, or an access token.';
  return new Failure('CREDENTIALS_REQUIRED', { configPath, hint });
}

const TOKEN_HINT = 'Check the access token, and that it has not expired.';

function statusFailure(status: number, config: MongoDataApiConfig): Failure | undefined {
  switch (status) {
    case 400: {
      const hint = 'The server cannot do this request: check `dataSource`, `database` and `collection`.';
      return new Failure('RESOURCE_NOT_FOUND', { configPath: 'dataSource', hint });
    }
    case 401:
      return refusedSignIn(config);
    case 403: {
      const hint = 'Give the key or the user a rule that lets it read the collection.';
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
