import { readElasticCatalog } from '../families/elastic/catalog.ts';
import { elasticChecks } from '../families/elastic/checks.ts';
import type { ElasticState } from '../families/elastic/client.ts';
import { elasticConfig, elasticTarget } from '../families/elastic/config.ts';
import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';

export const elasticsearch = defineConnector({
  type: 'ELASTICSEARCH',
  title: 'Elasticsearch',
  description: 'An Elasticsearch cluster, version 7.9 or newer, in Elastic Cloud or self-managed, by its REST API.',
  category: 'SEARCH',
  provenAgainst: 'fake that verifies password and key',
  config: elasticConfig,
  example: {
    serverType: 'SELF_MANAGED',
    url: 'https://search.example.com:9200',
    username: 'app',
    password: 'not-a-real-password',
    index: 'products',
  },
  principalSecret: 'password',
  targets: (config) => [elasticTarget(config)],
  checks: elasticChecks('Elasticsearch'),
  tenancyLevels: ['TABLE'],
  catalogCheck: catalogCheck(readElasticCatalog),
  createState: (): ElasticState => ({}),
  close: ({ http }) => http?.close(),
});
