import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readInformationSchema } from '../kit/http/information-schema.ts';
import { sessionOf, snowflakeChecks } from './checks.ts';
import { type SnowflakeState, targetOf } from './client.ts';
import { exactName, type SnowflakeConfig, snowflakeConfig } from './config.ts';
import { snowflakeRecipe } from './documentation.ts';
import { snowflakeConnectionTexts } from './texts.ts';

export const snowflake = defineConnector({
  type: 'SNOWFLAKE',
  title: 'Snowflake',
  description:
    'A database of a Snowflake account, signed in to with a password, a key pair or an access token. Reading the catalog uses the warehouse.',
  category: 'WAREHOUSE',
  provenAgainst:
    'fake that verifies password, token and signature, and that Snowflake’s drivers for Python 5.2 and Node 3.3 accept',
  leastRights: 'A role with `USAGE` on the warehouse, the database and the schema.',
  recipe: snowflakeRecipe,
  config: snowflakeConfig,
  example: {
    account: 'myorg-account1',
    username: 'READER',
    authentication: { password: { password: 'example-password' } },
    warehouse: 'COMPUTE_WH',
    database: 'ANALYTICS',
  },
  ...httpBase(targetOf, snowflakeChecks),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<SnowflakeConfig, SnowflakeState>((context) => {
    const { schema } = context.config;
    const options = schema === undefined ? {} : { schema: exactName(schema) };
    return readInformationSchema((statement) => sessionOf(context).query(statement), options);
  }),
  texts: snowflakeConnectionTexts,
});
