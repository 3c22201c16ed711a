import type { Setting } from './connection-text.ts';
import { readKeywords } from './pairs.ts';

/** How a client is called that people start by hand. */
interface Client {
  /** What the names of its settings begin with, which tells the type. */
  readonly prefix: string;
  /** Of its URLs, where what stands in the place of a database may be one without its scheme. */
  readonly scheme?: string;
  /** The setting that an option gives: those of one letter stand behind one dash, the others behind two. */
  readonly options: Readonly<Record<string, string>>;
  /** Options without a value, and the setting that each of them stands for. */
  readonly switches?: Readonly<Record<string, Setting>>;
  /** Options whose value says nothing of the connection, or is read by the option's own name. */
  readonly passedOver?: readonly string[];
  readonly readByName?: readonly string[];
  /** Options that have a value only where it stands right behind the letter, as MySQL's `-psecret`. */
  readonly attached?: readonly string[];
  /** The settings that stand without an option, in their order. */
  readonly operands: readonly string[];
}

const on = (name: string): Setting => ({ name, value: 'true' });
const server = { host: 'HOST', port: 'PORT', user: 'USER', username: 'USER', password: 'PASSWORD' };

const postgres: Client = {
  prefix: 'PG',
  options: { ...server, h: 'HOST', p: 'PORT', U: 'USER', d: 'DATABASE', dbname: 'DATABASE' },
  passedOver: ['c', 'f', 'v', 'o', 'F', 'R', 'T', 'P', 'L', 'n', 't', 'j', 'command', 'file', 'set', 'output', 'pset'],
  operands: ['DATABASE', 'USER'],
};

const mysql: Client = {
  prefix: 'MYSQL_',
  options: {
    ...server,
    S: 'SOCKET',
    h: 'HOST',
    P: 'PORT',
    u: 'USER',
    p: 'PASSWORD',
    D: 'DATABASE',
    database: 'DATABASE',
  },
  attached: ['p'],
  passedOver: ['e', 'execute', 'protocol', 'default-character-set', 'defaults-file'],
  readByName: ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket'],
  operands: ['DATABASE'],
};

const mongo: Client = {
  prefix: 'MONGODB_',
  scheme: 'mongodb',
  options: {
    ...server,
    ...{ u: 'USER', p: 'PASSWORD', d: 'DATABASE', db: 'DATABASE', uri: 'URI' },
    ...{ authenticationDatabase: 'AUTH_SOURCE', authenticationMechanism: 'AUTH_MECHANISM' },
  },
  passedOver: ['apiVersion', 'eval', 'f', 'file', 'c', 'collection', 'o', 'out', 'q', 'query'],
  readByName: ['tlsCAFile', 'tlsCertificateKeyFile'],
  operands: ['DATABASE'],
};

const clickhouse: Client = {
  prefix: 'CLICKHOUSE_',
  options: { ...server, h: 'HOST', u: 'USER', d: 'DATABASE', database: 'DATABASE' },
  switches: { s: on('secure') },
  passedOver: ['q', 'query', 'queries-file', 'format', 'f'],
  operands: [],
};

const sqlServer: Client = {
  prefix: 'SQLSERVER_',
  options: {
    ...{ S: 'SERVER', server: 'SERVER', U: 'USER', 'user-name': 'USER', username: 'USER' },
    ...{ P: 'PASSWORD', password: 'PASSWORD', d: 'DATABASE', 'database-name': 'DATABASE', database: 'DATABASE' },
  },
  switches: { C: on('trustServerCertificate'), N: on('encrypt'), E: on('trustedConnection') },
  passedOver: ['Q', 'q', 'i', 'o', 'l', 't', 's', 'w', 'h', 'v', 'query', 'input-file'],
  operands: [],
};

