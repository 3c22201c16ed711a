import { z } from 'zod';
import type { CheckContext } from '../kit/contract/connector.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { headerBytes } from '../kit/http/basic-auth.ts';
import type { HttpState } from '../kit/http/http-base.ts';
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

/** Runs a query that has no FORMAT of its own, and gives its rows, each of the form that `row` says. */
export async function query<Row extends z.ZodType>(
  { config, state }: ClickHouseContext,
  sql: string,
  row: Row,
  { inDatabase = true, maxBytes = SIGN_IN_LIMIT }: QueryOptions = {},
): Promise<z.output<Row>[]> {
  // without this parameter the server answers 200 before it knows whether the query will fail
  const parameters = new URLSearchParams({ wait_end_of_query: '1' });
  if (inDatabase) parameters.set('database', config.database);
  const response = await state.http.request({
    method: 'POST',
    path: `/?${parameters}`,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-clickhouse-user': headerBytes(config.username),
      ...(config.password === undefined ? {} : { 'x-clickhouse-key': headerBytes(config.password) }),
    },
    body: `${sql} format JSONCompact`,
    maxBytes,
  });
  if (response.status !== 200) throw failureOf(response, config);
  return jsonAnswer(response, z.object({ data: listOf(row) })).data;
}

/** A text as it is written in a query. */
export function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
