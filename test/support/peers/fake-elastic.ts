import type { FakeSts } from './fake-sts.ts';
import {
  type HttpPeer,
  type HttpPeerOptions,
  json,
  millionsOf,
  type PeerAnswer,
  type PeerRequest,
  startHttpPeer,
} from './http-peer.ts';
import { type AwsCredentials, type SignatureFault, verifySignature } from './sigv4.ts';

export interface FakeElasticOptions extends HttpPeerOptions {
  /** Left out: Elasticsearch. */
  readonly product?: 'Elasticsearch' | 'OpenSearch';
  readonly version?: string;
  /** Left out: nobody is asked for credentials. */
  readonly users?: readonly FakeElasticUser[];
  /** Name to the properties of its mapping. */
  readonly indices?: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  /** Name to indices. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>;
  /** Name to backing indices, which are hidden. */
  readonly dataStreams?: Readonly<Record<string, readonly string[]>>;
  /** The API stands under this path. */
  readonly prefix?: string;
  /** As a cloud's front answers for a deployment that it does not know. */
  readonly isUnknownDeployment?: boolean;
  /** Lists of names hold millions of things that are none. */
  readonly isHostile?: boolean;
  /** Names more indices than any cluster has, in fewer bytes than are read. */
  readonly isVast?: boolean;
  /** AWS stands before it, and takes requests that are signed so. */
  readonly signed?: FakeSigning;
  /** Is out of space: takes indices, but no documents. */
  readonly refusesDocuments?: boolean;
}

/** How requests are signed for a domain or a collection of AWS. */
export interface FakeSigning {
  readonly service: 'es' | 'aoss';
  readonly region: string;
  readonly credentials: readonly AwsCredentials[];
  /** Answers at its own host, and gives credentials that are taken. */
  readonly sts?: FakeSts;
  /** The ids of keys whose owners may do nothing. */
  readonly denied?: readonly string[];
  readonly clockAhead?: number;
}

export interface FakeElasticUser {
  readonly name: string;
  readonly password: string;
  /** `id:key` of an API key of the user's. */
  readonly apiKey?: string;
  /** Left out: all. */
  readonly rights?: readonly ElasticRight[];
}

export type ElasticRight = 'monitor' | 'view' | 'manage';

export interface FakeElastic extends HttpPeer {
  /** The indices, now. */
  indices(): readonly string[];
}

const SECURITY = 'security_exception';

type Indices = Map<string, Readonly<Record<string, unknown>> | undefined>;

/**
 * The REST API of Elasticsearch and OpenSearch as far as the checks use it, written from their published references. It
 * checks user name and password, or the API key, of every request.
 */
export async function startFakeElastic(options: FakeElasticOptions = {}): Promise<FakeElastic> {
  const indices: Indices = new Map(Object.entries(options.indices ?? {}));
  const peer = await startHttpPeer((request) => {
    const { status, headers, body } = answer(request, options, indices);
    const product = options.product ?? 'Elasticsearch';
    return {
      status,
      body,
      headers: product === 'Elasticsearch' ? { ...headers, 'x-elastic-product': product } : headers,
    };
  }, options);
  return { ...peer, indices: () => [...indices.keys()] };
}

function answer(request: PeerRequest, options: FakeElasticOptions, indices: Indices): PeerAnswer {
  const { method, path, headers } = request;
  const { prefix = '', isUnknownDeployment } = options;
  if (isUnknownDeployment) return json(404, { ok: false, message: 'Unknown resource.' });
  if (!path.startsWith(`${prefix}/`)) return { status: 404, body: 'no such page' };
  const refused = options.signed && judge(request, options.signed);
  if (refused) return refused;
  const user = userOf(headers.authorization, options);
  if (user === 'unknown') return unauthenticated(options);
  const may = (right: ElasticRight) => user === undefined || (user.rights?.includes(right) ?? true);
  const [first = '', second, third] = path.slice(prefix.length + 1).split('/');
  if (options.signed?.service === 'aoss' && (first === '' || first === '_resolve')) return { status: 404 };
  if (method === 'GET' && first === '_cat' && second === 'indices') {
    if (request.query.get('format') !== 'json') return { status: 200, body: 'green open clients' };
    return json(
      200,
      [...indices.keys()].map((index) => ({ index })),
    );
  }
  if (method === 'GET' && first === '') return may('monitor') ? json(200, about(options)) : failed(403, SECURITY);
  if (method === 'GET' && first === '_resolve' && second === 'index')
    return may('view') ? resolve(third ?? '', options, indices) : failed(403, SECURITY);
  if (method === 'GET' && second === '_mapping')
    return may('view') ? mappings(request, first, options, indices) : failed(403, SECURITY);
  if (!may('manage')) return failed(403, SECURITY);
  if (method === 'PUT' && second === undefined) {
    if (indices.has(first)) return failed(400, 'resource_already_exists_exception');
    indices.set(first, {});
    return json(200, { acknowledged: true, shards_acknowledged: true, index: first });
  }
  if (!indices.has(first)) return failed(404, 'index_not_found_exception');
  if (method === 'PUT' && second === '_doc' && third === '1') {
    if (headers['content-type'] !== 'application/json') return failed(406, 'media_type_header_exception');
    if (options.refusesDocuments) return failed(403, 'cluster_block_exception');
    JSON.parse(request.body.toString());
    return json(201, { _index: first, _id: third, result: 'created' });
  }
  if (method !== 'DELETE' || second !== undefined) return failed(405, 'illegal_argument_exception');
  indices.delete(first);
  return json(200, { acknowledged: true });
}