const snowflake: Client = {
  prefix: 'SNOWFLAKE_',
  options: {
    ...{ a: 'ACCOUNT', accountname: 'ACCOUNT', u: 'USER', username: 'USER', d: 'DATABASE', dbname: 'DATABASE' },
    ...{ s: 'SCHEMA', schemaname: 'SCHEMA', w: 'WAREHOUSE', warehouse: 'WAREHOUSE', r: 'ROLE', rolename: 'ROLE' },
    ...{ h: 'HOST', host: 'HOST', authenticator: 'AUTHENTICATOR', 'private-key-path': 'PRIVATE_KEY_PATH' },
  },
  passedOver: ['q', 'query', 'f', 'filename', 'o', 'option', 'c', 'connection', 'p', 'port'],
  operands: [],
};

const trino: Client = {
  prefix: 'TRINO_',
  options: { ...server, server: 'SERVER', catalog: 'CATALOG', schema: 'SCHEMA', 'access-token': 'JWT' },
  passedOver: ['execute', 'file', 'f', 'output-format', 'source'],
  operands: ['SERVER'],
};

const cockroach: Client = {
  prefix: 'COCKROACH_',
  options: { ...server, p: 'PORT', u: 'USER', d: 'DATABASE', database: 'DATABASE', url: 'URL' },
  passedOver: ['e', 'execute', 'f', 'file', 'format', 'certs-dir'],
  switches: { insecure: { name: 'sslmode', value: 'disable' } },
  operands: [],
};

const bigquery: Client = {
  prefix: 'BQ_',
  options: { project_id: 'PROJECT_ID', dataset_id: 'DATASET_ID', location: 'LOCATION' },
  operands: [],
};

const databricks: Client = {
  prefix: 'DATABRICKS_',
  options: { hostname: 'HOST', 'http-path': 'HTTP_PATH', 'access-token': 'TOKEN' },
  passedOver: ['e', 'execute'],
  operands: [],
};

const CLIENTS: ReadonlyMap<string, Client> = new Map([
  ...['psql', 'pgcli', 'pg_dump', 'pg_restore', 'pg_isready', 'pgbench'].map((name) => [name, postgres] as const),
  ...['mysql', 'mariadb', 'mysqldump', 'mysqladmin', 'mycli'].map((name) => [name, mysql] as const),
  ...['singlestore', 'memsql'].map((name) => [name, { ...mysql, prefix: 'SINGLESTORE_' }] as const),
  ...['mongosh', 'mongo', 'mongodump', 'mongoexport', 'mongorestore'].map((name) => [name, mongo] as const),
  ...['clickhouse-client', 'clickhouse'].map((name) => [name, clickhouse] as const),
  ...['sqlcmd', 'mssql-cli'].map((name) => [name, sqlServer] as const),
  ['snowsql', snowflake],
  ['trino', trino],
  ['trino-cli', trino],
  ['cockroach', cockroach],
  ['bq', bigquery],
  ['dbsqlcli', databricks],
]);

/** What stands before a client's name: `docker run -it --rm postgres:18 psql …`. */
const MOST_BEFORE = 24;
const STARTERS: ReadonlySet<string> = new Set(['sudo', 'docker', 'podman', 'kubectl', 'env', 'time', '$', '%', '>']);
/** Verbs that stand behind a client's name. */
const VERBS: ReadonlySet<string> = new Set(['sql', 'client', 'query', 'ls', 'show']);
const PROGRAM = /^(?:(?:\.{0,2}\/)[\w./-]*\/|\.{0,2}\/)?(?<name>[\w.-]+?|[$%>])(?:\.exe)?$/i;
const ENDS = /^(?:[|;&<>]{1,2}|\d?>&?\d?.*)$/;
const VARIABLE = /^(?<name>[A-Za-z_]\w{0,127})=(?<value>[\s\S]*)$/;

/**
 * Reads how somebody calls a client: `PGPASSWORD=secret psql -h db.example.com -U app shop`. What stands there without
 * an option may be a URL. Undefined when it is no call of a client that is known.
 */
export function readCommandLine(text: string): Setting[] | undefined {
  const words = wordsOf(text);
  const at = words.slice(0, MOST_BEFORE).findIndex((word) => CLIENTS.has(programOf(word)));
  const client = CLIENTS.get(programOf(words[at] ?? ''));
  if (!client) return undefined;
  const before = words.slice(0, at);
  const variables = before.flatMap((word): Setting[] => {
    const { name, value } = VARIABLE.exec(word)?.groups ?? {};
    return name === undefined || value === undefined ? [] : [{ name, value }];
  });
  const [first] = before.filter((word) => !VARIABLE.test(word));
  if (first !== undefined && !STARTERS.has(programOf(first))) return undefined;
  const settings = settingsOf(client, words.slice(at + 1));
  return settings.length > 0 ? [...variables, ...settings] : undefined;
}

