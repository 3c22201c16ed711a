import { randomUUID } from 'node:crypto';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import { type Check, required } from '../kit/contract/connector.ts';
import { explainNetworkError } from '../kit/contract/explain.ts';
import { Failure } from '../kit/contract/failure.ts';
import { mssqlColumns } from './catalog.ts';
import type { MssqlConfig } from './config.ts';
import { explainMssql, isAboutDatabase } from './failures.ts';
import { greet, linkChecks, type MssqlContext, type MssqlState, reconnect } from './link.ts';
import { MssqlError, type MssqlSession, signInToMssql } from './session.ts';

type MssqlCheck = Check<MssqlConfig, MssqlState>;

const authenticate: MssqlCheck = authenticateCheck(
  'The server takes the login, by password or, with a domain, by NTLM.',
  async (context) => {
    const { config, link, state } = context;
    const socket = link.take();
    const { version } = await greet(context, socket).catch((error: unknown) => Promise.reject(hinted(error, config)));
    try {
      state.session = await signInToMssql(socket, config);
    } catch (error) {
      // a server speaks of the database only after it has taken the login
      if (!isAboutDatabase(error)) throw error;
      state.refusal = error;
    }
    const method = config.domain === undefined ? 'password' : 'NTLM';
    return { evidence: { server: `SQL Server ${version}`, user: config.username, method } };
  },
);

const selectDatabase: MssqlCheck = {
  name: 'database/select',
  title: 'Open the database',
  description: 'The database and the schema exist, and the login has a user in the database.',
  async run(context) {
    const { schema } = context.config;
    if (context.state.refusal) throw await refusalOf(context, context.state.refusal);
    const [row] = await sessionOf(context).query('select db_name(), schema_id(@p1)', [schema]);
    if (typeof row?.[0] !== 'string') throw new Failure('UNEXPECTED_ANSWER');
    if (row[1] === null) {
      const hint = 'Check `schema`: there is none of that name, or the user may see nothing in it.';
      throw new Failure('SCHEMA_NOT_FOUND', { configPath: 'schema', hint });
    }
    return { evidence: { database: row[0], schema } };
  },
};

const executeQuery: MssqlCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'The server answers `select 1`.',
  async run(context) {
    const rows = await sessionOf(context).query('select 1');
    if (rows.length !== 1 || rows[0]?.[0] !== 1) throw new Failure('UNEXPECTED_ANSWER');
    return { evidence: { rows: rows.length } };
  },
};

const listTables: MssqlCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The tables and views of the schema can be listed. Warns when there are some, but the user may read none of them.',
  async run(context) {
    const { schema } = context.config;
    const [row] = await sessionOf(context).query(
      `select count(case o.type when 'U' then 1 end), count(case o.type when 'V' then 1 end),
              sum(has_perms_by_name(quotename(s.name) + '.' + quotename(o.name), 'OBJECT', 'SELECT'))
         from sys.objects o join sys.schemas s on s.schema_id = o.schema_id
        where s.name = @p1 and o.type in ('U', 'V') and o.is_ms_shipped = 0`,
      [schema],
    );
    if (typeof row?.[0] !== 'number' || typeof row[1] !== 'number') throw new Failure('UNEXPECTED_ANSWER');
    const [tables, views] = row;
    const readable = Number(row[2] ?? 0);
    return { evidence: { schema, tables, views, readable }, warning: tables + views > 0 && readable === 0 };
  },
};

const createSchema: MssqlCheck = {
  name: 'schema/create',
  title: 'Create a schema',
  description:
    'A schema with a unique name (`dsg_test_…`) can be created; it is dropped again, in a transaction that is rolled back. The user needs CREATE SCHEMA in the database.',
  runsByDefault: false,
  writes: true,
  async run(context) {
    const session = sessionOf(context);
    const name = `[dsg_test_${randomUUID().replaceAll('-', '')}]`;
    // when a statement fails the test ends, its connection with it, and the server rolls back by itself
    await session.run('begin transaction');
    await session.run(`create schema ${name}`);
    await session.run(`drop schema ${name}`);
    await session.run('rollback transaction');
    return { evidence: { created: true, removed: true } };
  },
};

export const mssqlChecks: readonly MssqlCheck[] = [
  ...linkChecks,
  authenticate,
  selectDatabase,
  executeQuery,
  listTables,
  createSchema,
  tenancyCheck((context, table) => mssqlColumns(sessionOf(context), table)),
];

/** The session that session/authenticate has made. Throws the reason when the server has refused the database. */
export function sessionOf({ state }: MssqlContext): MssqlSession {
  if (state.refusal) throw state.refusal;
  return required(state.session, 'session/authenticate');
}

/**
 * Why the server has refused the database. It has one number for a database that is not there and for one that the
 * login may not open; to a session without a database it says which.
 */
async function refusalOf(context: MssqlContext, refusal: Error): Promise<Error> {
  const { database: name, ...account } = context.config;
  try {
    const session = await signInToMssql(await reconnect(context), account);
    context.state.session = session;
    const [row] = await session.query('select has_dbaccess(@p1)', [name]);
    const details = { error: refusal, configPath: 'database', evidence: explainMssql(refusal)?.evidence };
    if (row?.[0] === null) return new Failure('DATABASE_NOT_FOUND', details);
    const hint = 'The login may not open the database: make a user for it there.';
    return row?.[0] === 0 ? new Failure('PERMISSION_DENIED', { ...details, hint }) : refusal;
  } catch (error) {
    if (!(error instanceof MssqlError || error instanceof Failure)) throw error;
    // a login that belongs to one database gets in nowhere else: then the first answer has to do
    return refusal;
  }
}

/** The error, with a hint when the server has ended the connection without a word. */
function hinted(error: unknown, { tls }: MssqlConfig): unknown {
  if (tls.mode !== 'DISABLE' || explainNetworkError(error)?.report.code !== 'CONNECTION_LOST') return error;
  const hint = 'A server that takes only strict encryption does so: try tls.mode REQUIRE or stronger.';
  return new Failure('CONNECTION_LOST', { error, hint });
}
