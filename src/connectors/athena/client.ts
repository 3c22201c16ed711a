import { z } from 'zod';
import type { FailureCode } from '../../errors/check-failures.ts';
import { signatureFailure } from '../families/aws/failures.ts';
import { awsDomain, hostHeader, signAwsRequest } from '../families/aws/signing.ts';
import { type AwsSigned, type AwsSigner, ofRole, signerIdentity } from '../families/aws/sts.ts';
import { publicTls, serviceTarget } from '../kit/config/target.ts';
import { basePath, targetOfUrl } from '../kit/config/url.ts';
import type { CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { jsonAnswer, ownFailure, refusalEvidence, strangerFailure } from '../kit/http/answers.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import { elementOf } from '../kit/http/xml.ts';
import type { AthenaConfig } from './config.ts';

/** The longest answer that is read, in bytes: it has room for 50 tables with some 2,000 columns each. */
const MAX_BYTES = 8 * 1024 * 1024;

export type AthenaState = HttpState<AwsSigned>;
export type AthenaContext = CheckContext<AthenaConfig, AthenaState>;

/** Who signs the requests of a config. */
export function signerOf(config: AthenaConfig): AwsSigner {
  return { signIn: config, region: config.region };
}

export function targetOf({ baseUrl, region }: AthenaConfig): Target {
  if (baseUrl !== undefined) return targetOfUrl(baseUrl, publicTls, { hostPath: 'baseUrl' });
  return serviceTarget(`athena.${region}.${awsDomain(region)}`, 'region');
}

/** Sends one signed operation of Athena's API: `GetWorkGroup`. */
export async function sendAthena(
  { config, state }: AthenaContext,
  operation: string,
  input: Record<string, unknown>,
  maxBytes = MAX_BYTES,
): Promise<HttpResponse> {
  const request = {
    method: 'POST',
    path: `${basePath(config.baseUrl)}/`,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `AmazonAthena.${operation}` },
    body: JSON.stringify(input),
  } as const;
  const unsigned = { ...request, host: hostHeader(targetOf(config)), query: {} };
  const identity = signerIdentity(signerOf(config), state);
  const headers = await signAwsRequest(unsigned, identity, { region: config.region, service: 'athena' });
  return state.http.request({ ...request, headers, maxBytes, begins: operation.startsWith('Start') });
}

/**
 * Sends an operation and gives the parts of its answer that are asked for. `missing` makes the failure for a name that
 * Athena does not know.
 */
export async function askAthena<Schema extends z.ZodType>(
  context: AthenaContext,
  operation: string,
  input: Record<string, unknown>,
  schema: Schema,
  missing?: () => Failure,
): Promise<z.output<Schema>> {
  const response = await sendAthena(context, operation, input);
  if (response.status !== 200) throw refusalFailure(response, context.config, missing);
  return jsonAnswer(response, schema);
}

const KEY_HINT =
  'AWS does not know this access key id, or it needs its session token, or that is not its own: check `accessKeyId` and `sessionToken`.';

/** The failure behind each of AWS' own names of what is wrong with a request to any of its services. */
const BY_NAME: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  UnrecognizedClientException: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  InvalidClientTokenId: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  InvalidAccessKeyId: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  MissingAuthenticationTokenException: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  ExpiredTokenException: ['TOKEN_EXPIRED', { configPath: 'sessionToken', hint: 'Give new temporary credentials.' }],
  ExpiredToken: ['TOKEN_EXPIRED', { configPath: 'sessionToken', hint: 'Give new temporary credentials.' }],
  RequestExpired: ['CLOCK_SKEW', {}],
  RequestTimeTooSkewed: ['CLOCK_SKEW', {}],
  AccessDeniedException: [
    'PERMISSION_DENIED',
    { configPath: 'accessKeyId', hint: 'Allow the action in a policy of the key’s owner.' },
  ],
  AccessDenied: [
    'PERMISSION_DENIED',
    { configPath: 'accessKeyId', hint: 'Allow the action in a policy of the key’s owner.' },
  ],
  ThrottlingException: ['TOO_MANY_REQUESTS', {}],
  TooManyRequestsException: ['TOO_MANY_REQUESTS', {}],
  InternalServerException: ['SERVER_UNAVAILABLE', {}],
  ServiceUnavailableException: ['SERVER_UNAVAILABLE', {}],
};

/** The names for a signature that is not taken, once it is not too old or for another region. */
const SIGNATURE: readonly string[] = [
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
];

/** The names that AWS gives only to those whose signature it has taken. */
const SIGNED_IN: readonly string[] = [
  'AccessDeniedException',
  'AccessDenied',
  'InvalidRequestException',
  'MetadataException',
];
const ABOUT_NAMES: readonly string[] = ['InvalidRequestException', 'MetadataException', 'ResourceNotFoundException'];

export function provesSignIn(response: HttpResponse): boolean {
  return SIGNED_IN.includes(refusalOf(response)?.name ?? '');
}

export function refusalFailure(response: HttpResponse, config: AthenaConfig, missing?: () => Failure): Failure {
  const refusal = refusalOf(response);
  if (!refusal) return strangerFailure(response);
  const known = knownFailure(refusal, config, missing);
  const failure = known && ofRole(known, signerOf(config));
  return failure?.with(refusalEvidence(response, refusal.name)) ?? ownFailure(response, refusal.name);
}

function knownFailure(
  { name, message }: AwsRefusal,
  config: AthenaConfig,
  missing?: () => Failure,
): Failure | undefined {
  if (/^Signature (expired|not yet current)/.test(message)) return new Failure('CLOCK_SKEW');
  if (/Credential should be scoped to/.test(message))
    return new Failure('WRONG_REGION', {
      configPath: 'region',
      hint: 'Check `region`: the endpoint is of another one.',
    });
  if (SIGNATURE.includes(name)) return signatureFailure(config);
  const known = BY_NAME[name];
  if (known) return new Failure(...known);
  if (
    missing &&
    ABOUT_NAMES.includes(name) &&
    /not found|not exist|no such|invalid catalog|no output location/i.test(message)
  )
    return missing();
  return undefined;
}

const JSON_REFUSAL = z.object({ __type: z.string(), message: z.string().optional(), Message: z.string().optional() });

/** AWS' name of what is wrong, and its text, which is looked through but never shown. */
interface AwsRefusal {
  readonly name: string;
  readonly message: string;
}

/** The refusal in an answer. AWS may write it in XML before it knows who asks. Undefined when it is none of AWS'. */
function refusalOf(response: HttpResponse): AwsRefusal | undefined {
  const text = response.text();
  if (text.includes('<Error')) {
    const name = elementOf(text, 'Code');
    return name === undefined ? undefined : { name, message: elementOf(text, 'Message') ?? '' };
  }
  if (!/^application\/(json|x-amz-json)/.test(response.headers['content-type'] ?? '')) return undefined;
  const { __type, message, Message } = JSON_REFUSAL.safeParse(response.json()).data ?? {};
  // the name may stand behind a prefix: `com.amazonaws.athena#InvalidRequestException`
  const name = __type?.replace(/^.*#/, '').replace(/:.*$/, '');
  return name === undefined ? undefined : { name, message: message ?? Message ?? '' };
}
