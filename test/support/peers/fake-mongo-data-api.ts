import {
  type HttpPeer,
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  startHttpPeer,
} from './http-peer.ts';
import type { TokenIssuer } from './token-issuer.ts';

export interface FakeDataApiOptions extends HttpPeerOptions {
  /** Left out: no key is asked for. */
  readonly apiKey?: string;
  /** Name to password, of users who sign in by Basic. */
  readonly users?: Readonly<Record<string, string>>;
  /** Whose tokens it takes. */
  readonly issuer?: TokenIssuer;
  /** Data source to database to collection to its documents. */
  readonly data?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>>>;
  /** Collections that the key may not read, as the rules of an app have it. */
  readonly forbidden?: readonly string[];
}

const BASE = '/app/data-abcde/endpoint/data/v1';

/** What goes into apiUrl. */
export function dataApiUrl(peer: HttpPeer): string {
  return `${peer.url}${BASE}`;
}

/**
 * MongoDB's Data API, its findOne action, written from its published OpenAPI description. It checks key, password and
 * token.
 */
export function startFakeDataApi(options: FakeDataApiOptions = {}): Promise<HttpPeer> {
  return startHttpPeer((request) => answer(request, options), options);
}

function answer(request: PeerRequest, options: FakeDataApiOptions): PeerAnswer {
  if (!request.path.startsWith(`${BASE}/`)) return refused(404, 'cannot find app using Client App ID', 'AppNotFound');
  if (request.path !== `${BASE}/action/findOne` || request.method !== 'POST')
    return refused(404, 'endpoint not found', 'EndpointNotFound');
  const refusal = judge(request, options);
  if (refusal) return refusal;
  if (!/^application\/e?json/.test(request.headers['content-type'] ?? ''))
    return refused(400, 'unsupported content type', 'InvalidParameter');
  const { dataSource, database, collection, filter } = JSON.parse(request.body.toString()) as Record<string, unknown>;
  if (typeof database !== 'string' || typeof collection !== 'string' || typeof filter !== 'object') {
    return refused(400, 'missing a field', 'InvalidParameter');
  }
  const source = options.data?.[String(dataSource)];
  if (!source) return refused(400, "FunctionError: Cannot access member 'db' of undefined", 'FunctionExecutionError');
  if (options.forbidden?.includes(collection))
    return refused(403, `no rule exists for namespace '${database}.${collection}'`, 'NoMatchingRuleFound');
  const documents = source[database]?.[collection] ?? [];
  const wanted = Object.keys(filter ?? {}).length === 0 ? documents[0] : undefined;
  return json(200, { document: wanted ?? null });
}

/** The refusal of who is not let in. */
function judge({ headers }: PeerRequest, { apiKey, users, issuer }: FakeDataApiOptions): PeerAnswer | undefined {
  if (apiKey === undefined && !users && !issuer) return undefined;
  const key = headers['api-key'] ?? headers.apikey;
  const [scheme, text = ''] = (headers.authorization ?? '').split(' ');
  if (key === undefined && scheme === '')
    return refused(401, 'no authentication methods were specified', 'InvalidParameter');
  const [name = '', ...rest] = Buffer.from(text, 'base64').toString().split(':');
  const isRight =
    (key !== undefined && key === apiKey) ||
    (scheme === 'Basic' && users !== undefined && Object.hasOwn(users, name) && users[name] === rest.join(':')) ||
    (scheme === 'Bearer' && issuer !== undefined && 'claims' in issuer.judge(text));
  return isRight ? undefined : refused(401, 'invalid session: error finding user for endpoint', 'InvalidSession');
}

function refused(status: number, error: string, code: string): PeerAnswer {
  return json(status, { error, error_code: code, link: 'https://services.cloud.mongodb.com/groups/0/apps/0/logs' });
}
