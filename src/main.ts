import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { App, AppOptions } from './app.ts';
import { operator, options, print, UsageError } from './commands/command.ts';
import { createToken, environmentNames, listTokens, revokeToken } from './commands/tokens.ts';
import type { Demo } from './demo/demo.ts';
import { type Env, EnvError, type EnvMode, readEnv } from './env.ts';
import { scopes } from './modules/access/access.ts';
import { ENVIRONMENT_NAME_RULE, environmentName } from './modules/environments/name.ts';
import { Database, openDoorbell, shownDatabaseUrl } from './platform/database.ts';
import { createKeyFile } from './platform/key-file.ts';
import { Keyring, verifyKeyring } from './platform/keyring.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import { migrateToLatest, vacuumOnce } from './platform/migrate.ts';
import { SettingError, withSetting } from './setting-error.ts';

const USAGE = `datastore-gateway: keeps datastore connections, and proves that they work.

Usage: datastore-gateway <command>

  start            On your own machine: makes what is missing (a database, a key
                   file, an environment "default"), listens on loopback, and
                   prints a link that opens GraphiQL signed in.
      --demo           With a Postgres to try it on, and a small shop in that.
                       All of it is gone when the gateway stops.
  serve            In production: nothing is guessed, nothing is made but tables.
  migrate          Brings the tables of the database up to date.
  key create       Makes a key file at KEY_FILE. Without it no stored secret can
                   ever be read again: keep a copy in a safe place.
  key upgrade      Once, after the last gateway of an older version has stopped:
                   seals anew what it has sealed, and marks the key file so that
                   its form is refused from then on.
  environment create --name NAME
                   Makes an environment and prints its id.
  environment list Prints the id and the name of each.
  token create     Makes an API token and prints it, this once.
      --name NAME
      --scopes A,B,…       some of
                   ${scopes.join('\n                   ')}
      --environment NAME   once or more, or --all-environments
      --expires-in 90d     (d, h or m); left out: never
  token list       Prints a line for each, the newest first: id, first characters,
                   name, scopes, environments, last use, and how long it lasts.
  token revoke --name NAME
                   Ends a token for ever, and within five seconds what it has
                   open; with --id ID also a session token.
  --help, --version

Environment variables (and their defaults): HOST (127.0.0.1), PORT (4000),
DATABASE_URL (sqlite:./data/gateway.db), KEY_FILE (./data/master.key),
BOOTSTRAP_TOKEN, EGRESS_ALLOW, EGRESS_PROXY, EXECUTOR_ISOLATION (none),
ALLOWED_HOSTS, ALLOWED_ORIGINS, LOG_LEVEL, and limits, which are none unless
set: MAX_REQUESTS_PER_MINUTE, MAX_CONNECTIONS_PER_TOKEN (100),
MAX_SUBSCRIPTIONS_PER_TOKEN (1000), MAX_TESTS_PER_TOKEN,
MAX_TESTS_PER_ENVIRONMENT, MAX_TESTS_PER_TARGET.
`;

const AS_ROOT = 'The gateway runs as root, which it needs for nothing: give it a user of its own.';

type Command = (args: readonly string[]) => Promise<void>;

const commands: Readonly<Record<string, Command>> = {
  start,
  serve,
  migrate,
  'key create': createKey,
  'key upgrade': upgradeKey,
  'environment create': createEnvironment,
  'environment list': listEnvironments,
  'token create': (args) => createToken(args, withApp),
  'token list': (args) => listTokens(args, withApp),
  'token revoke': (args) => revokeToken(args, withApp),
};

/**
 * A second signal ends the process at once, unless it comes along with the first, as the terminal and npm send both.
 */
const SECOND_SIGNAL_MS = 1_000;

try {
  await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}

async function run(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args[0] === 'help') return print(USAGE);
  if (args.includes('--version')) return print(`${readVersion()}\n`);
  const words = args.findIndex((arg) => arg.startsWith('-'));
  const name = args.slice(0, words < 0 ? undefined : words).join(' ');
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new UsageError(name === '' ? 'Say which command.' : `There is no command "${name}".`);
  await command(args.slice(name.split(' ').length));
}

