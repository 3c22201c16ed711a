import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const databricksRecipe: Recipe = {
  language: 'sql',
  text: `-- CAN USE is given on the warehouse's own page, under Permissions; the name is a service principal's application id
GRANT USE CATALOG ON CATALOG main TO \`6f9c2b1e-0000-4000-8000-000000000000\`;
GRANT USE SCHEMA ON SCHEMA main.sales TO \`6f9c2b1e-0000-4000-8000-000000000000\`;`,
};
