import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const opensearchRecipe: Recipe = {
  language: 'http',
  text: `PUT /_plugins/_security/api/roles/gateway
{
  "cluster_permissions": ["cluster:monitor/main"],
  "index_permissions": [{ "index_patterns": ["products"], "allowed_actions": ["indices:admin/resolve/index"] }]
}

PUT /_plugins/_security/api/internalusers/gateway
{ "password": "Choose-a-long-password-1" }

PUT /_plugins/_security/api/rolesmapping/gateway
{ "users": ["gateway"] }`,
};
