import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const csvRecipe: Recipe = {
  language: 'sh',
  text: `# a URL for a week; what stands behind its question mark is urlQuery
aws s3 presign s3://shop-exports/clients.csv --expires-in 604800`,
};
