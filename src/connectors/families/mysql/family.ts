import { randomUUID } from 'node:crypto';
import { authenticateCheck } from '../../kit/checks/authenticate.ts';
import { catalogCheck } from '../../kit/checks/catalog.ts';
import { endpointChecks } from '../../kit/checks/endpoint.ts';
import { tenancyCheck } from '../../kit/checks/tenancy.ts';
import { hostTarget } from '../../kit/config/target.ts';
import { type Check, type CheckContext, type Ending, required, type Target } from '../../kit/contract/connector.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { mysqlColumns, quotedName, readMysqlCatalog } from './catalog.ts';
import type { MysqlFamilyConfig } from './config.ts';
import { endLeavings, type MysqlPlace, PLACE, placeOf } from './ending.ts';
import { explainMysql, isMysqlError, numberOf, unknownAccount } from './failures.ts';
import { type MysqlAccount, type MysqlSession, requestMysqlTls, signInToMysql, type WaitingMysql } from './wire.ts';

/** What the checks of one test share. */
export interface MysqlState {
  /** The driver between tls/handshake and session/authenticate. */
  waiting?: WaitingMysql;
  session?: MysqlSession;
  /** Which connection of which server the session has; undefined where no server tells. */
  place?: MysqlPlace | undefined;
  /** True once the statement that the end of the test has left unanswered is seen to. */
  isEnded?: boolean;
  /** True once the session's database has been opened. */
  opened?: boolean;
}

/** What tells a product from the others of the family. */
export interface MysqlProduct {
  /** The SQL expression for its version, which is an unknown variable at others. */
  readonly version: string;
  /**
   * Names the product that has let us in, by the version that it told. `isExpected` is false when the session works,
   * but the server is not the type's own.
   */
  readonly named: (version: string | undefined) => { readonly server: string; readonly isExpected: boolean };
}

/** What makes a token that takes the place of the password, for each sign-in; undefined where the config's own does. */
export type MysqlTokens<Config> = (config: Config, state: object) => Promise<string | undefined>;

type FamilyCheck<Config extends MysqlFamilyConfig = MysqlFamilyConfig> = Check<Config, MysqlState>;
type Context<Config extends MysqlFamilyConfig = MysqlFamilyConfig> = CheckContext<Config, MysqlState>;

/** What every connector of the family has: its checks, targets, tenancy and catalog, and the life of its session. */
export function mysqlFamily<Config extends MysqlFamilyConfig>(product: MysqlProduct, tokens?: MysqlTokens<Config>) {
  const accountOf = async ({ config, state }: Context<Config>): Promise<MysqlAccount> => {
    const token = await tokens?.(config, state);
    return token === undefined ? config : { ...config, password: token, allowsClearPassword: true };
  };
  const checks: readonly FamilyCheck<Config>[] = [
    ...endpointChecks<Config, MysqlState>({
      target: hostTarget,
      async startTls(socket, context) {
        context.state.waiting = await requestMysqlTls(socket, await accountOf(context));
      },
    }),
    authenticate(product, accountOf),
    openDatabase,
    executeQuery,
    listTables,
    createSchema(accountOf),
    tenancyCheck(async (context, table) => mysqlColumns(await databaseOf(context), table)),
  ];
  return {
    targets: (config: Config): readonly Target[] => [hostTarget(config)],
    checks,
    tenancyLevels: ['TABLE', 'DATABASE'] as const,
    catalogCheck: catalogCheck<Config, MysqlState>(readCatalog),
    createState: (): MysqlState => ({}),
    close: ({ session, waiting }: MysqlState) => (session ?? waiting)?.close(),
    explain: explainMysql,
  };
}

type AccountOf<Config extends MysqlFamilyConfig> = (context: Context<Config>) => Promise<MysqlAccount>;

function authenticate<Config extends MysqlFamilyConfig>(
  product: MysqlProduct,
  accountOf: AccountOf<Config>,
): FamilyCheck<Config> {
  return authenticateCheck(
    'The server takes the user name and the password, or the client certificate. Without TLS the password is sent as a hash, or ' +
      'encrypted with the server’s public key. Warns when another product than this type’s answers.',
    async (context) => {
      const { config, link, state } = context;
      const { waiting } = state;
      const signIn = async () =>
        waiting ? waiting.signIn(link.take()) : signInToMysql(link.take(), await accountOf(context));
      const session = await signIn().catch((error: unknown) => {
        throw (isMysqlError(error) && unknownAccount(error)) || error;
      });
      state.session = session;
      context.onEnd((ending) => endSession(context, accountOf, ending));
      const version = await versionOf(session, product, state);
      const { server, isExpected } = product.named(version);
      return { evidence: { server, user: config.username }, warning: !isExpected };
    },
  );
}

