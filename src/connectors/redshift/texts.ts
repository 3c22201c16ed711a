import { postgresTexts } from '../families/postgres/texts.ts';

export const redshiftConnectionTexts = postgresTexts({
  examples: [
    'redshift://app:password@shop.abc123.eu-central-1.redshift.amazonaws.com:5439/shop',
    'jdbc:redshift://shop.abc123.eu-central-1.redshift.amazonaws.com:5439/shop?user=app&password=password',
  ],
  schemes: ['redshift'],
  places: /^[^/]*\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?[:/]/,
});
