import { googleTarget } from '../families/google/client.ts';
import { withWorkloadIdentity } from '../families/google/workload-identity.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { gcsChecks, READ } from './checks.ts';
import { type GoogleCloudStorageConfig, googleCloudStorageConfig } from './config.ts';
import { googleCloudStorageRecipe } from './documentation.ts';
import { googleCloudStorageConnectionTexts } from './texts.ts';

export const googleCloudStorage = defineConnector({
  type: 'GOOGLE_CLOUD_STORAGE',
  title: 'Google Cloud Storage',
  description:
    'A bucket of Google Cloud Storage, signed in to with the key of a service account, or by workload identity federation.',
  category: 'OBJECT_STORAGE',
  provenAgainst:
    'fake-gcs-server 1.56 for buckets and objects; a fake that verifies the signed token, or exchanges another provider’s, and that Google’s Python client 3.17 accepts',
  leastRights:
    '`storage.objects.list` on the bucket, which the role Storage Object Viewer has. Location and class are shown with `storage.buckets.get`.',
  recipe: googleCloudStorageRecipe,
  config: googleCloudStorageConfig,
  example: {
    bucket: 'shop-exports',
    credentials: {
      type: 'service_account',
      projectId: 'shop-123',
      clientEmail: 'gateway@shop-123.iam.gserviceaccount.com',
      privateKey:
        '-----BEGIN PRIVATE KEY-----\nMCICAQAwDQYJKoZIhvcNAQEBBQAEDk5vdCBhIHJlYWwga2V5\n-----END PRIVATE KEY-----\n',
    },
  },
  principalSecret: 'credentials.privateKey',
  ...withWorkloadIdentity(
    READ,
    httpBase((config: GoogleCloudStorageConfig) => googleTarget('storage', config), gcsChecks),
  ),
  texts: googleCloudStorageConnectionTexts,
});
