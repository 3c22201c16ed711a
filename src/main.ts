import { print, UsageError } from './commands/command.ts';
import { keepHeapSmall } from './heap-at-start.ts';
import { scopes } from './modules/access/access.ts';
import { readVersion } from './version.ts';

const USAGE = `datastore-gateway: keeps datastore connections, and proves that they work.

Usage: datastore-gateway <command>

  start            On your own machine: makes what is missing (a database, a key
                   file, an environment "default"), listens on loopback, and
                   prints a link that opens GraphiQL signed in.
      --demo           With a Postgres to try it on, and a small shop in that.
                       All of it is gone when the gateway stops.
  serve            In production: nothing is guessed. With BOOTSTRAP_TOKEN it begins
                   with an empty database; without, there has to be one.
      --no-tests           leaves the connection tests to workers
      --network NAME       takes the tests of that network's environments alone
  worker           Takes connection tests from the Postgres of the gateways and runs
                   them where it stands. It listens nowhere.
      --network NAME       those of that network's environments; left out: those of
                           environments without a network
      --gateway URL        takes them from a gateway, and needs neither database nor
                           keys: its token (TESTS_RUN) is in GATEWAY_TOKEN, or in
      --token-variable NAME  the variable that this names; --token TOKEN shows it to
                           every user of the machine
  migrate          Brings the tables of the database up to date, and makes them
                   where there are none.
  key create       Makes a key file at KEY_FILE. Without it no stored secret can
                   ever be read again: keep a copy in a safe place.
      --print          Prints one instead, for a key service to keep.
  key list         Prints the key-encryption keys, and how much each of them wraps.
  key rotate       Adds a key-encryption key to KEY_FILE and wraps everything with
                   it, while gateways run. When it is ended half way, run it
                   again, or start a gateway: it goes on from there.
      --print          Prints the keys with one more instead, for a key service.
  key forget --id ID
                   Takes a key that wraps nothing any more out of KEY_FILE. Backups
                   from before the rotation do not open without it.
  key upgrade      Once, after the last gateway of an older version has stopped:
                   seals anew what it has sealed, and marks the key file so that
                   its form is refused from then on.
  environment create --name NAME
                   Makes an environment and prints its id.
      --network NAME       the workers of that name alone take its tests
  environment list Prints the id and the name of each.
  environment clone --from NAME --to NAME
                   Makes the second one hold what the first one holds, with its
                   secrets; --prune deletes what the first one does not have.
  export           Prints what an environment holds as a manifest, without secrets.
      --environment NAME
      --out FILE           writes it there instead
  plan -f FILE     Tells what applying a manifest would do, and ends with 2 when that
                   is anything.
      --environment NAME   left out: the one that the manifest names
      --prune              also what the manifest does not have is deleted
      --json
  apply -f FILE    Does it, all at once or not at all, with the options of plan and
      --confirm            deletes also what is in use
                   export, plan and apply ask a gateway instead of the database with
      --gateway URL        its token in GATEWAY_TOKEN, or in the variable that
      --token-variable NAME  says so
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
  import --from PROGRAM FILE
                   Prints a manifest of what grafana, airflow, dbeaver, dbt, superset
                   or kubernetes keeps, without secrets, and says what it did not take.
      --out FILE           writes it there instead
  records export --datastore ID
                   Prints all records of a managed datastore, and how far it is
                   where errors go.
      --format jsonl|csv   left out: as the name of --out says, or jsonl
      --out FILE           writes them there instead, once all are there
      --field NAME         once or more: these fields alone
      --escape-formulas    for a spreadsheet, and not to be imported again
  records import --datastore ID FILE
                   Puts what a file says, or stdin for -, and tells each line that is
                   refused; ends with 1 when there was one.
      --format jsonl|csv   left out: as the name of FILE says
      --mode put|merge|new replaces what is there (put), keeps its other fields
                           (merge), or passes over it (new)
      --key-field NAME     the field that is the key of a record without one
      --stop-at-first      ends at the first line that is refused
                   both ask a gateway with --gateway and --token-variable, as export
                   does.
  audit verify     Looks whether every entry of the journal is as it was written; if
                   not, says which is the first one and ends with 1.
      --log FILE           once or more: a gateway's log, whose signed ends of
                           the chains have to be there still
  audit export     Prints every entry as a line of JSON.
  --help, --version

Environment variables (and their defaults): HOST (127.0.0.1), PORT (4000),
METRICS_PORT, DATABASE_URL (sqlite:./data/gateway.db), DATABASE_MUST_EXIST (true
unless BOOTSTRAP_TOKEN is set), KEY_FILE (./data/master.key) or KEY_COMMAND,
BOOTSTRAP_TOKEN, EGRESS_ALLOW, EGRESS_PROXY, EXECUTOR_ISOLATION (none),
TAKE_TESTS (true), NETWORK, ALLOWED_HOSTS, ALLOWED_ORIGINS, OIDC_ISSUER,
OIDC_AUDIENCE, OIDC_RULES, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET,
REVISION_SECRETS_DAYS (30), REVISION_SECRETS_VERSIONS (10),
TEST_RETENTION_DAYS (30), TESTS_KEPT_PER_DATASTORE (20),
OTEL_EXPORTER_OTLP_ENDPOINT and others of OpenTelemetry, LOG_LEVEL, and limits,
which are none unless set: MAX_REQUESTS_PER_MINUTE,
MAX_CONNECTIONS_PER_TOKEN (100), MAX_SUBSCRIPTIONS_PER_TOKEN (1000),
MAX_TRANSFERS_PER_TOKEN (10), MAX_IMPORT_MB (1024), MAX_WORKERS_PER_TOKEN (1000),
MAX_TESTS_PER_TOKEN, MAX_TESTS_PER_ENVIRONMENT, MAX_TESTS_PER_TARGET.
`;

