import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { CheckContext } from '../kit/contract/connector.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { headerBytes } from '../kit/http/basic-auth.ts';
import type { HttpResponse } from '../kit/http/client.ts';
import { atEnd, type HttpState } from '../kit/http/http-base.ts';
import type { ClickHouseConfig } from './config.ts';
import { failureOf } from './failures.ts';

export type ClickHouseContext = CheckContext<ClickHouseConfig, HttpState>;

export interface QueryOptions {
  /**
   * Whether the query runs in the config's database, which then has to exist and be open to the user, or in the user's
   * own. Left out: true.
   */
  readonly inDatabase?: boolean;
  /** The longest answer that is read, in bytes. Left out: 64 KiB. */
  readonly maxBytes?: number;
}

/**
 * Runs a query that has no FORMAT of its own, and gives its rows, each of the form that `row` says. One that the server
 * has not answered when the test ends is killed: with `wait_end_of_query` it would not miss its client.
 */
export async function query<Row extends z.ZodType>(
  context: ClickHouseContext,
  sql: string,
  row: Row,
  { inDatabase = true, maxBytes = SIGN_IN_LIMIT }: QueryOptions = {},
): Promise<z.output<Row>[]> {
  const { config } = context;
  const id = randomUUID();
  // without this parameter the server answers 200 before it knows whether the query will fail
  const parameters = new URLSearchParams({ wait_end_of_query: '1', query_id: id });
  if (inDatabase) parameters.set('database', config.database);
  const over = context.onEnd((ending) => kill(atEnd(context, ending), id));
  try {
    const response = await send(context, parameters, `${sql} format JSONCompact`, maxBytes);
    if (response.status !== 200) throw failureOf(response, config);
    return jsonAnswer(response, z.object({ data: listOf(row) })).data;
  } finally {
    // whatever else ended it has ended the query too
    if (!context.signal.aborted) over();
  }
}

/**
 * Ends a query of the user's own, for which no right is needed; a profile with `readonly = 1` refuses it all the same.
 * It is not waited for until the query is gone.
 */
async function kill(context: ClickHouseContext, id: string): Promise<void> {
  const sql = `kill query where query_id = ${literal(id)} async`;
  const response = await send(context, new URLSearchParams(), sql, SIGN_IN_LIMIT);
  if (response.status !== 200) throw failureOf(response, context.config);
}

function send(
  { config, state }: ClickHouseContext,
  parameters: URLSearchParams,
  body: string,
  maxBytes: number,
): Promise<HttpResponse> {
  return state.http.request({
    method: 'POST',
    path: `/?${parameters}`,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-clickhouse-user': headerBytes(config.username),
      ...(config.password === undefined ? {} : { 'x-clickhouse-key': headerBytes(config.password) }),
    },
    body,
    maxBytes,
  });
}

/** A text as it is written in a query. */
export function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
