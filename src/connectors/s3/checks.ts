import { randomUUID } from 'node:crypto';
import { identityPath, signerIdentity } from '../families/aws/sts.ts';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { withoutRight } from '../kit/checks/missing-right.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { refusalEvidence, serverProduct, strangerFailure } from '../kit/http/answers.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import { write } from '../kit/http/http-base.ts';
import { elementOf } from '../kit/http/xml.ts';
import { askS3, type S3Context, type S3State, signerOf } from './client.ts';
import type { S3Config } from './config.ts';
import { errorCode, failureOf, provesSignIn } from './failures.ts';

type S3Check = Check<S3Config, S3State>;

/** The most objects that objects/list counts. */
const PAGE = 100;
/** The code of a server whose key is right and lacks a right. */
const DENIED = 'AccessDenied';
/** The right to list a bucket. */
const LIST = 's3:ListBucket';
/** The status that a server answers with when it is asked for the first byte of an empty object. */
const RANGE_NOT_SATISFIABLE = 416;

const authenticate: S3Check = authenticateCheck(
  'The server takes the signature that the access key, or the assumed role, makes. No right is needed.',
  async (context) => {
    const response = await list(context, { 'max-keys': '1' });
    // the checks that follow tell what the key may do, and whether the bucket exists
    if (!provesSignIn(response)) listing(response, context.config);
    const { accessKeyId } = signerIdentity(signerOf(context.config), context.state);
    return { evidence: { server: serverProduct(response), accessKeyId } };
  },
);

const headBucket: S3Check = {
  name: 'bucket/head',
  title: 'Look at the bucket',
  description:
    'The bucket exists and is in the region. The key needs s3:ListBucket, under the path alone when one is set. Warns without it where the path names one object, whose reading shows as much.',
  async run(context) {
    const { bucket } = context.config;
    // it is no HEAD: the answer to that has no body, so nothing would tell why it was refused
    const response = await list(context, { 'max-keys': '1', ...prefixQuery(context.config) });
    if (mayOnlyGet(response, context.config)) return withoutRight(LIST, 'the region of the bucket cannot be told');
    listing(response, context.config);
    return { evidence: { bucket, region: regionOf(response) } };
  },
};

const listObjects: S3Check = {
  name: 'objects/list',
  title: 'List the objects',
  description:
    'The objects under the path can be listed; at most 100 are counted. Warns when there are none, or the named one is missing, or the key may read the named one without listing. The key needs s3:ListBucket, under the path alone when one is set.',
  async run(context) {
    const { path } = context.config;
    const response = await list(context, { 'max-keys': String(PAGE), ...prefixQuery(context.config) });
    if (mayOnlyGet(response, context.config))
      return withoutRight(LIST, 'an object that is missing cannot be told from one that may not be read');
    const xml = listing(response, context.config);
    const objects = xml.split('<Contents>').length - 1;
    const evidence = { objects, more: elementOf(xml, 'IsTruncated') === 'true' };
    if (context.config.pathKind !== 'FILE')
      return { evidence, warning: prefixOf(context.config) !== '' && objects === 0 };
    // keys come in order, and no key that begins with the path comes before the path itself
    const found = elementOf(xml, 'Key') === path;
    return { evidence: { found }, warning: !found };
  },
};

const getObject: S3Check = {
  name: 'object/get',
  title: 'Read the object',
  description: 'The first byte of the object that the path names can be read. The key needs s3:GetObject.',
  appliesTo: (config) => config.pathKind === 'FILE' && config.path !== undefined,
  async run(context) {
    const response = await askS3(context, {
      method: 'GET',
      key: context.config.path,
      headers: { range: 'bytes=0-0' },
      beginningOnly: true,
    });
    if (errorCode(response) === DENIED)
      throw new Failure('PERMISSION_DENIED', {
        configPath: identityPath(signerOf(context.config)),
        evidence: refusalEvidence(response, DENIED),
        hint: 'Grant s3:GetObject on the object of `path`. Without s3:ListBucket the server says the same of an object that is missing.',
      });
    if (!isDone(response) && response.status !== RANGE_NOT_SATISFIABLE)
      throw failureOf(response, 'object', context.config);
    return { evidence: { bytes: sizeOf(response) } };
  },
};

