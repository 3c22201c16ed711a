import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readInformationSchema } from '../kit/http/information-schema.ts';
import { databricksChecks } from './checks.ts';
import { type DatabricksState, queryDatabricks, targetOf } from './client.ts';
import { type DatabricksConfig, databricksConfig } from './config.ts';
import { databricksRecipe } from './documentation.ts';
import { databricksConnectionTexts } from './texts.ts';

export const databricks = defineConnector({
  type: 'DATABRICKS',
  title: 'Databricks',
  description:
    'A SQL warehouse of a Databricks workspace with Unity Catalog, signed in to with a token or as a service principal. Queries, and reading the catalog, start a warehouse that sleeps.',
  category: 'WAREHOUSE',
  provenAgainst: 'fake that verifies token and client secret, and that Databricks’ Python SDK 0.162 accepts',
  leastRights: '`CAN USE` on the warehouse, `USE CATALOG` on the catalog and `USE SCHEMA` on the schema.',
  recipe: databricksRecipe,
  config: databricksConfig,
  example: {
    host: 'dbc-a1b2345c-d6e7.cloud.databricks.com',
    httpPath: '/sql/1.0/warehouses/a1b234c567d8e9fa',
    authentication: { accessToken: { token: 'example-token' } },
    catalog: 'main',
  },
  ...httpBase(targetOf, databricksChecks),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<DatabricksConfig, DatabricksState>((context) => {
    const { schema } = context.config;
    return readInformationSchema((statement) => queryDatabricks(context, statement), {
      schema,
      typeColumn: 'full_data_type',
    });
  }),
  texts: databricksConnectionTexts,
});
