import { catalogCheck } from '../kit/checks/catalog.ts';
import { hostTarget } from '../kit/config/target.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { readMssqlCatalog } from './catalog.ts';
import { mssqlChecks, sessionOf } from './checks.ts';
import { type MssqlConfig, mssqlConfig } from './config.ts';
import { mssqlRecipe } from './documentation.ts';
import { explainMssql } from './failures.ts';
import type { MssqlState } from './link.ts';
import { mssqlConnectionTexts } from './texts.ts';

export const mssql = defineConnector({
  type: 'MSSQL',
  title: 'SQL Server',
  description:
    'A database of a Microsoft SQL Server, 2012 or newer, or of Azure SQL (with the connection policy Proxy).',
  category: 'SQL',
  provenAgainst: 'fake that python-tds 1.17 and pymssql 2.4 accept',
  leastRights: 'A user in the database, and `SELECT` on a table of the schema, without which tables/list warns.',
  recipe: mssqlRecipe,
  example: { host: 'db.example.com', username: 'reader', password: 'example-password', database: 'shop' },
  config: mssqlConfig,
  principalSecret: 'password',
  defaultPort: 1433,
  targets: (config) => [hostTarget(config)],
  checks: mssqlChecks,
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck<MssqlConfig, MssqlState>((context) => readMssqlCatalog(sessionOf(context))),
  createState: (): MssqlState => ({}),
  close: ({ session }) => session?.close(),
  explain: explainMssql,
  texts: mssqlConnectionTexts,
});
