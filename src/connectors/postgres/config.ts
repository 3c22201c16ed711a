import { z } from 'zod';
import { postgresFields } from '../families/postgres/config.ts';

/** The longest name, in characters: PostgreSQL cuts names off at 63 bytes. */
const LONGEST_NAME = 63;

export const postgresConfig = z.object(
  postgresFields(
    5432,
    LONGEST_NAME,
    'when you sign in with a client certificate, or when the server trusts the connection (trust in pg_hba.conf)',
  ),
);

export type PostgresConfig = z.output<typeof postgresConfig>;
