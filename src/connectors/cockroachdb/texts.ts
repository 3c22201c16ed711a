import { postgresTexts } from '../families/postgres/texts.ts';

export const cockroachdbConnectionTexts = postgresTexts({
  examples: [
    'postgresql://app:password@shop.abc.cockroachlabs.cloud:26257/shop?sslmode=verify-full',
    'cockroachdb://app:password@cockroach.example.com:26257/shop',
  ],
  schemes: ['cockroachdb', 'cockroach', 'crdb'],
  places: /^[^/]*(?:\.cockroachlabs\.cloud[:/]|:26257\/)/,
  prefixes: ['cockroach', 'crdb'],
});
