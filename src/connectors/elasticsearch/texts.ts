import { elasticTexts } from '../families/elastic/texts.ts';

export const elasticsearchConnectionTexts = elasticTexts({
  examples: [
    'https://app:password@search.example.com:9200/products',
    'ELASTIC_CLOUD_ID=shop:ZXUtd2VzdC0xLmF3cy5mb3VuZC5pbyRhYmMxMjMkZGVm\nELASTIC_API_KEY=api-key',
  ],
  schemes: ['elasticsearch', 'es'],
  places: /^[^/]*(?:(?:\.es\.io|\.elastic-cloud\.com|\.elastic\.cloud|\.found\.io)[:/]|:9200\/|:9243\/)/,
  prefixes: ['elastic', 'es'],
});
