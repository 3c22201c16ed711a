import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const trinoRecipe: Recipe = {
  language: 'json',
  text: `{
  "queries": [{ "user": "gateway", "allow": ["execute"] }],
  "catalogs": [{ "user": "gateway", "catalog": "hive", "allow": "read-only" }],
  "tables": [{ "user": "gateway", "catalog": "hive", "schema": "shop", "table": ".*", "privileges": ["SELECT"] }]
}`,
};
