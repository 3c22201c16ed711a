import { readElasticCatalog } from '../families/elastic/catalog.ts';
import { elasticChecks } from '../families/elastic/checks.ts';
import type { ElasticState } from '../families/elastic/client.ts';
import { elasticConfig, elasticTarget } from '../families/elastic/config.ts';
import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';

export const opensearch = defineConnector({
  type: 'OPENSEARCH',
  title: 'OpenSearch',
  description: 'An OpenSearch cluster, in a cloud or self-managed, by its REST API.',
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
  checks: elasticChecks('OpenSearch'),
  tenancyLevels: ['TABLE'],
  catalogCheck: catalogCheck(readElasticCatalog),
  createState: (): ElasticState => ({}),
  close: ({ http }) => http?.close(),
});
