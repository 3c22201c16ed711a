import {
  type HttpPeerOptions,
  json,
  millionsOf,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';
import type { TokenIssuer } from './token-issuer.ts';

export interface FakeTrinoOptions extends HttpPeerOptions {
  /** Name to password. Left out: nobody signs in, and a password is refused. */
  readonly users?: Readonly<Record<string, string>>;
  /** Whose tokens it takes; `sub` is the user. Left out: it takes none. */
  readonly issuer?: TokenIssuer;
  readonly catalogs?: Readonly<Record<string, FakeTrinoCatalog>>;
  /** Users who may run queries, but not use any catalog. */
  readonly strangers?: readonly string[];
  readonly version?: string;
  /** Rows in one page of a result. Left out: 100. */
  readonly pageSize?: number;
  /** Where the pages of a result are said to be; left out: where the request came to. */
  readonly pagesAt?: string;
  /** So often a gateway before Trino answers 503 to each page. */
  readonly interruptions?: number;
  /** What it asks for when it signs somebody in. Left out: a password, or a token where it takes some. */
  readonly challenge?: string;
  /** Every statement ends with this. */
  readonly failing?: { readonly errorName: string; readonly errorType: string };
  /** Results of tables hold millions of things that are no rows. */
  readonly isHostile?: boolean;
  /** Statements stay in this state, and every page says so at once. */
  readonly stuckAs?: 'QUEUED' | 'RUNNING';
  /** Results go on for ever. */
  readonly isEndless?: boolean;
}

/** Schema to table to what it is. */
export type FakeTrinoCatalog = Readonly<Record<string, Readonly<Record<string, FakeTrinoTable>>>>;

export interface FakeTrinoTable {
  readonly type?: 'BASE TABLE' | 'VIEW';
  /** Name to type; a type that ends in `!` is not null. */
  readonly columns: Readonly<Record<string, string>>;
}

/** Where a person looks at a query; no client asks for it. */
const INFO = 'https://trino.example/ui#/queries/';

interface Statement {
  readonly user: string;
  readonly pages: readonly unknown[][][];
  readonly error: { readonly errorName: string; readonly errorType: string } | undefined;
  readonly isStuck: boolean;
  interruptions: number;
  isOver: boolean;
}

/**
 * Trino's REST API as far as the checks use it, written from its published description. It checks the password of every
 * request, takes none over clear text, and answers the connector's statements over tables of its own, in pages.
 */
export async function startFakeTrino(options: FakeTrinoOptions = {}): Promise<StatefulPeer> {
  const statements: Statement[] = [];
  const peer = await startHttpPeer((request) => answer(request, options, statements), options);
  return {
    ...peer,
    left: () => [...statements.entries()].flatMap(([at, { isOver }]) => (isOver ? [] : [`query_${at}`])),
  };
}

function answer(request: PeerRequest, options: FakeTrinoOptions, statements: Statement[]): PeerAnswer {
  const { method, path } = request;
  if (method === 'GET' && path === '/v1/info')
    return json(200, { nodeVersion: { version: options.version ?? '476' }, coordinator: true, starting: false });
  const refused = refusal(request, options);
  if (refused) return refused;
  const user = String(request.headers['x-trino-user'] ?? '');
  if (user === '') return { status: 400, body: 'User must be set' };
  if (method === 'POST' && path === '/v1/statement') {
    const sql = request.body.toString();
    const { pages, error } = run(sql, user, options);
    const isStuck = options.stuckAs !== undefined;
    statements.push({ user, pages, error, isStuck, interruptions: options.interruptions ?? 0, isOver: false });
    return json(200, {
      id: `query_${statements.length - 1}`,
      infoUri: INFO,
      nextUri: uri(request, options, statements.length - 1, 0, 'queued'),
      stats: { state: 'QUEUED' },
    });
  }
  const [, stage = '', number = '', token = ''] = PAGE.exec(path) ?? [];
  const statement = statements[Number(number || -1)];
  if (statement?.user !== user) return { status: 404 };
  if (method === 'DELETE') {
    statement.isOver = true;
    return { status: 204 };
  }
  if (method !== 'GET') return { status: 404 };
  if (statement.interruptions-- > 0) return { status: 503, body: 'upstream connect error' };
  statement.interruptions = options.interruptions ?? 0;
  const at = Number(token);
  const isQueued = stage === 'queued';
  if (isQueued || statement.isStuck)
    return json(200, {
      id: `query_${number}`,
      infoUri: INFO,
      nextUri: uri(request, options, Number(number), isQueued ? 0 : at + 1),
      stats: { state: options.stuckAs ?? 'QUEUED' },
    });
  const isLast = !options.isEndless && at >= statement.pages.length;
  statement.isOver = isLast;
  const page = {
    id: `query_${number}`,
    infoUri: INFO,
    nextUri: isLast ? undefined : uri(request, options, Number(number), at + 1),
    stats: { state: isLast ? 'FINISHED' : 'RUNNING' },
  };
  if (isLast && statement.error)
    return json(200, { ...page, stats: { state: 'FAILED' }, error: { message: 'It failed.', ...statement.error } });
  if (options.isHostile && statement.pages[0]?.[0]?.length === 6)
    return { status: 200, body: `{"id":"${page.id}","data":${millionsOf('0')}}` };
  const data = statement.pages[options.isEndless ? 0 : at];
  return json(200, { ...page, columns: data?.[0]?.map(columnOf), data });
}

function columnOf(value: unknown, at: number) {
  const rawType = typeof value === 'number' ? 'integer' : 'varchar';
  return { name: `_col${at}`, type: rawType, typeSignature: { rawType, arguments: [] } };
}

/** Where a page is: a statement is asked for in the queue until it runs. */
const PAGE = /^\/v1\/statement\/(queued|executing)\/query_(\d+)\/secret\/(\d+)$/;

function uri(
  request: PeerRequest,
  { pagesAt, certificate }: FakeTrinoOptions,
  number: number,
  token: number,
  stage: 'queued' | 'executing' = 'executing',
): string {
  const origin = pagesAt ?? `${certificate ? 'https' : 'http'}://${request.headers.host}`;
  return `${origin}/v1/statement/${stage}/query_${number}/secret/${token}`;
}

function refusal(request: PeerRequest, options: FakeTrinoOptions): PeerAnswer | undefined {
  const { users, issuer, certificate } = options;
  const { authorization } = request.headers;
  const challenge = options.challenge ?? (issuer ? 'Basic realm="Trino", Bearer realm="Trino"' : 'Basic realm="Trino"');
  if (users && !certificate) return { status: 403, body: 'Authentication over HTTP is not enabled' };
  const refused = (body: string) => ({ status: 401, headers: { 'www-authenticate': challenge }, body });
  const [, token] = /^Bearer (.+)$/.exec(authorization ?? '') ?? [];
  if (token !== undefined && issuer) {
    const verdict = issuer.judge(token);
    if ('fault' in verdict) return refused(verdict.fault === 'expired' ? TOO_OLD : 'JWT signature does not match');
    if (request.headers['x-trino-user'] === verdict.claims.sub) return undefined;
    return { status: 403, body: `Access Denied: User ${verdict.claims.sub} cannot impersonate user` };
  }
  const [, encoded = ''] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
  const [name = '', ...rest] = Buffer.from(encoded, 'base64').toString('latin1').split(':');
  const takesPasswords = challenge.startsWith('Basic');
  const isRight = users ? name !== '' && users[name] === rest.join(':') : authorization === undefined;
  if (isRight && takesPasswords && (!users || request.headers['x-trino-user'] === name)) return undefined;
  return refused('Invalid credentials');
}

const TOO_OLD = 'JWT expired 1000 milliseconds ago at 2026-01-01T00:00:00.000Z.';

function run(sql: string, user: string, options: FakeTrinoOptions): Pick<Statement, 'pages' | 'error'> {
  const fail = (errorName: string) => ({ pages: [], error: { errorName, errorType: 'USER_ERROR' } });
  if (options.failing) return { pages: [], error: options.failing };
  if (sql === 'select 1') return { pages: [[], [[1]]], error: undefined };
  const [, name = ''] = /from "((?:[^"]|"")*)"\.information_schema\./.exec(sql) ?? [];
  const catalog = options.catalogs?.[name.replaceAll('""', '"')];
  if (!catalog) return fail('CATALOG_NOT_FOUND');
  if (options.strangers?.includes(user)) return fail('PERMISSION_DENIED');
  const rows = rowsOf(sql, catalog);
  if (!rows) return fail('SYNTAX_ERROR');
  const { pageSize = 100 } = options;
  const pages = Array.from({ length: Math.ceil(rows.length / pageSize) }, (_, page) =>
    rows.slice(page * pageSize, (page + 1) * pageSize),
  );
  return { pages, error: undefined };
}

