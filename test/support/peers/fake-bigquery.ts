import type { FakeGoogleSts } from './fake-google-sts.ts';
import type { FakeTable } from './fake-information-schema.ts';
import { type GoogleAccount, googleScopes } from './google-token.ts';
import {
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeBigqueryOptions extends HttpPeerOptions {
  readonly account: GoogleAccount;
  /** Answers at its own hosts, and gives tokens that are taken. */
  readonly sts?: FakeGoogleSts;
  /** Left out: my-project. */
  readonly project?: string;
  /** Where the datasets are. Left out: in the same one. */
  readonly dataProject?: string;
  /** Dataset to its tables; a table's `schema` is not looked at. */
  readonly datasets?: Readonly<Record<string, readonly FakeTable[]>>;
  /** Left out: EU. */
  readonly location?: string;
  /** What the account may do. Left out: everything. */
  readonly rights?: readonly BigqueryRight[];
  /** The reason of a 403 for everyone: `accessNotConfigured`. */
  readonly forbidden?: string;
  /** How many answers a query is still running for. */
  readonly slowBy?: number;
  /** How far the server's clock is ahead, in seconds. */
  readonly clockAhead?: number;
}

export type BigqueryRight = 'datasets.get' | 'tables.list' | 'tables.get' | 'jobs.create';

interface Job {
  readonly rows: (string | null)[][];
  left: number;
}

const SCOPE = 'https://www.googleapis.com/auth/bigquery';

/**
 * BigQuery's REST API as far as the checks use it, written from its published reference. It verifies self-signed tokens
 * with the account's public key, their times and scope.
 */
export async function startFakeBigquery(options: FakeBigqueryOptions): Promise<StatefulPeer> {
  const jobs = new Map<string, Job>();
  const peer = await startHttpPeer((request) => answer(request, options, jobs), options);
  return { ...peer, left: () => [...jobs].flatMap(([id, { left }]) => (left >= 0 ? [id] : [])) };
}

function answer(request: PeerRequest, options: FakeBigqueryOptions, jobs: Map<string, Job>): PeerAnswer {
  const ofSts = options.sts?.answer(request);
  if (ofSts) return ofSts;
  const scopes = options.sts?.scopes(request) ?? googleScopes(request, options.account, options.clockAhead);
  if (!scopes) return refused(401, 'authError', 'Request had invalid authentication credentials.');
  if (options.forbidden) return refused(403, options.forbidden, 'BigQuery API has not been used in project 123.');
  const [, project = '', rest = ''] = /^\/bigquery\/v2\/projects\/([^/]+)(\/.*)$/.exec(request.path) ?? [];
  const isQuery = /^\/(queries|jobs)/.test(rest);
  const wanted = isQuery ? (options.project ?? 'my-project') : dataProjectOf(options);
  if (project !== wanted) return refused(404, 'notFound', `Not found: Project ${project}`);
  if (!scopes.includes(SCOPE) && (isQuery || !scopes.includes(`${SCOPE}.readonly`)))
    return refused(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.');
  return isQuery ? query(request, rest, options, jobs) : metadata(request, rest, options);
}

function dataProjectOf({ dataProject, project = 'my-project' }: FakeBigqueryOptions): string {
  return dataProject ?? project;
}

function metadata({ query: asked }: PeerRequest, rest: string, options: FakeBigqueryOptions): PeerAnswer {
  const { datasets = {}, location = 'EU' } = options;
  const project = dataProjectOf(options);
  const [, dataset, list, table] = /^\/datasets(?:\/([^/]+))?(\/tables)?(?:\/([^/]+))?$/.exec(rest) ?? [];
  if (dataset === undefined) {
    const page = pageOf(Object.keys(datasets), asked);
    return json(200, {
      kind: 'bigquery#datasetList',
      datasets: page.items.map((datasetId) => ({ datasetReference: { datasetId, projectId: project }, location })),
      ...page.next,
    });
  }
  const right = list === undefined ? 'datasets.get' : table === undefined ? 'tables.list' : 'tables.get';
  if (!may(options, right)) return denied(right);
  const tables = datasets[dataset];
  if (!tables) return refused(404, 'notFound', `Not found: Dataset ${project}:${dataset}`);
  if (right === 'datasets.get') return json(200, { kind: 'bigquery#dataset', location });
  if (right === 'tables.list') {
    const page = pageOf(tables, asked);
    return json(200, { tables: page.items.map(({ name }) => ({ tableReference: { tableId: name } })), ...page.next });
  }
  const found = tables.find(({ name }) => name === table);
  if (!found) return refused(404, 'notFound', `Not found: Table ${project}:${dataset}.${table}`);
  return json(200, { schema: { fields: found.columns.map(({ name, type }) => ({ name, type, mode: 'NULLABLE' })) } });
}

function query(request: PeerRequest, rest: string, options: FakeBigqueryOptions, jobs: Map<string, Job>): PeerAnswer {
  if (!may(options, 'jobs.create')) return denied('jobs.create');
  const { location = 'EU', datasets = {}, project = 'my-project' } = options;
  const [, jobId] = /^\/queries\/(.+)$/.exec(rest) ?? [];
  if (jobId !== undefined) return resultOf(jobId, jobs, request.query, options);
  const [, cancelled = ''] = /^\/jobs\/([^/]+)\/cancel$/.exec(rest) ?? [];
  const running = jobs.get(cancelled);
  if (running && request.query.get('location') === location) {
    running.left = -1;
    return json(200, { kind: 'bigquery#jobCancelResponse' });
  }
  const body = JSON.parse(request.body.toString());
  const reference = rest === '/jobs' ? body.jobReference : { location: body.location };
  const asked = rest === '/jobs' ? body.configuration.query : body;
  if (reference.location !== location)
    return refused(404, 'notFound', `Not found: Dataset ${project}:x was not found in location ${reference.location}`);
  if (asked.useLegacySql !== false) return refused(400, 'invalidQuery', 'Legacy SQL.');
  const { defaultDataset } = asked;
  if (defaultDataset && (defaultDataset.projectId ?? project) !== dataProjectOf(options))
    return refused(404, 'notFound', `Not found: Dataset ${project}:${defaultDataset.datasetId}`);
  if (asked.dryRun) return json(200, { jobComplete: true, totalBytesProcessed: '0' });
  const [, of, dataset = ''] =
    /from `([^`]+)`\.`([^`]+)`\.INFORMATION_SCHEMA\.TABLES t left join/.exec(asked.query) ?? [];
  const tables = of === dataProjectOf(options) ? datasets[dataset] : undefined;
  if (!tables) return refused(404, 'notFound', `Not found: Dataset ${of}:${dataset}`);
  const rows = tables.flatMap(({ name, kind = 'BASE TABLE', columns }) =>
    columns.length === 0
      ? [[name, kind, null, null, null]]
      : columns.map((column) => [name, kind, column.name, column.type, column.nullable ?? 'YES']),
  );
  const jobReference = { projectId: project, jobId: `job_${jobs.size + 1}`, location };
  jobs.set(jobReference.jobId, { rows, left: options.slowBy ?? 0 });
  return json(200, { kind: 'bigquery#job', jobReference, status: { state: 'RUNNING' } });
}

function resultOf(id: string, jobs: Map<string, Job>, asked: URLSearchParams, options: FakeBigqueryOptions) {
  const { location = 'EU', project = 'my-project' } = options;
  const job = jobs.get(id);
  if (!job) return refused(404, 'notFound', `Not found: Job ${project}:${id}`);
  const jobReference = { projectId: project, jobId: id, location };
  job.left -= 1;
  if (job.left >= 0) return json(200, { jobComplete: false, jobReference });
  const page = pageOf(job.rows, asked);
  const rows = page.items.map((row) => ({ f: row.map((v) => ({ v })) }));
  const next = 'nextPageToken' in page.next ? { pageToken: page.next.nextPageToken } : {};
  return json(200, { jobComplete: true, jobReference, totalRows: String(job.rows.length), rows, ...next });
}

function pageOf<Item>(items: readonly Item[], asked: URLSearchParams) {
  const from = Number(asked.get('pageToken') ?? 0);
  const to = from + Number(asked.get('maxResults') ?? 1000);
  return { items: items.slice(from, to), next: to < items.length ? { nextPageToken: String(to) } : {} };
}

function may({ rights }: FakeBigqueryOptions, right: BigqueryRight): boolean {
  return rights?.includes(right) ?? true;
}

function denied(right: BigqueryRight): PeerAnswer {
  return refused(403, 'accessDenied', `Access Denied: User does not have bigquery.${right} permission.`);
}

function refused(status: number, reason: string, message: string): PeerAnswer {
  return json(status, { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } });
}
