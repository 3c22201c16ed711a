import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const qdrantRecipe: Recipe = {
  language: 'yaml',
  text: `# config/config.yaml of the server
service:
  api_key: a-long-key-that-stays-with-its-operator
  read_only_api_key: another-long-key-for-the-gateway`,
};
