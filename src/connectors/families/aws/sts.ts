import type { FailureCode } from '../../../errors/check-failures.ts';
import { publicTls, serviceTarget } from '../../kit/config/target.ts';
import type { Tls } from '../../kit/config/tls.ts';
import { basePath, targetOfUrl } from '../../kit/config/url.ts';
import type { Check, CheckContext, Target } from '../../kit/contract/connector.ts';
import { Failure, type FailureDetails } from '../../kit/contract/failure.ts';
import { ownFailure, refusalEvidence, strangerFailure } from '../../kit/http/answers.ts';
import { HttpClient, type HttpResponse } from '../../kit/http/client.ts';
import { elementOf } from '../../kit/http/xml.ts';
import type { AwsSignIn } from './config.ts';
import { type AwsIdentity, awsDomain, awsIdentity, hostHeader, signAwsRequest } from './signing.ts';

/** How long credentials of a role last, in seconds: the shortest time that STS gives. No test lasts so long. */
const LASTS = 900;
const VERSION = '2011-06-15';

/** Who signs requests, and where that is found out. */
export interface AwsSigner {
  readonly signIn: AwsSignIn;
  readonly region: string;
  /** How `stsUrl` is reached. Left out: as a public service is. */
  readonly tls?: Tls;
  /** What the config paths of the sign-in begin with: `iam.`. Left out: nothing. */
  readonly within?: string;
}

/** What the check that assumes a role leaves for those after it. */
export interface AwsSigned {
  readonly identity?: AwsIdentity;
}

/** Tells whether a role is assumed before requests are signed. */
export function assumesRole({ signIn }: AwsSigner): boolean {
  return signIn.assumeRole !== undefined || signIn.webIdentity !== undefined;
}

/** Where roles are assumed; nowhere when none is. */
function stsTargets(signer: AwsSigner | undefined): readonly Target[] {
  return signer && assumesRole(signer) ? [stsTarget(signer)] : [];
}

function stsTarget({ signIn, region, tls = publicTls, within = '' }: AwsSigner): Target {
  if (signIn.stsUrl !== undefined) return targetOfUrl(signIn.stsUrl, tls, { hostPath: `${within}stsUrl` });
  return serviceTarget(`sts.${region}.${awsDomain(region)}`, `${within}region`);
}

/** Who signs the requests of a test: the assumed role, or the access key itself. */
export function signerIdentity({ signIn }: AwsSigner, { identity }: AwsSigned): AwsIdentity {
  return identity ?? awsIdentity(signIn);
}

/**
 * The check that assumes the roles of a config, which has nothing to do for a config without one. It stands before all
 * others: what it asks is not behind a tunnel.
 */
function assumeRoleCheck<Config, State extends object>(
  signerOf: (config: Config) => AwsSigner | undefined,
): Check<Config, State> {
  return {
    name: 'role/assume',
    title: 'Assume the role',
    description:
      'AWS STS gives temporary credentials of the role, for 15 minutes. The trust policy of the role has to name who asks, with the external id if it asks for one; an access key needs sts:AssumeRole besides.',
    base: true,
    signsIn: true,
    appliesTo: (config) => {
      const signer = signerOf(config);
      return signer !== undefined && assumesRole(signer);
    },
    async run(context) {
      const signer = signerOf(context.config);
      if (!signer) throw new Error('role/assume was run for a config without a role.');
      const assumed = await assume(context, signer);
      Object.assign(context.state, { identity: assumed.identity } satisfies AwsSigned);
      return { evidence: { role: assumed.role, expires: assumed.expires } };
    },
  };
}

/** What a connector has where its config may name a role: that is assumed first, by a server that is a target too. */
export function withRole<Config, State extends object, Parts extends Assuming<Config, State>>(
  signerOf: (config: Config) => AwsSigner | undefined,
  parts: Parts & Assuming<Config, State>,
) {
  return {
    ...parts,
    targets: (config: Config): readonly Target[] => [...parts.targets(config), ...stsTargets(signerOf(config))],
    checks: [assumeRoleCheck<Config, State>(signerOf), ...parts.checks],
  };
}

interface Assuming<Config, State> {
  readonly targets: (config: Config) => readonly Target[];
  readonly checks: readonly Check<Config, State>[];
}

interface Assumed {
  readonly identity: AwsIdentity;
  readonly role: string | undefined;
  readonly expires: string | undefined;
}

