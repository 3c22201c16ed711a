import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { informationSchemaColumns } from '../kit/http/information-schema.ts';
import { type FireboltContext, type FireboltState, queryFirebolt, resolveEngine, signIn } from './client.ts';
import type { FireboltConfig } from './config.ts';

type FireboltCheck = Check<FireboltConfig, FireboltState>;

const authenticate: FireboltCheck = authenticateCheck(
  'Firebolt takes the secret of the service account, and gives a token for it.',
  async (context) => {
    await signIn(context);
    return { evidence: { server: 'Firebolt', clientId: context.config.clientId } };
  },
);

const findEngine: FireboltCheck = {
  name: 'engine/resolve',
  title: 'Find the engine',
  description:
    'The account exists, and so do the database and the engine that the config names. The service account’s user needs USAGE on both.',
  base: true,
  async run(context) {
    const engine = await resolveEngine(context);
    context.state.engine = engine;
    const { database, engine: name = 'system' } = context.config;
    return { evidence: { host: engine.host, database, engine: name } };
  },
};

const executeQuery: FireboltCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'The engine answers `select 1`. One that sleeps is started by it.',
  async run(context) {
    const { rows } = await queryFirebolt(context, () => 'select 1');
    if (rows.length !== 1 || rows[0]?.[0] !== '1') throw new Failure('UNEXPECTED_ANSWER');
    return { evidence: { rows: rows.length } };
  },
};

const listTables: FireboltCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description: 'The tables and views of the database can be listed.',
  appliesTo: (config) => config.database !== undefined,
  async run(context) {
    const { rows } = await queryFirebolt(
      context,
      () => "select count(*) from information_schema.tables where table_schema <> 'information_schema'",
    );
    const tables = Number(rows[0]?.[0]);
    if (!Number.isSafeInteger(tables)) throw new Failure('UNEXPECTED_ANSWER');
    return { evidence: { tables } };
  },
};

export const fireboltChecks: readonly FireboltCheck[] = [
  authenticate,
  findEngine,
  executeQuery,
  listTables,
  tenancyCheck<FireboltConfig, FireboltState>((context, table) => {
    requireDatabase(context);
    return informationSchemaColumns((statement) => queryFirebolt(context, statement), table);
  }),
];

/** Fails when the config names no database: tables are seen from within one alone. */
export function requireDatabase({ config }: FireboltContext): void {
  if (config.database === undefined) throw new Failure('DATABASE_REQUIRED', { configPath: 'database' });
}
