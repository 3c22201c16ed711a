import { randomUUID } from 'node:crypto';
import { askInformationSchema, type FakeTable, quoted } from './fake-information-schema.ts';
import {
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeDatabricksOptions extends HttpPeerOptions {
  /** A personal access token. */
  readonly token?: string;
  /** A service principal. */
  readonly client?: { readonly id: string; readonly secret: string };
  /** Left out: a1b234c567d8e9fa, RUNNING. */
  readonly warehouse?: { readonly id?: string; readonly state?: string };
  /** Left out: main. Tables bring their schemas with them. */
  readonly catalog?: string;
  readonly tables?: readonly FakeTable[];
  /** What the user may not do. */
  readonly denied?: readonly ('me' | 'warehouse' | 'query' | 'catalog')[];
  /** How many answers a statement is still running for. */
  readonly slowBy?: number;
  /** The most rows in the first chunk of a result. */
  readonly rowsInFirstChunk?: number;
}

interface Fake {
  readonly options: FakeDatabricksOptions;
  /** Given to the service principal. */
  readonly tokens: Set<string>;
  readonly statements: Map<string, { left: number; readonly outcome: object }>;
}

/**
 * Databricks' REST API as far as the checks use it, written from its published reference: tokens, the service
 * principal's sign-in, SQL warehouses, statement execution, Unity Catalog.
 */
export async function startFakeDatabricks(options: FakeDatabricksOptions): Promise<StatefulPeer> {
  const fake: Fake = { options, tokens: new Set(), statements: new Map() };
  const peer = await startHttpPeer((request) => answer(request, fake), options);
  return { ...peer, left: () => [...fake.statements].flatMap(([id, { left }]) => (left >= 0 ? [id] : [])) };
}

function answer(request: PeerRequest, fake: Fake): PeerAnswer {
  const { method, path } = request;
  const { options } = fake;
  if (method === 'POST' && path === '/oidc/v1/token') return giveToken(request, fake);
  const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (!token) return refused(401, 401, 'Credential was not sent or was of an unsupported type for this API.');
  if (token !== options.token && !fake.tokens.has(token)) return refused(403, 403, 'Invalid access token.');
  if (path === '/api/2.0/preview/scim/v2/Me') {
    return isDenied(options, 'me') ? denied('no entitlement') : json(200, { userName: 'reader@example.com' });
  }
  if (path.startsWith('/api/2.0/sql/warehouses/'))
    return warehouse(path.slice('/api/2.0/sql/warehouses/'.length), options);
  if (path.startsWith('/api/2.0/sql/statements')) return statement(request, fake);
  if (path.startsWith('/api/2.1/unity-catalog/')) return unityCatalog(request, options);
  return refused(404, 'ENDPOINT_NOT_FOUND', `No API found for '${method} ${path}'`);
}

function giveToken(request: PeerRequest, { options, tokens }: Fake): PeerAnswer {
  const { client } = options;
  const form = new URLSearchParams(request.body.toString());
  const expected = client && `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
  if (form.get('grant_type') !== 'client_credentials') return json(400, { error: 'unsupported_grant_type' });
  if (form.get('scope') !== 'all-apis') return json(400, { error: 'invalid_scope' });
  if (!expected || request.headers.authorization !== expected)
    return json(401, { error: 'invalid_client', error_description: 'Client authentication failed' });
  const token = `eyJ.${randomUUID()}`;
  tokens.add(token);
  return json(200, { access_token: token, token_type: 'Bearer', expires_in: 3600, scope: 'all-apis' });
}

function warehouse(id: string, options: FakeDatabricksOptions): PeerAnswer {
  const { id: known = 'a1b234c567d8e9fa', state = 'RUNNING' } = options.warehouse ?? {};
  if (isDenied(options, 'warehouse')) return denied('You do not have permission to see this warehouse.');
  if (id !== known) return refused(404, 'RESOURCE_DOES_NOT_EXIST', `SQL warehouse ${id} does not exist.`);
  return json(200, { id, name: 'Starter Warehouse', cluster_size: '2X-Small', state });
}

function statement(request: PeerRequest, { options, statements }: Fake): PeerAnswer {
  const [, cancelled = ''] = /^\/api\/2\.0\/sql\/statements\/([\w-]+)\/cancel$/.exec(request.path) ?? [];
  const running = statements.get(cancelled);
  if (running) {
    running.left = -1;
    return json(200, {});
  }
  const [, id] = /^\/api\/2\.0\/sql\/statements\/([\w-]+)$/.exec(request.path) ?? [];
  if (id !== undefined) return resultOf(id, statements);
  const body = JSON.parse(request.body.toString());
  if (body.warehouse_id !== (options.warehouse?.id ?? 'a1b234c567d8e9fa'))
    return refused(404, 'RESOURCE_DOES_NOT_EXIST', 'no such warehouse');
  if (isDenied(options, 'query')) return denied('not authorized to use this SQL warehouse');
  const statementId = randomUUID();
  // the answer to this request comes before the statement has begun
  const left = body.wait_timeout === '0s' ? Math.max(1, options.slowBy ?? 0) : (options.slowBy ?? 0);
  statements.set(statementId, { left, outcome: outcomeOf(body, options) });
  return resultOf(statementId, statements);
}

function resultOf(id: string, statements: Fake['statements']): PeerAnswer {
  const one = statements.get(id);
  if (!one) return refused(404, 'NOT_FOUND', `The statement ${id} was not found.`);
  one.left -= 1;
  if (one.left >= 0) return json(200, { statement_id: id, status: { state: 'PENDING' } });
  return json(200, { statement_id: id, ...one.outcome });
}

interface Body {
  readonly statement: string;
  readonly catalog?: string;
  readonly schema?: string;
  readonly parameters?: readonly { readonly name: string; readonly value: string; readonly type: string }[];
}

function outcomeOf(body: Body, options: FakeDatabricksOptions): object {
  const { catalog: known = 'main', tables = [], rowsInFirstChunk = Number.POSITIVE_INFINITY } = options;
  const catalog = body.catalog ?? known;
  if (catalog !== known)
    return failure('BAD_REQUEST', `[NO_SUCH_CATALOG_EXCEPTION] Catalog '${catalog}' was not found.`);
  const schema = body.schema ?? 'default';
  if (schema !== 'default' && !tables.some((table) => table.schema === schema))
    return failure(
      'BAD_REQUEST',
      `[SCHEMA_NOT_FOUND] The schema \`${catalog}\`.\`${schema}\` cannot be found. SQLSTATE: 42704`,
    );
  const rows = execute(body, catalog, schema, tables);
  if (!rows) return failure('BAD_REQUEST', '[PARSE_SYNTAX_ERROR] Syntax error. SQLSTATE: 42601');
  const first = rows.slice(0, rowsInFirstChunk);
  return {
    status: { state: 'SUCCEEDED' },
    manifest: {
      format: 'JSON_ARRAY',
      total_row_count: rows.length,
      total_chunk_count: first.length < rows.length ? 2 : 1,
    },
    // a result without rows has no data_array
    result: first.length > 0 ? { chunk_index: 0, row_count: first.length, data_array: first } : {},
  };
}

