import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { readAthenaCatalog } from './catalog.ts';
import { athenaChecks } from './checks.ts';
import { type AthenaState, targetOf } from './client.ts';
import { type AthenaConfig, athenaConfig } from './config.ts';

export const athena = defineConnector({
  type: 'ATHENA',
  title: 'Amazon Athena',
  description: 'A data catalog that Amazon Athena queries, signed in to with an access key.',
  category: 'WAREHOUSE',
  provenAgainst: 'fake that verifies signatures',
  config: athenaConfig,
  example: {
    region: 'eu-central-1',
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    outputLocation: 's3://shop-results/athena/',
    database: 'sales',
  },
  principalSecret: 'secretAccessKey',
  targets: (config) => [targetOf(config)],
  checks: athenaChecks,
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<AthenaConfig, AthenaState>(readAthenaCatalog),
  createState: (): AthenaState => ({}),
  close: ({ http }) => http?.close(),
});
