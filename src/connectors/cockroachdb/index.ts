import { postgresFamily } from '../families/postgres/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { cockroachdbDialect } from './checks.ts';
import { cockroachdbConfig } from './config.ts';
import { cockroachdbRecipe } from './documentation.ts';
import { cockroachdbConnectionTexts } from './texts.ts';

export const cockroachdb = defineConnector({
  type: 'COCKROACHDB',
  title: 'CockroachDB',
  description: 'A database of a CockroachDB cluster, in CockroachDB Cloud or self-hosted.',
  category: 'SQL',
  provenAgainst:
    'real PostgreSQL 18 for what is common; a fake for its own sign-in, version and routing, which psycopg 3.3 accepts',
  leastRights:
    '`LOGIN`, `CONNECT` on the database and `USAGE` on the schema; `SELECT` on a table in it, without which tables/list warns.',
  recipe: cockroachdbRecipe,
  config: cockroachdbConfig,
  example: { host: 'cockroach.example.com', username: 'app', password: 'not-a-real-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 26257,
  ...postgresFamily(cockroachdbDialect),
  texts: cockroachdbConnectionTexts,
});
