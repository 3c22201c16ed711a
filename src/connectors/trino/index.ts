import { catalogCheck } from '../kit/checks/catalog.ts';
import { hostTarget } from '../kit/config/target.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readTrinoCatalog } from './catalog.ts';
import { trinoChecks } from './checks.ts';
import { trinoConfig } from './config.ts';
import { trinoRecipe } from './documentation.ts';
import { trinoConnectionTexts } from './texts.ts';

export const trino = defineConnector({
  type: 'TRINO',
  title: 'Trino',
  description: 'A catalog of a Trino cluster, by its REST API. Without TLS, on a private network, no password is sent.',
  category: 'WAREHOUSE',
  provenAgainst:
    'real Trino 483; a fake that verifies password and token, and that Trino’s Python client 0.340 accepts',
  leastRights: 'The right to run queries, and to see the catalog and the schema.',
  recipe: trinoRecipe,
  config: trinoConfig,
  example: {
    host: 'trino.example.com',
    username: 'app',
    password: 'not-a-real-password',
    catalog: 'hive',
    schema: 'shop',
  },
  principalSecret: 'password',
  defaultPort: 8443,
  ...httpBase(hostTarget, trinoChecks),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck(readTrinoCatalog),
  texts: trinoConnectionTexts,
});
