import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const postgresRecipe: Recipe = {
  language: 'sql',
  text: `-- as an administrator, connected to the database shop
CREATE ROLE gateway LOGIN PASSWORD 'choose-a-password';
GRANT CONNECT ON DATABASE shop TO gateway;
GRANT USAGE ON SCHEMA public TO gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway;`,
};
