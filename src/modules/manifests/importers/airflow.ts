import type { IgnoredPart } from '../../../connectors/kit/connection-text/config-draft.ts';
import {
  type FieldTable,
  type ForeignConnection,
  type Found,
  isValues,
  NO_TYPE,
  renamed,
  textAt,
  typeOf,
  type Values,
} from './foreign.ts';

/** Connection types, which are the schemes of URIs as well. A hyphen of one is written as an underscore, or not. */
const TYPES: Readonly<Record<string, string>> = {
  postgres: 'POSTGRES',
  postgresql: 'POSTGRES',
  redshift: 'REDSHIFT',
  mysql: 'MYSQL',
  mssql: 'MSSQL',
  mongo: 'MONGODB',
  trino: 'TRINO',
  snowflake: 'SNOWFLAKE',
  databricks: 'DATABRICKS',
  elasticsearch: 'ELASTICSEARCH',
  clickhouse: 'CLICKHOUSE',
};

const FIELDS: FieldTable = {
  ...{ conn_type: null, extra: null, description: null },
  ...{ host: 'host', port: 'port', login: 'username', password: 'password', schema: 'database' },
};
/** What `schema` and `host` are for types that do not have a database or a host. */
const OWN_FIELDS: Readonly<Record<string, FieldTable>> = {
  TRINO: { schema: 'schema' },
  SNOWFLAKE: { schema: 'schema', host: null },
  DATABRICKS: { schema: 'schema', login: null, password: 'token' },
};
const EXTRA: FieldTable = {
  ...{ sslmode: 'sslmode', catalog: 'catalog', account: 'account', warehouse: 'warehouse', role: 'role' },
  ...{ database: 'database', http_path: 'httpPath', token: 'token', srv: 'srv' },
};

/** Reads connections as `airflow connections export` writes them, as JSON, YAML or lines of URIs. */
export function readAirflow(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const entries = documents.flatMap((document) => (isValues(document) ? Object.entries(document) : linesOf(document)));
  const connections = entries.flatMap(([id, given]): ForeignConnection[] => {
    const name = id.replace(/^AIRFLOW_CONN_/, '').toLowerCase();
    const values = typeof given === 'string' ? fromText(given) : given;
    const type = isValues(values) ? typeOf(TYPES, textAt(values, 'conn_type')?.toLowerCase()) : undefined;
    if (!isValues(values) || !type) {
      ignored.push({ name, reason: NO_TYPE });
      return [];
    }
    const extra = typeof values.extra === 'string' ? parsed(values.extra) : values.extra;
    const settings = {
      ...renamed(values, { ...FIELDS, ...OWN_FIELDS[type] }, name, ignored),
      ...(isValues(extra) ? renamed(extra, EXTRA, `${name}.extra`, ignored) : {}),
    };
    return [{ name, type, settings, description: textAt(values, 'description') ?? null }];
  });
  return { connections, ignored };
}

/** `NAME=URI` a line, which YAML reads as one text. */
function linesOf(document: unknown): [string, unknown][] {
  if (typeof document !== 'string') return [];
  return document.split(/\s+/).flatMap((line): [string, unknown][] => {
    const [, name = '', value] = /^(\w+)=(.+)$/.exec(line) ?? [];
    return value === undefined ? [] : [[name, value]];
  });
}

/** The fields of a connection that is one text: JSON, or a URI whose parts are encoded. */
function fromText(text: string): unknown {
  if (text.trim().startsWith('{')) return parsed(text);
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(text);
  const decoded = (part: string) => decodeURIComponent(part);
  const fields: Values = {
    conn_type: protocol.slice(0, -1).replaceAll('-', '_'),
    ...{ host: decoded(hostname), port, login: decoded(username), password: decoded(password) },
    ...{ schema: decoded(pathname.slice(1)), extra: Object.fromEntries(searchParams) },
  };
  return fields;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