/** The answers to the connector's statements; undefined for any other. */
function rowsOf(sql: string, catalog: FakeTrinoCatalog): unknown[][] | undefined {
  const wanted = (column: string) => new RegExp(`${column} = '((?:[^']|'')*)'`).exec(sql)?.[1]?.replaceAll("''", "'");
  const schemaName = wanted('schema_name');
  if (sql.includes('.schemata')) return [[Object.keys(catalog).filter((name) => name === schemaName).length]];
  const schema = wanted('table_schema');
  const tables = Object.entries(catalog)
    .filter(([name]) => schema === undefined || name === schema)
    .flatMap(([name, all]) => Object.entries(all).map(([table, what]) => ({ schema: name, table, ...what })))
    .sort((a, b) => (`${a.schema}.${a.table}` < `${b.schema}.${b.table}` ? -1 : 1));
  const columns = (table: (typeof tables)[number]) =>
    Object.entries(table.columns).map(([column, type]) => [
      column,
      type.replace(/!$/, ''),
      type.endsWith('!') ? 'NO' : 'YES',
    ]);
  if (sql.startsWith('select count(*) from (select 1'))
    return [[Math.min(tables.length, Number(/limit (\d+)/.exec(sql)?.[1]))]];
  if (sql.startsWith('select column_name, data_type')) {
    const found = tables.find(({ table }) => table === wanted('table_name'));
    return found ? columns(found).map(([name, type]) => [name, type]) : [];
  }
  if (!/^\s*select t\.table_schema/.test(sql)) return undefined;
  return tables.flatMap((table) => {
    const head = [table.schema, table.table, table.type ?? 'BASE TABLE'];
    const rows = columns(table).map((column) => [...head, ...column]);
    return rows.length > 0 ? rows : [[...head, null, null, null]];
  });
}
