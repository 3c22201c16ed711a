import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { type QdrantState, qdrantChecks, readQdrantCatalog, targetOf } from './checks.ts';
import { qdrantConfig } from './config.ts';

export const qdrant = defineConnector({
  type: 'QDRANT',
  title: 'Qdrant',
  description: 'A collection of a Qdrant vector database, in Qdrant Cloud or self-hosted, by its REST API.',
  category: 'VECTOR',
  provenAgainst: 'fake that verifies the key',
  config: qdrantConfig,
  example: { baseUrl: 'https://qdrant.example.com', apiKey: 'not-a-real-key', collection: 'products' },
  principalSecret: 'apiKey',
  defaultPort: 6333,
  targets: (config) => [targetOf(config)],
  checks: qdrantChecks,
  catalogCheck: catalogCheck(readQdrantCatalog),
  createState: (): QdrantState => ({}),
  close: ({ http }) => http?.close(),
});
