import { randomBytes } from 'node:crypto';
import type { PeerAnswer, PeerRequest } from './http-peer.ts';
import { type AwsCredentials, type SignatureFault, verifySignature } from './sigv4.ts';
import type { TokenIssuer } from './token-issuer.ts';

/** A role, and whom its trust policy names. */
export interface FakeRole {
  readonly arn: string;
  /** The ids of access keys, and the ARNs of other roles. */
  readonly trusts?: readonly string[];
  readonly externalId?: string;
  readonly issuer?: TokenIssuer;
}

export interface FakeStsOptions {
  readonly region: string;
  /** The keys that may ask. */
  readonly credentials: readonly AwsCredentials[];
  readonly roles: readonly FakeRole[];
  /** How far the server's clock is ahead, in minutes. */
  readonly clockAhead?: number;
  /** What it says instead of giving credentials. */
  readonly refuses?: string;
}

export interface FakeSts {
  /** The credentials that it has given so far, of which each is another one. */
  readonly issued: readonly IssuedCredentials[];
  /** Its answer to a request to its own host; undefined for a request to another one. */
  answer(request: PeerRequest): PeerAnswer | undefined;
}

export interface IssuedCredentials extends AwsCredentials {
  readonly role: string;
  readonly form: URLSearchParams;
}

/**
 * AWS STS as far as roles are assumed, written from its published reference. It computes the signature of each request
 * by itself, and verifies the tokens of web identities.
 */
export function createFakeSts(options: FakeStsOptions): FakeSts {
  const issued: IssuedCredentials[] = [];
  return {
    issued,
    answer: (request) => (/^sts\./.test(request.headers.host ?? '') ? answer(request, options, issued) : undefined),
  };
}

const FAULTS: Readonly<Record<SignatureFault, readonly [code: string, message: string]>> = {
  unsigned: ['MissingAuthenticationToken', 'Request is missing Authentication Token'],
  scope: ['SignatureDoesNotMatch', 'Credential should be scoped to a valid region.'],
  'unknown-key': ['InvalidClientTokenId', 'The security token included in the request is invalid.'],
  'token-missing': ['InvalidClientTokenId', 'The security token included in the request is invalid.'],
  'token-wrong': ['InvalidClientTokenId', 'The security token included in the request is invalid.'],
  expired: ['ExpiredToken', 'The security token included in the request is expired'],
  clock: ['SignatureDoesNotMatch', 'Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z'],
  'unsigned-header': ['SignatureDoesNotMatch', 'The request signature does not match.'],
  body: ['SignatureDoesNotMatch', 'The request signature does not match.'],
  signature: [
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
  ],
};

function answer(request: PeerRequest, options: FakeStsOptions, issued: IssuedCredentials[]): PeerAnswer {
  const form = new URLSearchParams(request.body.toString());
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  if (request.method !== 'POST' || !isForm || form.get('Version') !== '2011-06-15')
    return refusal(400, 'InvalidAction', 'Could not find operation');
  if (!/^[\w+=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? '') || Number(form.get('DurationSeconds')) < 900)
    return refusal(400, 'ValidationError', 'A value failed to satisfy a constraint');
  const role = options.roles.find(({ arn }) => arn === form.get('RoleArn'));
  const refused =
    form.get('Action') === 'AssumeRole' ? judgeKey(request, form, role, options, issued) : judgeToken(form, role);
  if (refused) return refused;
  if (options.refuses !== undefined) return refusal(400, options.refuses, 'As the fake has it.');
  return give(form, role as FakeRole, issued);
}

function judgeKey(
  request: PeerRequest,
  form: URLSearchParams,
  role: FakeRole | undefined,
  { credentials, region, clockAhead }: FakeStsOptions,
  issued: readonly IssuedCredentials[],
): PeerAnswer | undefined {
  const known = [...credentials, ...issued];
  const verdict = verifySignature(request, { credentials: known, region, service: 'sts', clockAhead });
  if ('fault' in verdict) return refusal(403, ...FAULTS[verdict.fault]);
  const { accessKeyId } = verdict.credentials;
  const asker = issued.find((each) => each.accessKeyId === accessKeyId)?.role ?? accessKeyId;
  const trusted = role?.trusts?.includes(asker) && (role.externalId ?? null) === form.get('ExternalId');
  if (trusted) return undefined;
  return refusal(403, 'AccessDenied', `User: ${asker} is not authorized to perform: sts:AssumeRole on resource: x`);
}

function judgeToken(form: URLSearchParams, role: FakeRole | undefined): PeerAnswer | undefined {
  if (!role?.issuer) return refusal(403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
  const verdict = role.issuer.judge(form.get('WebIdentityToken') ?? '');
  if ('claims' in verdict) return undefined;
  if (verdict.fault === 'expired') return refusal(400, 'ExpiredTokenException', 'Token expired: current date …');
  return refusal(400, 'InvalidIdentityToken', "Couldn't retrieve verification key from your identity provider");
}

function give(form: URLSearchParams, { arn }: FakeRole, issued: IssuedCredentials[]): PeerAnswer {
  const secret = randomBytes(30).toString('base64');
  const [accessKeyId, sessionToken] = [`ASIA${randomBytes(8).toString('hex').toUpperCase()}`, `${secret}/token==`];
  issued.push({ accessKeyId, secretAccessKey: secret, sessionToken, role: arn, form });
  const action = form.get('Action');
  const expires = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1000).toISOString();
  const session = `${arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${form.get('RoleSessionName')}`;
  const body = `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><AssumedRoleUser><AssumedRoleId>AROAEXAMPLE:x</AssumedRoleId><Arn>${session}</Arn></AssumedRoleUser><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expires}</Expiration></Credentials></${action}Result></${action}Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}

function refusal(status: number, code: string, message: string): PeerAnswer {
  const body = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>c6104cbe</RequestId></ErrorResponse>`;
  return { status, headers: { 'content-type': 'text/xml' }, body };
}
