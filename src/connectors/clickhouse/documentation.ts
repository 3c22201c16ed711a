import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const clickhouseRecipe: Recipe = {
  language: 'sql',
  text: `CREATE USER gateway IDENTIFIED WITH sha256_password BY 'choose-a-password' SETTINGS readonly = 1;
GRANT SELECT ON shop.* TO gateway;`,
};