async function start(args: readonly string[]): Promise<void> {
  const { demo: isDemo } = options(args, { demo: { type: 'boolean' } });
  const { env, logger } = settings('start', 'warn');
  if (!isDemo) return await startOn(env, logger);
  const { startDemo } = await import('./demo/demo.ts');
  const demo = await startDemo();
  try {
    const [databaseUrl, keyFile] = [`sqlite:${join(demo.folder, 'gateway.db')}`, join(demo.folder, 'master.key')];
    await startOn({ ...env, databaseUrl, keyFile }, logger, demo);
  } catch (error) {
    await demo.stop();
    throw error;
  }
}

async function startOn(env: Env, logger: Logger, demo?: Demo): Promise<void> {
  // what everybody does once is tried first
  const example = demo && { ...demo, password: demo.password.slice(0, -1) };
  const app = await openApp(env, logger, true, example);
  await runUntilSignal(app, logger, () => demo?.stop());
  if (isRoot()) print(`\n  ${AS_ROOT}\n`);
  print(`\n  Datastore Gateway is running. This link opens GraphiQL, signed in:\n\n  ${app.issueSignInLink()}\n\n`);
  const { stdin } = process;
  print(`  It is good once, for five minutes.${stdin.isTTY ? ' Enter prints another one,' : ''} Ctrl-C stops.\n\n`);
  if (demo) print(demoText(demo));
  if (stdin.isTTY) stdin.on('data', () => print(`  ${app.issueSignInLink()}\n`));
}

function demoText({ host, port, database, username, readerName, password }: Demo): string {
  return `  The demo's Postgres: ${host}:${port}, database ${database}, users ${username} and ${readerName}, password ${password}
  The tab RegisterDatastore has it, with a mistyped password: run it, see which check refuses, mend the password in the
  variables, and run it again. Everything is gone when this stops.

`;
}

