import { randomUUID } from 'node:crypto';
import { askInformationSchema, type FakeTable } from './fake-information-schema.ts';
import {
  type HttpPeer,
  type HttpPeerOptions,
  json,
  type PeerAnswer,
  type PeerRequest,
  startHttpPeer,
} from './http-peer.ts';

export interface FakeFireboltOptions extends HttpPeerOptions {
  readonly client: { readonly id: string; readonly secret: string };
  /** Left out: my-account. */
  readonly account?: string;
  /** What the API names as the account's system engine. Left out: SYSTEM_ENGINE and its account_id. */
  readonly engineUrl?: string;
  /** What the system engine names as the engine. Left out: USER_ENGINE and its account_id. */
  readonly updateEndpoint?: string;
  /** Left out: sales. */
  readonly database?: string;
  /** Left out: reports. */
  readonly engine?: string;
  readonly tables?: readonly FakeTable[];
  /** What the service account's user may not do: be in the account, use one of these, query. */
  readonly denied?: readonly ('account' | 'database' | 'engine' | 'query')[];
  readonly engineStopped?: boolean;
  /** The engine takes queries and never answers them. */
  readonly engineStarting?: boolean;
  /** Errors come with status 200 and as JSON; left out: with 400 and as text. */
  readonly jsonErrors?: boolean;
  /** The most rows in an answer. */
  readonly rowsAtOnce?: number;
}

export const SYSTEM_ENGINE = '01hxaccount.api.us-east-1.app.firebolt.io';
export const USER_ENGINE = 'reports-my-account.us-east-1.app.firebolt.io';
const ACCOUNT_ID = '01hxaccount';

interface Fake {
  readonly options: FakeFireboltOptions;
  readonly tokens: Set<string>;
}

/**
 * Firebolt's sign-in, its API and its engines as far as the checks use them, one server under all of their names;
 * written from the published guide and SDKs. It verifies client secret and token, and that each query goes to the
 * engine that it belongs to.
 */
export async function startFakeFirebolt(options: FakeFireboltOptions): Promise<HttpPeer> {
  const fake: Fake = { options, tokens: new Set() };
  return startHttpPeer((request) => answer(request, fake), options);
}

function answer(request: PeerRequest, fake: Fake): PeerAnswer | undefined {
  const host = request.headers.host ?? '';
  if (host === 'id.app.firebolt.io') return giveToken(request, fake);
  const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (!fake.tokens.has(token)) return json(401, { error: 'Unauthorized' });
  if (host === 'api.app.firebolt.io') return account(request, fake.options);
  if (request.method !== 'POST' || !['/', '/query'].includes(request.path)) return { status: 404, body: 'Not Found' };
  if (host === USER_ENGINE && fake.options.engineStarting) return undefined;
  if (host === SYSTEM_ENGINE || host === USER_ENGINE) return query(request, host, fake.options);
  return { status: 421, body: `no engine is called ${host}` };
}

function giveToken(request: PeerRequest, { options, tokens }: Fake): PeerAnswer {
  const form = new URLSearchParams(request.body.toString());
  const { client } = options;
  if (request.path !== '/oauth/token') return { status: 404 };
  if (form.get('grant_type') !== 'client_credentials' || form.get('audience') !== 'https://api.firebolt.io')
    return json(400, { error: 'invalid_request' });
  if (form.get('client_id') !== client.id || form.get('client_secret') !== client.secret)
    return json(401, { error: 'access_denied', error_description: 'Unauthorized' });
  const token = randomUUID();
  tokens.add(token);
  return json(200, { access_token: token, token_type: 'Bearer', expires_in: 86_400 });
}

function account(request: PeerRequest, options: FakeFireboltOptions): PeerAnswer {
  const [, name] = /^\/web\/v3\/account\/([^/]+)\/engineUrl$/.exec(request.path) ?? [];
  if (name !== (options.account ?? 'my-account')) return json(404, { error: 'account not found' });
  if (options.denied?.includes('account')) return json(403, { error: 'forbidden' });
  return json(200, { engineUrl: options.engineUrl ?? `${SYSTEM_ENGINE}?account_id=${ACCOUNT_ID}` });
}

function query(request: PeerRequest, host: string, options: FakeFireboltOptions): PeerAnswer {
  const { database = 'sales', engine = 'reports', denied = [], tables = [] } = options;
  const parameters = request.query;
  const sql = request.body.toString();
  if (parameters.get('account_id') !== ACCOUNT_ID) return failed(options, 'account_id is missing');
  if (parameters.get('output_format') !== 'JSON_Compact') return failed(options, 'unknown output format');
  const [, given = '', quoted = ''] = /^use (database|engine) "((?:[^"]|"")*)"$/i.exec(sql) ?? [];
  const kind = given.toLowerCase();
  const name = quoted.replaceAll('""', '"');
  if (kind === 'database') {
    if (name !== database || denied.includes('database'))
      return failed(options, `Database '${name}' does not exist or not authorized.`);
    return done([], options, { 'Firebolt-Update-Parameters': `database=${name}` });
  }
  if (kind === 'engine') {
    if (name !== engine) return failed(options, `Engine '${name}' does not exist or not authorized.`);
    if (denied.includes('engine')) return failed(options, `Missing privilege USAGE on engine ${name}.`);
    const endpoint = options.updateEndpoint ?? `${USER_ENGINE}?account_id=${ACCOUNT_ID}&engine=${name}`;
    return done([], options, { 'Firebolt-Update-Endpoint': endpoint, 'Firebolt-Update-Parameters': 'x=1' });
  }
  if (host === USER_ENGINE && parameters.get('engine') !== engine) return failed(options, 'no engine parameter');
  if (host === USER_ENGINE && options.engineStopped) return failed(options, `Engine '${engine}' is not running.`);
  if (denied.includes('query')) return failed(options, 'Query not authorized.');
  if (sql === 'select 1') return done([[1]], options);
  if (parameters.get('database') !== database) return failed(options, "Database '' does not exist.");
  const rows = askInformationSchema(sql, tables);
  return rows ? done(rows, options) : failed(options, `Line 1, Column 1: syntax error in ${sql}`);
}

function done(rows: unknown[][], options: FakeFireboltOptions, headers: Record<string, string> = {}): PeerAnswer {
  const data = rows.slice(0, options.rowsAtOnce ?? rows.length);
  const meta = (data[0] ?? []).map((value, at) => ({
    name: `c${at}`,
    type: typeof value === 'number' ? 'int' : 'text',
  }));
  return json(
    200,
    { meta, data, rows: rows.length, statistics: { elapsed: 0.001, rows_read: data.length, bytes_read: 0 } },
    headers,
  );
}

function failed({ jsonErrors }: FakeFireboltOptions, description: string): PeerAnswer {
  if (jsonErrors) return json(200, { errors: [{ code: '500', name: 'ERROR', severity: 'ERROR', description }] });
  return { status: 400, headers: { 'content-type': 'text/plain' }, body: description };
}
