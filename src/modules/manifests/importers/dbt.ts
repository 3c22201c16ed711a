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
  within,
} from './foreign.ts';

/** Adapters, and the types that they are. */
const TYPES: Readonly<Record<string, string>> = {
  postgres: 'POSTGRES',
  redshift: 'REDSHIFT',
  snowflake: 'SNOWFLAKE',
  databricks: 'DATABRICKS',
  trino: 'TRINO',
  clickhouse: 'CLICKHOUSE',
  sqlserver: 'MSSQL',
  mysql: 'MYSQL',
  athena: 'ATHENA',
};

const FIELDS: FieldTable = {
  ...{ type: null, threads: null, connect_timeout: null, keepalives_idle: null, retries: null, driver: null },
  ...{ client_session_keep_alive: null, connect_retries: null, query_tag: null, method: null },
  ...{ host: 'host', server: 'host', port: 'port', user: 'username', username: 'username' },
  ...{ password: 'password', pass: 'password', dbname: 'database', database: 'database', schema: 'schema' },
  ...{ sslmode: 'sslmode', account: 'account', warehouse: 'warehouse', role: 'role', private_key: 'privateKey' },
  ...{ private_key_passphrase: 'passphrase', token: 'token', http_path: 'httpPath', catalog: 'catalog' },
};
const OWN_FIELDS: Readonly<Record<string, FieldTable>> = {
  CLICKHOUSE: { schema: 'database' },
  MYSQL: { schema: 'database' },
  TRINO: { database: 'catalog' },
  ATHENA: {
    ...{ region_name: 'region', s3_staging_dir: 'outputLocation', work_group: 'workgroup', database: 'catalog' },
    ...{ schema: 'database', aws_access_key_id: 'accessKeyId', aws_secret_access_key: 'secretAccessKey' },
  },
};

/** Reads `profiles.yml` of dbt: a datastore for each output of each profile. */
export function readDbt(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const outputs = documents.flatMap((document) =>
    Object.entries(isValues(document) ? document : {}).flatMap(([profile, given]) =>
      Object.entries(isValues(given) ? within(given, 'outputs') : {}).map(
        ([target, output]) => [`${profile}-${target}`, output] as const,
      ),
    ),
  );
  const connections = outputs.flatMap(([name, output]): ForeignConnection[] => {
    const type = isValues(output) ? typeOf(TYPES, textAt(output, 'type')) : undefined;
    if (!isValues(output) || !type) {
      ignored.push({ name, reason: NO_TYPE });
      return [];
    }
    return [{ name, type, settings: renamed(output, { ...FIELDS, ...OWN_FIELDS[type] }, name, ignored) }];
  });
  return { connections, ignored };
}
