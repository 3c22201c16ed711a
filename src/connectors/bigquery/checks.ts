import { z } from 'zod';
import { googleRefusal } from '../families/google/answers.ts';
import { type GoogleState, googleAccount } from '../families/google/client.ts';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { tableColumns } from './catalog.ts';
import { accepted, acceptedData, askBigquery, METADATA, postJson, QUERIES } from './client.ts';
import type { BigqueryConfig } from './config.ts';

type BigqueryCheck = Check<BigqueryConfig, GoogleState>;

/** The most tables that tables/list counts. */
const PAGE = 100;

const DATASETS = z.object({ kind: z.literal('bigquery#datasetList') });
const DATASET = z.object({ location: z.string().max(64) });
const TABLES = z.object({
  tables: listOf(z.object({ tableReference: z.object({ tableId: z.string() }) })).optional(),
  nextPageToken: z.string().optional(),
});
const DRY_RUN = z.object({
  totalBytesProcessed: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});

const authenticate: BigqueryCheck = authenticateCheck(
  'Google takes the token that the account’s key signs, or that was given for another provider’s. No right is needed.',
  async (context) => {
    const path = '/datasets?maxResults=1&fields=kind';
    const response = await askBigquery(context, METADATA, { method: 'GET', path, maxBytes: SIGN_IN_LIMIT });
    // the checks that follow tell what the account may do, and in which project
    const signedIn = [400, 403, 404].includes(googleRefusal(response)?.code ?? 0);
    if (!signedIn) jsonAnswer(acceptedData(response, context.config), DATASETS);
    return { evidence: { server: 'BigQuery', account: googleAccount(context.config) } };
  },
);

const getDataset: BigqueryCheck = {
  name: 'dataset/get',
  title: 'Look at the dataset',
  description:
    'The dataset exists. Warns when it is in another location than the config says. The account needs bigquery.datasets.get.',
  appliesTo: (config) => config.dataset !== undefined,
  async run(context) {
    const { dataset = '', location: wanted } = context.config;
    const path = `/datasets/${encodeURIComponent(dataset)}?fields=location`;
    const response = await askBigquery(context, METADATA, { method: 'GET', path });
    const { location } = jsonAnswer(acceptedData(response, context.config), DATASET);
    return { evidence: { dataset, location }, warning: location.toLowerCase() !== wanted.toLowerCase() };
  },
};

const dryRun: BigqueryCheck = {
  name: 'query/dry_run',
  title: 'Try a query',
  description:
    'A query would run; it is not run and costs nothing. The account needs bigquery.jobs.create on the project that pays.',
  async run(context) {
    const { location, dataset, dataProjectId } = context.config;
    const holder = dataProjectId === undefined ? {} : { projectId: dataProjectId };
    const defaultDataset = dataset === undefined ? {} : { defaultDataset: { datasetId: dataset, ...holder } };
    const body = { query: 'select 1', useLegacySql: false, dryRun: true, location, ...defaultDataset };
    const response = await askBigquery(context, QUERIES, postJson('/queries', body));
    const { totalBytesProcessed } = jsonAnswer(accepted(response), DRY_RUN);
    return { evidence: { location, bytes: totalBytesProcessed } };
  },
};

const listTables: BigqueryCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The tables of the dataset can be listed; at most 100 are counted. The account needs bigquery.tables.list.',
  runsByDefault: false,
  appliesTo: (config) => config.dataset !== undefined,
  async run(context) {
    const { dataset = '' } = context.config;
    const fields = 'tables(tableReference/tableId),nextPageToken';
    const path = `/datasets/${encodeURIComponent(dataset)}/tables?maxResults=${PAGE}&fields=${fields}`;
    const response = await askBigquery(context, METADATA, { method: 'GET', path });
    const { tables = [], nextPageToken } = jsonAnswer(acceptedData(response, context.config), TABLES);
    return { evidence: { tables: tables.length, more: nextPageToken !== undefined } };
  },
};

export const bigqueryChecks: readonly BigqueryCheck[] = [
  authenticate,
  getDataset,
  dryRun,
  listTables,
  tenancyCheck(tableColumns),
];
