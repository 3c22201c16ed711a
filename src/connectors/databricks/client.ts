import { z } from 'zod';
import type { FailureCode } from '../../errors/check-failures.ts';
import { serviceTarget } from '../kit/config/target.ts';
import { type CheckContext, required, type Target } from '../kit/contract/connector.ts';
import { Failure, type FailureDetails } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import {
  jsonAnswer,
  jsonIfAny,
  listOf,
  ownFailure,
  refusalEvidence,
  strangerFailure,
  tokenRefusal,
} from '../kit/http/answers.ts';
import { basicAuthorization } from '../kit/http/basic-auth.ts';
import { methodFailure } from '../kit/http/challenge.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { begin, type HttpState } from '../kit/http/http-base.ts';
import { MAX_ROWS_BYTES, type RowSet, type Statement } from '../kit/http/information-schema.ts';
import { pollUntil } from '../kit/http/poll.ts';
import { type DatabricksConfig, warehouseId } from './config.ts';

/**
 * What the checks of one test share. `token` is the config's own, or the one that the workspace gives the service
 * principal.
 */
export type DatabricksState = HttpState<{ token: string }>;
export type DatabricksContext = CheckContext<DatabricksConfig, DatabricksState>;

const TOKEN = 'authentication.accessToken.token';
/** The error code for those whose token is taken, but who lack a right. */
export const DENIED = 'PERMISSION_DENIED';
const CLIENT_SECRET = 'authentication.oauth.clientSecret';

