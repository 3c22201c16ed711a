import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const mssqlRecipe: Recipe = {
  language: 'sql',
  text: `CREATE LOGIN gateway WITH PASSWORD = 'Choose-a-password-1';
USE shop;
CREATE USER gateway FOR LOGIN gateway;
GRANT SELECT ON SCHEMA::dbo TO gateway;`,
};
