import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { UnreadableFile } from '../../src/modules/manifests/importers/foreign-text.ts';
import { type Imported, importers, importManifest } from '../../src/modules/manifests/importers/import.ts';
import { readManifest } from '../../src/modules/manifests/manifest.ts';

const reference = (name: string) => `\${env:${name}}`;

interface Case {
  readonly from: string;
  readonly text: string;
  /** The datastores of the manifest, as far as they are told here. */
  readonly datastores: Readonly<Record<string, unknown>>;
  /** The names of what was not taken. */
  readonly ignored: readonly string[];
}

/* Written after the public documentation of each program. */
const cases: readonly Case[] = [
  {
    from: 'grafana',
    text: `
apiVersion: 1
deleteDatasources:
  - {name: Old, orgId: 1}
datasources:
  - name: Sales DB
    type: grafana-postgresql-datasource
    access: proxy
    url: sales.db.example:5433
    user: grafana_reader
    jsonData:
      database: sales
      sslmode: verify-full
      maxOpenConns: 100
      timescaledb: false
      enableSecureSocksProxy: true
    secureJsonData:
      password: $SALES_PASSWORD
  - name: Logs
    type: mysql
    url: logs.db.example:3306
    user: \${LOGS_USER}
    database: logs
    secureJsonData:
      password: hunter2
  - name: Metrics
    type: prometheus
    url: http://prometheus.example:9090
`,
    datastores: {
      'sales-db': {
        label: 'Sales DB',
        config: {
          postgres: {
            host: 'sales.db.example',
            port: 5433,
            username: 'grafana_reader',
            password: reference('SALES_PASSWORD'),
            database: 'sales',
            tls: { mode: 'VERIFY_FULL' },
          },
        },
      },
      logs: { config: { mysql: { host: 'logs.db.example', password: reference('LOGS_PASSWORD') } } },
    },
    ignored: ['Sales DB.jsonData.enableSecureSocksProxy', 'Metrics', 'logs.config.username'],
  },
  {
    from: 'airflow',
    text: JSON.stringify({
      warehouse_pg: {
        ...{ conn_type: 'postgres', description: 'The warehouse', host: 'pg.example', login: 'etl' },
        ...{ password: 'hunter2', schema: 'warehouse', port: 5432, extra: '{"sslmode": "require", "cursor": "dict"}' },
      },
      trino_default: 'trino://etl:hunter%402@trino.example:8443/sales?catalog=hive',
      ftp_default: { conn_type: 'ftp', host: 'ftp.example', extra: null },
    }),
    datastores: {
      warehouse_pg: {
        description: 'The warehouse',
        config: {
          postgres: {
            ...{ host: 'pg.example', port: 5432, username: 'etl', database: 'warehouse' },
            ...{ password: reference('WAREHOUSE_PG_PASSWORD'), tls: { mode: 'REQUIRE' } },
          },
        },
      },
      trino_default: { config: { trino: { host: 'trino.example', catalog: 'hive', schema: 'sales' } } },
    },
    ignored: ['warehouse_pg.extra.cursor', 'ftp_default'],
  },
  {
    from: 'airflow',
    text: 'AIRFLOW_CONN_SHOP=mysql://app:hunter2@shop.example:3307/shop\nAIRFLOW_CONN_SMTP=smtp://mail.example',
    datastores: {
      shop: { config: { mysql: { host: 'shop.example', port: 3307, username: 'app', database: 'shop' } } },
    },
    ignored: ['smtp'],
  },
  {
    from: 'dbeaver',
    text: JSON.stringify({
      folders: {},
      connections: {
        'postgres-jdbc-1': {
          ...{ provider: 'postgresql', driver: 'postgres-jdbc', name: 'Shop', 'save-password': true },
          configuration: {
            ...{
              host: 'shop.example',
              port: '5432',
              database: 'shop',
              url: 'jdbc:postgresql://shop.example:5432/shop',
            },
            ...{ configurationType: 'MANUAL', type: 'prod', 'auth-model': 'native' },
            handlers: { ssh_tunnel: { type: 'TUNNEL', enabled: true } },
          },
          'auth-properties': { name: 'reader', password: 'hunter2' },
        },
        'oracle-1': { provider: 'oracle', driver: 'oracle_thin', name: 'ERP', configuration: {} },
      },
    }),
    datastores: {
      shop: {
        label: 'Shop',
        config: { postgres: { host: 'shop.example', username: 'reader', password: reference('SHOP_PASSWORD') } },
      },
    },
    ignored: ['Shop.configuration.handlers.ssh_tunnel', 'ERP'],
  },
  {
    from: 'dbt',
    text: `
jaffle_shop:
  target: dev
  outputs:
    dev:
      type: postgres
      host: localhost.example
      user: alice
      password: "{{ env_var('DBT_PASSWORD') }}"
      port: 5432
      dbname: jaffle_shop
      role: "{{ env_var('DBT_ROLE') }}"
      schema: dbt_alice
      threads: 4
      search_path: raw
    prod:
      type: snowflake
      account: abc12345
      user: DBT
      password: hunter2
      role: TRANSFORMER
      database: ANALYTICS
      warehouse: TRANSFORMING
      schema: PUBLIC
      threads: 8
    local:
      type: duckdb
      path: a.duckdb
`,
    datastores: {
      'jaffle_shop-dev': {
        config: {
          postgres: {
            ...{ host: 'localhost.example', username: 'alice', database: 'jaffle_shop', schema: 'dbt_alice' },
            password: reference('DBT_PASSWORD'),
          },
        },
      },
      'jaffle_shop-prod': { config: { snowflake: { account: 'abc12345', role: 'TRANSFORMER', schema: 'PUBLIC' } } },
    },
    ignored: ['jaffle_shop-dev.role', 'jaffle_shop-dev.search_path', 'jaffle_shop-local'],
  },
  {
    from: 'superset',
    text: `
database_name: Analytics
sqlalchemy_uri: postgresql+psycopg2://superset:XXXXXXXXXX@analytics.example:5432/analytics
cache_timeout: null
expose_in_sqllab: true
allow_run_async: false
extra:
  allows_virtual_table_explore: true
impersonate_user: true
uuid: 4a8d6f2e-0b1c-4d5e-8f9a-1b2c3d4e5f60
version: 1.0.0
`,
    datastores: {
      analytics: {
        label: 'Analytics',
        config: {
          postgres: {
            ...{ host: 'analytics.example', username: 'superset', database: 'analytics' },
            password: reference('ANALYTICS_PASSWORD'),
          },
        },
      },
    },
    ignored: ['Analytics.sqlalchemy_uri', 'Analytics.impersonate_user'],
  },
  {
    from: 'kubernetes',
    text: `
apiVersion: v1
kind: Secret
metadata:
  name: orders-db
type: Opaque
data:
  PGHOST: b3JkZXJzLmRiLmV4YW1wbGU=
  PGUSER: cmVhZGVy
  PGPASSWORD: aHVudGVyMg==
stringData:
  PGDATABASE: orders
---
apiVersion: v1
kind: Secret
metadata:
  name: web-tls
type: kubernetes.io/tls
data: {}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
`,
    datastores: {
      'orders-db': {
        config: {
          postgres: {
            ...{ host: 'orders.db.example', username: 'reader', database: 'orders' },
            password: reference('ORDERS_DB_PASSWORD'),
          },
        },
      },
    },
    ignored: ['Secret web-tls', 'ConfigMap settings'],
  },
  {
    from: 'kubernetes',
    text: `
apiVersion: v1
kind: Secret
metadata:
  name: accounts
type: servicebinding.io/mysql
stringData:
  type: mysql
  provider: bitnami
  host: accounts.db.example
  database: accounts
  username: app
  password: hunter2
---
apiVersion: v1
kind: Secret
metadata:
  name: ledger
type: servicebinding.io/postgresql
stringData:
  host: ledger.db.example
  database: ledger
  username: app
  password: hunter2
---
apiVersion: v1
kind: Secret
metadata:
  name: whose
stringData:
  username: app
  password: hunter2
`,
    datastores: {
      accounts: {
        config: {
          mysql: { host: 'accounts.db.example', username: 'app', password: reference('ACCOUNTS_PASSWORD') },
        },
      },
      ledger: {
        config: {
          postgres: { host: 'ledger.db.example', username: 'app', password: reference('LEDGER_PASSWORD') },
        },
      },
    },
    ignored: ['whose'],
  },
];

