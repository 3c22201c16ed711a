import { z } from 'zod';
import { serviceTarget } from '../kit/config/target.ts';
import { type CheckContext, required, type Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import {
  isWebPage,
  jsonAnswer,
  jsonIfAny,
  listOf,
  ownFailure,
  refusalEvidence,
  strangerFailure,
  tokenRefusal,
} from '../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import { MAX_ROWS_BYTES, type RowSet, type Statement } from '../kit/http/information-schema.ts';
import type { FireboltConfig } from './config.ts';

const SIGN_IN_HOST = 'id.app.firebolt.io';
const API_HOST = 'api.app.firebolt.io';
/** The domain that every engine has to be in, whatever the API says. */
const DOMAIN = '.firebolt.io';
/** The longest value of a parameter that is sent back, in characters. */
const LONGEST_PARAMETER = 1024;

/** Where queries go, and the parameters that go along with each of them. */
export interface Engine {
  readonly host: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export type FireboltState = HttpState<{ token: string; engine: Engine }>;
export type FireboltContext = CheckContext<FireboltConfig, FireboltState>;

const TOKEN = z.object({ access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/) });
const ENGINE = z.object({ engineUrl: z.string().max(2048) });
const CELL = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const RESULT = z.object({ data: listOf(listOf(CELL)), rows: z.int().nonnegative() });
const ERRORS = z.object({
  errors: listOf(z.object({ description: z.string().optional() })).refine((errors) => errors.length > 0),
});

/** The target that the client secret is sent to. The token that it gives is for the API and the engines. */
export function signInTarget(): Target {
  return serviceTarget(SIGN_IN_HOST);
}

export function apiTarget(): Target {
  return serviceTarget(API_HOST);
}

/** Tells the hosts that the token may be sent to: those of the API and of the engines. */
export function isTokenHost(host: string): boolean {
  return host === API_HOST || isEngineHost(host);
}

/** Exchanges the client secret for a token. Fails with KEY_REFUSED. */
export async function signIn({ config, state }: FireboltContext): Promise<void> {
  const { clientId, clientSecret } = config;
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
  const response = await state.http.request({
    method: 'POST',
    path: '/oauth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ ...form, audience: 'https://api.firebolt.io' }).toString(),
    maxBytes: SIGN_IN_LIMIT,
  });
  const code = tokenRefusal(response);
  if (code !== undefined) {
    const hint = 'Check `clientId` and `clientSecret`, and that the service account has not been deleted.';
    const evidence = refusalEvidence(response, code);
    throw new Failure('KEY_REFUSED', { configPath: 'clientSecret', hint, evidence });
  }
  if (response.status !== 200) throw strangerFailure(response);
  state.token = jsonAnswer(response, TOKEN).access_token;
}

/** Asks for the account's system engine, then for the database and the engine of the config. */
export async function resolveEngine(context: FireboltContext): Promise<Engine> {
  const { config } = context;
  const path = `/web/v3/account/${encodeURIComponent(config.account)}/engineUrl`;
  const response = await askFirebolt(context, { method: 'GET', host: API_HOST, path });
  if ([401, 403, 404].includes(response.status) && !isWebPage(response)) {
    const hint = 'Check `account`: there is none of that name, or the service account has no user in it.';
    const code = response.status === 404 ? 'RESOURCE_NOT_FOUND' : 'PERMISSION_DENIED';
    throw new Failure(code, { configPath: 'account', hint, evidence: refusalEvidence(response) });
  }
  if (response.status !== 200) throw strangerFailure(response);
  let engine = engineAt(jsonAnswer(response, ENGINE).engineUrl);
  if (config.database !== undefined) engine = await use(context, engine, 'database', config.database);
  return config.engine === undefined ? engine : use(context, engine, 'engine', config.engine);
}

const ENGINE_WAITING =
  'The engine has not answered the query: it is starting, or busy. Raise timeoutMs, or start it first.';

/** Runs one statement on the engine, which starts an engine that sleeps. */
export async function queryFirebolt(context: FireboltContext, statement: Statement): Promise<RowSet> {
  const engine = required(context.state.engine, 'engine/resolve');
  // the system engine, which stands for none, never sleeps
  if (context.config.engine !== undefined) context.waitsFor({ configPath: 'engine', hint: ENGINE_WAITING });
  const response = await send(context, engine, statement(literal));
  const refusal = refusalOf(response);
  if (refusal !== undefined) throw refusalFailure(response, refusal);
  const { data, rows } = jsonAnswer(response, RESULT);
  const text = data.map((row) => row.map((cell) => (cell === null ? null : String(cell))));
  return { rows: text, complete: data.length >= rows };
}

/**
 * Chooses a database or an engine. The headers of the answer say where queries go from then on, and with which
 * parameters.
 */
async function use(
  context: FireboltContext,
  engine: Engine,
  kind: 'database' | 'engine',
  name: string,
): Promise<Engine> {
  const response = await send(context, engine, `use ${kind} "${name.replaceAll('"', '""')}"`);
  const refusal = refusalOf(response);
  if (refusal !== undefined) {
    if (!isMissing(refusal)) throw refusalFailure(response, refusal, kind);
    const hint = `Check \`${kind}\`: there is none of that name, or the service account’s user has no right to it.`;
    const code = kind === 'database' ? 'DATABASE_NOT_FOUND' : 'RESOURCE_NOT_FOUND';
    throw new Failure(code, { configPath: kind, hint, evidence: refusalEvidence(response) });
  }
  const { 'firebolt-update-parameters': added, 'firebolt-update-endpoint': endpoint } = response.headers;
  const moved = endpoint === undefined ? engine : engineAt(endpoint);
  const parameters = { ...engine.parameters, ...moved.parameters, ...parametersIn(added ?? '') };
  return { host: moved.host, parameters: kind === 'database' ? { ...parameters, database: name } : parameters };
}

function send(context: FireboltContext, engine: Engine, sql: string): Promise<HttpResponse> {
  const query = new URLSearchParams({ ...engine.parameters, output_format: 'JSON_Compact' });
  return askFirebolt(context, {
    method: 'POST',
    host: engine.host,
    path: `/query?${query}`,
    headers: { 'content-type': 'text/plain', 'firebolt-protocol-version': '2.1' },
    body: sql,
    maxBytes: MAX_ROWS_BYTES,
  });
}

function askFirebolt({ state }: FireboltContext, request: HttpRequest): Promise<HttpResponse> {
  const authorization = `Bearer ${required(state.token, 'session/authenticate')}`;
  return state.http.request({ ...request, headers: { accept: 'application/json', ...request.headers, authorization } });
}

/**
 * Reads an engine as Firebolt names it, `host?account_id=…`. The token goes there, so it has to be Firebolt's own host,
 * over TLS.
 */
function engineAt(text: string): Engine {
  const full = text.includes('://') ? text : `https://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const plain = url?.protocol === 'https:' && url.port === '' && url.username === '' && url.password === '';
  if (!url || !plain || !isEngineHost(url.hostname)) {
    throw new Failure('ADDRESS_NOT_ALLOWED', {
      hint: 'Firebolt’s API named an engine outside of firebolt.io, to which the gateway sends no token: ask Firebolt’s support.',
    });
  }
  return { host: url.hostname, parameters: knownParameters(url.searchParams) };
}

function isEngineHost(host: string): boolean {
  return host.endsWith(DOMAIN) && /^[a-z0-9][a-z0-9.-]*$/.test(host) && !host.includes('..');
}

/** Reads the parameters in a header: `database=sales,engine=small`. */
function parametersIn(header: string): Record<string, string> {
  const pairs = header.split(',').map((pair) => {
    const [name = '', value = ''] = pair.split('=', 2);
    return [name.trim(), value.trim()] as const;
  });
  return knownParameters(pairs);
}

/** Picks the parameters that tell an engine whose query it is. The server is not let decide on any other. */
function knownParameters(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  const names = ['account_id', 'engine', 'database'];
  return Object.fromEntries(
    [...pairs].filter(([name, value]) => names.includes(name) && value.length <= LONGEST_PARAMETER),
  );
}

/** Firebolt's text of what is wrong, which is looked through, but never shown. Undefined when nothing is wrong. */
function refusalOf(response: HttpResponse): string | undefined {
  const errors = jsonIfAny(response, ERRORS)?.errors;
  if (errors) return errors.map(({ description = '' }) => description).join('\n');
  return response.status === 200 ? undefined : response.text();
}

function isMissing(text: string): boolean {
  return /not exist|not found/i.test(text);
}

/** The failure behind a refusal, which has no code of Firebolt's in it that could be relied on. */
function refusalFailure(response: HttpResponse, text: string, kind: 'database' | 'engine' = 'database'): Failure {
  if (isWebPage(response)) return strangerFailure(response);
  return knownFailure(response, text, kind)?.with(refusalEvidence(response)) ?? ownFailure(response);
}

function knownFailure({ status }: HttpResponse, text: string, kind: 'database' | 'engine'): Failure | undefined {
  if (status === 401 || status === 403 || /not authorized|permission|privilege/i.test(text)) {
    const hint = 'Grant the role of the service account’s user USAGE on the database, and on the engine.';
    return new Failure('PERMISSION_DENIED', { configPath: kind, hint });
  }
  if (/engine .*(not running|stopped)/i.test(text))
    return new Failure('SERVER_UNAVAILABLE', { configPath: 'engine', hint: 'The engine does not run: start it.' });
  if (/database .*(not exist|not found)/i.test(text))
    return new Failure('DATABASE_NOT_FOUND', { configPath: 'database' });
  return undefined;
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