/** Assumes the role of the web identity, then the other one, as far as the config names them. */
async function assume(context: CheckContext<unknown, unknown>, signer: AwsSigner): Promise<Assumed> {
  const target = stsTarget(signer);
  const { dialer, signal, link } = context;
  const http = new HttpClient({ dialer, signal, link: { socket: undefined, take: link.take } }, target);
  try {
    const { assumeRole, webIdentity, ...key } = signer.signIn;
    const first = webIdentity && (await ask(http, signer, 'webIdentity', undefined));
    if (!assumeRole) return required(first);
    return await ask(http, signer, 'assumeRole', first?.identity ?? awsIdentity(key));
  } finally {
    http.close();
  }
}

function required(assumed: Assumed | undefined): Assumed {
  if (!assumed) throw new Error('role/assume was run for a config without a role.');
  return assumed;
}

type Way = 'assumeRole' | 'webIdentity';

/** Asks for credentials of a role. A request without an identity goes unsigned, for its token shows who asks. */
async function ask(http: HttpClient, signer: AwsSigner, way: Way, identity: AwsIdentity | undefined): Promise<Assumed> {
  const { signIn, region } = signer;
  const unsigned = {
    method: 'POST',
    path: `${basePath(signIn.stsUrl)}/`,
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', accept: 'application/xml' },
    body: new URLSearchParams(formOf(signIn, way)).toString(),
  } as const;
  const whole = { ...unsigned, host: hostHeader(stsTarget(signer)), query: {} };
  const signed = identity && (await signAwsRequest(whole, identity, { region, service: 'sts' }));
  const response = await http.request({ ...unsigned, headers: signed ?? unsigned.headers });
  if (response.status !== 200) throw refusalFailure(response, signer, way);
  return credentialsOf(response);
}

function formOf({ assumeRole, webIdentity }: AwsSignIn, way: Way): Record<string, string> {
  const block = way === 'assumeRole' ? assumeRole : webIdentity;
  if (!block) throw new Error(`There is no ${way}.`);
  return {
    Action: way === 'assumeRole' ? 'AssumeRole' : 'AssumeRoleWithWebIdentity',
    Version: VERSION,
    RoleArn: block.roleArn,
    RoleSessionName: block.sessionName,
    DurationSeconds: String(LASTS),
    ...(block.sessionPolicy === undefined ? {} : { Policy: block.sessionPolicy }),
    ...('token' in block ? { WebIdentityToken: block.token } : {}),
    ...('externalId' in block && block.externalId !== undefined ? { ExternalId: block.externalId } : {}),
  };
}

/** The credentials in an answer. They go into headers, so they are what a header takes. */
function credentialsOf(response: HttpResponse): Assumed {
  const xml = response.text();
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
    (name) => /^[\x21-\x7e]{1,16384}$/.exec(elementOf(xml, name) ?? '')?.[0],
  );
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw strangerFailure(response);
  return {
    identity: { accessKeyId, secretAccessKey, sessionToken },
    role: /^arn:[\x21-\x7e]{1,195}$/.exec(elementOf(xml, 'Arn') ?? '')?.[0],
    expires: /^\d{4}-\d\d-\d\dT[\d:.]{8,16}Z$/.exec(elementOf(xml, 'Expiration') ?? '')?.[0],
  };
}

const KEY_HINT =
  'AWS does not know this access key id, or it needs its session token, or that is not its own: check `accessKeyId` and `sessionToken`.';

/** The failure behind each of STS' own names of what is wrong; its path is within the config's sign-in. */
const BY_NAME: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  InvalidClientTokenId: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  InvalidAccessKeyId: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  UnrecognizedClientException: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  MissingAuthenticationToken: ['KEY_REFUSED', { configPath: 'accessKeyId', hint: KEY_HINT }],
  IncompleteSignature: ['KEY_REFUSED', { configPath: 'secretAccessKey' }],
  InvalidSignatureException: ['KEY_REFUSED', { configPath: 'secretAccessKey' }],
  SignatureDoesNotMatch: [
    'KEY_REFUSED',
    {
      configPath: 'secretAccessKey',
      hint: 'The signature is wrong: check that `secretAccessKey` belongs to `accessKeyId`.',
    },
  ],
  ExpiredToken: ['TOKEN_EXPIRED', { configPath: 'sessionToken', hint: 'Give new temporary credentials.' }],
  RequestExpired: ['CLOCK_SKEW', {}],
  RequestTimeTooSkewed: ['CLOCK_SKEW', {}],
  RegionDisabledException: [
    'WRONG_REGION',
    { configPath: 'region', hint: 'AWS STS is not activated in this region for the account: have it activated.' },
  ],
  Throttling: ['TOO_MANY_REQUESTS', {}],
  ThrottlingException: ['TOO_MANY_REQUESTS', {}],
};