describe('what other programs keep', () => {
  test.each(cases)('$from: makes a manifest without secrets, and names what was not taken', async (one) => {
    const { text, ignored } = await importManifest(
      importers[one.from] ?? (() => ({ connections: [], ignored: [] })),
      one.text,
    );
    const { datastores } = parse(text) as { datastores: object };
    expect(Object.keys(datastores)).toEqual(Object.keys(one.datastores));
    expect(datastores).toMatchObject(one.datastores);
    expect(ignored.map(({ name }) => name).toSorted()).toEqual(one.ignored.toSorted());
    expect(text + JSON.stringify(ignored)).not.toContain('hunter');
    const manifest = await readManifest(text, []);
    expect(manifest.datastores.size).toBe(Object.keys(one.datastores).length);
  });

  test('each importer is tried', () => {
    expect(new Set(cases.map(({ from }) => from))).toEqual(new Set(Object.keys(importers)));
  });

  test.each(Object.entries(importers))(
    '%s: what is none of its files is refused, or has nothing that is taken',
    async (_, importer) => {
      for (const text of ['', '[]', 'a: 1', '- {a: [1, {b: 2}]}', '"text"', '{"datasources": {"name": {}}}', 'null']) {
        const found = await importManifest(importer, text).catch((error: unknown) => error);
        if (found instanceof UnreadableFile) expect(found.message).toMatch(/^1:1: No connection was found in it/);
        else {
          expect(parse((found as Imported).text)).toEqual({ manifest: 1, datastores: {} });
          // what is not taken is told by name
          expect((found as Imported).ignored.some(({ name }) => name !== '')).toBe(true);
        }
      }
      await expect(importManifest(importer, 'no file of anybody’s')).rejects.toThrow('No connection was found');
      const laughs = [
        'a: &a [x, x]',
        ...'bcdefghijkl'
          .split('')
          .map((key, at) => `${key}: &${key} [${Array(9).fill(`*${'abcdefghijkl'[at]}`).join()}]`),
      ];
      await expect(importManifest(importer, laughs.join('\n'))).rejects.toThrow('alias');
    },
  );

  test.each<readonly [string, string, string]>([
    ['no YAML', 'a: hunter2\n b: [', '1:4: A value begins here that does not fit behind what stands before it.'],
    ['a tab', 'a: 1\n\tb: hunter2', '2:1: YAML is indented by spaces, not by tabs.'],
    [
      'a key twice',
      'datasources:\n  - name: a\n    name: hunter2',
      '3:5: datasources.name: This key stands here twice.',
    ],
    ['a name of JSON twice', '{"a": {"b": 1, "b": "hunter2"}}', '1:16: a.b: This key stands here twice.'],
    ['a depth bomb', '['.repeat(100_000), '1:97: It nests more than 32 deep.'],
    ['a depth bomb that is closed', '{"a":'.repeat(9_000) + '}'.repeat(9_000), 'It nests more than 32 deep.'],
    ['an alias of nothing', 'a: *hunter', 'Its aliases make too much of it, or lead nowhere.'],
    ['very much', 'x'.repeat(524_289), '1:1: At most 524288 characters.'],
  ])('a file with %s is refused by line and column', async (_, text, message) => {
    const refused = importManifest(importers.grafana ?? (() => ({ connections: [], ignored: [] })), text);
    const error = (await refused.catch((thrown: unknown) => thrown)) as Error;
    expect(error).toBeInstanceOf(UnreadableFile);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('hunter');
  });

  test.each<readonly [string, string]>([
    ['grafana', '\ufeffdatasources: [{name: a, type: TYPE, url: "h:1"}]'],
    ['airflow', '{"a": {"conn_type": "TYPE", "host": "h"}}'],
    ['dbeaver', '{"connections": {"a": {"provider": "TYPE", "configuration": {"host": "h"}}}}'],
    ['dbt', 'a: {outputs: {b: {type: TYPE, host: h}}}'],
    ['superset', 'databases: [{database_name: a, sqlalchemy_uri: "TYPE://h/d"}]'],
  ])('%s: what objects have by themselves is no type', async (from, text) => {
    for (const type of ['constructor', 'toString', '__proto__', 'valueof']) {
      const { ignored } = await importManifest(
        importers[from] ?? (() => ({ connections: [], ignored: [] })),
        text.replace('TYPE', type),
      );
      expect(ignored.map(({ reason }) => reason)).toEqual(['The gateway has no such type.']);
    }
  });
});
