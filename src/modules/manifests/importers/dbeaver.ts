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

/** Providers and, where one has several databases, drivers. */
const TYPES: Readonly<Record<string, string>> = {
  postgresql: 'POSTGRES',
  'postgresql.redshift': 'REDSHIFT',
  'postgresql.cockroach': 'COCKROACHDB',
  mysql: 'MYSQL',
  mariadb: 'MYSQL',
  'mysql.singlestore': 'SINGLESTORE',
  sqlserver: 'MSSQL',
  mssql: 'MSSQL',
  clickhouse: 'CLICKHOUSE',
  snowflake: 'SNOWFLAKE',
  trino: 'TRINO',
  mongodb: 'MONGODB',
};

const CONFIGURATION: FieldTable = {
  ...{ host: 'host', port: 'port', database: 'database', user: 'username', password: 'password' },
  // it repeats what stands beside it
  url: null,
  ...{ configurationType: null, type: null, 'auth-model': null, 'home-id': null, 'close-idle-connection': null },
  ...{ closeIdleConnection: null, provider: null, handlers: null, properties: null, bootstrap: null },
  ...{ 'show-all-databases': null, name: null },
};
const AUTH: FieldTable = { name: 'username', userName: 'username', password: 'password', userPassword: 'password' };
const PROPERTIES: FieldTable = { sslmode: 'sslmode', sslMode: 'sslmode' };

/** Reads `data-sources.json` of DBeaver and CloudBeaver. */
export function readDbeaver(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const sources = documents.flatMap((document) =>
    isValues(document) ? Object.entries(within(document, 'connections')) : [],
  );
  const connections = sources.flatMap(([id, source]): ForeignConnection[] => {
    if (!isValues(source)) return [];
    const name = textAt(source, 'name') ?? id;
    const provider = textAt(source, 'provider') ?? '';
    const driver = (textAt(source, 'driver') ?? '').split('-').at(-1) ?? '';
    const type = typeOf(TYPES, `${provider}.${driver}`) ?? typeOf(TYPES, provider);
    if (!type) {
      ignored.push({ name, reason: NO_TYPE });
      return [];
    }
    const configuration = within(source, 'configuration');
    for (const handler of Object.keys(within(configuration, 'handlers')))
      ignored.push({ name: `${name}.configuration.handlers.${handler}`, reason: 'Give it in the config by hand.' });
    const settings = {
      ...renamed(configuration, CONFIGURATION, `${name}.configuration`, ignored),
      ...renamed(within(configuration, 'properties'), PROPERTIES, `${name}.configuration.properties`, ignored),
      ...renamed(within(source, 'auth-properties'), AUTH, `${name}.auth-properties`, ignored),
    };
    return [{ name, type, settings, description: textAt(source, 'description') ?? null }];
  });
  return { connections, ignored };
}
