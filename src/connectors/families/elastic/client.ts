import { z } from 'zod';
import { basePath } from '../../kit/config/url.ts';
import type { CheckContext } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import {
  jsonAnswer,
  jsonIfAny,
  ownFailure,
  recordOf,
  refusalEvidence,
  strangerFailure,
} from '../../kit/http/answers.ts';
import { basicAuthorization } from '../../kit/http/basic-auth.ts';
import { methodFailure, offeredSchemes } from '../../kit/http/challenge.ts';
import type { HttpRequest, HttpResponse } from '../../kit/http/client.ts';
import type { HttpState } from '../../kit/http/http-base.ts';
import type { ElasticConfig } from './config.ts';

/** The two products that share a REST API. */
export type ElasticProduct = 'Elasticsearch' | 'OpenSearch';

/** What a cluster says about itself. */
export interface ElasticAbout {
  readonly product: ElasticProduct;
  readonly version: string;
  readonly cluster: string;
}

/** What signs requests where it is neither a password nor an API key that signs in. */
export interface ElasticSigner {
  /** The config field of who signs. */
  readonly path: string;
  /** True for a service that has no cluster to be asked for, and none of its APIs. */
  readonly isServerless: boolean;
  /** The request with the headers of its signature. */
  sign(request: HttpRequest): Promise<HttpRequest>;
  /** The failure behind an answer that refuses the signature; undefined for any other. */
  refusal(response: HttpResponse): Failure | undefined;
}

/** What the checks of one test share. `about` stays undefined where the user may not ask for it. */
export type ElasticState = HttpState<{ about: ElasticAbout; signer: ElasticSigner }>;
/** What tells what a refusal means. */
type SignIn = Pick<CheckContext<ElasticConfig, ElasticState>, 'config' | 'state'>;
export type ElasticContext = CheckContext<ElasticConfig, ElasticState>;

const ABOUT = z.object({
  cluster_name: z.string(),
  version: z.object({ number: z.string().regex(/^\d{1,4}(\.\d{1,4}){1,3}/), distribution: z.string().nullish() }),
  tagline: z.string().nullish(),
});
const ERROR = z.object({ error: z.object({ type: z.string() }) });

