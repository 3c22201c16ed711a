import { z } from 'zod';
import { destination, inGroup, issue, named, secret } from '../../kit/config/marks.ts';
import { given, has, leftOut, type Rule } from '../../kit/config/rules.ts';
import { anyText, headerText, LONGEST_PASSWORD, matching, trimmedText } from '../../kit/config/text.ts';
import { url } from '../../kit/config/url.ts';
import { AWS_REGION, isAwsRegion } from './signing.ts';

/** The longest session policy that STS takes, in characters. */
const LONGEST_POLICY = 2_048;
/** The session of a role is named so where the config gives no name of its own. */
const SESSION_NAME = 'datastore-gateway';
const ROLE_ARN = /^arn:[a-z0-9-]+:iam::[A-Za-z0-9._-]*:role\/[\w+=,.@/-]{1,576}$/;

const session = {
  sessionName: matching(
    anyText(64),
    /^[\w+=,.@-]{2,64}$/,
    'A session’s name has 2 to 64 letters, digits and characters of _+=,.@-',
  )
    .default(SESSION_NAME)
    .meta({
      title: 'Session name',
      description:
        'The name of the session, 2 to 64 characters, by which AWS CloudTrail shows who has assumed the role.',
    }),
  sessionPolicy: anyText(LONGEST_POLICY)
    .refine(isJsonObject, issue('INVALID_FORMAT', 'Give the policy as a JSON object.'))
    .optional()
    .meta({
      title: 'Session policy',
      description:
        'A policy as JSON, at most 2,048 characters, that narrows what the session may do. Leave empty for all that the role may do.',
    }),
};

function roleArn(description: string) {
  return matching(trimmedText(640), ROLE_ARN, 'Give the ARN of a role: arn:aws:iam::123456789012:role/name.', {
    blanks: true,
  }).meta({
    title: 'Role ARN',
    description: `${description} Example: arn:aws:iam::123456789012:role/datastore-gateway`,
  });
}

const assumeRole = inGroup(
  'SIGN_IN',
  named(
    'AwsAssumeRole',
    z.object({
      roleArn: roleArn('The ARN of the role to assume.'),
      externalId: matching(
        anyText(1_224),
        /^[\w+=,.@:/-]{2,1224}$/,
        'An external id has 2 to 1,224 letters, digits and characters of _+=,.@:/-',
      )
        .optional()
        .meta({
          title: 'External id',
          description:
            'The external id that the trust policy of the role asks for, 2 to 1,224 characters. AWS does not take it for a secret, and it is shown. Leave empty where none is asked for.',
        }),
      ...session,
    }),
  ),
)
  .optional()
  .meta({
    title: 'Assume a role',
    description:
      'The role that is assumed for each test (sts:AssumeRole, for 15 minutes), with the access key or with the role of webIdentity. Leave empty to sign requests with the access key itself.',
  });

const webIdentity = inGroup(
  'SIGN_IN',
  named(
    'AwsWebIdentity',
    z.object({
      roleArn: roleArn('The ARN of the role whose trust policy names the token’s issuer.'),
      token: secret(headerText(20_000)).meta({
        title: 'Token',
        description:
          'The token of an OpenID provider that AWS IAM knows, at most 20,000 characters. It is sent to AWS STS alone. This secret is never shown again.',
      }),
      ...session,
    }),
  ),
)
  .optional()
  .meta({
    title: 'Sign in with a web identity',
    description:
      'A token that stands in the place of an access key (sts:AssumeRoleWithWebIdentity). No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with an access key.',
  });

/** A region of AWS itself, within a block that signs in there. */
export function awsRegion(description: string) {
  return destination(
    matching(trimmedText(64), AWS_REGION, 'Give a region of AWS, such as eu-central-1.', { blanks: true }),
  ).meta({ title: 'Region', description: `${description} Example: eu-central-1` });
}

