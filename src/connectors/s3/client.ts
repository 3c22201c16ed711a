import { awsDomain, awsEncode, awsQueryString, hostHeader, signAwsRequest } from '../families/aws/signing.ts';
import { type AwsSigned, type AwsSigner, signerIdentity } from '../families/aws/sts.ts';
import { serviceTarget } from '../kit/config/target.ts';
import { basePath, targetOfUrl } from '../kit/config/url.ts';
import type { CheckContext, Target } from '../kit/contract/connector.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import type { S3Config } from './config.ts';

export type S3State = HttpState<AwsSigned>;
export type S3Context = CheckContext<S3Config, S3State>;

export interface S3Request {
  readonly method: HttpRequest['method'];
  /** The key of an object. Left out: the request is about the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** True when only the beginning of the answer's body matters: the rest is cut off. */
  readonly beginningOnly?: boolean;
  /** True for a write, whose answer is waited for although the test was aborted. */
  readonly begins?: boolean;
}

/** Sends a signed request to the bucket or to an object in it. */
export async function askS3({ config, state }: S3Context, request: S3Request): Promise<HttpResponse> {
  const { method, query = {}, body, begins = false } = request;
  const path = pathOf(config, request.key);
  const payer: Record<string, string> = config.requesterPays ? { 'x-amz-request-payer': 'requester' } : {};
  const given = { ...request.headers, ...payer };
  const unsigned = { method, host: hostHeader(targetOf(config)), path, query, headers: given, body };
  const headers = await signAwsRequest(unsigned, signerIdentity(signerOf(config), state), {
    region: config.region,
    service: 's3',
  });
  const tooLong = request.beginningOnly ? 'cut' : 'fail';
  return state.http.request({ method, path: path + awsQueryString(query), headers, body, tooLong, begins });
}

/** Who signs the requests of a config. */
export function signerOf(config: S3Config): AwsSigner {
  return { signIn: config, region: config.region, tls: config.tls };
}

/**
 * The target of the bucket. AWS has an endpoint for each region; the bucket's name stands before it unless it stands in
 * the path.
 */
export function targetOf(config: S3Config): Target {
  const endpoint = endpointOf(config);
  if (usesPathStyle(config)) return endpoint;
  const host = `${config.bucket}.${endpoint.host}`;
  return { ...endpoint, host, ...(standsInHost(config) ? { nameHint: BUCKET_TWICE } : {}) };
}

export const BUCKET_TWICE = 'A bucket stands in the base URL already: give it without, and the name in `bucket` alone.';

/** Tells whether the host of the base URL begins with the name of the bucket. */
export function standsInHost({ baseUrl, bucket }: S3Config): boolean {
  return baseUrl !== undefined && new URL(baseUrl).hostname.startsWith(`${bucket}.`);
}

function endpointOf(config: S3Config): Target {
  if (config.baseUrl !== undefined) return targetOfUrl(config.baseUrl, config.tls, { hostPath: 'baseUrl' });
  return serviceTarget(`s3.${config.region}.${awsDomain(config.region)}`, 'region');
}

/**
 * Tells whether the bucket stands in the path. One with a dot in its name does, unless the config says otherwise: it
 * fits no wildcard certificate.
 */
export function usesPathStyle(config: S3Config): boolean {
  return config.forcePathStyle ?? (config.baseUrl !== undefined || !/^[a-z0-9-]+$/.test(config.bucket));
}

function pathOf(config: S3Config, key = ''): string {
  const base = basePath(config.baseUrl);
  const encoded = key.split('/').map(awsEncode).join('/');
  return usesPathStyle(config) ? `${base}/${awsEncode(config.bucket)}${key && '/'}${encoded}` : `${base}/${encoded}`;
}
