import { elasticFamily } from '../families/elastic/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { opensearchRecipe } from './documentation.ts';
import { opensearchConnectionTexts } from './texts.ts';

export const opensearch = defineConnector({
  type: 'OPENSEARCH',
  title: 'OpenSearch',
  description: 'An OpenSearch cluster, in a cloud or self-managed, by its REST API.',
  ...elasticFamily('OpenSearch'),
  recipe: opensearchRecipe,
  texts: opensearchConnectionTexts,
});
