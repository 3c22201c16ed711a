import { z } from 'zod';
import { serviceAccount } from '../kit/config/service-account.ts';
import { anyText, matching } from '../kit/config/text.ts';

export const googleCloudStorageConfig = z.object({
  bucket: matching(
    anyText(222).min(3, { abort: true }),
    /^[a-z0-9][a-z0-9._-]*[a-z0-9]$/,
    'A bucket’s name has small letters, digits, dots, hyphens and underscores.',
  ).meta({
    title: 'Bucket',
    description: 'The name of the bucket, 3 to 222 characters, without gs://. Example: my-data',
  }),
  credentials: serviceAccount().meta({
    title: 'Credentials',
    description: 'The key of a service account. Enter the fields of its JSON file.',
  }),
});

export type GoogleCloudStorageConfig = z.output<typeof googleCloudStorageConfig>;
