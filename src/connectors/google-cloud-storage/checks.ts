import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { googleToken } from '../families/google/token.ts';
import { endpointChecks } from '../kit/checks/endpoint.ts';
import { GOOGLE_DOMAIN } from '../kit/config/service-account.ts';
import { tls } from '../kit/config/tls.ts';
import type { Check, CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { jsonAnswer, statusFailure } from '../kit/http/answers.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, httpClient } from '../kit/http/client.ts';
import type { GoogleCloudStorageConfig } from './config.ts';

/** What the checks of one test share. */
export interface GcsState {
  http?: HttpClient;
}

type GcsCheck = Check<GoogleCloudStorageConfig, GcsState>;
type Context = CheckContext<GoogleCloudStorageConfig, GcsState>;

const READ = 'https://www.googleapis.com/auth/devstorage.read_only';
const WRITE = 'https://www.googleapis.com/auth/devstorage.read_write';
/** The most objects that objects/list counts. */
const PAGE = 100;

/** EU, STANDARD: words of Google's, and nothing longer. */
const WORD = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/);
const BUCKET = z.object({ name: z.string(), location: WORD.optional(), storageClass: WORD.optional() });
const OBJECTS = z.object({
  items: z.array(z.object({ name: z.string() })).optional(),
  nextPageToken: z.string().optional(),
});
const REFUSAL = z.object({
  error: z.object({ code: z.int(), errors: z.array(z.object({ reason: z.string() })).optional() }),
});

const authenticate: GcsCheck = {
  name: 'session/authenticate',
  title: 'Sign in',
  description: 'Google takes the token that the account’s key signs. No right is needed.',
  base: true,
  async run(context) {
    context.state.http = httpClient(context, targetOf(context.config));
    const response = await ask(context, READ, { method: 'GET', path: `${bucketPath(context.config)}?fields=name` });
    // what the account may do, and to which bucket, is the business of the checks that follow
    if (!isRefusal(response, 403, 404)) jsonAnswer(accepted(response, context.config), BUCKET);
    return { evidence: { server: 'Google Cloud Storage', account: context.config.credentials.clientEmail } };
  },
};

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
      // those who only read objects may not see the bucket's own data; that it exists shows all the same
      accepted(await ask(context, READ, { method: 'GET', path: objectsPath(context.config, 1) }), context.config);
      return { evidence: { bucket, metadata: 'not readable' } };
    }
    const { location, storageClass } = jsonAnswer(accepted(response, context.config), BUCKET);
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
    const { items = [], nextPageToken } = jsonAnswer(accepted(response, context.config), OBJECTS);
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
    accepted(
      await ask(context, WRITE, {
        method: 'POST',
        path: `/upload${path}?uploadType=media&name=${name}`,
        headers,
        body,
      }),
      context.config,
    );
    const removal = await ask(context, WRITE, { method: 'DELETE', path: `${path}/${name}` });
    if (removal.status === 403) {
      throw new Failure('PERMISSION_DENIED', {
        configPath: 'credentials.clientEmail',
        hint: 'The object was written, but may not be deleted and remains: grant storage.objects.delete.',
      });
    }
    accepted(removal, context.config);
    return { evidence: { written: true, removed: true } };
  },
};

export const gcsChecks: readonly GcsCheck[] = [
  ...endpointChecks<GoogleCloudStorageConfig, GcsState>({ target: targetOf, alpnProtocols: ['http/1.1'] }),
  authenticate,
  headBucket,
  listObjects,
  putObject,
];

async function ask({ config, state }: Context, scope: string, request: HttpRequest): Promise<HttpResponse> {
  if (!state.http) throw new Error('session/authenticate has to run first.');
  const authorization = `Bearer ${await googleToken(config.credentials, scope)}`;
  return state.http.request({ ...request, headers: { ...request.headers, authorization } });
}

function accepted(response: HttpResponse, config: GoogleCloudStorageConfig): HttpResponse {
  const { status } = response;
  if (status >= 200 && status < 300) return response;
  if (isRefusal(response, 401)) {
    throw new Failure('KEY_REFUSED', {
      configPath: 'credentials.privateKey',
      hint: 'Check that the key belongs to `credentials.clientEmail`, that neither is deleted or disabled, and the gateway’s clock.',
    });
  }
  if (isRefusal(response, 403)) throw forbidden(response);
  if (isRefusal(response, 404))
    throw new Failure('BUCKET_NOT_FOUND', { configPath: 'bucket', hint: 'Check `bucket`.' });
  const hostPath = config.credentials.universeDomain ? { configPath: 'credentials.universeDomain' } : {};
  throw statusFailure(status, hostPath);
}

function forbidden(response: HttpResponse): Failure {
  const reason = refusalOf(response)?.errors?.[0]?.reason;
  if (reason === 'rateLimitExceeded' || reason === 'userRateLimitExceeded') return new Failure('TOO_MANY_REQUESTS');
  return new Failure('PERMISSION_DENIED', {
    configPath: 'credentials.clientEmail',
    hint: 'Grant the account a role on the bucket that has the right, such as Storage Object Viewer.',
  });
}

/** Whether one of these statuses came in the form that Google's errors have: those of something in between do not count. */
function isRefusal(response: HttpResponse, ...statuses: number[]): boolean {
  return statuses.includes(response.status) && refusalOf(response)?.code === response.status;
}

function refusalOf(response: HttpResponse): z.output<typeof REFUSAL>['error'] | undefined {
  if (!response.headers['content-type']?.startsWith('application/json')) return undefined;
  return REFUSAL.safeParse(response.json()).data?.error;
}

export function targetOf({ credentials }: GoogleCloudStorageConfig): Target {
  const { universeDomain } = credentials;
  const target = { host: `storage.${universeDomain ?? GOOGLE_DOMAIN}`, port: 443, tls: tls().parse({}) };
  return universeDomain === undefined ? target : { ...target, hostPath: 'credentials.universeDomain' };
}

function bucketPath(config: GoogleCloudStorageConfig): string {
  return `/storage/v1/b/${encodeURIComponent(config.bucket)}`;
}

function objectsPath(config: GoogleCloudStorageConfig, limit: number): string {
  return `${bucketPath(config)}/o?maxResults=${limit}&fields=items(name),nextPageToken`;
}
