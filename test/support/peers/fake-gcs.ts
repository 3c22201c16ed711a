import type { FakeGoogleSts } from './fake-google-sts.ts';
import { type GoogleAccount, googleScopes } from './google-token.ts';
import {
  type HttpPeer,
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeGcsOptions extends HttpPeerOptions {
  readonly account: GoogleAccount;
  /** Answers at its own hosts, and gives tokens that are taken. */
  readonly sts?: FakeGoogleSts;
  readonly buckets?: Readonly<Record<string, readonly string[]>>;
  /** What the account may do. Left out: everything. */
  readonly rights?: readonly GcsRight[];
  /** Every bucket asks for a project that pays: the account may use this one alone. */
  readonly payer?: string;
  /** How far the server's clock is ahead, in seconds. */
  readonly clockAhead?: number;
}

export type GcsRight = 'buckets.get' | 'objects.list' | 'objects.create' | 'objects.delete';

export interface FakeGcs extends HttpPeer {
  /** The objects of a bucket, now. */
  objects(bucket: string): readonly string[];
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.';
const READ_SCOPES = [`${SCOPE}read_only`, `${SCOPE}read_write`, `${SCOPE}full_control`];
const WRITE_SCOPES = [`${SCOPE}read_write`, `${SCOPE}full_control`];

/**
 * Google Cloud Storage's JSON API as far as the checks use it, written from its published reference. It verifies
 * self-signed tokens with the account's public key, their times, their audience or scope.
 */
export async function startFakeGcs(options: FakeGcsOptions): Promise<FakeGcs> {
  const buckets = new Map(Object.entries(options.buckets ?? {}).map(([name, objects]) => [name, new Set(objects)]));
  const peer = await startHttpPeer((request) => answer(request, options, buckets), options);
  return { ...peer, objects: (bucket) => [...(buckets.get(bucket) ?? [])] };
}

type Buckets = Map<string, Set<string>>;

function answer(request: PeerRequest, options: FakeGcsOptions, buckets: Buckets): PeerAnswer {
  const ofSts = options.sts?.answer(request);
  if (ofSts) return ofSts;
  const scopes = options.sts?.scopes(request) ?? googleScopes(request, options.account, options.clockAhead);
  if (!scopes) return refused(401, 'authError', 'Invalid Credentials');
  const [path = ''] = request.target.split('?');
  const [, upload, bucket = '', kind, object] =
    /^(\/upload)?\/storage\/v1\/b\/([^/]+)(\/o)?(?:\/([^/]+))?$/.exec(path) ?? [];
  if (!bucket) return refused(404, 'notFound', 'Not Found');
  const right = rightFor(request.method, Boolean(kind), Boolean(upload), object);
  if (!right) return refused(405, 'methodNotAllowed', 'Method Not Allowed');
  const objects = buckets.get(decodeURIComponent(bucket));
  if (!objects) return refused(404, 'notFound', 'The specified bucket does not exist.');
  const unpaid = options.payer === undefined ? undefined : payment(request, options.payer, options.account);
  if (unpaid) return unpaid;
  const writes = right === 'objects.create' || right === 'objects.delete';
  if (!scopes.some((scope) => (writes ? WRITE_SCOPES : READ_SCOPES).includes(scope)))
    return refused(403, 'insufficientPermissions', 'Insufficient Permission');
  if (options.rights && !options.rights.includes(right)) {
    return refused(
      403,
      'forbidden',
      `${options.account.email} does not have storage.${right} access to the Google Cloud Storage bucket.`,
    );
  }
  return serve(right, request, decodeURIComponent(bucket), objects, decodeURIComponent(object ?? ''));
}

/** The refusal of a bucket whose requester pays; undefined where somebody does. */
function payment(request: PeerRequest, payer: string, { email }: GoogleAccount): PeerAnswer | undefined {
  const project = request.query.get('userProject');
  if (project === payer) return undefined;
  if (project === null)
    return refused(400, 'required', 'Bucket is a requester pays bucket but no user project provided.');
  if (project === 'no-such-project')
    return refused(400, 'invalid', 'User project specified in the request is invalid.');
  const right = 'does not have serviceusage.services.use access to the Google Cloud project.';
  return refused(403, 'forbidden', `${email} ${right}`);
}

function rightFor(
  method: string,
  isObjects: boolean,
  isUpload: boolean,
  object: string | undefined,
): GcsRight | undefined {
  if (isUpload) return method === 'POST' && isObjects && !object ? 'objects.create' : undefined;
  if (!isObjects) return method === 'GET' ? 'buckets.get' : undefined;
  if (object) return method === 'DELETE' ? 'objects.delete' : undefined;
  return method === 'GET' ? 'objects.list' : undefined;
}

function serve(
  right: GcsRight,
  request: PeerRequest,
  bucket: string,
  objects: Set<string>,
  object: string,
): PeerAnswer {
  if (right === 'buckets.get')
    return json(200, { kind: 'storage#bucket', name: bucket, location: 'EU', storageClass: 'STANDARD' });
  if (right === 'objects.list') {
    const limit = Number(request.query.get('maxResults') ?? 1000);
    const names = [...objects].sort();
    const more = names.length > limit ? { nextPageToken: 'next' } : {};
    return json(200, {
      kind: 'storage#objects',
      ...more,
      items: names.slice(0, limit).map((name) => ({ kind: 'storage#object', name })),
    });
  }
  if (right === 'objects.create') {
    const name = request.query.get('name');
    if (!name || request.query.get('uploadType') !== 'media') return refused(400, 'required', 'Required');
    objects.add(name);
    return json(200, { kind: 'storage#object', name, bucket, size: String(request.body.length) });
  }
  return objects.delete(object) ? { status: 204 } : refused(404, 'notFound', `No such object: ${bucket}/${object}`);
}

function refused(status: number, reason: string, message: string): PeerAnswer {
  return json(status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });
}