/**
 * Asks for the version and, in the same statement, for what a later one needs to be killed. A server or proxy that does
 * not know all of that is asked for the version alone.
 */
async function versionOf(session: MysqlSession, product: MysqlProduct, state: MysqlState): Promise<string | undefined> {
  const ask = async (selected: string) => (await session.query(`select ${selected}`))[0] ?? [];
  try {
    const [version, ...place] = await ask(`${product.version}, ${PLACE}`);
    state.place = placeOf(place, session);
    return version ?? undefined;
  } catch (error) {
    if (!isMysqlError(error)) throw error;
  }
  try {
    return (await ask(product.version))[0] ?? undefined;
  } catch (error) {
    if (isMysqlError(error) && numberOf(error) === UNKNOWN_VARIABLE) return undefined;
    throw error;
  }
}

const UNKNOWN_VARIABLE = 1193;

/** Ends what the test has left at the server: a statement that runs on, and a schema that was not removed. */
async function endSession<Config extends MysqlFamilyConfig>(
  context: Context<Config>,
  accountOf: AccountOf<Config>,
  ending: Ending,
  schema?: string,
): Promise<void> {
  const { config, state, signal } = context;
  const isRunning = signal.aborted && !state.isEnded && state.session?.isWaiting();
  const running = isRunning ? state.place : undefined;
  state.isEnded = true;
  if (running || schema !== undefined) await endLeavings(config, await accountOf(context), { running, schema }, ending);
}

const openDatabase: FamilyCheck = {
  name: 'database/select',
  title: 'Open the database',
  description: 'The database exists. The user needs a right on it, or on something in it.',
  async run(context) {
    await databaseOf(context);
    return { evidence: { database: context.config.database } };
  },
};

const executeQuery: FamilyCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'The server answers `select 1`.',
  async run(context) {
    const session = await databaseOf(context);
    const rows = await session.query('select 1');
    if (rows.length !== 1 || rows[0]?.[0] !== '1') throw new Failure('UNEXPECTED_ANSWER');
    return { evidence: { rows: rows.length } };
  },
};

const listTables: FamilyCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description: 'The tables and views of the database can be listed: those that the user has a right on.',
  async run(context) {
    const session = await databaseOf(context);
    const [row] = await session.query(
      `select count(*), count(case when table_type like '%VIEW' then 1 end) from information_schema.tables
        where table_schema = database()`,
    );
    if (!row) throw new Failure('UNEXPECTED_ANSWER');
    const views = Number(row[1]);
    return { evidence: { database: context.config.database, tables: Number(row[0]) - views, views } };
  },
};

function createSchema<Config extends MysqlFamilyConfig>(accountOf: AccountOf<Config>): FamilyCheck<Config> {
  return {
    name: 'schema/create',
    title: 'Create a schema',
    description:
      'A schema, which is a database here, with a unique name (`dsg_test_…`) can be created; it is dropped again. ' +
      'The user needs CREATE and DROP on databases of such names.',
    runsByDefault: false,
    writes: true,
    async run(context) {
      const session = await databaseOf(context);
      const name = quotedName(`dsg_test_${randomUUID().replaceAll('-', '')}`);
      try {
        // the drop comes first, so that nothing is made that the user could not remove
        await session.query(`drop schema if exists ${name}`);
        const over = context.onEnd((ending) => endSession(context, accountOf, ending, name), `The schema ${name}`);
        await session.query(`create schema ${name}`).catch((error: unknown) => {
          if (isMysqlError(error)) over();
          throw error;
        });
        await session.query(`drop schema ${name}`);
        over();
      } catch (error) {
        if (!isMysqlError(error) || !NO_RIGHT.includes(numberOf(error))) throw error;
        const hint = 'Grant the user CREATE and DROP on the databases `dsg\\_test\\_%`.';
        const evidence = { serverError: error.errno };
        throw new Failure('PERMISSION_DENIED', { error, configPath: 'username', hint, evidence });
      }
      return { evidence: { created: true, removed: true } };
    },
  };
}

/** To a database, and to a command: the latter is what Dolt says. */
const NO_RIGHT: readonly number[] = [1044, 1142];

async function* readCatalog(context: Context) {
  yield* readMysqlCatalog(await databaseOf(context), context.config.database);
}

/**
 * The session, with its database opened. The database is opened apart from the sign-in, so that a user who was not let
 * in learns just that.
 */
async function databaseOf({ state, config }: Context): Promise<MysqlSession> {
  const session = required(state.session, 'session/authenticate');
  if (!state.opened) await session.query(`use ${quotedName(config.database)}`);
  state.opened = true;
  return session;
}
