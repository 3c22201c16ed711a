import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { qdrantChecks, readQdrantCatalog, targetOf } from './checks.ts';
import { qdrantConfig } from './config.ts';
import { qdrantRecipe } from './documentation.ts';
import { qdrantConnectionTexts } from './texts.ts';

export const qdrant = defineConnector({
  type: 'QDRANT',
  title: 'Qdrant',
  description: 'A collection of a Qdrant vector database, in Qdrant Cloud or self-hosted, by its REST API.',
  category: 'VECTOR',
  provenAgainst: 'fake that verifies the key, and that qdrant-client 1.20 accepts',
  leastRights: 'A read-only key, or a token with access `r` to the collection.',
  recipe: qdrantRecipe,
  config: qdrantConfig,
  example: { baseUrl: 'https://qdrant.example.com', apiKey: 'not-a-real-key', collection: 'products' },
  principalSecret: 'apiKey',
  defaultPort: 6333,
  ...httpBase(targetOf, qdrantChecks),
  catalogCheck: catalogCheck(readQdrantCatalog),
  texts: qdrantConnectionTexts,
});
