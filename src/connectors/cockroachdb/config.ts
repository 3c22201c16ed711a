import { z } from 'zod';
import { postgresFields } from '../families/postgres/config.ts';
import { destination } from '../kit/config/marks.ts';
import { anyText, matching } from '../kit/config/text.ts';

const LONGEST_NAME = 128;

export const cockroachdbConfig = z.object({
  ...postgresFields(26257, LONGEST_NAME, 'when you sign in with a client certificate, or when the cluster is insecure'),
  cluster: destination(
    // it becomes a startup option, so it holds nothing that could begin another one
    matching(anyText(128), /^[A-Za-z0-9][A-Za-z0-9-]*$/, 'Give letters, digits and hyphens, no hyphen first.'),
  )
    .optional()
    .meta({
      title: 'Cluster',
      description:
        'The routing id of a cluster in CockroachDB Cloud, sent as `--cluster=`: at most 128 letters, digits and hyphens. Leave empty when the host name tells the cluster. Example: happy-koala-123',
    }),
});

export type CockroachdbConfig = z.output<typeof cockroachdbConfig>;
