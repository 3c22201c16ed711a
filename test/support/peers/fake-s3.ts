import type { FakeSts } from './fake-sts.ts';
import { type HttpPeer, type HttpPeerOptions, type PeerAnswer, type PeerRequest, startHttpPeer } from './http-peer.ts';
import { type AwsCredentials, type SignatureFault, verifySignature } from './sigv4.ts';

export interface FakeS3Options extends HttpPeerOptions {
  readonly credentials?: readonly S3Credentials[];
  /** Left out: us-east-1. */
  readonly region?: string;
  readonly buckets?: Readonly<Record<string, S3Bucket>>;
  /** How far the server's clock is ahead, in minutes. */
  readonly clockAhead?: number;
  /** `bucket.domain` in the Host header is a bucket, too. */
  readonly domain?: string;
  /** Answers at its own host, and gives credentials with every right. */
  readonly sts?: FakeSts;
}

export interface S3Credentials extends AwsCredentials {
  /** Left out: all of them. */
  readonly rights?: readonly S3Right[];
  /** Only what lies under this prefix may be listed. Left out: everything. */
  readonly listsUnder?: string;
}

const DENIED = 'AccessDenied';

export type S3Right = 'list' | 'get' | 'put' | 'delete';

export interface S3Bucket {
  /** Key to content. */
  readonly objects?: Readonly<Record<string, string>>;
  /** Where it is, when that is another region than the server's. */
  readonly region?: string;
  /** Denies who does not say that he pays. */
  readonly requesterPays?: boolean;
}

export interface FakeS3 extends HttpPeer {
  /** The keys of a bucket, now. */
  keys(bucket: string): readonly string[];
}

export const S3_KEY: S3Credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

type Buckets = Map<string, { readonly region: string | undefined; readonly objects: Map<string, string> }>;

/**
 * S3's REST API as far as the checks use it, written from its published reference. It computes the signature (version
 * 4) of each request by itself and compares.
 */
export async function startFakeS3(options: FakeS3Options = {}): Promise<FakeS3> {
  const buckets: Buckets = new Map(
    Object.entries(options.buckets ?? {}).map(([name, { region, objects = {} }]) => [
      name,
      { region, objects: new Map(Object.entries(objects)) },
    ]),
  );
  const peer = await startHttpPeer((request) => answer(request, options, buckets), options);
  return { ...peer, keys: (bucket) => [...(buckets.get(bucket)?.objects.keys() ?? [])] };
}

function answer(request: PeerRequest, options: FakeS3Options, buckets: Buckets): PeerAnswer {
  const { region = 'us-east-1' } = options;
  const ofSts = options.sts?.answer(request);
  if (ofSts) return ofSts;
  const signed = checkSignature(request, options, region);
  if ('status' in signed) return signed;
  const { bucket: name, key } = placeOf(request, options.domain);
  const bucket = buckets.get(name);
  if (!bucket) return fault(404, 'NoSuchBucket', `<BucketName>${name}</BucketName>`);
  if (bucket.region && bucket.region !== region) {
    return fault(301, 'PermanentRedirect', `<Endpoint>${name}.s3.${bucket.region}.amazonaws.com</Endpoint>`, {
      'x-amz-bucket-region': bucket.region,
    });
  }
  const pays = request.headers['x-amz-request-payer'] === 'requester';
  if (options.buckets?.[name]?.requesterPays && !pays) return fault(403, DENIED);
  const right = rightFor(request.method, key);
  if (!right) return fault(405, 'MethodNotAllowed');
  if (signed.rights && !signed.rights.includes(right)) return fault(403, DENIED);
  const prefix = request.query.get('prefix') ?? '';
  if (right === 'list' && !prefix.startsWith(signed.listsUnder ?? '')) return fault(403, DENIED);
  const served = serve(right, request, bucket.objects, key);
  return { ...served, headers: { server: 'FakeS3/1.0', 'x-amz-bucket-region': region, ...served.headers } };
}

