import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto';
import { askInformationSchema, type FakeTable, quoted } from './fake-information-schema.ts';
import {
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  type StatefulPeer,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeSnowflakeOptions extends HttpPeerOptions {
  /** As tokens name it. Left out: MYORG-ACCOUNT1. */
  readonly account?: string;
  readonly user: SnowflakeUser;
  /** Left out: ANALYTICS. Tables bring their schemas with them. */
  readonly database?: string;
  readonly tables?: readonly FakeTable[];
  /** Left out: COMPUTE_WH. */
  readonly warehouse?: string;
  /** How many answers a query is still running for. */
  readonly slowBy?: number;
  /** The most rows that come with an answer; the rest stands in parts of its own. */
  readonly rowsInFirstPart?: number;
  /** What a sign-in or a statement is refused with, whoever asks. */
  readonly refusal?: { readonly code: string; readonly message: string };
  /** How far the server's clock is ahead, in seconds. */
  readonly clockAhead?: number;
}

export interface SnowflakeUser {
  readonly name: string;
  readonly password?: string;
  /** PEM; only its public half is looked at. */
  readonly privateKey?: string;
  readonly token?: string;
  /** Left out: REPORTER, the default one. */
  readonly roles?: readonly string[];
}

interface Scope {
  readonly database: string | null;
  readonly schema: string | null;
  readonly warehouse: string | null;
  readonly role: string;
}

interface Fake {
  readonly options: FakeSnowflakeOptions;
  readonly sessions: Map<string, Scope>;
  /** Statements that are still running: what they give, and for how long. */
  readonly running: Map<string, { left: number; readonly answer: PeerAnswer }>;
}

/**
 * Snowflake's session protocol and SQL API as far as the checks use them, written from the published reference and
 * drivers. It verifies passwords, session tokens, and the signature, names and times of key-pair tokens.
 */
export async function startFakeSnowflake(options: FakeSnowflakeOptions): Promise<StatefulPeer> {
  const fake: Fake = { options, sessions: new Map(), running: new Map() };
  const peer = await startHttpPeer((request) => answer(request, fake), options);
  return { ...peer, left: () => [...fake.running.keys(), ...fake.sessions.keys()] };
}

function answer(request: PeerRequest, fake: Fake): PeerAnswer {
  const { method, path } = request;
  if (method === 'POST' && path === '/session/v1/login-request') return login(request, fake);
  if (method === 'POST' && path === '/session' && request.query.get('delete') === 'true') return logout(request, fake);
  if (path.startsWith('/queries/')) return sessionQuery(request, fake);
  if (path.startsWith('/api/v2/statements')) return statement(request, fake);
  return { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>404 Not Found</html>' };
}

function login(request: PeerRequest, { options, sessions }: Fake): PeerAnswer {
  const { data } = JSON.parse(request.body.toString()) as { data: Record<string, string> };
  const { user, account = 'MYORG-ACCOUNT1', refusal } = options;
  if (refusal) return failed(refusal.code, refusal.message);
  const isUser = data.LOGIN_NAME?.toUpperCase() === user.name.toUpperCase();
  if (data.ACCOUNT_NAME?.toUpperCase() !== account || !isUser || !user.password || data.PASSWORD !== user.password)
    return failed('390100', 'Incorrect username or password was specified.');
  const named = (parameter: string) => sqlName(request.query.get(parameter));
  const role = named('roleName') ?? 'REPORTER';
  if (!rolesOf(user).includes(role))
    return failed('390189', `Role '${role}' specified in the connect string does not exist or not authorized.`);
  const token = `ver:3-hint:1-${randomUUID()}`;
  // a session is opened although its objects do not exist: they are then not set
  const wanted = { database: named('databaseName'), schema: named('schemaName'), warehouse: named('warehouse'), role };
  sessions.set(token, existing(wanted, options));
  return json(200, {
    data: {
      token,
      masterToken: randomUUID(),
      sessionId: sessions.size,
      validityInSeconds: 3_599,
      masterValidityInSeconds: 14_399,
      serverVersion: '9.35.1',
      parameters: [],
      sessionInfo: {
        databaseName: wanted.database,
        schemaName: wanted.schema,
        warehouseName: wanted.warehouse,
        roleName: role,
      },
    },
    code: null,
    message: null,
    success: true,
  });
}

function logout(request: PeerRequest, { sessions }: Fake): PeerAnswer {
  const [, token = ''] = /^Snowflake Token="(.+)"$/.exec(request.headers.authorization ?? '') ?? [];
  if (!sessions.delete(token)) return failed('390104', 'Session no longer exists.');
  return json(200, { data: null, code: null, message: null, success: true });
}

function sessionQuery(request: PeerRequest, fake: Fake): PeerAnswer {
  const [, token = ''] = /^Snowflake Token="(.+)"$/.exec(request.headers.authorization ?? '') ?? [];
  const scope = fake.sessions.get(token);
  if (!scope) return failed('390104', 'Session no longer exists.');
  const [, handle] = /^\/queries\/([\w-]+)\/result$/.exec(request.path) ?? [];
  if (handle !== undefined) return stillRunning(handle, fake, runningInSession) ?? failed('000709', 'no such query');
  if (request.path === '/queries/v1/abort-request') {
    const { requestId } = JSON.parse(request.body.toString());
    if (!fake.running.delete(requestId))
      return failed('000605', 'Identified SQL statement is not currently executing.');
    return json(200, { data: null, code: null, message: null, success: true });
  }
  if (request.path !== '/queries/v1/query-request') return { status: 404 };
  const { sqlText, bindings } = JSON.parse(request.body.toString());
  const rows = execute(written(sqlText, bindings), scope, fake.options);
  if (!('rows' in rows)) return failed(rows.code, rows.message);
  const { part, total } = firstPart(rows.rows, fake.options);
  const data = {
    rowtype: (part[0] ?? []).map(columnOf),
    rowset: part,
    total,
    returned: total,
    queryResultFormat: 'json',
  };
  const done = json(200, { data, code: null, message: null, success: true });
  return slowly(done, fake, runningInSession, request.query.get('requestId') ?? '');
}

const runningInSession = (handle: string) =>
  json(200, {
    data: { getResultUrl: `/queries/${handle}/result`, queryId: handle },
    code: '333334',
    message: 'Query execution in progress.',
    success: true,
  });

function statement(request: PeerRequest, fake: Fake): PeerAnswer {
  const { options } = fake;
  if (!request.headers['user-agent'] || request.headers.accept !== 'application/json')
    return json(400, { code: '391902', message: 'Unsupported Accept header null is specified.' });
  if (options.refusal) return json(422, { ...options.refusal, sqlState: '02000' });
  const code = refusedToken(request, options);
  if (code !== undefined) return json(401, { code, message: 'The token is invalid. [0a1b2c3d]' });
  const [, cancelled] = /^\/api\/v2\/statements\/([\w-]+)\/cancel$/.exec(request.path) ?? [];
  if (cancelled !== undefined)
    return fake.running.delete(cancelled) ? json(200, { code: '000604' }) : json(422, { code: '000605' });
  const [, handle] = /^\/api\/v2\/statements\/([\w-]+)$/.exec(request.path) ?? [];
  if (handle !== undefined) return stillRunning(handle, fake, runningStatement) ?? json(404, { code: '390404' });
  const body = JSON.parse(request.body.toString());
  const role = body.role ?? 'REPORTER';
  if (!rolesOf(options.user).includes(role)) return json(422, { code: '390189', message: 'Role does not exist.' });
  const wanted = { database: body.database ?? null, schema: body.schema ?? null, warehouse: body.warehouse ?? null };
  const scope = existing({ ...wanted, role }, options);
  if (scope.database !== wanted.database || scope.schema !== wanted.schema || scope.warehouse !== wanted.warehouse)
    return json(422, {
      code: '002043',
      sqlState: '02000',
      message: 'SQL compilation error:\nObject does not exist, or operation cannot be performed.',
    });
  const rows = execute(written(body.statement, body.bindings), scope, options);
  if (!('rows' in rows)) return json(422, rows);
  const { part, total } = firstPart(rows.rows, options);
  const resultSetMetaData = { numRows: total, format: 'jsonv2', rowType: [] };
  const done = json(200, { code: '090001', resultSetMetaData, data: part });
  if (request.query.get('async') !== 'true' && !options.slowBy) return done;
  return slowly(done, fake, runningStatement, randomUUID(), 1);
}

const runningStatement = (handle: string) =>
  json(202, {
    code: '333334',
    message: 'Asynchronous execution in progress.',
    statementHandle: handle,
    statementStatusUrl: `/api/v2/statements/${handle}`,
  });

/** Snowflake's code of what is wrong with the token; undefined when nothing is. */
function refusedToken(request: PeerRequest, options: FakeSnowflakeOptions): string | undefined {
  const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  const { user, account = 'MYORG-ACCOUNT1', clockAhead = 0 } = options;
  if (request.headers['x-snowflake-authorization-token-type'] === undefined)
    return user.token !== undefined && token === user.token ? undefined : '390303';
  const [header = '', payload = '', signature = ''] = token.split('.');
  if (!user.privateKey || !signature) return '390144';
  const { iss, sub, iat, exp } = decode(payload);
  const publicKey = createPublicKey(user.privateKey);
  const fingerprint = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const subject = `${account}.${user.name.toUpperCase()}`;
  if (decode(header).alg !== 'RS256' || sub !== subject) return '394300';
  if (iss !== `${subject}.SHA256:${fingerprint}`) return '394304';
  if (!verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url')))
    return '394306';
  const now = Date.now() / 1000 + clockAhead;
  if (Math.abs(now - Number(iat)) > 60) return '394302';
  return Number(exp) > now && Number(exp) - Number(iat) <= 3600 ? undefined : '394303';
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
}

type Rows = { readonly rows: (string | null)[][] };

function execute(
  sql: string,
  scope: Scope,
  options: FakeSnowflakeOptions,
): Rows | { readonly code: string; readonly message: string } {
  const { tables = [] } = options;
  if (sql === 'select 1') return { rows: [['1']] };
  if (sql === 'select current_version()') return { rows: [['9.35.1']] };
  if (sql === 'select current_database(), current_schema(), current_warehouse(), current_role()')
    return { rows: [[scope.database, scope.schema, scope.warehouse, scope.role]] };
  const [, container, limit] = /^show terse tables in (database|schema) limit (\d+)$/.exec(sql) ?? [];
  if (container !== undefined) {
    if (scope[container as 'database' | 'schema'] === null) return noSession(container);
    const found = tables.filter((table) => container === 'database' || table.schema === scope.schema);
    return { rows: found.slice(0, Number(limit)).map((table) => ['2026-01-01', table.name, 'TABLE']) };
  }
  if (scope.database === null) return noSession('database');
  if (scope.warehouse === null)
    return { code: '000606', message: 'No active warehouse selected in the current session.' };
  const rows = askInformationSchema(sql, tables);
  return rows ? { rows } : { code: '001003', message: `SQL compilation error: syntax error in ${sql}` };
}

function noSession(kind: string) {
  return { code: '090105', message: `Cannot perform SELECT. This session does not have a current ${kind}.` };
}

function existing(scope: Scope, { database = 'ANALYTICS', warehouse = 'COMPUTE_WH', tables }: FakeSnowflakeOptions) {
  const inDatabase = scope.database === database;
  const hasSchema = inDatabase && (tables ?? []).some((table) => table.schema === scope.schema);
  return {
    database: inDatabase ? database : null,
    schema: hasSchema ? scope.schema : null,
    warehouse: scope.warehouse === warehouse ? warehouse : null,
    role: scope.role,
  };
}

function rolesOf({ roles = ['REPORTER'] }: SnowflakeUser): readonly string[] {
  return roles;
}

/** A name of the sign-in: read as in SQL. */
function sqlName(text: string | null): string | null {
  if (text === null || text === '') return null;
  return /^"(.*)"$/.exec(text)?.[1]?.replaceAll('""', '"') ?? text.toUpperCase();
}

/** What a session's answer says of a column, as far as drivers ask for it. */
function columnOf(_value: unknown, at: number) {
  const named = { name: `C${at}`, database: '', schema: '', table: '', nullable: true };
  return { ...named, type: 'text', length: 16_777_216, byteLength: 16_777_216, precision: null, scale: null };
}

/** The statement with its bindings as literals. */
function written(sql: string, bindings: Record<string, { value: string; type: string }> = {}): string {
  let at = 0;
  return sql.replace(/\?/g, () => {
    at += 1;
    const binding = bindings[String(at)];
    if (binding?.type !== 'TEXT') throw new Error(`no binding for ? number ${at}`);
    return quoted(binding.value);
  });
}

function firstPart(rows: (string | null)[][], { rowsInFirstPart = rows.length }: FakeSnowflakeOptions) {
  return { part: rows.slice(0, rowsInFirstPart), total: rows.length };
}

/** Has the statement run for some answers, this one among them: at least `least`. */
function slowly(
  done: PeerAnswer,
  { options, running }: Fake,
  pending: (handle: string) => PeerAnswer,
  handle: string,
  least = 0,
): PeerAnswer {
  const answers = Math.max(options.slowBy ?? 0, least);
  if (answers === 0) return done;
  running.set(handle, { left: answers - 1, answer: done });
  return pending(handle);
}

function stillRunning(
  handle: string,
  { running }: Fake,
  pending: (handle: string) => PeerAnswer,
): PeerAnswer | undefined {
  const one = running.get(handle);
  if (!one) return undefined;
  one.left -= 1;
  if (one.left >= 0) return pending(handle);
  running.delete(handle);
  return one.answer;
}

function failed(code: string, message: string): PeerAnswer {
  return json(200, { data: { sqlState: '08001' }, code, message, success: false, headers: null });
}
