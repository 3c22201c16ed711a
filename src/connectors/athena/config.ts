import { z } from 'zod';
import { awsSignInFields, awsSignInRules, withAwsSignIn } from '../families/aws/config.ts';
import { AWS_REGION, isAwsRegion } from '../families/aws/signing.ts';
import { destination, inGroup, issue } from '../kit/config/marks.ts';
import { mayHave, missing, rules } from '../kit/config/rules.ts';
import { anyText, matching } from '../kit/config/text.ts';
import { url } from '../kit/config/url.ts';
import { printableText } from '../kit/http/basic-auth.ts';

const REGION = /^[a-z0-9][a-z0-9-]*$/;

export const athenaConfig = withAwsSignIn(
  z.object({
    region: destination(matching(anyText(64), REGION, 'A region has small letters, digits and hyphens.')).meta({
      title: 'Region',
      description: 'The region of AWS. Example: eu-central-1',
    }),
    ...awsSignInFields,
    outputLocation: matching(
      anyText(1024),
      /^s3:\/\/[a-z0-9][a-z0-9._-]*(\/[^\p{Cc}]*)?$/u,
      'Give it as s3://bucket/path/.',
    )
      .optional()
      .meta({
        title: 'Output location',
        description:
          'The place in S3 where Athena writes the results of queries. Leave empty where the workgroup has one. Example: s3://my-results/athena/',
      }),
    workgroup: inGroup(
      'ADVANCED',
      matching(
        anyText(128),
        /^[A-Za-z0-9._-]+$/,
        'A workgroup’s name has letters, digits, dots, hyphens and underscores.',
      ),
    )
      .default('primary')
      .meta({ title: 'Workgroup', description: 'The workgroup that queries run in, at most 128 characters.' }),
    catalog: inGroup('ADVANCED', printableText(256))
      .default('AwsDataCatalog')
      .meta({ title: 'Catalog', description: 'The name of the data catalog, at most 256 characters.' }),
    database: printableText(255)
      .optional()
      .meta({ title: 'Database', description: 'The one database of the catalog to use. Leave empty for all of them.' }),
    baseUrl: inGroup('ADVANCED', destination(url({ protocols: ['https'] })))
      .optional()
      .meta({
        title: 'Base URL',
        description:
          'An endpoint other than the region’s own, such as a VPC endpoint. It is always reached over TLS. Leave empty for the region’s own.',
      }),
  }),
)
  .superRefine((value, context) => {
    // a text that is no region at all has an issue of its own
    if (value.baseUrl !== undefined || isAwsRegion(value.region) || !REGION.test(value.region)) return;
    const fault = issue('INVALID_COMBINATION', 'Give a region of AWS, such as eu-central-1, or a base URL.');
    context.addIssue({ code: 'custom', path: ['region'], ...fault });
  })
  .meta(rules(...awsSignInRules, [missing('baseUrl'), mayHave('region', { pattern: AWS_REGION.source })]));

export type AthenaConfig = z.output<typeof athenaConfig>;