function placeOf(request: PeerRequest, domain: string | undefined): { bucket: string; key: string } {
  const [host = ''] = (request.headers.host ?? '').split(':');
  if (domain && host.endsWith(`.${domain}`))
    return { bucket: host.slice(0, -domain.length - 1), key: request.path.slice(1) };
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(request.path) ?? [];
  return { bucket, key };
}

function rightFor(method: string, key: string): S3Right | undefined {
  if (!key) return method === 'GET' || method === 'HEAD' ? 'list' : undefined;
  return ({ GET: 'get', HEAD: 'get', PUT: 'put', DELETE: 'delete' } as const)[method];
}

function serve(right: S3Right, request: PeerRequest, objects: Map<string, string>, key: string): PeerAnswer {
  if (right === 'list') return list(request, objects);
  if (right === 'put') {
    objects.set(key, request.body.toString());
    return { status: 200 };
  }
  if (right === 'delete') {
    objects.delete(key);
    return { status: 204 };
  }
  const content = objects.get(key);
  if (content === undefined) return fault(404, 'NoSuchKey');
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined || to === undefined) return { status: 200, body: content };
  if (Number(from) >= content.length)
    return { ...fault(416, 'InvalidRange'), headers: { 'content-range': `bytes */${content.length}` } };
  const part = content.slice(Number(from), Number(to) + 1);
  return {
    status: 206,
    headers: { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${content.length}` },
    body: part,
  };
}

function list(request: PeerRequest, objects: Map<string, string>): PeerAnswer {
  if (request.method === 'HEAD') return { status: 200 };
  const prefix = request.query.get('prefix') ?? '';
  const limit = Number(request.query.get('max-keys') ?? 1000);
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
  const page = keys.slice(0, limit);
  const contents = page.map(
    (key) => `<Contents><Key>${escapeXml(key)}</Key><Size>${objects.get(key)?.length}</Size></Contents>`,
  );
  const truncated = keys.length > page.length;
  return {
    status: 200,
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix>${escapeXml(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><IsTruncated>${truncated}</IsTruncated>${contents.join('')}</ListBucketResult>`,
  };
}

/** What S3 says of a signature that it does not take. */
const FAULTS: Readonly<Record<SignatureFault, readonly [status: number, code: string]>> = {
  unsigned: [403, 'AccessDenied'],
  scope: [400, 'AuthorizationHeaderMalformed'],
  'unknown-key': [403, 'InvalidAccessKeyId'],
  'token-missing': [403, 'InvalidAccessKeyId'],
  'token-wrong': [400, 'InvalidToken'],
  expired: [400, 'ExpiredToken'],
  clock: [403, 'RequestTimeTooSkewed'],
  'unsigned-header': [403, 'AccessDenied'],
  body: [400, 'XAmzContentSHA256Mismatch'],
  signature: [403, 'SignatureDoesNotMatch'],
};

function checkSignature(request: PeerRequest, options: FakeS3Options, region: string): S3Credentials | PeerAnswer {
  const { clockAhead } = options;
  const credentials: readonly S3Credentials[] = [...(options.credentials ?? []), ...(options.sts?.issued ?? [])];
  const verdict = verifySignature(request, { credentials, region, service: 's3', clockAhead });
  if ('credentials' in verdict) return verdict.credentials;
  const more = verdict.fault === 'scope' ? `<Region>${region}</Region>` : '';
  const signed = verdict.stringToSign === undefined ? '' : `<StringToSign>${verdict.stringToSign}</StringToSign>`;
  return fault(...FAULTS[verdict.fault], more + signed);
}

function fault(status: number, code: string, more = '', headers: Record<string, string> = {}): PeerAnswer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>As the fake has it.</Message>${more}<RequestId>4442587FB7D0A2F9</RequestId></Error>`;
  return { status, headers: { 'content-type': 'application/xml', server: 'FakeS3/1.0', ...headers }, body };
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
