import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonIfAny } from '../kit/http/answers.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import { schemaCondition, trinoColumns } from './catalog.ts';
import { ask, identifier, literal, rowsOf, type TrinoContext } from './client.ts';
import type { TrinoConfig } from './config.ts';

type TrinoCheck = Check<TrinoConfig, HttpState>;

/** The most tables that tables/list counts. */
const MOST_TABLES = 1_000;
const ONE = z.tuple([z.literal(1)]);
const COUNT = z.tuple([z.int().nonnegative()]);
const INFO = z.object({ nodeVersion: z.object({ version: z.string().regex(/^\d{1,4}([.-][A-Za-z0-9.-]{1,20})?$/) }) });

const authenticate: TrinoCheck = authenticateCheck(
  'The coordinator takes the user name and the password, or the access token, and the user may run queries. Without TLS the user name alone is sent.',
  async (context) => {
    await selectOne(context);
    return { evidence: { server: await productOf(context), user: context.config.username } };
  },
);

const executeQuery: TrinoCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'The server answers `select 1`.',
  async run(context) {
    return { evidence: { rows: await selectOne(context) } };
  },
};

const listTables: TrinoCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The catalog exists, the schema when one is set, and the tables and views that the user may see can be listed; at most 1,000 are counted.',
  async run(context) {
    const { catalog, schema } = context.config;
    const inCatalog = (table: string) => `${identifier(catalog)}.information_schema.${table}`;
    if (schema !== undefined) {
      const sql = `select count(*) from ${inCatalog('schemata')} where schema_name = ${literal(schema.toLowerCase())}`;
      if ((await count(context, sql)) === 0) throw new Failure('SCHEMA_NOT_FOUND', { configPath: 'schema' });
    }
    // with a limit the server can stop early in a catalog with very many tables
    const some = `select 1 from ${inCatalog('tables')} where ${schemaCondition(schema)} limit ${MOST_TABLES + 1}`;
    const tables = await count(context, `select count(*) from (${some}) t`);
    const more = tables > MOST_TABLES;
    return { evidence: { catalog, schema, tables: Math.min(tables, MOST_TABLES), more } };
  },
};

export const trinoChecks: readonly TrinoCheck[] = [authenticate, executeQuery, listTables, tenancyCheck(trinoColumns)];

async function selectOne(context: TrinoContext): Promise<number> {
  const rows = await rowsOf(context, 'select 1', ONE);
  if (rows.length !== 1) throw new Failure('UNEXPECTED_ANSWER');
  return rows.length;
}

async function count(context: TrinoContext, sql: string): Promise<number> {
  const [row] = await rowsOf(context, sql, COUNT);
  if (!row) throw new Failure('UNEXPECTED_ANSWER');
  return row[0];
}

/** The coordinator's name and version, `Trino 476`; the name alone when it does not tell. */
async function productOf(context: TrinoContext): Promise<string> {
  const response = await ask(context, { method: 'GET', path: '/v1/info', maxBytes: SIGN_IN_LIMIT });
  const info = response.status === 200 ? jsonIfAny(response, INFO) : undefined;
  return info ? `Trino ${info.nodeVersion.version}` : 'Trino';
}
