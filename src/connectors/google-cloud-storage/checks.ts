import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type GoogleRefusal, googleAccepted, googleRefusal } from '../families/google/answers.ts';
import { askGoogle, type GoogleState, googleAccount } from '../families/google/client.ts';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import type { Check, CheckContext } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { jsonAnswer, listOf, refusalEvidence } from '../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { write } from '../kit/http/http-base.ts';
import type { GoogleCloudStorageConfig } from './config.ts';

type GcsCheck = Check<GoogleCloudStorageConfig, GoogleState>;

/** Lets the gateway read. */
export const READ = 'https://www.googleapis.com/auth/devstorage.read_only';
const WRITE = 'https://www.googleapis.com/auth/devstorage.read_write';
/** The most objects that objects/list counts. */
const PAGE = 100;

/** A word of Google's own, such as EU or STANDARD, and nothing longer. */
const WORD = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);
const BUCKET = z.object({ name: z.string(), location: WORD.optional(), storageClass: WORD.optional() });
const OBJECTS = z.object({
  items: listOf(z.object({ name: z.string() })).optional(),
  nextPageToken: z.string().optional(),
});
const authenticate: GcsCheck = authenticateCheck(
  'Google takes the token that the account’s key signs, or that was given for another provider’s. No right is needed.',
  async (context) => {
    const response = await ask(context, READ, {
      method: 'GET',
      path: `${bucketPath(context.config)}?fields=name`,
    });
    // the checks that follow tell what the account may do, whether the bucket exists, and who pays
    const refusal = googleRefusal(response);
    const signedIn = [403, 404].includes(refusal?.code ?? 0) || (refusal && isAboutPayer(refusal));
    if (!signedIn) jsonAnswer(accepted(response), BUCKET);
    return { evidence: { server: 'Google Cloud Storage', account: googleAccount(context.config) } };
  },
);

const headBucket: GcsCheck = {
  name: 'bucket/head',
  title: 'Look at the bucket',
  description: 'The bucket exists. The account needs storage.buckets.get or storage.objects.list.',
  async run(context) {
    const { bucket } = context.config;
    const response = await ask(context, READ, {
      method: 'GET',
      path: `${bucketPath(context.config)}?fields=name,location,storageClass`,
    });
    if (response.status === 403) {
      // an account that may only read objects cannot see the bucket's own data; listing shows that the bucket exists
      accepted(await ask(context, READ, { method: 'GET', path: objectsPath(context.config, 1) }));
      return { evidence: { bucket, metadata: 'not readable' } };
    }
    const { location, storageClass } = jsonAnswer(accepted(response), BUCKET);
    return { evidence: { bucket, location, storageClass } };
  },
};

const listObjects: GcsCheck = {
  name: 'objects/list',
  title: 'List the objects',
  description:
    'The objects of the bucket can be listed; at most 100 are counted. The account needs storage.objects.list.',
  async run(context) {
    const response = await ask(context, READ, { method: 'GET', path: objectsPath(context.config, PAGE) });
    const { items = [], nextPageToken } = jsonAnswer(accepted(response), OBJECTS);
    return { evidence: { objects: items.length, more: nextPageToken !== undefined } };
  },
};

const putObject: GcsCheck = {
  name: 'object/put',
  title: 'Write an object',
  description:
    'A small object with a unique name can be written; it is deleted again. The account needs storage.objects.create and storage.objects.delete.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const name = encodeURIComponent(`datastore-gateway-test-${randomUUID()}`);
    const path = `${bucketPath(context.config)}/o`;
    const headers = { 'content-type': 'text/plain' };
    const body = 'Written by a connection test, which deletes it again.';
    const upload = `/upload${path}?uploadType=media&name=${name}`;
    const remove = (ended: typeof context) => ask(ended, WRITE, { method: 'DELETE', path: `${path}/${name}` });
    const { written, removed } = await write(
      context,
      `The object ${name}`,
      () => ask(context, WRITE, { method: 'POST', path: upload, headers, body, begins: true }),
      remove,
    );
    accepted(written);
    const removal = await remove(context);
    if (removal.status === 403) {
      throw new Failure('PERMISSION_DENIED', {
        configPath: 'credentials.clientEmail',
        evidence: refusalEvidence(removal, googleRefusal(removal)?.errors?.[0]?.reason),
        hint: 'The object was written, but may not be deleted and remains: grant storage.objects.delete.',
      });
    }
    accepted(removal);
    removed();
    return { evidence: { written: true, removed: true } };
  },
};

export const gcsChecks: readonly GcsCheck[] = [authenticate, headBucket, listObjects, putObject];

function accepted(response: HttpResponse): HttpResponse {
  return googleAccepted(response, ({ code, message, errors }) => {
    if (isAboutPayer({ code, message, errors })) return payerFailure(message);
    if (code === 403) return forbidden(errors?.[0]?.reason);
    if (code === 404) return new Failure('BUCKET_NOT_FOUND', { configPath: 'bucket', hint: 'Check `bucket`.' });
    return undefined;
  });
}

function forbidden(reason: string | undefined): Failure {
  if (reason === 'rateLimitExceeded' || reason === 'userRateLimitExceeded') return new Failure('TOO_MANY_REQUESTS');
  return new Failure('PERMISSION_DENIED', {
    configPath: 'credentials.clientEmail',
    hint: 'Grant the account a role on the bucket that has the right, such as Storage Object Viewer.',
  });
}

/** Google names the fault of who pays in words alone. */
const PAYER = /\buser project\b|serviceusage\.services\.use/i;

function isAboutPayer({ code, message = '' }: GoogleRefusal): boolean {
  return (code === 400 || code === 403) && PAYER.test(message);
}

function payerFailure(message = ''): Failure {
  if (/no user project/i.test(message)) {
    const hint = 'The requester pays for this bucket: give the project that does in `userProject`.';
    return new Failure('PERMISSION_DENIED', { configPath: 'userProject', hint });
  }
  if (/invalid/i.test(message))
    return new Failure('RESOURCE_NOT_FOUND', { configPath: 'userProject', hint: 'Check `userProject`.' });
  const hint = 'Grant the account serviceusage.services.use on the project of `userProject`.';
  return new Failure('PERMISSION_DENIED', { configPath: 'userProject', hint });
}

/** Sends a request, for which the config's project pays if it names one. */
function ask(
  context: CheckContext<GoogleCloudStorageConfig, GoogleState>,
  scope: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { userProject } = context.config;
  if (userProject === undefined) return askGoogle(context, scope, request);
  const mark = request.path.includes('?') ? '&' : '?';
  const path = `${request.path}${mark}userProject=${encodeURIComponent(userProject)}`;
  return askGoogle(context, scope, { ...request, path });
}

function bucketPath(config: GoogleCloudStorageConfig): string {
  return `/storage/v1/b/${encodeURIComponent(config.bucket)}`;
}

function objectsPath(config: GoogleCloudStorageConfig, limit: number): string {
  return `${bucketPath(config)}/o?maxResults=${limit}&fields=items(name),nextPageToken`;
}
