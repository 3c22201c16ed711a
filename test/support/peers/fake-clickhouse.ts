import {
  type HttpPeerOptions,
  json,
  millionsOf,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeClickHouseOptions extends HttpPeerOptions {
  readonly users?: readonly FakeClickHouseUser[];
  /** Database to table to what it is. */
  readonly databases?: Readonly<Record<string, Readonly<Record<string, FakeClickHouseTable>>>>;
  readonly version?: string;
  /** Says the code of an error in the body alone, and has one code each for a wrong password and an unknown user. */
  readonly isOld?: boolean;
  /** Answers to queries of tables hold millions of things that are no rows. */
  readonly isHostile?: boolean;
  /** Every query of a user who has signed in ends with this. */
  readonly failing?: { readonly status: number; readonly code: number };
  /** Queries after that of the sign-in go on until they are killed. */
  readonly isStuck?: boolean;
}

export interface FakeClickHouseUser {
  readonly name: string;
  readonly password: string;
  /** The others are hidden. Left out: all. */
  readonly databases?: readonly string[];
  /** Has used up the quota. */
  readonly isCrowded?: boolean;
}

export interface FakeClickHouseTable {
  readonly engine?: string;
  /** Name to type. */
  readonly columns: Readonly<Record<string, string>>;
}

/**
 * ClickHouse's HTTP interface as far as the checks use it, written from its published documentation. It checks user
 * name and password, and answers the queries of the connector over tables of its own.
 */
export async function startFakeClickHouse(options: FakeClickHouseOptions = {}): Promise<StatefulPeer> {
  /** The user of each query that runs, by its id. */
  const running = new Map<string, string>();
  const peer = await startHttpPeer((request) => answer(request, options, running), options);
  return { ...peer, left: () => [...running.keys()] };
}

function answer(
  request: PeerRequest,
  options: FakeClickHouseOptions,
  running: Map<string, string>,
): PeerAnswer | undefined {
  const { users = [], isOld, failing } = options;
  if (request.method !== 'POST' || request.path !== '/') return { status: 404, body: 'There is no handle.\n' };
  const name = header(request, 'x-clickhouse-user') ?? 'default';
  const password = header(request, 'x-clickhouse-key') ?? '';
  const user = users.find((each) => each.name === name);
  if (!user && isOld) return failed(options, 401, 192, `Unknown user ${name}`);
  if (user?.password !== password) {
    if (!isOld) return failed(options, 403, 516, `${name}: Authentication failed`);
    return password === ''
      ? failed(options, 401, 194, `Password required for user ${name}`)
      : failed(options, 401, 193, `Wrong password for user ${name}`);
  }
  if (user.isCrowded) return failed(options, 503, 201, `Quota for user ${name} for 3600s has been exceeded`);
  if (failing) return failed(options, failing.status, failing.code, 'as it was told to');
  const sql = request.body.toString();
  const [, killed = ''] = /^kill query where query_id = '([\w-]+)' async$/.exec(sql) ?? [];
  if (killed !== '') {
    if (running.get(killed) === name) running.delete(killed);
    return { status: 200, body: '' };
  }
  if (options.isStuck && !sql.startsWith('select version()')) {
    running.set(request.query.get('query_id') ?? '', name);
    return undefined;
  }
  const database = request.query.get('database') ?? 'default';
  if (database !== 'default' && !options.databases?.[database])
    return failed(options, 404, 81, `Database ${database} doesn't exist`);
  if (options.isHostile && sql.includes('system.tables')) return { status: 200, body: `{"data":${millionsOf('0')}}` };
  const rows = rowsOf(sql, user, options);
  return rows ? json(200, { meta: [], data: rows, rows: rows.length }) : failed(options, 400, 62, 'Syntax error');
}

/** The answers to the connector's queries; undefined for any other. */
function rowsOf(sql: string, user: FakeClickHouseUser, options: FakeClickHouseOptions): unknown[][] | undefined {
  const [query = '', format] = sql.split(' format ');
  if (format !== 'JSONCompact') return undefined;
  if (query === 'select version()') return [[options.version ?? '24.8.4.13']];
  if (query === 'select 1') return [[1]];
  const [database = '', ...others] = literalsOf(query.replace("'.inner%'", ''));
  const visible = user.databases === undefined || user.databases.includes(database);
  const tables = Object.entries((visible && options.databases?.[database]) || {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (query.includes('from system.databases')) return [[visible ? '1' : '0', String(tables.length)]];
  if (query.startsWith('select name, engine from system.tables')) {
    const limit = Number(/limit (\d+)$/.exec(query)?.[1]);
    const after = tables.filter(([name]) => name > (others[0] ?? ''));
    return after.slice(0, limit).map(([name, { engine = 'MergeTree' }]) => [name, engine]);
  }
  const columns = tables.flatMap(([table, each]) =>
    Object.entries(each.columns).map(([name, type]) => [table, name, type] as const),
  );
  const asked = columns.filter(([table]) => others.includes(table));
  if (query.startsWith('select table, name, type from system.columns')) return asked.map((row) => [...row]);
  if (query.startsWith('select name, type from system.columns')) return asked.map(([, ...row]) => row);
  return undefined;
}

function literalsOf(query: string): string[] {
  return [...query.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map(([, text = '']) => text.replace(/\\(.)/g, '$1'));
}

/** Header values are bytes; these are UTF-8. */
function header(request: PeerRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? Buffer.from(value, 'latin1').toString() : undefined;
}

function failed(options: FakeClickHouseOptions, status: number, code: number, text: string): PeerAnswer {
  const { isOld, version = '24.8.4.13' } = options;
  if (isOld)
    return { status, body: `Code: ${code}, e.displayText() = DB::Exception: ${text}, e.what() = DB::Exception\n` };
  const headers = { 'x-clickhouse-exception-code': String(code) };
  return { status, headers, body: `Code: ${code}. DB::Exception: ${text}. (version ${version})\n` };
}
