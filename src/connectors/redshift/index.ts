import { postgresFamily } from '../families/postgres/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { redshiftDialect } from './checks.ts';
import { redshiftConfig } from './config.ts';
import { redshiftRecipe } from './documentation.ts';
import { redshiftConnectionTexts } from './texts.ts';

export const redshift = defineConnector({
  type: 'REDSHIFT',
  title: 'Amazon Redshift',
  description:
    'A database of an Amazon Redshift cluster or workgroup, by its own host and port. Signs in with user name and password; IAM and identity providers are not used. The catalog holds external schemas and late-binding views too.',
  category: 'WAREHOUSE',
  provenAgainst:
    'real PostgreSQL 18 with stand-ins for its catalog views; a fake for its own sign-in and version, which redshift_connector 2.2 accepts',
  leastRights: 'A user with `USAGE` on the schema; `SELECT` on a table in it, without which tables/list warns.',
  recipe: redshiftRecipe,
  config: redshiftConfig,
  example: {
    host: 'shop.abc123.eu-central-1.redshift.amazonaws.com',
    username: 'app',
    password: 'not-a-real-password',
    database: 'shop',
  },
  principalSecret: 'password',
  defaultPort: 5439,
  ...postgresFamily(redshiftDialect),
  texts: redshiftConnectionTexts,
});
