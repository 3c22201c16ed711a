import { z } from 'zod';
import { awsRegion, awsSignInFields, awsSignInRules, withAwsSignIn } from '../families/aws/config.ts';
import type { AwsSigner } from '../families/aws/sts.ts';
import { checkElastic, elasticFields, elasticRules } from '../families/elastic/config.ts';
import { inGroup, issue, labelled, named } from '../kit/config/marks.ts';
import { has, leftOut, mayHave, type Rule, rules } from '../kit/config/rules.ts';

const sigV4Block = named(
  'OpensearchSigV4',
  z.object({
    service: labelled(named('OpensearchAwsService', z.enum(['ES', 'AOSS'])), {
      ES: 'A domain of Amazon OpenSearch Service',
      AOSS: 'A collection of Amazon OpenSearch Serverless',
    })
      .default('ES')
      .meta({
        title: 'Service',
        description:
          'The service that requests are signed for: a domain of Amazon OpenSearch Service (ES), or a collection of Amazon OpenSearch Serverless (AOSS), which has no cluster and tells no aliases.',
      }),
    region: awsRegion('The region of the domain or the collection.'),
    ...awsSignInFields,
  }),
);

const SIGN_IN_FIELDS = ['username', 'password', 'apiKey'] as const;
const isSigned = has('awsSigV4', { type: 'object' });

const signedRules: readonly Rule[] = [
  [isSigned, leftOut(...SIGN_IN_FIELDS)],
  [isSigned, mayHave('disableAuth', { const: false })],
  [isSigned, has('serverType', { const: 'SELF_MANAGED' })],
];

export const opensearchConfig = z
  .object({
    ...elasticFields,
    awsSigV4: withAwsSignIn(inGroup('ADVANCED', sigV4Block))
      .meta(rules(...awsSignInRules))
      .optional()
      .meta({
        title: 'Sign requests for AWS',
        description:
          'Signs each request (Signature Version 4) in the place of a password or an API key, with an access key, a web identity or a role; serverType is SELF_MANAGED, and url that of the domain or the collection. Leave empty to sign in otherwise.',
      }),
  })
  .superRefine((value, context) => {
    checkElastic(value, context, value.awsSigV4 !== undefined);
    if (value.awsSigV4 === undefined) return;
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], ...issue('INVALID_COMBINATION', message) });
    for (const field of SIGN_IN_FIELDS.filter((each) => value[each] !== undefined))
      refuse(field, 'A signature of AWS takes the place of user name, password and API key: leave them out.');
    if (value.disableAuth) refuse('disableAuth', 'With disableAuth no credentials are sent: leave awsSigV4 out.');
    if (value.serverType !== 'SELF_MANAGED')
      refuse('serverType', 'A domain or a collection of AWS is found by its URL: give SELF_MANAGED.');
  })
  .meta(rules(...elasticRules('awsSigV4'), ...signedRules));

export type OpensearchConfig = z.output<typeof opensearchConfig>;

/** Who signs the requests of a config; nobody where it signs in otherwise. */
export function signerOf({ awsSigV4 }: OpensearchConfig): AwsSigner | undefined {
  return awsSigV4 && { signIn: awsSigV4, region: awsSigV4.region, within: 'awsSigV4.' };
}

/** Tells whether a collection of Amazon OpenSearch Serverless answers. */
export function isServerless({ awsSigV4 }: OpensearchConfig): boolean {
  return awsSigV4?.service === 'AOSS';
}
