import { elasticTexts } from '../families/elastic/texts.ts';

export const opensearchConnectionTexts = elasticTexts({
  examples: [
    'https://app:password@search-shop-abc123.eu-central-1.es.amazonaws.com/products',
    'OPENSEARCH_URL=https://search.example.com:9200\nOPENSEARCH_USERNAME=app\nOPENSEARCH_PASSWORD=password',
  ],
  schemes: ['opensearch'],
  places: /^[^/]*(?:(?:\.(?:es|aoss)\.amazonaws\.com(?:\.cn)?|\.aos\.[a-z0-9-]+\.on\.aws)[:/]|:9200\/)/,
});
