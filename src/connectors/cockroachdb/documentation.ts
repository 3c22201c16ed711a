import type { Recipe } from '../kit/contract/connector.ts';

/** Makes who has the least rights. */
export const cockroachdbRecipe: Recipe = {
  language: 'sql',
  text: `CREATE USER gateway WITH LOGIN PASSWORD 'choose-a-password';
GRANT CONNECT ON DATABASE shop TO gateway;
GRANT USAGE ON SCHEMA shop.public TO gateway;
GRANT SELECT ON TABLE shop.public.* TO gateway;`,
};
