import { z } from 'zod';
import { checkRdsIam, rdsIam, rdsIamRules } from '../families/aws/rds.ts';
import { postgresFields } from '../families/postgres/config.ts';
import { rules } from '../kit/config/rules.ts';

/** The longest name, in characters: PostgreSQL cuts names off at 63 bytes. */
const LONGEST_NAME = 63;

export const postgresConfig = z
  .object({
    ...postgresFields(
      5432,
      LONGEST_NAME,
      'when you sign in with a client certificate or with awsIam, or when the server trusts the connection (trust in pg_hba.conf)',
    ),
    awsIam: rdsIam(),
  })
  .superRefine(checkRdsIam)
  .meta(rules(...rdsIamRules));

export type PostgresConfig = z.output<typeof postgresConfig>;