function programOf(word: string): string {
  return PROGRAM.exec(word)?.groups?.name ?? '';
}

function settingsOf(client: Client, words: readonly string[]): Setting[] {
  const settings: Setting[] = [];
  const operands: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (ENDS.test(word)) break;
    if (at === 0 && VERBS.has(word)) continue;
    const option = optionOf(client, word);
    if (!option) {
      operands.push(word);
      continue;
    }
    const { name, isLetter } = option;
    const meant = client.switches?.[name];
    const takesNext =
      option.value === undefined &&
      !meant &&
      !client.attached?.includes(name) &&
      (client.options[name] !== undefined || isListed(client, name)) &&
      !(words[at + 1] ?? '-').startsWith('-');
    if (takesNext) at += 1;
    const value = takesNext ? words[at] : option.value;
    if (meant) settings.push(meant);
    else if (client.passedOver?.includes(name)) continue;
    else if (client.options[name] !== undefined) settings.push(...named(client, client.options[name], value ?? ''));
    else if (!isLetter) settings.push({ name, value: value ?? 'true' });
  }
  const given = operands.slice(0, client.operands.length);
  return [...settings, ...given.flatMap((value, at) => named(client, client.operands[at] ?? '', value))];
}

function isListed({ passedOver = [], readByName = [] }: Client, name: string): boolean {
  return passedOver.includes(name) || readByName.includes(name);
}

interface Option {
  readonly name: string;
  readonly isLetter: boolean;
  /** What stands behind its letter, or behind an equals sign. */
  readonly value: string | undefined;
}

function optionOf(client: Client, word: string): Option | undefined {
  const long = /^--(?<name>[A-Za-z][\w-]{0,63})(?:=(?<value>[\s\S]*))?$/.exec(word)?.groups;
  if (long?.name) return { name: long.name, isLetter: false, value: long.value };
  const [dash, letter = '', ...rest] = word;
  if (dash !== '-' || letter === '') return undefined;
  // what is no option with a value is one of several switches: -it
  const hasValue = client.options[letter] !== undefined || isListed(client, letter);
  return { name: letter, isLetter: true, value: hasValue && rest.length > 0 ? rest.join('') : undefined };
}

/** A setting by the name that a variable of the type has; several in the place of a database, as libpq takes them. */
function named({ prefix, scheme }: Client, name: string, value: string): readonly Setting[] {
  if (/:\/\//.test(value)) return [{ name: `${prefix}URL`, value }];
  if (name !== 'DATABASE') return [{ name: `${prefix}${name}`, value }];
  if (scheme !== undefined && /[.:/]/.test(value)) return [{ name: `${prefix}URL`, value: `${scheme}://${value}` }];
  const settings = prefix === 'PG' && value.includes('=') ? readKeywords(value) : undefined;
  return settings ?? [{ name: `${prefix}${name}`, value }];
}

/** A part of a word: what stands in quotes, or does not. */
const PART = /"(?<double>(?:[^"\\]|\\[\s\S])*)"|'(?<single>[^']*)'|\\(?<escaped>[\s"'\\$`!&|;<>()*?#~])/g;
const WORD = /(?:"(?:[^"\\]|\\[\s\S])*"|'[^']*'|\\[\s\S]|[^\s"'\\])+/g;

/** The words of a command, as a shell takes them apart. A line that ends with a backslash goes on in the next one. */
function wordsOf(text: string): string[] {
  const whole = text.replace(/[\\^`]\r?\n/g, ' ');
  return Array.from(whole.matchAll(WORD), ([word]) =>
    word.replace(PART, (_, double?: string, single?: string, escaped?: string) =>
      double === undefined ? (single ?? escaped ?? '') : double.replace(/\\(["\\$`])/g, '$1'),
    ),
  );
}
