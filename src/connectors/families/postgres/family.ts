import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { authenticateCheck } from '../../kit/checks/authenticate.ts';
import { catalogCheck } from '../../kit/checks/catalog.ts';
import { endpointChecks } from '../../kit/checks/endpoint.ts';
import { tenancyCheck } from '../../kit/checks/tenancy.ts';
import { hostTarget } from '../../kit/config/target.ts';
import { type Check, type CheckContext, type Ending, required, type Target } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { cancelStatement, connectAnew } from './cancel.ts';
import { type PostgresCatalogSql, postgresColumns, readPostgresCatalog } from './catalog.ts';
import type { PostgresFamilyConfig } from './config.ts';
import {
  isPostgresError,
  type PostgresAccount,
  type PostgresSession,
  requestPostgresTls,
  signInToPostgres,
} from './wire.ts';

/** What the checks of one test share. */
export interface PostgresState {
  session?: PostgresSession;
  /** True once the statement that the end of the test has left unanswered is seen to. */
  isEnded?: boolean;
}

/**
 * The ways in which a server of the family differs from the others: its name, its statements, its words for what went
 * wrong.
 */
export interface PostgresDialect<Config extends PostgresFamilyConfig> {
  /**
   * Asks which product has let us in, and for its version. `isExpected` is false when the session works, but the server
   * is not the type's own.
   */
  readonly product: (session: PostgresSession) => Promise<{ readonly server: string; readonly isExpected: boolean }>;
  /** The cluster that CockroachDB Cloud is to route the connection to. Left out: the server routes nothing. */
  readonly clusterOf?: (config: Config) => string | undefined;
  /** Makes what takes the place of the password, for each sign-in. Left out, or undefined: the config's own does. */
  readonly passwordOf?: (config: Config, state: object) => Promise<string | undefined>;
  readonly sql: PostgresDialectSql;
  readonly explain: (error: unknown, config: Config) => Failure | undefined;
}

export interface PostgresDialectSql extends PostgresCatalogSql {
  /** Gives one row for the schema $1: database, found, usable. */
  readonly selectDatabase: string;
  /**
   * Gives one row for the schema $1: tables, views, and how many of both are readable, which is null when the server
   * lists only what may be read.
   */
  readonly countTables: string;
  /**
   * The statements that make the schema of this name, which is quoted already, and remove it again. They do so in a
   * transaction that is rolled back, where the server can.
   */
  readonly createSchema: (name: string) => readonly string[];
  /**
   * The statement that removes the schema of this name if it is there, for a test that ended before it had. Left out:
   * the server rolls back when the connection closes.
   */
  readonly dropSchema?: (name: string) => string;
}

/** What every connector of the family has: its checks, targets, tenancy and catalog, and the life of its session. */
export function postgresFamily<Config extends PostgresFamilyConfig>(dialect: PostgresDialect<Config>) {
  const { sql } = dialect;
  type Context = CheckContext<Config, PostgresState>;
  type FamilyCheck = Check<Config, PostgresState>;
  const sessionOf = (context: Context) => openSession(context, dialect);
  const checks: readonly FamilyCheck[] = [
    ...endpointChecks<Config, PostgresState>({ target: hostTarget, startTls: requestPostgresTls }),
    authenticate(dialect),
    { ...selectDatabase, run: (context) => runSelectDatabase(sessionOf(context), context.config, sql) },
    { ...executeQuery, run: (context) => runQuery(sessionOf(context)) },
    { ...listTables, run: (context) => countTables(sessionOf(context), context.config, sql) },
    { ...createSchema, run: (context) => runCreateSchema(sessionOf(context), context, dialect) },
    tenancyCheck((context, table) => postgresColumns(sessionOf(context), sql, table)),
  ];
  return {
    targets: (config: Config): readonly Target[] => [hostTarget(config)],
    checks,
    tenancyLevels: ['TABLE', 'DATABASE'] as const,
    catalogCheck: catalogCheck<Config, PostgresState>((context) => readPostgresCatalog(sessionOf(context), sql)),
    createState: (): PostgresState => ({}),
    close: ({ session }: PostgresState) => session?.close(),
    explain: dialect.explain,
  };
}

function authenticate<Config extends PostgresFamilyConfig>(
  dialect: PostgresDialect<Config>,
): Check<Config, PostgresState> {
  return authenticateCheck(
    'The server takes the user name and the password, or the client certificate. The role needs the right to log in. ' +
      'Warns when another product than this type’s answers.',
    async (context) => {
      const { config, link, state } = context;
      const session = await signInToPostgres(link.take(), await accountOf(context, dialect), config.tls.mode);
      state.session = session;
      // a pooler forgets whom a key to cancel belongs to as soon as that connection closes
      const letGo = context.dialer.hold();
      context.onEnd((ending) => cancelUnanswered(context, ending).finally(letGo));
      const { server, isExpected } = await dialect.product(session);
      return { evidence: { server, user: config.username }, warning: !isExpected };
    },
  );
}

async function accountOf<Config extends PostgresFamilyConfig>(
  { config, state }: CheckContext<Config, PostgresState>,
  { clusterOf, passwordOf }: PostgresDialect<Config>,
): Promise<PostgresAccount> {
  const password = await passwordOf?.(config, state);
  return { ...config, cluster: clusterOf?.(config), ...(password === undefined ? {} : { password }) };
}

