import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const mysqlRecipe: Recipe = {
  language: 'sql',
  text: `CREATE USER 'gateway'@'%' IDENTIFIED BY 'choose-a-password';
GRANT SELECT ON shop.* TO 'gateway'@'%';`,
};