/** The names that mean something else of a token, or of the block that the role stands in. */
function blockFailure(name: string, way: Way): Failure | undefined {
  switch (name) {
    case 'AccessDenied':
    case 'AccessDeniedException':
      return new Failure('PERMISSION_DENIED', { configPath: `${way}.roleArn`, hint: DENIED_HINTS[way] });
    case 'NoSuchEntity':
      return new Failure('RESOURCE_NOT_FOUND', { configPath: `${way}.roleArn`, hint: 'Check the ARN of the role.' });
    case 'MalformedPolicyDocument':
    case 'PackedPolicyTooLarge':
      return new Failure('SERVER_ERROR', {
        configPath: `${way}.sessionPolicy`,
        hint: 'AWS cannot use the session policy: check its grammar and its length.',
      });
    case 'ValidationError':
      return new Failure('SERVER_ERROR', {
        configPath: `${way}.roleArn`,
        hint: 'AWS takes the request for malformed: check the ARN of the role, and what stands beside it.',
      });
    default:
      return way === 'webIdentity' ? tokenFailure(name) : undefined;
  }
}

const DENIED_HINTS: Readonly<Record<Way, string>> = {
  assumeRole:
    'The role may not be assumed: check `assumeRole.roleArn`, that the trust policy of the role names who asks, with the `assumeRole.externalId` that it asks for, and that the key’s owner may call sts:AssumeRole.',
  webIdentity:
    'The role may not be assumed: check `webIdentity.roleArn`, and that the trust policy of the role names the issuer of the token, with its audience and its subject.',
};

function tokenFailure(name: string): Failure | undefined {
  const configPath = 'webIdentity.token';
  switch (name) {
    case 'ExpiredTokenException':
    case 'ExpiredToken':
      return new Failure('TOKEN_EXPIRED', { configPath });
    case 'InvalidIdentityToken':
    case 'InvalidIdentityTokenException':
    case 'IDPRejectedClaim':
    case 'InvalidParameterValue':
      return new Failure('KEY_REFUSED', {
        configPath,
        hint: 'The token was refused: check that it is a whole one of an OpenID provider that AWS IAM knows, for an audience that is allowed there.',
      });
    case 'IDPCommunicationError':
      return new Failure('SERVER_UNAVAILABLE', {
        configPath,
        hint: 'AWS could not reach the OpenID provider that has issued the token: try again later.',
      });
    default:
      return undefined;
  }
}

function refusalFailure(response: HttpResponse, { within = '' }: AwsSigner, way: Way): Failure {
  const xml = response.text();
  const name = /<Error[\s>]/.test(xml) ? elementOf(xml, 'Code') : undefined;
  if (name === undefined) return strangerFailure(response);
  const isOld = /^Signature (expired|not yet current)/.test(elementOf(xml, 'Message') ?? '');
  const known = isOld ? (['CLOCK_SKEW', {}] as const) : BY_NAME[name];
  const failure = blockFailure(name, way) ?? (known && new Failure(...known)) ?? ownFailure(response, name);
  return pointingInto(failure, within).with(refusalEvidence(response, name));
}

const OWN_FIELDS = /`(?=(?:accessKeyId|secretAccessKey|sessionToken|assumeRole|webIdentity)\b)/g;

/** The same failure where the sign-in stands within a block: that begins the fields that it names. */
function pointingInto(failure: Failure, within: string): Failure {
  const { code, hint, configPath } = failure.report;
  const { evidence } = failure;
  const path = configPath === null ? {} : { configPath: within + configPath };
  const told = hint === null ? {} : { hint: hint.replace(OWN_FIELDS, `\`${within}`) };
  return new Failure(code, { ...path, ...told, evidence });
}

/** The config path of who signs the requests. */
export function identityPath(signer: AwsSigner): string {
  const { within = '', signIn } = signer;
  if (!assumesRole(signer)) return `${within}accessKeyId`;
  return `${within}${signIn.assumeRole ? 'assumeRole' : 'webIdentity'}.roleArn`;
}

/**
 * The failure of a request that a role has signed, where that of a request which the access key has signed is known: it
 * points at the role, since the key has done its work.
 */
export function ofRole(failure: Failure, signer: AwsSigner): Failure {
  const keyPaths = ['accessKeyId', 'secretAccessKey', 'sessionToken'].map((field) => (signer.within ?? '') + field);
  const { code, configPath } = failure.report;
  if (!assumesRole(signer) || configPath === null || !keyPaths.includes(configPath)) return failure;
  const hint =
    code === 'PERMISSION_DENIED'
      ? 'Allow the action in a policy of the role.'
      : 'The credentials of the role were refused: check that the role is of the cloud, the account and the region that are meant.';
  return new Failure(code, { configPath: identityPath(signer), evidence: failure.evidence, hint });
}