/** What AWS says of a signature that it does not take. */
const FAULTS: Readonly<Record<SignatureFault, string>> = {
  unsigned: 'User: anonymous is not authorized to perform: es:ESHttpGet',
  scope: "Credential should be scoped to a valid region, not 'x'.",
  'unknown-key': 'The security token included in the request is invalid.',
  'token-missing': 'The security token included in the request is invalid.',
  'token-wrong': 'The security token included in the request is invalid.',
  expired: 'The security token included in the request is expired',
  clock: 'Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z',
  'unsigned-header': 'The request signature we calculated does not match the signature you provided.',
  body: 'The request signature we calculated does not match the signature you provided.',
  signature: 'The request signature we calculated does not match the signature you provided.',
};

/** The refusal of AWS; undefined where it lets the request through. A collection gives no reason. */
function judge(request: PeerRequest, signing: FakeSigning): PeerAnswer | undefined {
  const ofSts = signing.sts?.answer(request);
  if (ofSts) return ofSts;
  const credentials = [...signing.credentials, ...(signing.sts?.issued ?? [])];
  const verdict = verifySignature(request, { ...signing, credentials });
  const isDenied = 'credentials' in verdict && signing.denied?.includes(verdict.credentials.accessKeyId);
  if (!('fault' in verdict) && !isDenied) return undefined;
  if (signing.service === 'aoss')
    return json(403, { status: 403, 'request-id': 'x', error: { reason: '403 Forbidden', type: 'Forbidden' } });
  if ('fault' in verdict) return json(403, { message: FAULTS[verdict.fault] });
  return json(403, { Message: 'User: arn:aws:iam::1:user/x is not authorized to perform: es:ESHttpGet' });
}

/** Undefined: nobody has to sign in. */
function userOf(header = '', { users, signed }: FakeElasticOptions): FakeElasticUser | 'unknown' | undefined {
  if (!users || signed) return undefined;
  const [scheme, encoded = ''] = header.split(' ');
  const credentials = Buffer.from(encoded, 'base64').toString();
  const isOf = ({ name, password, apiKey }: FakeElasticUser) =>
    scheme === 'Basic' ? `${name}:${password}` === credentials : scheme === 'ApiKey' && apiKey === credentials;
  return users.find(isOf) ?? 'unknown';
}

function about({ product = 'Elasticsearch', version }: FakeElasticOptions): unknown {
  const common = { name: 'node-1', cluster_name: 'shop', cluster_uuid: 'pv2vGqgvSNmGHNWJWGxMYw' };
  return product === 'OpenSearch'
    ? {
        ...common,
        version: { distribution: 'opensearch', number: version ?? '2.17.1', lucene_version: '9.11.1' },
        tagline: 'The OpenSearch Project: https://opensearch.org/',
      }
    : {
        ...common,
        version: { number: version ?? '8.15.2', build_flavor: 'default', lucene_version: '9.11.1' },
        tagline: 'You Know, for Search',
      };
}

function resolve(name: string, options: FakeElasticOptions, indices: Indices): PeerAnswer {
  const { aliases = {}, dataStreams = {} } = options;
  if (options.isHostile) return { status: 200, body: `{"indices":${millionsOf('0')}}` };
  if (options.isVast) return { status: 200, body: `{"indices":[${'{"name":"a"},'.repeat(560_000)}{"name":"a"}]}` };
  const backing = Object.values(dataStreams).flat();
  const isAsked = (each: string) => name === each || (name === '*' && !backing.includes(each));
  const found = {
    indices: [...indices.keys()].filter(isAsked).map((each) => ({ name: each })),
    aliases: Object.entries(aliases)
      .filter(([each]) => isAsked(each))
      .map(([each, of]) => ({ name: each, indices: of })),
    data_streams: Object.entries(dataStreams)
      .filter(([each]) => isAsked(each))
      .map(([each, of]) => ({ name: each, backing_indices: of })),
  };
  const isEmpty = Object.values(found).every((each) => each.length === 0);
  if (isEmpty && name !== '*') return failed(404, 'index_not_found_exception');
  // what a filter leaves empty is left out
  return json(200, Object.fromEntries(Object.entries(found).filter(([, each]) => each.length > 0)));
}

function mappings(request: PeerRequest, list: string, options: FakeElasticOptions, indices: Indices): PeerAnswer {
  if (request.target.length > 4_000) return failed(400, 'too_long_http_line_exception');
  const { aliases = {}, dataStreams = {} } = options;
  const names = list.split(',').flatMap((name) => aliases[name] ?? dataStreams[name] ?? [name]);
  const missing = names.some((name) => !indices.has(name));
  if (missing && request.query.get('ignore_unavailable') !== 'true') return failed(404, 'index_not_found_exception');
  const isFiltered = request.query.has('filter_path');
  const entries = names.flatMap((name) => {
    const properties = indices.get(name);
    if (!indices.has(name) || (isFiltered && !properties)) return [];
    return [[name, { mappings: properties ? { properties } : {} }]];
  });
  return json(200, Object.fromEntries(entries));
}

function unauthenticated({ product }: FakeElasticOptions): PeerAnswer {
  if (product === 'OpenSearch')
    return { status: 401, headers: { 'www-authenticate': 'Basic realm="OpenSearch Security"' }, body: 'Unauthorized' };
  const challenge = 'Basic realm="security", charset="UTF-8", ApiKey';
  const { headers, ...refusal } = failed(401, SECURITY);
  return { ...refusal, headers: { ...headers, 'www-authenticate': challenge } };
}

function failed(status: number, type: string): PeerAnswer {
  const cause = { type, reason: 'as it was told to' };
  return json(status, { error: { root_cause: [cause], ...cause }, status });
}
