import { elasticConfig } from '../families/elastic/config.ts';
import { elasticFamily } from '../families/elastic/family.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { elasticsearchRecipe } from './documentation.ts';
import { elasticsearchConnectionTexts } from './texts.ts';

export const elasticsearch = defineConnector({
  type: 'ELASTICSEARCH',
  title: 'Elasticsearch',
  description: 'An Elasticsearch cluster, version 7.9 or newer, in Elastic Cloud or self-managed, by its REST API.',
  provenAgainst:
    'real Elasticsearch 9.5 with its security module; a fake that verifies password and key, and that the product’s own Python client 9.5 accepts',
  ...elasticFamily('Elasticsearch'),
  config: elasticConfig,
  recipe: elasticsearchRecipe,
  texts: elasticsearchConnectionTexts,
});
