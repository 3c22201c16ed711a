import { z } from 'zod';
import type { CheckContext } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { headerBytes, latin1BasicAuthorization, latin1HeaderBytes } from '../kit/http/basic-auth.ts';
import type { HttpRequest, HttpResponse } from '../kit/http/client.ts';
import { begin, type HttpState } from '../kit/http/http-base.ts';
import { PollPace, pollUntil } from '../kit/http/poll.ts';
import type { TrinoConfig } from './config.ts';
import { queryFailure, refusal } from './failures.ts';

export type TrinoContext = CheckContext<TrinoConfig, HttpState>;

/** The longest page of a result that is read, in bytes. The server aims at 1 MB. */
const MAX_PAGE = 16 * 1024 * 1024;
/** The statuses with which a proxy before Trino answers when it cannot reach it for a moment. */
const PASSING: readonly number[] = [502, 503, 504];
const MOST_TRIES = 5;
/** The most rows that rowsOf() gathers. */
const MOST_ROWS = 10_000;

const PAGE = z.object({
  id: z.string(),
  nextUri: z.string().max(4096).nullish(),
  data: z.array(z.unknown()).nullish(),
  error: z.object({ errorName: z.string(), errorType: z.string().nullish() }).nullish(),
  stats: z.object({ state: z.string() }).nullish(),
});
type Page = z.output<typeof PAGE>;

const QUEUED = ['QUEUED', 'WAITING_FOR_RESOURCES'];
const QUEUED_HINT =
  'The coordinator has taken the query and keeps it in a queue: the resource group of the user is full, or no worker is there yet. ' +
  'Raise timeoutMs, or make room in the group.';
const RUNNING_HINT =
  'The cluster was still at the query: it, or what lies behind the catalog, is busy or starting. Raise timeoutMs, or look at the query in the web interface of the coordinator.';

/**
 * Runs a statement and gives its rows, each of the form that `row` says, a page of the result at a time. A statement
 * that is not read to its end is ended with the test.
 */
export async function* pagesOf<Row extends z.ZodType>(
  context: TrinoContext,
  statement: string,
  row: Row,
): AsyncGenerator<z.output<Row>[]> {
  const rows = listOf(row);
  const pace = new PollPace(context.signal);
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  // this answer comes before the statement is even queued, and holds no rows
  const first = { method: 'POST', path: '/v1/statement', headers, body: statement, maxBytes: SIGN_IN_LIMIT } as const;
  let page: Page | undefined;
  const { begun, over } = await begin(
    context,
    async () => pageOf(await ask(context, { ...first, begins: true }), context.config),
    async (ended, answer) => {
      const { nextUri } = page ?? answer;
      if (nextUri) await ask(ended, { method: 'DELETE', path: pathOf(nextUri, ended.config), maxBytes: SIGN_IN_LIMIT });
    },
  );
  page = begun;
  for (; page; page = page.nextUri ? await nextPage(context, page.nextUri) : undefined) {
    if (page.error) {
      over();
      throw queryFailure(page.error);
    }
    context.waitsFor({ hint: QUEUED.includes(page.stats?.state ?? '') ? QUEUED_HINT : RUNNING_HINT });
    if (page.data && page.data.length > 0) {
      const parsed = rows.safeParse(page.data);
      if (!parsed.success) throw new Failure('UNEXPECTED_ANSWER');
      yield parsed.data;
      pace.goOn();
    } else if (page.nextUri) await pace.wait();
  }
  over();
}

/** Runs a statement and gives all its rows. Fails with TOO_MUCH_DATA when there are more than 10,000. */
export async function rowsOf<Row extends z.ZodType>(
  context: TrinoContext,
  statement: string,
  row: Row,
): Promise<z.output<Row>[]> {
  const rows: z.output<Row>[] = [];
  for await (const page of pagesOf(context, statement, row)) {
    if (rows.length + page.length > MOST_ROWS) throw new Failure('TOO_MUCH_DATA');
    rows.push(...page);
  }
  return rows;
}

/** Sends a request to the coordinator, signed in. */
export function ask({ config, state }: TrinoContext, request: HttpRequest): Promise<HttpResponse> {
  const { username, catalog, schema } = config;
  return state.http.request({
    ...request,
    headers: {
      ...request.headers,
      // Trino and its own clients take both for ISO-8859-1 (io.trino.server.security.BasicAuthCredentials)
      'x-trino-user': latin1HeaderBytes(username),
      'x-trino-source': 'datastore-gateway',
      'x-trino-catalog': headerBytes(catalog),
      ...(schema === undefined ? {} : { 'x-trino-schema': headerBytes(schema) }),
      ...authorization(config),
    },
  });
}

function authorization({ username, password, accessToken }: TrinoConfig): Record<string, string> {
  if (accessToken !== undefined) return { authorization: `Bearer ${accessToken}` };
  return password === undefined ? {} : { authorization: latin1BasicAuthorization(username, password) };
}

/** A name as it is written in a statement. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as it is written in a statement. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function pageOf(response: HttpResponse, config: TrinoConfig): Page {
  if (response.status !== 200) throw refusal(response, config);
  return jsonAnswer(response, PAGE);
}

async function nextPage(context: TrinoContext, nextUri: string): Promise<Page> {
  const path = pathOf(nextUri, context.config);
  let tries = 0;
  const response = await pollUntil(context.signal, async () => {
    tries += 1;
    const answer = await ask(context, { method: 'GET', path, maxBytes: MAX_PAGE });
    return PASSING.includes(answer.status) && tries < MOST_TRIES ? undefined : answer;
  });
  return pageOf(response, context.config);
}

/** The path of a page. It is asked for where the statement went, and nowhere else. */
function pathOf(nextUri: string, config: TrinoConfig): string {
  const url = URL.canParse(nextUri) ? new URL(nextUri) : undefined;
  if (!url?.pathname.startsWith('/v1/statement/')) throw new Failure('PROTOCOL_MISMATCH', { configPath: 'port' });
  if (url.origin !== originOf(config)) {
    throw new Failure('ADDRESS_NOT_ALLOWED', {
      configPath: 'host',
      hint: 'The server leads to another address than the configured one, which the gateway does not follow. Behind a proxy, set http-server.process-forwarded=true in Trino, or give the address that it names.',
    });
  }
  return url.pathname + url.search;
}

function originOf({ host, port, tls }: TrinoConfig): string {
  const scheme = tls.mode === 'DISABLE' ? 'http' : 'https';
  return new URL(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`).origin;
}
