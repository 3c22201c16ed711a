import { elasticFamily } from '../families/elastic/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { opensearchRecipe } from './documentation.ts';
import { opensearchConnectionTexts } from './texts.ts';

export const opensearch = defineConnector({
  type: 'OPENSEARCH',
  title: 'OpenSearch',
  description: 'An OpenSearch cluster, in a cloud or self-managed, by its REST API.',
  provenAgainst:
    'real OpenSearch 2.19 with its security plugin; a fake that verifies password and key, and that the product’s own Python client accepts',
  ...elasticFamily('OpenSearch'),
  recipe: opensearchRecipe,
  texts: opensearchConnectionTexts,
});