async function serve(args: readonly string[]): Promise<void> {
  options(args, {});
  const { env, logger } = settings('serve', 'info');
  if (!existsSync(env.keyFile)) {
    const command = `KEY_FILE=${env.keyFile} datastore-gateway key create`;
    throw new Error(
      `There is no key file at ${env.keyFile}. "${command}" makes one; keep a copy of it in a safe place.`,
    );
  }
  if (isRoot()) logger.warn(AS_ROOT);
  const app = await openApp(env, logger, false);
  await runUntilSignal(app, logger);
  logger.info({ url: app.url }, 'listening');
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function migrate(args: readonly string[]): Promise<void> {
  options(args, {});
  await withDatabase(readEnv('serve').databaseUrl, async (database) => {
    const done = await migrateToLatest(database);
    await vacuumOnce(database);
    print(done.length > 0 ? `Migrated: ${done.join(', ')}\n` : 'The tables are up to date.\n');
  });
}

function withDatabase(url: string, work: (database: Database) => Promise<void>): Promise<void> {
  return withSetting({ variable: 'DATABASE_URL', value: shownDatabaseUrl(url) }, async () => {
    const doorbell = await openDoorbell(url);
    try {
      const database = await Database.open({ url, doorbell });
      try {
        await work(database);
      } finally {
        await database.close();
      }
    } finally {
      await doorbell.close();
    }
  });
}

async function createKey(args: readonly string[]): Promise<void> {
  options(args, {});
  const { keyFile } = readEnv('serve');
  await withSetting({ variable: 'KEY_FILE', value: keyFile }, () => createKeyFile(keyFile));
  print(`Made ${keyFile}. Keep a copy in a safe place: without it no stored secret can be read.\n`);
}

async function upgradeKey(args: readonly string[]): Promise<void> {
  options(args, {});
  const { env, logger } = settings('serve', 'warn');
  const { databaseUrl, keyFile } = env;
  const keyring = await withSetting({ variable: 'KEY_FILE', value: keyFile }, () => Keyring.load(keyFile));
  if (!keyring.opensOldForm) return print(`${keyFile} is up to date.\n`);
  const { upgradeSeals } = await import('./upgrade.ts');
  await withDatabase(databaseUrl, async (database) => {
    await verifyKeyring(database, keyring);
    await migrateToLatest(database);
    const { resealed, unreadable } = await upgradeSeals({ database, keyring, keyFile, logger });
    if (unreadable > 0) {
      throw new Error(
        `The secrets of ${unreadable} datastores do not open, which the log names: restore or delete them, then try again.`,
      );
    }
    print(
      `Sealed the secrets of ${resealed} datastores anew, and marked ${keyFile}: start every gateway with this file.\n`,
    );
  });
}

async function createEnvironment(args: readonly string[]): Promise<void> {
  const { name = '' } = options(args, { name: { type: 'string' } });
  if (!environmentName.safeParse(name).success) throw new UsageError(`--name must be ${ENVIRONMENT_NAME_RULE}.`);
  await withApp(async (app) => print(`${(await app.environments.create(operator, { name, path: ['--name'] })).id}\n`));
}

async function listEnvironments(args: readonly string[]): Promise<void> {
  options(args, {});
  await withApp(async (app) => {
    for await (const [id, name] of environmentNames(app)) print(`${id}  ${name}\n`);
  });
}

function settings(mode: EnvMode, level: 'info' | 'warn'): { env: Env; logger: Logger } {
  const env = readEnv(mode);
  // a gateway in production logs to stdout; with other commands, stdout is for what a person reads
  const destination = level === 'info' ? {} : { destination: process.stderr };
  return { env, logger: createLogger({ level: env.logLevel ?? level, ...destination }) };
}

/** Does something with a gateway that listens nowhere. */
async function withApp(work: (app: App) => Promise<void>): Promise<void> {
  const { env, logger } = settings('serve', 'warn');
  const app = await openApp(env, logger, false);
  try {
    await work(app);
  } finally {
    await app.close();
  }
}

async function openApp(env: Env, logger: Logger, bootstrap: boolean, example?: AppOptions['example']): Promise<App> {
  // it brings everything in, which a command without a gateway need not wait for
  const { App } = await import('./app.ts');
  const options: AppOptions = { ...env, bootstrap, graphiql: 'on', example, logger };
  return App.open(options);
}

/** Listens. The first SIGTERM or SIGINT drains and ends the process with 0; a later one ends it at once. */
async function runUntilSignal(app: App, logger: Logger, afterwards?: () => unknown): Promise<void> {
  let stoppedAt: number | undefined;
  const stop = () => {
    if (stoppedAt === undefined) {
      stoppedAt = Date.now();
      app
        .close()
        .then(afterwards)
        .then(
          () => process.exit(0),
          (error: unknown) => fail(error),
        );
    } else if (Date.now() - stoppedAt > SECOND_SIGNAL_MS) {
      process.exit(1);
    }
  };
  const fail = (error: unknown) => {
    logger.fatal({ err: error }, 'the gateway failed');
    process.exit(1);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  await app.listen().catch(async (error: unknown) => {
    await app.close();
    throw error;
  });
}

function explain(error: unknown): number {
  if (!(error instanceof Error)) throw error;
  const lines = error instanceof EnvError ? error.message.split('\n') : [error.message];
  // what is behind a setting's error has been put into words, and a system error by who wraps it
  if (error.cause instanceof Error && !(error instanceof SettingError) && !isSystemError(error.cause))
    lines.push(error.cause.message);
  process.stderr.write(lines.map((line) => `datastore-gateway: ${line}\n`).join(''));
  if (!(error instanceof UsageError)) return 1;
  process.stderr.write(`\n${USAGE}`);
  return 2;
}

function isSystemError(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined;
}

/** Reads the version from package.json, which is one folder further up when this is built. */
function readVersion(): string {
  const manifest = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)].find(
    (url) => existsSync(url),
  );
  if (!manifest) throw new Error('package.json is missing');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
