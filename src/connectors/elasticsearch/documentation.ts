import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const elasticsearchRecipe: Recipe = {
  language: 'http',
  text: `PUT /_security/role/gateway
{ "cluster": ["monitor"], "indices": [{ "names": ["products"], "privileges": ["view_index_metadata"] }] }

PUT /_security/user/gateway
{ "password": "choose-a-password", "roles": ["gateway"] }`,
};
