import { z } from 'zod';
import { googleRefusal } from '../families/google/answers.ts';
import { entriesOfRows } from '../kit/checks/catalog.ts';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { Failure } from '../kit/contract/failure.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { begin } from '../kit/http/http-base.ts';
import { PollPace, pollUntil } from '../kit/http/poll.ts';
import { accepted, acceptedData, askBigquery, type BigqueryContext, METADATA, postJson, QUERIES } from './client.ts';
import { dataProject } from './config.ts';

const DATASETS_AT_ONCE = 500;
const ROWS_AT_ONCE = 2_000;
/** The longest page of rows that is read, in bytes. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** How long the server may keep a request for the answer, in milliseconds. */
const SERVER_WAIT = 10_000;

const WAITING =
  'BigQuery has taken the query and was still at it: the project’s slots are busy, or the dataset is very large. Raise timeoutMs.';

const NAME = z.string().min(1).max(1024);
const DATASETS = z.object({
  datasets: z
    .array(
      z.object({ datasetReference: z.object({ datasetId: z.string().regex(/^\w{1,1024}$/) }), location: z.string() }),
    )
    .optional(),
  nextPageToken: NAME.optional(),
});
const RESULT = z.object({
  jobComplete: z.boolean(),
  rows: listOf(z.object({ f: listOf(z.object({ v: z.string().nullable() })) })).optional(),
  pageToken: NAME.optional(),
});
const JOB = z.object({ jobReference: z.object({ jobId: z.string().regex(/^[\w-]{1,1024}$/) }) });
type Result = z.output<typeof RESULT>;
const TABLE = z.object({
  schema: z.object({ fields: listOf(z.object({ name: z.string(), type: z.string() })).optional() }).optional(),
});

interface Dataset {
  readonly id: string;
  readonly location: string;
}

/**
 * Reads every table and view of the dataset, or of all datasets in the project, by one query for each dataset on its
 * INFORMATION_SCHEMA.
 */
export async function* readBigqueryCatalog(context: BigqueryContext): AsyncGenerator<readonly CatalogEntry[]> {
  for await (const dataset of datasetsOf(context)) {
    const rows = columnRows(context, dataset);
    yield* entriesOfRows(
      rows,
      ([name, kind]) => ({
        namespace: dataset.id,
        name: name ?? '',
        kind: kind?.endsWith('VIEW') ? 'VIEW' : 'TABLE',
      }),
      ([, , column, dataType, nullable]) =>
        column == null ? null : { name: column, dataType: dataType ?? '', nullable: nullable === 'YES' },
    );
  }
}

async function* datasetsOf(context: BigqueryContext): AsyncGenerator<Dataset> {
  const { config } = context;
  if (config.dataset !== undefined) {
    const path = `/datasets/${encodeURIComponent(config.dataset)}?fields=location`;
    const response = acceptedData(await askBigquery(context, METADATA, { method: 'GET', path }), config);
    yield { id: config.dataset, location: jsonAnswer(response, z.object({ location: z.string() })).location };
    return;
  }
  const fields = 'datasets(datasetReference/datasetId,location),nextPageToken';
  const pace = new PollPace(context.signal);
  for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
    const page = next === undefined ? '' : `&pageToken=${encodeURIComponent(next)}`;
    const path = `/datasets?maxResults=${DATASETS_AT_ONCE}&fields=${fields}${page}`;
    const response = acceptedData(await askBigquery(context, METADATA, { method: 'GET', path }), config);
    const { datasets = [], nextPageToken } = jsonAnswer(response, DATASETS);
    for (const { datasetReference, location } of datasets) yield { id: datasetReference.datasetId, location };
    next = nextPageToken;
    if (datasets.length > 0) pace.goOn();
    else if (next !== undefined) await pace.wait();
  }
}

type Row = readonly (string | null)[];

async function* columnRows(context: BigqueryContext, { id, location }: Dataset): AsyncGenerator<Row> {
  const schema = `\`${dataProject(context.config)}\`.\`${id}\`.INFORMATION_SCHEMA`;
  const query = `
    select t.table_name, t.table_type, c.column_name, c.data_type, c.is_nullable
      from ${schema}.TABLES t left join ${schema}.COLUMNS c using (table_name)
     order by t.table_name, c.ordinal_position`;
  context.waitsFor({ hint: WAITING });
  const started = { configuration: { query: { query, useLegacySql: false } }, jobReference: { location } };
  const { begun, over } = await begin(
    context,
    async () => {
      const request = { ...postJson('/jobs', started), begins: true };
      return jsonAnswer(accepted(await askBigquery(context, QUERIES, request)), JOB).jobReference.jobId;
    },
    (ended, id) => {
      const path = `/jobs/${id}/cancel?location=${encodeURIComponent(location)}`;
      return askBigquery(ended, QUERIES, postJson(path, {}));
    },
  );
  const job = { jobId: begun, location };
  let result = await pollUntil(context.signal, async () => {
    const now = await resultPage(context, job);
    return now.jobComplete ? now : undefined;
  });
  over();
  const pace = new PollPace(context.signal);
  for (;;) {
    for (const { f } of result.rows ?? []) yield f.map(({ v }) => v);
    if (result.pageToken === undefined) return;
    if (result.rows?.length) pace.goOn();
    else await pace.wait();
    result = await resultPage(context, job, result.pageToken);
  }
}

async function resultPage(
  context: BigqueryContext,
  { jobId, location }: { readonly jobId: string; readonly location: string },
  pageToken?: string,
): Promise<Result> {
  const query = new URLSearchParams({ maxResults: String(ROWS_AT_ONCE), timeoutMs: String(SERVER_WAIT), location });
  if (pageToken !== undefined) query.set('pageToken', pageToken);
  const request = largePage({ method: 'GET', path: `/queries/${jobId}?${query}` });
  return resultOf(await askBigquery(context, QUERIES, request));
}

function resultOf(response: HttpResponse): Result {
  return jsonAnswer(accepted(response), RESULT);
}

function largePage(request: HttpRequest): HttpRequest {
  return { ...request, maxBytes: MAX_PAGE_BYTES };
}

/** The columns of one table; null when there is none of that name. `schema` names its dataset. */
export async function tableColumns(
  context: BigqueryContext,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  const path = `/datasets/${encodeURIComponent(schema)}/tables/${encodeURIComponent(table)}?fields=schema`;
  const response = await askBigquery(context, METADATA, largePage({ method: 'GET', path }));
  // 400 is the answer to a name that no table can have
  const refusal = googleRefusal(response);
  if (refusal?.code === 404 || refusal?.code === 400) return null;
  const { schema: columns } = jsonAnswer(acceptedData(response, context.config), TABLE);
  if (!columns) throw new Failure('UNEXPECTED_ANSWER');
  return (columns.fields ?? []).map(({ name, type }) => ({ name, dataType: type }));
}