type Command = (args: readonly string[]) => Promise<void>;

/** Each brings in what it needs, and waits for nothing else. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./commands/serve.ts')).start,
  serve: async () => (await import('./commands/serve.ts')).serve,
  worker: async () => (await import('./commands/worker.ts')).work,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  'key create': async () => (await import('./commands/keys.ts')).createKey,
  'key list': async () => (await import('./commands/keys.ts')).listKeys,
  'key rotate': async () => (await import('./commands/keys.ts')).rotateKey,
  'key forget': async () => (await import('./commands/keys.ts')).forgetKey,
  'key upgrade': async () => (await import('./commands/keys.ts')).upgradeKey,
  'environment create': async () => (await import('./commands/environments.ts')).createEnvironment,
  'environment list': async () => (await import('./commands/environments.ts')).listEnvironments,
  'environment clone': async () => (await import('./commands/manifests.ts')).cloneEnvironment,
  export: async () => (await import('./commands/manifests.ts')).exportManifest,
  plan: async () => (await import('./commands/manifests.ts')).planManifest,
  apply: async () => (await import('./commands/manifests.ts')).applyManifest,
  'records export': async () => (await import('./commands/records.ts')).exportRecords,
  'records import': async () => (await import('./commands/records.ts')).importRecords,
  import: async () => (await import('./commands/import.ts')).importFile,
  'audit verify': async () => (await import('./commands/audit.ts')).verifyAudit,
  'audit export': async () => (await import('./commands/audit.ts')).exportAudit,
  'token create': async () => (await import('./commands/tokens.ts')).createToken,
  'token list': async () => (await import('./commands/tokens.ts')).listTokens,
  'token revoke': async () => (await import('./commands/tokens.ts')).revokeToken,
};

/** They run until they are told to stop. */
const services: ReadonlySet<string> = new Set(['start', 'serve', 'worker']);

try {
  await run(process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}

async function run(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args[0] === 'help') return print(helpFor(args));
  if (args.includes('--version')) return print(`${readVersion()}\n`);
  const found = commandOf(args);
  if (!found) throw new UsageError(unknownCommand(args));
  const [name, load] = found;
  if (services.has(name)) keepHeapSmall();
  const command = await load();
  await command(args.slice(name.split(' ').length));
}

/** The command that arguments begin with. */
function commandOf(args: readonly string[]) {
  return Object.entries(commands).find(([name]) => [args[0], args.slice(0, 2).join(' ')].includes(name));
}

function unknownCommand([first, second]: readonly string[]): string {
  if (first === undefined || first.startsWith('-')) return 'Say which command.';
  const alike = Object.keys(commands).filter((name) => name.startsWith(`${first} `));
  if (alike.length === 0) return `There is no command "${first}".`;
  const given = second === undefined || second.startsWith('-') ? first : `${first} ${second}`;
  return `There is no command "${given}", but there are ${alike.join(', ')}.`;
}

function explain(error: unknown): number {
  if (!(error instanceof Error)) throw error;
  const lines = ['EnvError', 'ManifestRefused'].includes(error.name) ? error.message.split('\n') : [error.message];
  // what is behind a setting's error has been put into words, and a system error by who wraps it
  if (error.cause instanceof Error && error.name !== 'SettingError' && !isSystemError(error.cause))
    lines.push(error.cause.message);
  process.stderr.write(lines.map((line) => `datastore-gateway: ${line}\n`).join(''));
  if (!(error instanceof UsageError)) return 1;
  process.stderr.write(`\n${usageOf(process.argv.slice(2))}`);
  // 2 says of a plan that something would change
  return process.argv[2] === 'plan' ? 1 : 2;
}

/** What is said of the command that help is asked for, or of all. */
function helpFor(args: readonly string[]): string {
  const asked = args[0] === 'help' ? args.slice(1) : args;
  return commandOf(asked) ? usageOf(asked) : USAGE;
}

/** What is said of the command that is meant: all of it would take what is wrong off the screen. */
function usageOf(args: readonly string[]): string {
  if (args.length === 0) return USAGE;
  const [name] = commandOf(args) ?? [];
  const own = USAGE.split(/^(?= {2}\S)/m).find((each) => each.startsWith(`  ${name} `));
  return `${own ?? ''}"datastore-gateway --help" tells of every command and variable.\n`;
}

function isSystemError(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined;
}
