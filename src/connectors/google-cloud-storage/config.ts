import { z } from 'zod';
import { googleSignInFields, googleSignInRules, withGoogleSignIn } from '../families/google/config.ts';
import { inGroup } from '../kit/config/marks.ts';
import { rules } from '../kit/config/rules.ts';
import { anyText, matching } from '../kit/config/text.ts';

export const googleCloudStorageConfig = withGoogleSignIn(
  z.object({
    bucket: matching(
      anyText(222).min(3, { abort: true }),
      /^[a-z0-9][a-z0-9._-]*[a-z0-9]$/,
      'A bucket’s name has small letters, digits, dots, hyphens and underscores.',
    ).meta({
      title: 'Bucket',
      description: 'The name of the bucket, 3 to 222 characters, without gs://. Example: my-data',
    }),
    ...googleSignInFields,
    userProject: inGroup(
      'ADVANCED',
      matching(anyText(100), /^([a-z0-9][a-z0-9.-]*[a-z0-9]:)?[a-z0-9-]+$/, 'Give the id or the number of a project.'),
    )
      .optional()
      .meta({
        title: 'User project',
        description:
          'The project that pays for the requests, by its id or number, as buckets that are set to Requester Pays ask. The account needs serviceusage.services.use on it. Leave empty for other buckets. Example: my-project-123',
      }),
  }),
).meta(rules(...googleSignInRules));

export type GoogleCloudStorageConfig = z.output<typeof googleCloudStorageConfig>;
