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
} from './foreign.ts';

/** The first word of SQLAlchemy's URIs, whose driver stands behind a `+`. */
const TYPES: Readonly<Record<string, string>> = {
  postgresql: 'POSTGRES',
  postgres: 'POSTGRES',
  redshift: 'REDSHIFT',
  cockroachdb: 'COCKROACHDB',
  mysql: 'MYSQL',
  singlestoredb: 'SINGLESTORE',
  mssql: 'MSSQL',
  clickhousedb: 'CLICKHOUSE',
  clickhouse: 'CLICKHOUSE',
  trino: 'TRINO',
  snowflake: 'SNOWFLAKE',
};

const FIELDS: FieldTable = {
  ...{ database_name: null, sqlalchemy_uri: null, uuid: null, version: null, extra: null, cache_timeout: null },
  ...{ expose_in_sqllab: null, allow_run_async: null, allow_ctas: null, allow_cvas: null, allow_dml: null },
  ...{ allow_csv_upload: null, allow_file_upload: null, tables: null, password: 'password' },
};
/** What Superset writes in the place of a password. */
const MASKED = 'XXXXXXXXXX';

/** Reads the database files of a Superset export, or the one file of its older form. */
export function readSuperset(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const databases = documents.flatMap((document) =>
    isValues(document) ? [document.databases ?? document].flat() : [],
  );
  const connections = databases.flatMap((database): ForeignConnection[] => {
    if (!isValues(database)) return [];
    const name = textAt(database, 'database_name') ?? '';
    const [, dialect = '', driver = '', rest = ''] =
      /^([a-z0-9]+)(\+\w+)?(:\/\/.*)$/s.exec(textAt(database, 'sqlalchemy_uri') ?? '') ?? [];
    const type = typeOf(TYPES, dialect);
    if (!type) {
      ignored.push({ name, reason: NO_TYPE });
      return [];
    }
    if (driver !== '')
      ignored.push({ name: `${name}.sqlalchemy_uri`, reason: `The driver ${driver.slice(1)} is not used.` });
    // somebody has to give it anew, so the manifest names it
    const masked = rest.includes(`:${MASKED}@`) ? { password: MASKED } : {};
    const url = `${dialect.replace('clickhousedb', 'clickhouse')}${rest.replace(`:${MASKED}@`, '@')}`;
    return [{ name, type, settings: { url, ...masked, ...renamed(database, FIELDS, name, ignored) } }];
  });
  return { connections, ignored };
}
