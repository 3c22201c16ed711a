import { defineConnector } from '../kit/contract/connector.ts';
import { managedCatalog, managedChecks } from './checks.ts';
import { managedConfig } from './config.ts';

export const managed = defineConnector({
  type: 'MANAGED',
  title: 'Managed data store',
  description:
    'Records that the gateway keeps itself, in its own database: each a JSON object under a key, which a data structure may judge, up to a size that you set. Nothing is connected to.',
  category: 'MANAGED',
  provenAgainst: 'the gateway’s own database, on real SQLite and PostgreSQL 18',
  leastRights: 'None at any server: a token with RECORDS_READ and RECORDS_WRITE.',
  config: managedConfig,
  example: { dataStructureId: '7b0d4c1e-2f3a-4b5c-8d6e-9f0a1b2c3d4e', maxSizeMb: 100 },
  targets: () => [],
  checks: managedChecks,
  catalogCheck: managedCatalog,
  runsInGateway: true,
  createState: () => null,
});