/** Sends a request, signed in as the config says. */
export async function askElastic({ config, state }: ElasticContext, request: HttpRequest): Promise<HttpResponse> {
  const { http, signer } = state;
  const headers = {
    accept: 'application/json',
    ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const whole = { ...request, path: basePath(config.url) + request.path };
  if (signer) return http.request(await signer.sign({ ...whole, headers }));
  return http.request({ ...whole, headers: { ...headers, ...authorization(config) } });
}

function authorization({ disableAuth, username = '', password = '', apiKey }: ElasticConfig): Record<string, string> {
  if (disableAuth) return {};
  if (apiKey === undefined) return { authorization: basicAuthorization(username, password) };
  // the encoded form is base64, which has no colon
  const encoded = apiKey.includes(':') ? Buffer.from(apiKey).toString('base64') : apiKey;
  return { authorization: `ApiKey ${encoded}` };
}

/** The answer when it is a success. Fails with what any other answer stands for. */
export function elasticAccepted(response: HttpResponse, signIn: SignIn): HttpResponse {
  const { status } = response;
  if (status >= 200 && status < 300) return response;
  const type = errorType(response);
  const failure =
    signIn.state.signer?.refusal(response) ??
    refusedSignIn(response, signIn) ??
    (type === undefined ? undefined : typeFailure(type, response, signIn));
  if (failure) throw failure.with(refusalEvidence(response, type));
  throw type === undefined ? strangerFailure(response) : ownFailure(response, type);
}

/** The failure behind a refusal by what signs users in, which may stand before the cluster. */
function refusedSignIn(response: HttpResponse, signIn: SignIn): Failure | undefined {
  const { config } = signIn;
  const { status, headers } = response;
  if (status === 401 && (errorType(response) !== undefined || OWN_CHALLENGE.test(headers['www-authenticate'] ?? '')))
    return methodFailure(response, ['basic', 'apikey'], credentialsPath(signIn)) ?? refused(response, signIn);
  if (status === 404 && config.cloudId !== undefined && jsonIfAny(response, UNKNOWN_DEPLOYMENT))
    return new Failure('RESOURCE_NOT_FOUND', {
      configPath: 'cloudId',
      hint: 'Check `cloudId`: the cloud knows no such deployment.',
    });
  if (!jsonIfAny(response, IAM_REFUSAL)) return undefined;
  const hint = 'The domain signs in by AWS IAM alone: turn its fine-grained access control on, with users of its own.';
  return new Failure('SIGN_IN_METHOD_REFUSED', { configPath: credentialsPath(signIn), hint });
}

function typeFailure(type: string, { status, configPath }: HttpResponse, signIn: SignIn): Failure | undefined {
  if (type === 'cluster_block_exception') {
    const hint = 'The cluster takes no writes now: it may be out of space, or set to read only.';
    return new Failure('SERVER_UNAVAILABLE', { configPath, hint });
  }
  if (status === 403) return new Failure('PERMISSION_DENIED', { configPath: credentialsPath(signIn) });
  return type === INDEX_NOT_FOUND ? new Failure('INDEX_NOT_FOUND', { configPath: 'index' }) : undefined;
}

const INDEX_NOT_FOUND = 'index_not_found_exception';
/** How the products show an index: by its name, of which there is one at least. */
const INDEX = recordOf(z.object({ aliases: z.unknown(), mappings: z.unknown(), settings: z.unknown() })).refine(
  (indices) => Object.keys(indices).length > 0,
);

/** Fails when the start page that was asked for is that of an index, whose name stands in the URL then. */
export function refuseIndexInUrl(response: HttpResponse): void {
  if (errorType(response) !== INDEX_NOT_FOUND && !(response.status === 200 && jsonIfAny(response, INDEX))) return;
  const hint = 'The name of an index stands in the URL: give the URL of the cluster, and the name in `index`.';
  const evidence = refusalEvidence(response, errorType(response));
  throw new Failure('PROTOCOL_MISMATCH', { configPath: response.configPath, hint, evidence });
}

/** What the products call themselves when they ask for a sign-in. OpenSearch does so without a form of its own. */
const OWN_CHALLENGE = /realm="(security|OpenSearch Security|Open Distro Security)"/i;
/** How AWS refuses those who do not sign their requests, before OpenSearch is asked. */
const IAM_REFUSAL = z.object({ Message: z.string().regex(/is not authorized to perform: es:/) });
/** How the entrance of a cloud answers for a deployment that it does not know. */
const UNKNOWN_DEPLOYMENT = z.object({ ok: z.literal(false), message: z.string() });

/** The config field that holds who signs in. */
export function credentialsPath({ config: { disableAuth, apiKey }, state: { signer } }: SignIn): string {
  if (signer) return signer.path;
  if (disableAuth) return 'disableAuth';
  return apiKey === undefined ? 'username' : 'apiKey';
}

const KEYLESS_HINT =
  'The server offers a sign-in by password alone, and may know no API keys, as OpenSearch’s security plugin 2: give `username` and `password`, or check `apiKey`.';

const UNSIGNED_HINT =
  'The cluster itself asks for a password, and takes no signatures: those are for domains of Amazon OpenSearch Service. Check `url`, or give user name and password.';

function refused(response: HttpResponse, { config, state: { signer } }: SignIn): Failure {
  if (signer) return new Failure('SIGN_IN_METHOD_REFUSED', { configPath: signer.path, hint: UNSIGNED_HINT });
  if (config.disableAuth) {
    return new Failure('CREDENTIALS_REQUIRED', {
      configPath: 'disableAuth',
      hint: 'The server asks for credentials: set disableAuth to false and give them.',
    });
  }
  if (config.apiKey !== undefined) {
    const offered = offeredSchemes(response);
    const isKeyless = offered.length > 0 && !offered.includes('apikey');
    return new Failure('KEY_REFUSED', { configPath: 'apiKey', ...(isKeyless ? { hint: KEYLESS_HINT } : {}) });
  }
  return new Failure('PASSWORD_REFUSED', { configPath: 'password' });
}

/** The API's own name of an error. Undefined when the answer is none of its errors. */
export function errorType(response: HttpResponse): string | undefined {
  return jsonIfAny(response, ERROR)?.error.type;
}

/** Reads the start page of a cluster. Fails with PROTOCOL_MISMATCH when neither product has written it. */
export function aboutOf(response: HttpResponse): ElasticAbout {
  const about = jsonAnswer(response, ABOUT);
  const product = productOf(about, response.headers['x-elastic-product']);
  if (!product) throw strangerFailure(response);
  return { product, version: /^[\d.]+/.exec(about.version.number)?.[0] ?? '', cluster: about.cluster_name };
}

function productOf(about: z.output<typeof ABOUT>, header: string | undefined): ElasticProduct | undefined {
  const { distribution } = about.version;
  if (distribution === 'opensearch') return 'OpenSearch';
  // servers before 7.14 do not send the header
  const isElastic = header === 'Elasticsearch' || about.tagline === 'You Know, for Search';
  return isElastic && distribution == null ? 'Elasticsearch' : undefined;
}
