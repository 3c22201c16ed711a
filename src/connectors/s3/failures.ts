import type { FailureCode } from '../../errors/check-failures.ts';
import { signatureFailure } from '../families/aws/failures.ts';
import { ofRole } from '../families/aws/sts.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { ownFailure, refusalEvidence, strangerFailure } from '../kit/http/answers.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import { elementOf } from '../kit/http/xml.ts';
import { BUCKET_TWICE, signerOf, standsInHost, usesPathStyle } from './client.ts';
import type { S3Config } from './config.ts';

/** The failure behind each of S3's own codes. */
const BY_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  InvalidAccessKeyId: [
    'KEY_REFUSED',
    {
      configPath: 'accessKeyId',
      hint: 'The server does not know this access key id, or it needs its session token: check `accessKeyId` and `sessionToken`.',
    },
  ],
  InvalidToken: ['KEY_REFUSED', { configPath: 'sessionToken', hint: 'Check `sessionToken`.' }],
  InvalidSecurity: ['KEY_REFUSED', { configPath: 'accessKeyId' }],
  Unauthorized: ['KEY_REFUSED', { configPath: 'accessKeyId' }],
  ExpiredToken: ['TOKEN_EXPIRED', { configPath: 'sessionToken', hint: 'Give new temporary credentials.' }],
  TokenRefreshRequired: ['TOKEN_EXPIRED', { configPath: 'sessionToken', hint: 'Give new temporary credentials.' }],
  RequestTimeTooSkewed: ['CLOCK_SKEW', {}],
  AuthorizationHeaderMalformed: ['WRONG_REGION', { configPath: 'region' }],
  InvalidRegionName: ['WRONG_REGION', { configPath: 'region' }],
  PermanentRedirect: ['WRONG_REGION', { configPath: 'region' }],
  TemporaryRedirect: ['WRONG_REGION', { configPath: 'region' }],
  IllegalLocationConstraintException: ['WRONG_REGION', { configPath: 'region' }],
  NoSuchBucket: ['BUCKET_NOT_FOUND', { configPath: 'bucket' }],
  InvalidBucketName: ['BUCKET_NOT_FOUND', { configPath: 'bucket' }],
  NoSuchKey: ['OBJECT_NOT_FOUND', { configPath: 'path' }],
  AccessDenied: ['PERMISSION_DENIED', { configPath: 'accessKeyId' }],
  AllAccessDisabled: [
    'PERMISSION_DENIED',
    { configPath: 'bucket', hint: 'The bucket is closed to everyone: ask its owner.' },
  ],
  AccountProblem: [
    'PERMISSION_DENIED',
    { configPath: 'accessKeyId', hint: 'Something is wrong with the account: ask its owner.' },
  ],
  SecondLevelDomainForbidden: [
    'SERVER_ERROR',
    {
      configPath: 'forcePathStyle',
      hint: 'Set `forcePathStyle` to false: this server takes the name of the bucket in the host alone.',
    },
  ],
  SlowDown: ['TOO_MANY_REQUESTS', {}],
  RequestLimitExceeded: ['TOO_MANY_REQUESTS', {}],
};

/** The codes that a server sends only to those whose signature it has taken. */
const SIGNED_IN: readonly string[] = ['AccessDenied', 'AllAccessDisabled', 'NoSuchBucket', 'NoSuchKey'];

/** S3's code of an error. Undefined when the answer is none of S3's errors. */
export function errorCode(response: HttpResponse): string | undefined {
  const text = response.text();
  return /<Error[\s>]/.test(text) ? elementOf(text, 'Code') : undefined;
}

/** Tells whether a refusal comes from a server that has taken the signature. */
export function provesSignIn(response: HttpResponse): boolean {
  return SIGNED_IN.includes(errorCode(response) ?? '');
}

/** The failure behind an answer other than 2xx to a request about the bucket, or about an object in it. */
export function failureOf(response: HttpResponse, about: 'bucket' | 'object', config: S3Config): Failure {
  const code = errorCode(response);
  // every S3 says in its body why it refuses
  if (code === undefined) return strangerFailure(response);
  const known = knownFailure(code, about, config);
  const failure = known && ofRole(known, signerOf(config));
  return failure?.with({ ...regionOf(response), ...refusalEvidence(response, code) }) ?? ownFailure(response, code);
}

function knownFailure(code: string, about: 'bucket' | 'object', config: S3Config): Failure | undefined {
  if (code === 'SignatureDoesNotMatch') return signatureFailure(config);
  if (about === 'bucket' && isBucketTwice(code, config))
    return new Failure('BUCKET_NOT_FOUND', { configPath: 'baseUrl', hint: BUCKET_TWICE });
  const known = BY_CODE[code];
  return known && new Failure(...known);
}

/**
 * Tells by the refusal of a request for the bucket whether the base URL has led into one: its name then counts as the
 * key of an object there, or it stands before the host twice.
 */
function isBucketTwice(code: string, config: S3Config): boolean {
  if (config.baseUrl === undefined) return false;
  if (usesPathStyle(config)) return code === 'NoSuchKey';
  return code === 'NoSuchBucket' && standsInHost(config);
}

/** The region that the server names, for those who mend the config. */
function regionOf(response: HttpResponse): Record<string, string> {
  const region = response.headers['x-amz-bucket-region'] ?? elementOf(response.text(), 'Region') ?? '';
  return /^[a-z0-9-]{1,40}$/.test(region) ? { region } : {};
}
