import { catalogCheck } from '../kit/checks/catalog.ts';
import { hostTarget } from '../kit/config/target.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { httpBase } from '../kit/http/http-base.ts';
import { readClickHouseCatalog } from './catalog.ts';
import { clickhouseChecks } from './checks.ts';
import { clickhouseConfig } from './config.ts';
import { clickhouseRecipe } from './documentation.ts';
import { clickhouseConnectionTexts } from './texts.ts';

export const clickhouse = defineConnector({
  type: 'CLICKHOUSE',
  title: 'ClickHouse',
  description: 'A database of a ClickHouse server or of ClickHouse Cloud, by its HTTP interface.',
  category: 'WAREHOUSE',
  provenAgainst: 'real ClickHouse 18.16',
  leastRights: '`SELECT` on a table of the database; a profile with `readonly = 1` will do.',
  recipe: clickhouseRecipe,
  config: clickhouseConfig,
  example: { host: 'clickhouse.example.com', username: 'app', password: 'not-a-real-password', database: 'shop' },
  principalSecret: 'password',
  defaultPort: 8443,
  ...httpBase(hostTarget, clickhouseChecks),
  tenancyLevels: ['TABLE', 'DATABASE'],
  catalogCheck: catalogCheck(readClickHouseCatalog),
  texts: clickhouseConnectionTexts,
});
