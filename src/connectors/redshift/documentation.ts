import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const redshiftRecipe: Recipe = {
  language: 'sql',
  text: `-- as an administrator, connected to the database shop
CREATE USER gateway PASSWORD 'Choose-a-password-1';
GRANT USAGE ON SCHEMA public TO gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway;`,
};
