import type { IgnoredPart } from '../../../connectors/kit/connection-text/config-draft.ts';
import {
  type FieldTable,
  type ForeignConnection,
  type Found,
  hostAndPort,
  isValues,
  NO_TYPE,
  renamed,
  textAt,
  typeOf,
  within,
} from './foreign.ts';

/** Data source plugins, and the types that they are. */
const TYPES: Readonly<Record<string, string>> = {
  postgres: 'POSTGRES',
  'grafana-postgresql-datasource': 'POSTGRES',
  mysql: 'MYSQL',
  mssql: 'MSSQL',
  elasticsearch: 'ELASTICSEARCH',
  'grafana-opensearch-datasource': 'OPENSEARCH',
  'grafana-clickhouse-datasource': 'CLICKHOUSE',
};
/** Those whose `url` is that of HTTP; the others have `host:port` there. */
const BY_URL: ReadonlySet<string> = new Set(['ELASTICSEARCH', 'OPENSEARCH']);

const FIELDS: FieldTable = {
  ...{ name: null, type: null, url: null, jsonData: null, secureJsonData: null },
  ...{ access: null, uid: null, orgId: null, version: null, isDefault: null, editable: null, basicAuth: null },
  ...{ user: 'username', basicAuthUser: 'username', database: 'database', password: 'password' },
};
const JSON_DATA: FieldTable = {
  ...{ database: 'database', sslmode: 'sslmode', index: 'index' },
  ...{ host: 'host', server: 'host', port: 'port', username: 'username', defaultDatabase: 'database' },
  ...{ maxOpenConns: null, maxIdleConns: null, maxIdleConnsAuto: null, connMaxLifetime: null, timescaledb: null },
  ...{ postgresVersion: null, esVersion: null, timeField: null, timeInterval: null, tlsAuth: null },
  ...{ tlsAuthWithCACert: null, tlsConfigurationMethod: null, serverName: 'tls.serverName', logMessageField: null },
};
const SECURE_JSON_DATA: FieldTable = {
  ...{ password: 'password', basicAuthPassword: 'password', tlsCACert: 'tls.caCertificate' },
  ...{ tlsClientCert: 'tls.clientCertificate', tlsClientKey: 'tls.clientKey' },
};

/** Reads the provisioning files of Grafana's data sources. */
export function readGrafana(documents: readonly unknown[]): Found {
  const ignored: IgnoredPart[] = [];
  const sources = documents.flatMap((document) => (isValues(document) ? [document.datasources].flat() : []));
  const connections = sources.flatMap((source): ForeignConnection[] => {
    if (!isValues(source)) return [];
    const name = textAt(source, 'name') ?? '';
    const type = typeOf(TYPES, textAt(source, 'type'));
    if (!type) {
      ignored.push({ name, reason: NO_TYPE });
      return [];
    }
    const url = textAt(source, 'url');
    const place = url === undefined ? {} : BY_URL.has(type) ? { url } : hostAndPort(url);
    const settings = {
      ...place,
      ...renamed(source, FIELDS, name, ignored),
      ...renamed(within(source, 'jsonData'), JSON_DATA, `${name}.jsonData`, ignored),
      ...renamed(within(source, 'secureJsonData'), SECURE_JSON_DATA, `${name}.secureJsonData`, ignored),
    };
    return [{ name, type, settings }];
  });
  return { connections, ignored };
}
