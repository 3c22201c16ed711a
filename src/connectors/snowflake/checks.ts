import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import { type Check, required } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { informationSchemaColumns } from '../kit/http/information-schema.ts';
import {
  openSession,
  type SnowflakeContext,
  type SnowflakeScope,
  type SnowflakeSession,
  type SnowflakeState,
  scopeOf,
} from './client.ts';
import type { SnowflakeConfig } from './config.ts';
import { notFound, type SnowflakeObject } from './failures.ts';

type SnowflakeCheck = Check<SnowflakeConfig, SnowflakeState>;

/** The most tables that tables/list counts. */
const PAGE = 100;

const authenticate: SnowflakeCheck = authenticateCheck(
  'Snowflake takes the password, the token, or the one that the private key signs, and the role.',
  async (context) => {
    const session = await openSession(context);
    context.state.session = session;
    const version = session.serverVersion ?? (await askedVersion(session));
    const number = /^\d{1,4}(\.\d{1,4}){1,3}/.exec(version)?.[0];
    return { evidence: { server: number ? `Snowflake ${number}` : 'Snowflake', user: context.config.username } };
  },
);

/**
 * Asks for the version by the first request to the SQL API, which is what signs in. Whether the names in the config are
 * right, query/execute tells.
 */
async function askedVersion(session: SnowflakeSession): Promise<string> {
  try {
    const { rows } = await session.query(() => 'select current_version()');
    return rows[0]?.[0] ?? '';
  } catch (error) {
    const isAboutNames = error instanceof Failure && error.report.cause === 'NOT_FOUND';
    if (isAboutNames && error.report.configPath !== 'role' && error.report.configPath !== 'account') return '';
    throw error;
  }
}

const executeQuery: SnowflakeCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'Database, schema and warehouse can be used, and a query runs. The role needs USAGE on each of them.',
  async run(context) {
    const { config } = context;
    const { rows } = await inScope(context, () =>
      sessionOf(context).query(
        () => 'select current_database(), current_schema(), current_warehouse(), current_role()',
      ),
    );
    const [row] = rows;
    if (!row) throw new Failure('UNEXPECTED_ANSWER');
    const [database, schema, warehouse, role] = row;
    // a session is opened even when one of these is not there
    if (database == null) throw notFound('database');
    if (schema == null && config.schema !== undefined) throw notFound('schema');
    if (warehouse == null) throw notFound('warehouse');
    return { evidence: { database, schema: schema ?? undefined, warehouse, role: role ?? undefined } };
  },
};

const listTables: SnowflakeCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The tables of the schema, or of the database, can be listed; at most 100 are counted. The role needs USAGE.',
  async run(context) {
    const container = context.config.schema === undefined ? 'database' : 'schema';
    const { rows } = await inScope(context, () =>
      sessionOf(context).query(() => `show terse tables in ${container} limit ${PAGE + 1}`),
    );
    return { evidence: { tables: Math.min(rows.length, PAGE), more: rows.length > PAGE } };
  },
};

const mapping = tenancyCheck<SnowflakeConfig, SnowflakeState>((context, table) =>
  informationSchemaColumns((statement) => sessionOf(context).query(statement), table),
);

export const snowflakeChecks: readonly SnowflakeCheck[] = [authenticate, executeQuery, listTables, mapping];

export function sessionOf({ state }: SnowflakeContext): SnowflakeSession {
  return required(state.session, 'session/authenticate');
}

/**
 * Does the work, and finds out which object is missing when it fails: the SQL API says at most that some object does
 * not exist.
 */
async function inScope<T>(context: SnowflakeContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || error.report.code !== 'RESOURCE_NOT_FOUND' || error.report.configPath)
      throw error;
    throw (await missingObject(context))?.with(error.evidence) ?? error;
  }
}

async function missingObject(context: SnowflakeContext): Promise<Failure | undefined> {
  const { database, schema, warehouse, role } = scopeOf(context.config);
  const withRole = (scope: SnowflakeScope) => (role === undefined ? scope : { ...scope, role });
  const trials: [SnowflakeObject, SnowflakeScope][] = [];
  if (database !== undefined) trials.push(['database', withRole({ database })]);
  if (warehouse !== undefined) trials.push(['warehouse', withRole({ warehouse })]);
  if (database !== undefined && schema !== undefined) trials.push(['schema', withRole({ database, schema })]);
  for (const [kind, scope] of trials) {
    try {
      await sessionOf(context).query(() => 'select 1', scope);
    } catch (error) {
      if (error instanceof Failure && error.report.cause === 'NOT_FOUND') return notFound(kind);
      throw error;
    }
  }
  return undefined;
}
