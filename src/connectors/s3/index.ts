import { withRole } from '../families/aws/sts.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { s3Checks } from './checks.ts';
import { signerOf, targetOf } from './client.ts';
import { s3Config } from './config.ts';
import { s3Recipe } from './documentation.ts';
import { s3ConnectionTexts } from './texts.ts';

export const s3 = defineConnector({
  type: 'S3',
  title: 'Amazon S3',
  description: 'A bucket of Amazon S3, or of a service that speaks its API: Cloudflare R2, MinIO, Ceph, Swift, …',
  category: 'OBJECT_STORAGE',
  provenAgainst:
    'real OpenStack Swift 2.30 (s3api), moto 5.2 with IAM, and a fake that verifies signatures and that boto3 1.44 accepts',
  leastRights:
    '`s3:ListBucket` on the bucket, under the path alone when one is set; for a path that names one object `s3:GetObject` on it suffices, with warnings.',
  recipe: s3Recipe,
  config: s3Config,
  example: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    region: 'eu-central-1',
    bucket: 'shop-exports',
  },
  principalSecret: 'secretAccessKey',
  ...withRole(signerOf, httpBase(targetOf, s3Checks)),
  texts: s3ConnectionTexts,
});
