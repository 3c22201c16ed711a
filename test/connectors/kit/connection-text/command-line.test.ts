import { describe, expect, test } from 'vitest';
import { ValidationError } from '../../../../src/errors/api.ts';
import { parseConnection } from '../../../../src/modules/connectors/parse-connection.ts';

const shop = { host: 'db.example.com', username: 'app', database: 'shop' };
const secret = { ...shop, password: 's3cret' };
const require = { tls: { mode: 'REQUIRE' } };

describe('the call of a client is read', () => {
  test.each([
    ['psql -h db.example.com -U app shop', 'POSTGRES', shop],
    ['psql -h db.example.com -p 5433 shop app', 'POSTGRES', { ...shop, port: 5433 }],
    ['PGPASSWORD=s3cret psql -hdb.example.com -U app -d shop -c "select 1"', 'POSTGRES', secret],
    ['psql --host=db.example.com --username app --dbname=shop -W', 'POSTGRES', shop],
    [
      'psql "host=db.example.com dbname=shop user=app password=s3cret sslmode=require"',
      'POSTGRES',
      { ...secret, ...require },
    ],
    [
      "psql -d 'postgres://app:s3cret@db.example.com/shop?sslmode=require' -f x.sql",
      'POSTGRES',
      { ...secret, ...require },
    ],
    ['docker run -it --rm -e PGPASSWORD=s3cret postgres:18 psql -h db.example.com -U app shop', 'POSTGRES', secret],
    ['kubectl exec -it pod -- psql -h db.example.com -U app shop', 'POSTGRES', shop],
    ['$ /usr/bin/psql -h db.example.com \\\n    -U app \\\n    shop', 'POSTGRES', shop],
    ['pg_dump -h db.example.com -U app shop > shop.sql', 'POSTGRES', shop],
    [
      'psql -h a.b.eu-west-1.redshift.amazonaws.com -U app dev',
      'REDSHIFT',
      { host: expect.any(String), database: 'dev' },
    ],
    ['mysql -h db.example.com -u app -ps3cret shop --ssl-mode=REQUIRED', 'MYSQL', { ...secret, ...require }],
    ['mysql -hdb.example.com -P3307 -uapp -p shop', 'MYSQL', { ...shop, port: 3307 }],
    ['mysql --host=db.example.com --user=app --password="s3 \\"cret" shop', 'MYSQL', { ...shop, password: 's3 "cret' }],
    ['mariadb -h db.example.com -u app -D shop', 'MYSQL', shop],
    ['singlestore -h db.example.com -u app -ps3cret shop', 'SINGLESTORE', secret],
    ['mysql -h svc-1.svc.singlestore.com -u app shop', 'SINGLESTORE', { host: 'svc-1.svc.singlestore.com' }],
    [
      'mongosh "mongodb+srv://cluster0.abc.mongodb.net/shop" --apiVersion 1 --username app --password s3cret',
      'MONGODB',
      { srv: true, host: 'cluster0.abc.mongodb.net', username: 'app', password: 's3cret', database: 'shop' },
    ],
    ['mongosh db.example.com:27018/shop -u app -p s3cret', 'MONGODB', { ...secret, port: 27_018 }],
    [
      'mongosh --host db.example.com -u app -p s3cret --authenticationDatabase admin shop',
      'MONGODB',
      { ...secret, authSource: 'admin' },
    ],
    ['mongodump --uri="mongodb://app:s3cret@db.example.com/shop" --out x', 'MONGODB', secret],
    ['clickhouse-client --host db.example.com --secure --user app --password s3cret -d shop', 'CLICKHOUSE', secret],
    ['clickhouse client -h db.example.com -u app --database shop', 'CLICKHOUSE', shop],
    ['sqlcmd -S tcp:db.example.com,1434 -U app -P s3cret -d shop -C', 'MSSQL', { ...secret, port: 1434, ...require }],
    ['sqlcmd -S db.example.com\\SQLEXPRESS -U app -P s3cret -d shop', 'MSSQL', secret],
    [
      'snowsql -a org-account -u APP -d SHOP -s PUBLIC -w WH -r READER',
      'SNOWFLAKE',
      { account: 'org-account', username: 'APP', database: 'SHOP', schema: 'PUBLIC', warehouse: 'WH', role: 'READER' },
    ],
    [
      'trino --server https://db.example.com --catalog hive --schema shop --user app --password',
      'TRINO',
      { host: 'db.example.com', port: 443, catalog: 'hive', schema: 'shop', username: 'app' },
    ],
    [
      'cockroach sql --host=db.example.com:26257 --user=app -d shop --insecure',
      'COCKROACHDB',
      { ...shop, port: 26_257, tls: { mode: 'DISABLE' } },
    ],
    ['cockroach sql --url "postgresql://app:s3cret@db.example.com:26257/shop"', 'COCKROACHDB', secret],
    ['bq query --project_id=shop-1 --dataset_id=shop "select 1"', 'BIGQUERY', { projectId: 'shop-1', dataset: 'shop' }],
    [
      'dbsqlcli --hostname a.cloud.databricks.com --http-path /sql/1.0/warehouses/a --access-token s3cret',
      'DATABRICKS',
      { httpPath: '/sql/1.0/warehouses/a', authentication: { accessToken: { token: 's3cret' } } },
    ],
  ])('%s', (text, type, config) => {
    const read = parseConnection(text, undefined);
    expect(read.connector.type).toBe(type);
    expect(read.config).toMatchObject(config);
  });

  test('with what of it is not taken', () => {
    const read = parseConnection('psql -h /var/run/postgresql -U app shop --set=x=s3cret --host', undefined);
    expect(read.config).toEqual({ username: 'app', database: 'shop' });
    expect(read.ignored.map(({ name }) => name)).toEqual(['PGHOST']);
  });
});

describe('no call of a client is', () => {
  test.each([
    ['a URL of a database with such a name', 'postgres://app:s3cret@db.example.com/psql', { database: 'psql' }],
    ['a variable of such a name', 'DB_CONNECTION=mysql\nDB_HOST=db.example.com', { host: 'db.example.com' }],
    ['the section of an option file', '[mysql]\nhost=db.example.com\nuser=app', { host: 'db.example.com' }],
  ])('%s', (_title, text, config) => {
    expect(parseConnection(text, undefined).config).toMatchObject(config);
  });

  test.each(['psql', 'psql -h', 'mysql -it', 'redis-cli -h db.example.com', 'see psql -h db.example.com'])(
    '%s, which is refused',
    (text) => {
      expect(() => parseConnection(text, undefined)).toThrow(ValidationError);
    },
  );
});
