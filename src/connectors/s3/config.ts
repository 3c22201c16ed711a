import { z } from 'zod';
import { awsSignInFields, awsSignInRules, stsUrl, withAwsSignIn } from '../families/aws/config.ts';
import { AWS_REGION, isAwsRegion } from '../families/aws/signing.ts';
import { destination, inGroup, issue, labelled, named } from '../kit/config/marks.ts';
import { given, has, mayHave, missing, rules } from '../kit/config/rules.ts';
import { anyText, matching } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, url } from '../kit/config/url.ts';

const REGION = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
/** A bucket that can be a part of a host name. */
const HOST_BUCKET = /^[a-z0-9][a-z0-9.-]*[a-z0-9]$/;
const IP_URL = /^https?:\/\/(\[|[\d.]+(:\d+)?$)/;

/** Whether the bucket is a part of a host that baseUrl decides: each name may then lead to somebody else. */
function isPartOfOwnHost({ baseUrl, forcePathStyle }: Readonly<Record<string, unknown>>): boolean {
  return baseUrl !== undefined && forcePathStyle === false;
}

export const s3Config = withAwsSignIn(
  z.object({
    ...awsSignInFields,
    stsUrl: stsUrl(url()),
    region: destination(matching(anyText(64), REGION, 'A region has letters, digits and hyphens.')).meta({
      title: 'Region',
      description: 'The region of the bucket. Enter auto for Cloudflare R2. Example: eu-central-1',
    }),
    bucket: destination(
      matching(
        anyText(255),
        /^(?:[A-Za-z0-9_]+:)?(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]*$/,
        'A bucket’s name has letters, digits, dots, hyphens and underscores; a tenant of Ceph stands before it and a colon.',
      ),
      (_before, _after, { before, after }) => isPartOfOwnHost(before) || isPartOfOwnHost(after),
    ).meta({
      title: 'Bucket',
      description:
        'The name of the bucket, without s3:// and without a path; at a base URL of Ceph a tenant and a colon may stand before it, tenant:bucket. Example: my-data',
    }),
    baseUrl: destination(url()).optional().meta({
      title: 'Base URL',
      description:
        'The endpoint of a service other than AWS, such as R2 or MinIO. Leave empty for AWS. Example: https://minio.example.com:9000',
    }),
    forcePathStyle: inGroup('ADVANCED', destination(z.boolean())).optional().meta({
      title: 'Path style',
      description:
        'Whether the bucket stands in the path of a URL instead of its host name. Leave empty for the usual way: in the path when there is a base URL, or a dot in the bucket’s name.',
    }),
    requesterPays: inGroup('ADVANCED', z.boolean()).optional().meta({
      title: 'Requester pays',
      description:
        'Whether the owner of the key pays for the requests, as buckets that are set to Requester Pays ask. Leave empty for other buckets.',
    }),
    path: matching(
      anyText(1024),
      /^(?!\/)\P{Cc}*$/u,
      'Give the path without a slash before it and without control characters.',
    )
      .optional()
      .meta({
        title: 'Path',
        description:
          'The key of an object or the name of a folder in the bucket, at most 1,024 characters. Leave empty for the whole bucket. Example: exports/2026',
      }),
    pathKind: labelled(named('S3PathKind', z.enum(['FILE', 'FOLDER'])), { FILE: 'One object', FOLDER: 'A folder' })
      .optional()
      .meta({
        title: 'Kind of path',
        description:
          'What the path names: one object (FILE), or all objects whose keys begin with it and a slash (FOLDER). Leave empty for all whose keys begin with it.',
      }),
    tls: tls().meta({
      title: 'TLS',
      description:
        'How the connections to the base URL and to the STS URL are encrypted. AWS itself is always reached with VERIFY_FULL.',
    }),
  }),
)
  .superRefine((value, context) => {
    httpNeedsTlsDisabled(value, context, 'baseUrl');
    httpNeedsTlsDisabled(value, context, 'stsUrl');
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: path.split('.'), ...issue('INVALID_COMBINATION', message) });
    if (value.pathKind && value.path === undefined) refuse('pathKind', 'A kind of path needs a path.');
    if (value.pathKind === 'FILE' && value.path?.endsWith('/'))
      refuse('path', 'The key of an object does not end in a slash here: give FOLDER, or the key.');
    // one that is no region at all has its own issue
    if (value.baseUrl === undefined && !isAwsRegion(value.region) && REGION.test(value.region))
      refuse('region', 'Give a region of AWS, such as eu-central-1, or a base URL.');
    if (value.baseUrl === undefined && value.tls.mode !== 'VERIFY_FULL')
      refuse('tls.mode', 'Other modes than VERIFY_FULL are for a base URL alone.');
    if (value.baseUrl === undefined && value.bucket.includes(':'))
      refuse('bucket', 'AWS has no tenants: give the base URL of Ceph, or the bucket’s name alone.');
    if (value.forcePathStyle === false && !HOST_BUCKET.test(value.bucket)) {
      refuse(
        'bucket',
        'Without path style the bucket is a part of the host name: small letters, digits, dots and hyphens.',
      );
    }
    if (value.forcePathStyle === false && value.baseUrl && IP_URL.test(value.baseUrl)) {
      refuse('forcePathStyle', 'An IP address takes no bucket before it: use path style.');
    }
  })
  .meta(
    rules(
      ...awsSignInRules,
      ...clearTextRules('baseUrl'),
      ...clearTextRules('stsUrl'),
      [has('pathKind', { type: 'string' }), given('path')],
      [has('pathKind', { const: 'FILE' }), mayHave('path', { pattern: '[^/]$' })],
      [missing('baseUrl'), mayHave('bucket', { pattern: '^[^:]*$' })],
      [missing('baseUrl'), mayHave('region', { pattern: AWS_REGION.source })],
      [missing('baseUrl'), mayHave('tls', mayHave('mode', { pattern: '^VERIFY_FULL$' }))],
      [has('forcePathStyle', { const: false }), mayHave('bucket', { pattern: HOST_BUCKET.source })],
      [has('baseUrl', { pattern: IP_URL.source }), mayHave('forcePathStyle', { not: { const: false } })],
    ),
  );

export type S3Config = z.output<typeof s3Config>;