const putObject: S3Check = {
  name: 'object/put',
  title: 'Write an object',
  description:
    'A small object with a unique key can be written under the path; it is deleted again. The key needs s3:PutObject and s3:DeleteObject.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const key = `${folderOf(context.config)}datastore-gateway-test-${randomUUID()}`;
    const body = 'Written by a connection test, which deletes it again.';
    const headers = { 'content-type': 'text/plain' };
    const remove = (ended: S3Context) => askS3(ended, { method: 'DELETE', key });
    const put = await write(
      context,
      `The object ${key}`,
      () => askS3(context, { method: 'PUT', key, headers, body, begins: true }),
      remove,
    );
    if (!isDone(put.written)) throw failureOf(put.written, 'object', context.config);
    const removed = await remove(context);
    if (errorCode(removed) === DENIED) {
      throw new Failure('PERMISSION_DENIED', {
        configPath: identityPath(signerOf(context.config)),
        evidence: refusalEvidence(removed, DENIED),
        hint: 'The object was written, but may not be deleted and remains: grant s3:DeleteObject.',
      });
    }
    if (!isDone(removed)) throw failureOf(removed, 'object', context.config);
    put.removed();
    return { evidence: { written: true, removed: true } };
  },
};

export const s3Checks: readonly S3Check[] = [authenticate, headBucket, listObjects, getObject, putObject];

function list(context: S3Context, query: Record<string, string>): Promise<HttpResponse> {
  return askS3(context, { method: 'GET', query: { 'list-type': '2', ...query } });
}

/**
 * Tells whether the key may not list, though it may read the one object that the path names: object/get tells that.
 */
function mayOnlyGet(response: HttpResponse, { path, pathKind }: S3Config): boolean {
  return pathKind === 'FILE' && path !== undefined && errorCode(response) === DENIED;
}

/** The XML of a list of objects. Fails when the answer is anything else. */
function listing(response: HttpResponse, config: S3Config): string {
  if (!isDone(response)) throw failureOf(response, 'bucket', config);
  const xml = response.text();
  if (!xml.includes('<ListBucketResult')) throw strangerFailure(response);
  return xml;
}

function isDone({ status }: HttpResponse): boolean {
  return status >= 200 && status < 300;
}

function regionOf(response: HttpResponse): string | undefined {
  return /^[a-z0-9-]{1,40}$/.exec(response.headers['x-amz-bucket-region'] ?? '')?.[0];
}

/**
 * The size of the object, in bytes. It stands behind the slash, `bytes 0-0/1234`; a server that knows no ranges sends
 * all of the object.
 */
function sizeOf({ status, headers }: HttpResponse): number | undefined {
  if (status === RANGE_NOT_SATISFIABLE) return 0;
  const size = status === 200 ? headers['content-length'] : /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  return /^\d{1,15}$/.test(size ?? '') ? Number(size) : undefined;
}

/** The query for what lies under the path: a key may be allowed to list that alone. */
function prefixQuery(config: S3Config): Record<string, string> {
  const prefix = prefixOf(config);
  return prefix === '' ? {} : { prefix };
}

function prefixOf({ path = '', pathKind }: S3Config): string {
  return pathKind === 'FOLDER' && !path.endsWith('/') ? `${path}/` : path;
}

/**
 * The folder that the path names, or that the named object lies in; it ends in a slash unless it is the bucket itself.
 */
function folderOf({ path = '', pathKind }: S3Config): string {
  if (pathKind === 'FILE') return path.slice(0, path.lastIndexOf('/') + 1);
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}
