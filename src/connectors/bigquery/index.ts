import { googleTarget } from '../families/google/client.ts';
import { pointingAtIdentity, withWorkloadIdentity } from '../families/google/workload-identity.ts';
import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readBigqueryCatalog } from './catalog.ts';
import { bigqueryChecks } from './checks.ts';
import { METADATA } from './client.ts';
import { type BigqueryConfig, bigqueryConfig } from './config.ts';
import { bigqueryRecipe } from './documentation.ts';
import { bigqueryConnectionTexts } from './texts.ts';

export const bigquery = defineConnector({
  type: 'BIGQUERY',
  title: 'BigQuery',
  description:
    'A project of Google BigQuery, or one of its datasets, signed in to with the key of a service account, or by workload identity federation. Reading the catalog runs a query on INFORMATION_SCHEMA for each dataset, which Google bills as 10 MB.',
  category: 'WAREHOUSE',
  provenAgainst:
    'fake that verifies the signed token, or exchanges another provider’s, and that Google’s Python client 3.47 accepts',
  leastRights:
    '`bigquery.jobs.create` on the project, which BigQuery Job User has; with a dataset `bigquery.datasets.get`, which BigQuery Metadata Viewer has.',
  recipe: bigqueryRecipe,
  config: bigqueryConfig,
  example: {
    projectId: 'shop-123',
    credentials: {
      type: 'service_account',
      projectId: 'shop-123',
      clientEmail: 'gateway@shop-123.iam.gserviceaccount.com',
      privateKey:
        '-----BEGIN PRIVATE KEY-----\nMCICAQAwDQYJKoZIhvcNAQEBBQAEDk5vdCBhIHJlYWwga2V5\n-----END PRIVATE KEY-----\n',
    },
    dataset: 'sales',
    location: 'EU',
  },
  principalSecret: 'credentials.privateKey',
  ...withWorkloadIdentity(
    METADATA,
    httpBase((config: BigqueryConfig) => googleTarget('bigquery', config), bigqueryChecks),
  ),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: pointingAtIdentity(catalogCheck(readBigqueryCatalog)),
  texts: bigqueryConnectionTexts,
});
