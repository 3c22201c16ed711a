import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const snowflakeRecipe: Recipe = {
  language: 'sql',
  text: `CREATE ROLE GATEWAY;
GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE GATEWAY;
GRANT USAGE ON DATABASE ANALYTICS TO ROLE GATEWAY;
GRANT USAGE ON SCHEMA ANALYTICS.PUBLIC TO ROLE GATEWAY;
CREATE USER GATEWAY TYPE = SERVICE DEFAULT_ROLE = GATEWAY RSA_PUBLIC_KEY = 'the key without its first and its last line';
GRANT ROLE GATEWAY TO USER GATEWAY;`,
};