/** Has the server cancel the statement that the end of the test has left unanswered. */
async function cancelUnanswered(
  { config, state, signal }: CheckContext<PostgresFamilyConfig, PostgresState>,
  ending: Ending,
): Promise<void> {
  const { session, isEnded } = state;
  state.isEnded = true;
  if (!signal.aborted || isEnded || !session) return;
  session.refuseStatements();
  for (let key = session.cancelKey(); key; key = session.cancelKey()) {
    await cancelStatement(hostTarget(config), key, ending);
    // a request that the server reads before the statement that it is for has cancelled nothing
    await sleep(CANCEL_AGAIN_MS, undefined, { signal: ending.signal });
  }
}

/** How long a statement that was cancelled may take to be over before it is cancelled once more. */
const CANCEL_AGAIN_MS = 100;

const selectDatabase = {
  name: 'database/select',
  title: 'Open the database',
  description: 'The database and the schema exist. The role needs CONNECT on the database and USAGE on the schema.',
};

async function runSelectDatabase(session: PostgresSession, { schema }: PostgresFamilyConfig, sql: PostgresDialectSql) {
  const [row] = await session.query<{ database: string; found: boolean; usable: boolean }>(sql.selectDatabase, [
    schema,
  ]);
  if (!row) throw new Failure('UNEXPECTED_ANSWER');
  if (!row.found) throw new Failure('SCHEMA_NOT_FOUND', { configPath: 'schema' });
  if (!row.usable)
    throw new Failure('PERMISSION_DENIED', { configPath: 'schema', hint: 'Grant the user USAGE on the schema.' });
  return { evidence: { database: row.database, schema } };
}

const executeQuery = { name: 'query/execute', title: 'Run a query', description: 'The server answers `select 1`.' };

async function runQuery(session: PostgresSession) {
  const rows = await session.query<{ one: number | string }>('select 1 as one');
  // the driver gives an integer of 64 bits as text
  if (rows.length !== 1 || Number(rows[0]?.one) !== 1) throw new Failure('UNEXPECTED_ANSWER');
  return { evidence: { rows: rows.length } };
}

const listTables = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The tables and views of the schema can be listed. Warns when there are some, but the role may read none of them.',
};

async function countTables(session: PostgresSession, { schema }: PostgresFamilyConfig, sql: PostgresDialectSql) {
  const [row] = await session.query<{ tables: string; views: string; readable: string | null }>(sql.countTables, [
    schema,
  ]);
  if (!row) throw new Failure('UNEXPECTED_ANSWER');
  const [tables, views] = [Number(row.tables), Number(row.views)];
  const readable = row.readable === null ? undefined : Number(row.readable);
  return { evidence: { schema, tables, views, readable }, warning: tables + views > 0 && readable === 0 };
}

const createSchema = {
  name: 'schema/create',
  title: 'Create a schema',
  description:
    'A schema with a unique name (`dsg_test_…`) can be created; it is dropped again. The role needs CREATE on the database.',
  runsByDefault: false,
  writes: true,
};

async function runCreateSchema<Config extends PostgresFamilyConfig>(
  session: PostgresSession,
  context: CheckContext<Config, PostgresState>,
  dialect: PostgresDialect<Config>,
) {
  const name = `"dsg_test_${randomUUID().replaceAll('-', '')}"`;
  const drop = dialect.sql.dropSchema?.(name);
  // without a drop a test that ends ends its connection too, and the server rolls back by itself
  const over =
    drop === undefined
      ? undefined
      : context.onEnd((ending) => runAnew(context, dialect, drop, ending), `The schema ${name}`);
  let done = 0;
  try {
    for (const statement of dialect.sql.createSchema(name)) {
      await session.query(statement);
      done += 1;
    }
  } catch (error) {
    // a server that refuses to make the schema has made none
    if (done === 0 && isPostgresError(error)) over?.();
    throw error;
  }
  over?.();
  return { evidence: { created: true, removed: true } };
}

/** Runs a statement over a new connection, once the one that runs is cancelled: it may make what this one removes. */
async function runAnew<Config extends PostgresFamilyConfig>(
  context: CheckContext<Config, PostgresState>,
  dialect: PostgresDialect<Config>,
  statement: string,
  ending: Ending,
): Promise<void> {
  const { config } = context;
  await cancelUnanswered(context, ending);
  const socket = await connectAnew(hostTarget(config), ending);
  const session = await signInToPostgres(socket, await accountOf(context, dialect), config.tls.mode);
  try {
    await session.query(statement);
  } finally {
    session.close();
  }
}

/** PostgresDialectSql.createSchema for servers that can do all of it in a transaction, which is rolled back. */
export function createSchemaInTransaction(name: string): readonly string[] {
  return ['begin', `create schema ${name}`, `drop schema ${name}`, 'rollback'];
}

/** The session. Fails with the reason when the server refused the database after it had taken the password. */
function openSession<Config extends PostgresFamilyConfig>(
  { state, config }: CheckContext<Config, PostgresState>,
  dialect: PostgresDialect<Config>,
): PostgresSession {
  const session = required(state.session, 'session/authenticate');
  const { refusal } = session;
  if (!refusal) return session;
  const failure = dialect.explain(refusal, config);
  if (failure?.report.code !== 'PERMISSION_DENIED') throw failure ?? refusal;
  throw new Failure('PERMISSION_DENIED', {
    configPath: 'database',
    error: refusal,
    evidence: failure.evidence,
    hint: 'Grant the user CONNECT on the database.',
  });
}

/** The number, and nothing more, of what a server calls its version: `18.4`. */
export function versionNumber(text: string | undefined): string | undefined {
  return /^v?(\d{1,6}(\.\d{1,6}){0,3})/.exec(text ?? '')?.[1];
}
