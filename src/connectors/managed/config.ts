import { z } from 'zod';
import { identifier } from '../kit/config/marks.ts';
import { matching, trimmedText } from '../kit/config/text.ts';

const UUID_LENGTH = 36;
/** In MB: more is no business of the gateway's own database. */
const MOST_MB = 10_000;

export const managedConfig = z.object({
  dataStructureId: identifier(
    matching(
      trimmedText(UUID_LENGTH).toLowerCase(),
      /^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/,
      'Give the id of a data structure, a UUID.',
      { blanks: true },
    ),
  )
    .optional()
    .meta({
      title: 'Data structure',
      description:
        'The id of the data structure that records have to fit, in the same environment. Leave empty to take any.',
    }),
  maxSizeMb: z.int().min(1).max(MOST_MB).meta({
    title: 'Largest size in MB',
    description: 'How much all records together may have, in MB of 1,048,576 bytes. Example: 100',
  }),
});

export type ManagedConfig = z.output<typeof managedConfig>;