const GIVEN_TOKEN = z.object({ access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/) });
/** A refusal. Its code is the number 403 when the token itself is refused, and a word when a right is missing. */
const REFUSAL = z.object({ error_code: z.union([z.string(), z.number()]).optional(), message: z.string().optional() });
const STATEMENT = z.object({
  statement_id: z.string().regex(/^[\w-]{1,64}$/),
  status: z.object({
    state: z.enum(['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'CLOSED']),
    error: z.object({ error_code: z.string().optional(), message: z.string().optional() }).optional(),
  }),
  manifest: z.object({ total_chunk_count: z.int().optional(), truncated: z.boolean().optional() }).optional(),
  result: z.object({ data_array: listOf(listOf(z.string().nullable())).optional() }).optional(),
});
type Answer = z.output<typeof STATEMENT>;

export function targetOf({ host }: DatabricksConfig): Target {
  return serviceTarget(host, 'host');
}

/**
 * Gets the token to go on with: the config's own, or one that the workspace gives the service principal for an hour.
 */
export async function signIn({ config, state }: DatabricksContext): Promise<string> {
  const { accessToken, oauth } = config.authentication;
  if (accessToken) return accessToken.token;
  if (!oauth) throw new Error('a config without a way to sign in passed');
  const authorization = basicAuthorization(oauth.clientId, oauth.clientSecret);
  const response = await state.http.request({
    method: 'POST',
    path: '/oidc/v1/token',
    headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&scope=all-apis',
    maxBytes: SIGN_IN_LIMIT,
  });
  const refusal = tokenRefusal(response);
  if (refusal !== undefined) throw tokenRefused(config).with(refusalEvidence(response, refusal));
  if (response.status !== 200) throw strangerFailure(response);
  return jsonAnswer(response, GIVEN_TOKEN).access_token;
}

function tokenRefused({ authentication }: DatabricksConfig): Failure {
  if (authentication.oauth) {
    const hint =
      'Check `authentication.oauth.clientId` and `authentication.oauth.clientSecret`, and that the service principal is in the workspace.';
    return new Failure('KEY_REFUSED', { configPath: CLIENT_SECRET, hint });
  }
  return new Failure('KEY_REFUSED', {
    configPath: TOKEN,
    hint: 'Check the token: it may have expired or been revoked, or be of another workspace than `host`.',
  });
}

export async function askDatabricks({ state }: DatabricksContext, request: HttpRequest): Promise<HttpResponse> {
  const authorization = `Bearer ${required(state.token, 'session/authenticate')}`;
  return state.http.request({ ...request, headers: { accept: 'application/json', ...request.headers, authorization } });
}

const DENIED_WAREHOUSE = { configPath: 'httpPath', hint: 'Grant CAN USE on the warehouse.' };
const DENIED_DATA = { configPath: 'catalog', hint: 'Grant USE CATALOG, USE SCHEMA and SELECT.' };

/**
 * The failure behind each of Databricks' names of what is wrong: an error code, or the condition that begins an SQL
 * error.
 */
const BY_CODE: Readonly<Record<string, readonly [FailureCode, FailureDetails]>> = {
  RESOURCE_DOES_NOT_EXIST: [
    'RESOURCE_NOT_FOUND',
    { configPath: 'httpPath', hint: 'Check `httpPath`: there is no such warehouse.' },
  ],
  CATALOG_DOES_NOT_EXIST: ['RESOURCE_NOT_FOUND', { configPath: 'catalog', hint: 'Check `catalog`.' }],
  CATALOG_NOT_FOUND: ['RESOURCE_NOT_FOUND', { configPath: 'catalog', hint: 'Check `catalog`.' }],
  NO_SUCH_CATALOG_EXCEPTION: ['RESOURCE_NOT_FOUND', { configPath: 'catalog', hint: 'Check `catalog`.' }],
  SCHEMA_DOES_NOT_EXIST: ['SCHEMA_NOT_FOUND', { configPath: 'schema' }],
  SCHEMA_NOT_FOUND: ['SCHEMA_NOT_FOUND', { configPath: 'schema' }],
  // only catalogs of Unity Catalog have an information_schema
  TABLE_OR_VIEW_NOT_FOUND: [
    'RESOURCE_NOT_FOUND',
    { configPath: 'catalog', hint: 'Give a catalog of Unity Catalog in `catalog`.' },
  ],
  INSUFFICIENT_PERMISSIONS: ['PERMISSION_DENIED', DENIED_DATA],
  REQUEST_LIMIT_EXCEEDED: ['TOO_MANY_REQUESTS', {}],
  RESOURCE_EXHAUSTED: ['TOO_MANY_REQUESTS', {}],
  TEMPORARILY_UNAVAILABLE: ['SERVER_UNAVAILABLE', {}],
};

/**
 * The answer when it is a 200. Fails with what any other answer stands for; `about` is what a right may be missing on.
 */
export function accepted(
  response: HttpResponse,
  config: DatabricksConfig,
  about: 'warehouse' | 'data' = 'warehouse',
): HttpResponse {
  if (response.status === 200) return response;
  const code = errorCodeOf(response);
  if (code === undefined) throw strangerFailure(response);
  const failure = codeFailure(code, about) ?? signInFailure(response, config);
  throw failure?.with(refusalEvidence(response, code)) ?? ownFailure(response, code);
}

function codeFailure(code: string, about: 'warehouse' | 'data'): Failure | undefined {
  if (code === DENIED) return new Failure('PERMISSION_DENIED', about === 'data' ? DENIED_DATA : DENIED_WAREHOUSE);
  const known = BY_CODE[code];
  return known && new Failure(...known);
}

/** The failure behind a status that stands for a refusal to sign in, whatever its code. */
function signInFailure(response: HttpResponse, config: DatabricksConfig): Failure | undefined {
  if (response.status === 403 && isShutOut(response)) {
    const hint = 'An IP access list of the workspace does not let the gateway’s address in: ask its administrator.';
    return new Failure('PERMISSION_DENIED', { configPath: 'host', hint });
  }
  if (response.status !== 401 && response.status !== 403) return undefined;
  const configPath = config.authentication.oauth ? CLIENT_SECRET : TOKEN;
  return methodFailure(response, ['bearer', 'basic'], configPath) ?? tokenRefused(config);
}

/** Tells whether the workspace refuses the address that the request comes from, which only its text tells. */
function isShutOut(response: HttpResponse): boolean {
  return /\bIP (ACL|access list)\b/i.test(jsonIfAny(response, REFUSAL)?.message ?? '');
}

/** Databricks' own code of an error. Undefined when the answer is none of its errors. */
export function errorCodeOf(response: HttpResponse): string | undefined {
  const code = jsonIfAny(response, REFUSAL)?.error_code;
  return code === undefined ? undefined : String(code);
}

/** What a statement waits for in each of its states. */
const WAITING: Readonly<Record<'PENDING' | 'RUNNING', string>> = {
  PENDING: 'The warehouse has not begun with the query: it is starting, or full. Raise timeoutMs, or start it first.',
  RUNNING: 'The warehouse was still at the query: it is busy, or too small. Raise timeoutMs, or look at its load.',
};

/** Runs one statement on the warehouse, which starts a warehouse that sleeps. */
export async function queryDatabricks(context: DatabricksContext, statement: Statement): Promise<RowSet> {
  const { config, signal } = context;
  const { catalog, schema } = config;
  const { sql, parameters } = bound(statement);
  const body = JSON.stringify({
    warehouse_id: warehouseId(config),
    statement: sql,
    parameters,
    ...(catalog === undefined ? {} : { catalog }),
    ...(schema === undefined ? {} : { schema }),
    // the answer comes at once, with the number by which the statement can be ended
    wait_timeout: '0s',
    on_wait_timeout: 'CONTINUE',
    format: 'JSON_ARRAY',
    disposition: 'INLINE',
  });
  const path = '/api/2.0/sql/statements';
  const headers = { 'content-type': 'application/json' };
  const ask = async (request: HttpRequest): Promise<Answer> =>
    jsonAnswer(accepted(await askDatabricks(context, { ...request, maxBytes: MAX_ROWS_BYTES }), config), STATEMENT);
  const whenEnded = (answer: Answer): Answer | undefined => {
    const { state } = answer.status;
    if (state !== 'PENDING' && state !== 'RUNNING') return answer;
    context.waitsFor({ configPath: 'httpPath', hint: WAITING[state] });
    return undefined;
  };
  const { begun, over } = await begin(
    context,
    () => ask({ method: 'POST', path, headers, body, begins: true }),
    (ended, { statement_id: id }) => askDatabricks(ended, { method: 'POST', path: `${path}/${id}/cancel` }),
  );
  const statementPath = `${path}/${begun.statement_id}`;
  const answer =
    whenEnded(begun) ??
    (await pollUntil(signal, async () => whenEnded(await ask({ method: 'GET', path: statementPath }))));
  over();
  if (answer.status.state !== 'SUCCEEDED') throw sqlFailure(answer);
  const { manifest, result } = answer;
  return {
    rows: result?.data_array ?? [],
    complete: (manifest?.total_chunk_count ?? 1) <= 1 && manifest?.truncated !== true,
  };
}

/** A code as Databricks writes them, and nothing else that could stand there. */
function codeWords(code: string): string | undefined {
  return /^[A-Z][A-Z0-9_]{1,60}$/.exec(code)?.[0];
}

function sqlFailure({ status }: Answer): Failure {
  const { error_code: code = '', message = '' } = status.error ?? {};
  const condition = /\[([A-Z][A-Z0-9_]{1,60})[\].]/.exec(message)?.[1] ?? '';
  const failure = codeFailure(condition, 'data') ?? codeFailure(code, 'data') ?? new Failure('SERVER_ERROR');
  return failure.with({ serverError: condition || codeWords(code) });
}

function bound(statement: Statement) {
  const parameters: { name: string; value: string; type: 'STRING' }[] = [];
  const sql = statement((value) => {
    const name = `p${parameters.length + 1}`;
    parameters.push({ name, value, type: 'STRING' });
    return `:${name}`;
  });
  return { sql, parameters };
}
