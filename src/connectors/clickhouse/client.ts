import { z } from 'zod';
import type { CheckContext } from '../kit/contract/connector.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { headerBytes } from '../kit/http/basic-auth.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import type { ClickHouseConfig } from './config.ts';
import { failureOf } from './failures.ts';

export type ClickHouseContext = CheckContext<ClickHouseConfig, HttpState>;

export interface QueryOptions {
  /** In the config's database, which has to exist and be open to the user; left out: in the user's own. */
  readonly inDatabase?: boolean;
  /** The longest answer, in bytes; left out: 64 KiB. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024;

/** The rows of a query without a FORMAT of its own, each of the form that `row` says. */
export async function query<Row extends z.ZodType>(
  { config, state }: ClickHouseContext,
  sql: string,
  row: Row,
  { inDatabase = true, maxBytes = DEFAULT_MAX_BYTES }: QueryOptions = {},
): Promise<z.output<Row>[]> {
  // without it the server answers 200 before it knows whether the query will fail
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

/** A string in a query. */
export function literal(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