function execute(body: Body, catalog: string, schema: string, tables: readonly FakeTable[]) {
  if (body.statement === 'select current_catalog()') return [[catalog]];
  if (body.statement.startsWith('select current_catalog(), current_schema()')) return [[catalog, schema, '2026.25']];
  const sql = body.statement.replace(/:(p\d+)\b/g, (_, name: string) => {
    const parameter = body.parameters?.find((each) => each.name === name);
    if (parameter?.type !== 'STRING') throw new Error(`no parameter ${name}`);
    return quoted(parameter.value);
  });
  return askInformationSchema(sql, tables);
}

function unityCatalog(request: PeerRequest, options: FakeDatabricksOptions): PeerAnswer {
  const { catalog: known = 'main', tables = [] } = options;
  const { query } = request;
  if (isDenied(options, 'catalog')) return denied('User does not have USE CATALOG.');
  const catalog = query.get('catalog_name');
  if (catalog !== known) return refused(404, 'CATALOG_DOES_NOT_EXIST', `Catalog '${catalog}' does not exist.`);
  const schema = query.get('schema_name');
  const inSchema = request.path.endsWith('/tables');
  if (inSchema && !tables.some((table) => table.schema === schema))
    return refused(404, 'SCHEMA_DOES_NOT_EXIST', `Schema '${catalog}.${schema}' does not exist.`);
  const found = tables.filter((table) => !inSchema || table.schema === schema);
  const page = found.slice(0, Number(query.get('max_results')));
  return json(200, {
    tables: page.map((table) => ({ full_name: `${catalog}.${table.schema}.${table.name}`, table_type: 'MANAGED' })),
    ...(page.length < found.length ? { next_page_token: 'next' } : {}),
  });
}

function failure(code: string, message: string) {
  return { status: { state: 'FAILED', error: { error_code: code, message } } };
}

function isDenied(
  { denied: some = [] }: FakeDatabricksOptions,
  what: 'me' | 'warehouse' | 'query' | 'catalog',
): boolean {
  return some.includes(what);
}

function denied(message: string): PeerAnswer {
  return refused(403, 'PERMISSION_DENIED', message);
}

function refused(status: number, code: string | number, message: string): PeerAnswer {
  return json(status, { error_code: code, message });
}
