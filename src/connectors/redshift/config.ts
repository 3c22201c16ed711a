import { z } from 'zod';
import { postgresFields } from '../families/postgres/config.ts';

/** The longest name, in characters: Redshift's names have up to 127 bytes. */
const LONGEST_NAME = 127;

export const redshiftConfig = z.object(
  postgresFields(
    5439,
    LONGEST_NAME,
    'only where a pooler on the way asks for none: Redshift itself always asks for one',
  ),
);

export type RedshiftConfig = z.output<typeof redshiftConfig>;
