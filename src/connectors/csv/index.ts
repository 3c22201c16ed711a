import { catalogCheck } from '../kit/checks/catalog.ts';
import { defineConnector } from '../kit/contract/connector.ts';
import { type CsvState, csvChecks, readCsvCatalog, targetOf } from './checks.ts';
import { type CsvConfig, csvConfig } from './config.ts';
import { csvRecipe } from './documentation.ts';
import { csvConnectionTexts } from './texts.ts';

export const csv = defineConnector({
  type: 'CSV',
  title: 'CSV file',
  description:
    'One file of comma-separated values: fetched from a URL, or kept with the datastore. The query of a URL has a field of its own, because the signature of a pre-signed URL stands there: it is a secret, the rest of the URL is not. No file of the gateway’s own machine is ever read.',
  category: 'FILE',
  provenAgainst: 'nginx 1.22 over HTTPS; a fake file server that can be told to misbehave',
  leastRights: 'A URL that everyone may read, or a pre-signed one.',
  recipe: csvRecipe,
  config: csvConfig,
  example: { source: { url: 'https://files.example.com/clients.csv' } },
  targets: (config) => {
    const target = targetOf(config);
    return target ? [target] : [];
  },
  checks: csvChecks,
  catalogCheck: catalogCheck<CsvConfig, CsvState>(readCsvCatalog),
  createState: (): CsvState => ({}),
  close: ({ http }) => http?.close(),
  texts: csvConnectionTexts,
});
