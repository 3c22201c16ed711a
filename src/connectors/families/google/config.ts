import { z } from 'zod';
import { inGroup, issue, named, secret } from '../../kit/config/marks.ts';
import { given, has, leftOut, type Rule } from '../../kit/config/rules.ts';
import { serviceAccount } from '../../kit/config/service-account.ts';
import { anyText, headerText, matching } from '../../kit/config/text.ts';

const PROVIDER =
  /^\/\/iam\.googleapis\.com\/projects\/\d{1,20}\/locations\/global\/workloadIdentityPools\/[a-z0-9-]{4,32}\/providers\/[a-z0-9-]{4,32}$/;

const workloadIdentity = inGroup(
  'SIGN_IN',
  named(
    'GoogleWorkloadIdentity',
    z.object({
      audience: matching(
        anyText(256),
        PROVIDER,
        'Give the full name of the provider: //iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/provider.',
      ).meta({
        title: 'Audience',
        description:
          'The full name of the pool’s provider that knows the token’s issuer, as `audience` has it in a credential configuration file. Example: //iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/my-pool/providers/my-provider',
      }),
      token: secret(headerText(20_000)).meta({
        title: 'Token',
        description:
          'The token (JWT) of an OpenID provider that the pool knows, at most 20,000 characters. It is sent to Google’s Security Token Service alone. This secret is never shown again.',
      }),
      serviceAccountEmail: matching(anyText(320), /^[\w.-]+@[\w.-]+\.[\w-]+$/, 'Give the email of a service account.')
        .optional()
        .meta({
          title: 'Service account email',
          description:
            'The service account that the token’s owner acts as, which has to let it (Workload Identity User). Leave empty where the owner itself has the rights. Example: reader@my-project-123.iam.gserviceaccount.com',
        }),
    }),
  ),
)
  .optional()
  .meta({
    title: 'Sign in by workload identity federation',
    description:
      'A token of another provider that stands in the place of a service account’s key. It is exchanged for each test, on the public Google cloud. No file and no variable of the gateway’s machine is read for it. Leave empty to sign in with a key.',
  });

/** Who signs in, as all types of Google have it: a key of a service account, or a token of another provider. */
export const googleSignInFields = {
  credentials: serviceAccount().optional().meta({
    title: 'Credentials',
    description:
      'The key of a service account. Enter the fields of its JSON file. Leave empty when you sign in by workload identity federation.',
  }),
  workloadIdentity,
};

const googleSignIn = z.object(googleSignInFields);
export type GoogleSignIn = z.output<typeof googleSignIn>;
export type WorkloadIdentity = NonNullable<GoogleSignIn['workloadIdentity']>;

/**
 * Has a config with these fields name what is missing in its sign-in and what does not go together. It is looked at
 * even where other fields are missing, so that all of them are named at once.
 */
export function withGoogleSignIn<Schema extends z.ZodType<GoogleSignIn>>(schema: Schema): Schema {
  return schema.superRefine(checkGoogleSignIn, { when: ({ value }) => typeof value === 'object' && value !== null });
}

function checkGoogleSignIn(value: Partial<GoogleSignIn>, context: z.RefinementCtx): void {
  const report = (code: 'REQUIRED' | 'INVALID_COMBINATION', message: string) =>
    context.addIssue({ code: 'custom', path: ['credentials'], ...issue(code, message) });
  if (value.workloadIdentity === undefined) {
    if (value.credentials === undefined) report('REQUIRED', 'Give a key of a service account, or a workload identity.');
  } else if (value.credentials !== undefined) {
    report('INVALID_COMBINATION', 'Give either a key of a service account or a workload identity, not both.');
  }
}

const hasWorkloadIdentity = has('workloadIdentity', { type: 'object' });

/** The same for forms. */
export const googleSignInRules: readonly Rule[] = [
  [{ not: hasWorkloadIdentity }, given('credentials')],
  [hasWorkloadIdentity, leftOut('credentials')],
];