/** Where roles are assumed. Left to the type: whether that may be in clear text. */
export function stsUrl(address: z.ZodString) {
  return inGroup('SIGN_IN', destination(address)).optional().meta({
    title: 'STS URL',
    description:
      'The endpoint that gives credentials of roles, for services other than AWS and for VPC endpoints. Leave empty for AWS STS of the region. Example: https://minio.example.com:9000',
  });
}

/**
 * Who signs requests, as all types of AWS have it: an access key or a web identity, and a role that either may assume.
 * withAwsSignIn() and awsSignInRules hold over them.
 */
export const awsSignInFields = {
  accessKeyId: inGroup(
    'SIGN_IN',
    matching(headerText(256), /^[^/,=]*$/, 'An access key id has no slash, comma or equals sign.', {
      blanks: true,
      told: '^[!-+\\-.0-<>-~]*$',
    }),
  )
    .optional()
    .meta({
      title: 'Access key id',
      description:
        'The id of the access key, at most 256 characters. Leave empty when you sign in with a web identity. Example: AKIAIOSFODNN7EXAMPLE',
    }),
  secretAccessKey: secret(headerText(LONGEST_PASSWORD)).optional().meta({
    title: 'Secret access key',
    description:
      'The secret part of the access key, at most 4,096 characters. Leave empty when you sign in with a web identity. It is never shown again.',
  }),
  sessionToken: secret(headerText(8192)).optional().meta({
    title: 'Session token',
    description:
      'The token of temporary credentials, at most 8,192 characters. Leave empty for a long-lived access key. This secret is never shown again.',
  }),
  assumeRole,
  webIdentity,
  stsUrl: stsUrl(url({ protocols: ['https'] })),
};

const awsSignIn = z.object(awsSignInFields);
export type AwsSignIn = z.output<typeof awsSignIn>;

/**
 * Has a config with these fields, and a `region` beside them, name what is missing in its sign-in and what does not go
 * together. It is looked at even where other fields are missing, so that all of them are named at once.
 */
export function withAwsSignIn<Schema extends z.ZodType<AwsSignIn & { readonly region: string }>>(
  schema: Schema,
): Schema {
  return schema.superRefine(checkAwsSignIn, { when: ({ value }) => typeof value === 'object' && value !== null });
}

function checkAwsSignIn(value: Partial<AwsSignIn & { readonly region: string }>, context: z.RefinementCtx): void {
  const report = (code: 'REQUIRED' | 'INVALID_COMBINATION', field: string, message: string) =>
    context.addIssue({ code: 'custom', path: [field], ...issue(code, message) });
  if (value.webIdentity !== undefined) {
    for (const field of ['accessKeyId', 'secretAccessKey', 'sessionToken'] as const)
      if (value[field] !== undefined)
        report('INVALID_COMBINATION', field, 'Give either an access key or a web identity, not both.');
  } else {
    for (const field of ['accessKeyId', 'secretAccessKey'] as const)
      if (value[field] === undefined) report('REQUIRED', field, 'Give an access key, or a web identity.');
  }
  const assumes = value.assumeRole !== undefined || value.webIdentity !== undefined;
  if (assumes && value.stsUrl === undefined && typeof value.region === 'string' && !isAwsRegion(value.region))
    report('REQUIRED', 'stsUrl', 'Give the endpoint that gives credentials of roles, or a region of AWS.');
}

const hasRole = has('assumeRole', { type: 'object' });
const hasWebIdentity = has('webIdentity', { type: 'object' });
const ELSEWHERE = { type: 'string', not: { pattern: AWS_REGION.source } };

/** The same for forms. */
export const awsSignInRules: readonly Rule[] = [
  [{ not: hasWebIdentity }, given('accessKeyId', 'secretAccessKey')],
  [hasWebIdentity, leftOut('accessKeyId', 'secretAccessKey', 'sessionToken')],
  ...[hasRole, hasWebIdentity].map((role): Rule => {
    const { required = [], properties = {} } = role;
    return [{ required, properties: { ...properties, region: ELSEWHERE } }, given('stsUrl')];
  }),
];

function isJsonObject(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}
