import { rdsSignerOf } from '../families/aws/rds.ts';
import { withRole } from '../families/aws/sts.ts';
import { postgresFamily } from '../families/postgres/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { postgresDialect } from './checks.ts';
import { postgresConfig } from './config.ts';
import { postgresRecipe } from './documentation.ts';
import { postgresConnectionTexts } from './texts.ts';

export const postgres = defineConnector({
  type: 'POSTGRES',
  title: 'PostgreSQL',
  description: 'A database of a PostgreSQL server, version 10 or newer, or of a service that speaks its protocol.',
  category: 'SQL',
  provenAgainst:
    'real PostgreSQL 18, also behind PgBouncer 1.18, and behind a fake that verifies tokens of AWS IAM, which are those that boto3 1.44 signs',
  leastRights:
    '`LOGIN`, `CONNECT` on the database and `USAGE` on the schema; `SELECT` on a table in it, without which tables/list warns. With `awsIam` who signs needs `rds-db:connect`, and the user is granted `rds_iam`.',
  recipe: postgresRecipe,
  config: postgresConfig,
  example: { host: 'db.example.com', username: 'app', password: 'not-a-real-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 5432,
  ...withRole(rdsSignerOf, postgresFamily(postgresDialect)),
  texts: postgresConnectionTexts,
});
