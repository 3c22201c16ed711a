import { createHash, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { serviceTarget } from '../kit/config/target.ts';
import type { CheckContext, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, jsonIfAny, listOf } from '../kit/http/answers.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { atEnd, begin, type HttpState } from '../kit/http/http-base.ts';
import { MAX_ROWS_BYTES, type RowSet, type Statement } from '../kit/http/information-schema.ts';
import { pollUntil } from '../kit/http/poll.ts';
import { openPrivateKey } from '../kit/keys/private-key.ts';
import { accountHost, accountName, exactName, type SnowflakeConfig } from './config.ts';
import { codeFailure, plainFailure, type SnowflakeObject, signInPath } from './failures.ts';

export type SnowflakeState = HttpState<{ session: SnowflakeSession }>;
export type SnowflakeContext = CheckContext<SnowflakeConfig, SnowflakeState>;

/** The names of the objects that a statement runs in. */
export type SnowflakeScope = { readonly [Kind in SnowflakeObject]?: string };

export interface SnowflakeSession {
  /** The server's version as it tells it at the sign-in; undefined when a query has to ask. */
  readonly serverVersion?: string | undefined;
  /** Runs one statement. `scope` counts for the SQL API alone: a session has its own from the sign-in on. */
  query(statement: Statement, scope?: SnowflakeScope): Promise<RowSet>;
}

const APP = 'datastore-gateway';
const TOKEN_SECONDS = 300;
const MIN_KEY_BITS = 2048;

const CELLS = listOf(listOf(z.string().nullable()));
const LOGIN = z.object({ token: z.string().regex(/^[\x21-\x7e]+$/), serverVersion: z.string().nullish() });
const ANSWER = z.object({
  success: z.boolean(),
  code: z.string().nullish(),
  message: z.string().nullish(),
  data: z.unknown(),
});
const RESULT = z.object({ rowset: CELLS, total: z.int().nonnegative() });
const RUNNING = z.object({ getResultUrl: z.string().regex(/^\/queries\/[\w-]{1,64}\/result$/) });
const STATEMENT = z.object({ data: CELLS, resultSetMetaData: z.object({ numRows: z.int().nonnegative() }) });
const HANDLE = z.object({ statementHandle: z.string().regex(/^[\w-]{1,64}$/) });
const REFUSAL = z.object({ code: z.string().regex(/^\d{6}$/), message: z.string().nullish() });

export function targetOf({ account }: SnowflakeConfig): Target {
  return serviceTarget(accountHost(account), 'account');
}

/** The scope of all the config's objects. */
export function scopeOf(config: SnowflakeConfig): SnowflakeScope {
  const { warehouse, database, schema, role } = config;
  return { warehouse, database, ...(schema === undefined ? {} : { schema }), ...(role === undefined ? {} : { role }) };
}

/**
 * Opens a session for a user with a password, and otherwise the SQL API, which takes a token with each request. Only
 * the former has signed in when this returns.
 */
export async function openSession(context: SnowflakeContext): Promise<SnowflakeSession> {
  return context.config.authentication.password ? signIn(context) : sqlApi(context);
}

const WAITING = {
  configPath: 'warehouse',
  hint: 'Snowflake has taken the query and was still at it: the warehouse is starting, suspended or busy. Raise timeoutMs, or start it first.',
};

async function signIn(context: SnowflakeContext): Promise<SnowflakeSession> {
  const { signal } = context;
  const { begun: session } = await begin(
    context,
    () => logIn(context),
    (ended, { token }) => sendInSession(ended, token, jsonRequest('/session?delete=true', {})),
  );
  const send = (request: HttpRequest, within = context) => sendInSession(within, session.token, request);
  return {
    serverVersion: session.serverVersion ?? undefined,
    async query(statement) {
      const { sql, bindings } = bound(statement);
      const requestId = randomUUID();
      const forget = context.onEnd((ending) => {
        const abort = jsonRequest(`/queries/v1/abort-request?requestId=${randomUUID()}`, { sqlText: sql, requestId });
        return send(abort, atEnd(context, ending));
      });
      context.waitsFor(WAITING);
      const body = { sqlText: sql, bindings, asyncExec: false };
      let data = await send(jsonRequest(`/queries/v1/query-request?requestId=${requestId}`, body));
      if (RUNNING.safeParse(data).success) {
        data = await pollUntil(signal, async () => {
          const { getResultUrl: path } = partOf(RUNNING, data);
          data = await send({ method: 'GET', path, headers: ACCEPT });
          return RUNNING.safeParse(data).success ? undefined : data;
        });
      }
      forget();
      const { rowset, total } = partOf(RESULT, data);
      return { rows: rowset, complete: rowset.length >= total };
    },
  };
}

async function sendInSession({ config, state }: SnowflakeContext, token: string, request: HttpRequest) {
  const headers = { ...request.headers, authorization: `Snowflake Token="${token}"` };
  return success(await state.http.request({ ...request, headers, maxBytes: MAX_ROWS_BYTES }), config);
}

async function logIn({ config, state: { http } }: SnowflakeContext) {
  const password = needed(config.authentication.password?.password);
  const names = {
    warehouse: config.warehouse,
    databaseName: config.database,
    schemaName: config.schema,
    roleName: config.role,
  };
  const query = new URLSearchParams({ requestId: randomUUID() });
  for (const [name, value] of Object.entries(names)) if (value !== undefined) query.set(name, sqlName(value));
  const data = {
    CLIENT_APP_ID: APP,
    CLIENT_APP_VERSION: '1.0',
    ACCOUNT_NAME: accountName(config.account),
    LOGIN_NAME: config.username,
    PASSWORD: password,
  };
  const path = `/session/v1/login-request?${query}`;
  const request = { ...jsonRequest(path, { data }), maxBytes: SIGN_IN_LIMIT, begins: true };
  return partOf(LOGIN, success(await http.request(request), config));
}

function sqlApi(context: SnowflakeContext): SnowflakeSession {
  const { config, signal } = context;
  let maxBytes = SIGN_IN_LIMIT;
  // opening an encrypted key takes work, so it is done once
  let key: Promise<KeyObject> | undefined;
  const send = async (request: HttpRequest, { state: { http } } = context) => {
    const headers = { ...request.headers, ...(await tokenHeaders(context, () => (key ??= openKey(context)))) };
    const response = await http.request({ ...request, headers, maxBytes });
    // a server that answers 2xx has taken the token
    if (response.status === 200 || response.status === RUNS) maxBytes = MAX_ROWS_BYTES;
    return response;
  };
  return {
    async query(statement, scope = scopeOf(config)) {
      const { sql, bindings } = bound(statement);
      const names = Object.entries(scope).map(([kind, name]) => [kind, exactName(name)]);
      const body = { statement: sql, bindings, ...Object.fromEntries(names) };
      const { begun: first, over } = await begin(
        context,
        // the answer comes at once, with the handle by which the statement can be ended
        () => send({ ...jsonRequest(`/api/v2/statements?async=true&requestId=${randomUUID()}`, body), begins: true }),
        async (ended, answer) => {
          if (answer.status === RUNS) await send(jsonRequest(`${handlePath(answer)}/cancel`, {}), ended);
        },
      );
      context.waitsFor(WAITING);
      const response =
        first.status === RUNS
          ? await pollUntil(signal, async () => {
              const next = await send({ method: 'GET', path: handlePath(first), headers: ACCEPT });
              return next.status === RUNS ? undefined : next;
            })
          : first;
      over();
      if (response.status !== 200) throw refusal(response, config);
      const { data, resultSetMetaData } = jsonAnswer(response, STATEMENT);
      // further rows stand in parts of their own, which come compressed and are not read
      return { rows: data, complete: data.length >= resultSetMetaData.numRows };
    },
  };
}

/** The status of an answer which says that the statement still runs. */
const RUNS = 202;

function handlePath(answer: HttpResponse): string {
  return `/api/v2/statements/${jsonAnswer(answer, HANDLE).statementHandle}`;
}

const ACCEPT = { accept: 'application/json', 'user-agent': `${APP}/1.0` };

function jsonRequest(path: string, body: unknown): HttpRequest {
  const headers = { ...ACCEPT, 'content-type': 'application/json' };
  return { method: 'POST', path, headers, body: JSON.stringify(body) };
}

/** The data of an answer in the session protocol, in which refusals come with status 200 too. */
function success(response: HttpResponse, config: SnowflakeConfig): unknown {
  if (response.status !== 200) throw refusal(response, config);
  const { success: passed, code, message, data } = jsonAnswer(response, ANSWER);
  if (passed) return data;
  // 333333 and 333334 say that the query still runs
  if (code?.startsWith('33333')) return data;
  throw codeFailure(code ?? '', message ?? '', config);
}

function refusal(response: HttpResponse, config: SnowflakeConfig): Failure {
  const { code, message } = jsonIfAny(response, REFUSAL) ?? {};
  return code === undefined ? plainFailure(response) : codeFailure(code, message ?? '', config);
}

function partOf<Schema extends z.ZodType>(schema: Schema, data: unknown): z.output<Schema> {
  const parsed = schema.safeParse(data);
  if (!parsed.success) throw new Failure('PROTOCOL_MISMATCH');
  return parsed.data;
}

function bound(statement: Statement) {
  const values: string[] = [];
  const sql = statement((value) => {
    values.push(value);
    return '?';
  });
  const bindings = values.map((value, index) => [String(index + 1), { type: 'TEXT', value }]);
  return { sql, bindings: Object.fromEntries(bindings) };
}

/** A name as it is written in SQL: the sign-in reads names that way. */
function sqlName(name: string): string {
  const exact = exactName(name);
  return /^[A-Z_][A-Z0-9_$]*$/.test(exact) ? exact : `"${exact.replaceAll('"', '""')}"`;
}

function needed(secret: string | undefined): string {
  if (secret === undefined) throw new Error('a way to sign in without its secret passed the config');
  return secret;
}

async function tokenHeaders(
  { config }: SnowflakeContext,
  key: () => Promise<KeyObject>,
): Promise<Record<string, string>> {
  const { accessToken } = config.authentication;
  // Snowflake finds out by itself what kind of token it is
  if (accessToken) return { authorization: `Bearer ${accessToken.token}` };
  return {
    authorization: `Bearer ${await signedToken(config, await key())}`,
    'x-snowflake-authorization-token-type': 'KEYPAIR_JWT',
  };
}

async function openKey({ config, signal }: SnowflakeContext): Promise<KeyObject> {
  const { keyPair } = config.authentication;
  const keyPath = signInPath(config);
  const key = await openPrivateKey(needed(keyPair?.privateKey), {
    passphrase: keyPair?.passphrase,
    keyPath,
    passphrasePath: 'authentication.keyPair.passphrase',
    signal,
  });
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_KEY_BITS) {
    const hint = 'Snowflake takes RSA keys of 2048 bits or more: make such a one, and set RSA_PUBLIC_KEY of the user.';
    throw new Failure('KEY_UNUSABLE', { configPath: keyPath, hint });
  }
  return key;
}

/**
 * Makes a token that is valid for 5 minutes. Snowflake wants to see one within a minute of its making, so each request
 * has its own.
 */
async function signedToken(config: SnowflakeConfig, key: KeyObject): Promise<string> {
  const { SignJWT } = await import('jose');
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const fingerprint = createHash('sha256').update(publicKey).digest('base64');
  const user = `${accountName(config.account)}.${config.username.toUpperCase()}`;
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuer(`${user}.SHA256:${fingerprint}`)
    .setSubject(user)
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_SECONDS)
    .sign(key);
}
