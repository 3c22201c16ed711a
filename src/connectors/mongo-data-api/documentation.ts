import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const mongoDataApiRecipe: Recipe = {
  language: 'json',
  text: `{
  "database": "shop",
  "collection": "orders",
  "roles": [{ "name": "reader", "apply_when": {}, "read": true, "write": false, "insert": false, "delete": false, "search": false }]
}`,
};
