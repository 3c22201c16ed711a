import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ConfigValues, leavesOf, parseConfig } from '../../../../src/connectors/kit/config/shape.ts';
import { plainName } from '../../../../src/connectors/kit/connection-text/connection-text.ts';
import {
  ConnectionReader,
  type ReadOutcome,
  readConnection,
} from '../../../../src/connectors/kit/connection-text/read-connection.ts';
import { readText } from '../../../../src/connectors/kit/connection-text/read-text.ts';
import { connectors } from '../../../../src/connectors/registry.ts';

const readers = connectors.map((connector) => new ConnectionReader(connector));

function read(text: string, type?: string): ReadOutcome {
  const taken = readText(text);
  return taken ? readConnection(readers, taken, type) : { fault: { argument: 'text', message: 'no text' } };
}

function connectionOf(text: string, type?: string) {
  const outcome = read(text, type);
  if ('fault' in outcome) throw new Error(`${text}: ${outcome.fault.message}`);
  return outcome.connection;
}

const KEY =
  '-----BEGIN PRIVATE KEY-----\nMCICAQAwDQYJKoZIhvcNAQEBBQAEDk5vdCBhIHJlYWwga2V5\n-----END PRIVATE KEY-----\n';
const ACCOUNT = {
  type: 'service_account',
  project_id: 'shop-123',
  private_key_id: 'abc123',
  private_key: KEY,
  client_email: 'gateway@shop-123.iam.gserviceaccount.com',
  client_id: '123',
  auth_uri: 'https://accounts.google.com/o/oauth2/auth',
  token_uri: 'https://oauth2.googleapis.com/token',
  auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
  universe_domain: 'googleapis.com',
};
const PROVIDER = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider';
const credentials = {
  type: 'service_account',
  projectId: 'shop-123',
  privateKeyId: 'abc123',
  privateKey: KEY,
  clientEmail: 'gateway@shop-123.iam.gserviceaccount.com',
  clientId: '123',
  authUri: 'https://accounts.google.com/o/oauth2/auth',
  tokenUri: 'https://oauth2.googleapis.com/token',
  authProviderX509CertUrl: 'https://www.googleapis.com/oauth2/v1/certs',
  universeDomain: 'googleapis.com',
};
const shop = { host: 'db.example.com', username: 'app', password: 'secret', database: 'shop' };
const aws = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a/b+c', region: 'eu-central-1' };
const snow = {
  account: 'myorg-account1',
  username: 'READER',
  authentication: { password: { password: 'p@ss' } },
  warehouse: 'WH',
  database: 'DB',
};
const bricks = {
  host: 'dbc-a1.cloud.databricks.com',
  httpPath: '/sql/1.0/warehouses/a1b2',
  authentication: { accessToken: { token: 'dapi1' } },
};
const require = { tls: { mode: 'REQUIRE' } };
const clear = { tls: { mode: 'DISABLE' } };

/** A text, the type and the config that it is read as, and the names of what is not taken. */
type Row = readonly [text: string, type: string, config: ConfigValues, ignored?: readonly string[]];

/** The texts say their type, and hold all that is needed. */
const whole: readonly Row[] = [
  ['postgres://app:secret@db.example.com/shop', 'POSTGRES', shop],
  ['  "postgresql+psycopg2://app:secret@db.example.com:6432/shop"\n', 'POSTGRES', { ...shop, port: 6432 }],
  ["psql 'postgres://app:secret@db.example.com/shop?sslmode=require'", 'POSTGRES', { ...shop, ...require }],
  ['postgres://app:secret@db.example.com/shop?sslmode=disable', 'POSTGRES', { ...shop, ...clear }],
  ['postgres://app:secret@db.example.com/shop?sslmode=prefer', 'POSTGRES', { ...shop, ...require }, ['sslmode']],
  ['postgres://app:secret@db.example.com/shop?sslmode=odd', 'POSTGRES', shop, ['sslmode']],
  ['postgres://app:secret@db.example.com/shop?sslmode=verify-ca', 'POSTGRES', { ...shop, tls: { mode: 'VERIFY_CA' } }],
  ['postgres://app:secret@a.example,b.example:5433/shop', 'POSTGRES', { ...shop, host: 'a.example' }, ['host']],
  ['postgres://app:secret@[2001:db8::1]:5433/shop', 'POSTGRES', { ...shop, host: '2001:db8::1', port: 5433 }],
  [
    'postgres://a%40b:p%3A%2F%25%23@db.example.com/sh%20op',
    'POSTGRES',
    { ...shop, username: 'a@b', password: 'p:/%#', database: 'sh op' },
  ],
  [
    'postgres://app:a@b:c/d#e?f%@db.example.com/shop?sslmode=require',
    'POSTGRES',
    { ...shop, password: 'a@b:c/d#e?f%', ...require },
  ],
  ['postgres://app:12/34@db.example.com/shop', 'POSTGRES', { ...shop, password: '12/34' }],
  [
    'postgres://app:<password>@db.example.com/shop',
    'POSTGRES',
    { host: 'db.example.com', username: 'app', database: 'shop' },
    ['password'],
  ],
  ['postgres://app:secret@db.example.com:abc/shop', 'POSTGRES', shop, ['port']],
  [
    'postgres://db.example.com/shop?user=app&password=p@ss&application_name=x&connect_timeout=3',
    'POSTGRES',
    { ...shop, password: 'p@ss' },
    ['application_name', 'connect_timeout'],
  ],
  [
    'postgres://app:secret@db.example.com/shop?options=-c%20search_path%3Dsales',
    'POSTGRES',
    { ...shop, schema: 'sales' },
  ],
  [
    'postgres://app:secret@db.example.com/shop?currentSchema=sales,other',
    'POSTGRES',
    { ...shop, schema: 'sales' },
    ['currentSchema'],
  ],
  [
    'postgres://app:secret@db.example.com/shop?sslrootcert=/etc/ca.pem&user=other',
    'POSTGRES',
    shop,
    ['sslrootcert', 'user'],
  ],
  ['jdbc:postgresql://db.example.com:5432/shop?user=app&password=secret&ssl=true', 'POSTGRES', { ...shop, port: 5432 }],
  ['host=db.example.com port=5432 dbname=shop user=app password=secret', 'POSTGRES', { ...shop, port: 5432 }],
  [
    "host = db.example.com dbname='shop' user=app password='it\\'s \\\\ so'",
    'POSTGRES',
    { ...shop, password: "it's \\ so" },
  ],
  [
    'PGHOST=db.example.com\nPGPORT=5432\nexport PGUSER=app\nPGPASSWORD="se\\"c"\nPGDATABASE=\'shop\' # the shop\nPGSSLMODE=require',
    'POSTGRES',
    { ...shop, port: 5432, password: 'se"c', ...require },
  ],
  [
    '# app\nDATABASE_URL=postgres://app:secret@db.example.com/shop\nNODE_ENV=production\nREDIS_URL=redis://cache:6379',
    'POSTGRES',
    shop,
    ['NODE_ENV', 'REDIS_URL'],
  ],
  [
    'DB_CONNECTION=pgsql\nDB_ENGINE=django.db.backends.postgresql\nDB_HOST=db.example.com\nDB_USERNAME=app\nDB_PASSWORD=secret\nDB_DATABASE=shop',
    'POSTGRES',
    shop,
    ['DB_CONNECTION'],
  ],
  ['POSTGRES_HOST=db.example.com\nPOSTGRES_USER=app\nPOSTGRES_PASSWORD=secret\nPOSTGRES_DB=shop', 'POSTGRES', shop],
  [
    '{"engine":"postgres","host":"db.example.com","port":5432,"username":"app","password":"secret","dbname":"shop","dbInstanceIdentifier":"x"}',
    'POSTGRES',
    { ...shop, port: 5432 },
    ['dbInstanceIdentifier'],
  ],
  [
    '{"postgres":{"host":"db.example.com","username":"app","password":"secret","database":"shop","tls":{"mode":"REQUIRE"}}}',
    'POSTGRES',
    { ...shop, ...require },
  ],
  ['redshift://app:secret@db.example.com/shop', 'REDSHIFT', shop],
  ['jdbc:redshift:iam://app:secret@db.example.com:5439/shop', 'REDSHIFT', { ...shop, port: 5439 }, ['iam']],
  [
    'postgres://app:secret@c.abc.eu-central-1.redshift.amazonaws.com:5439/shop',
    'REDSHIFT',
    { ...shop, host: 'c.abc.eu-central-1.redshift.amazonaws.com', port: 5439 },
  ],
  ['cockroachdb://app:secret@db.example.com/shop', 'COCKROACHDB', shop],
  [
    'postgresql://app:secret@free.cockroachlabs.cloud:26257/shop?options=--cluster%3Dkoala-123',
    'COCKROACHDB',
    { ...shop, host: 'free.cockroachlabs.cloud', port: 26257, cluster: 'koala-123' },
  ],
  ['mysql://app:secret@db.example.com:3307/shop', 'MYSQL', { ...shop, port: 3307 }],
  ['mysql2://app:secret@db.example.com/shop?ssl-mode=REQUIRED', 'MYSQL', { ...shop, ...require }],
  ['mysql://app:secret@db.example.com/shop?ssl={"rejectUnauthorized":false}', 'MYSQL', { ...shop, ...require }],
  ['mysql://app:secret@db.example.com/shop?ssl={"rejectUnauthorized":true}&sslaccept=strict', 'MYSQL', shop],
  ['mariadb://app:secret@db.example.com/shop?sslMode=trust', 'MYSQL', { ...shop, ...require }],
  [
    'jdbc:mysql://db.example.com:3306/shop?user=app&password=secret&useSSL=false',
    'MYSQL',
    { ...shop, port: 3306, ...clear },
  ],
  [
    '[client]\nhost = db.example.com\nuser=app\npassword="se#cret"\ndatabase=shop\nskip-ssl\nssl-ca=/etc/ca.pem',
    'MYSQL',
    { ...shop, password: 'se#cret', ...clear },
    ['ssl-ca'],
  ],
  [
    'Driver={MySQL ODBC 8.0 Unicode Driver};Server=db.example.com;Database=shop;UID=app;PWD={se;c}}ret}',
    'MYSQL',
    { ...shop, password: 'se;c}ret' },
  ],
  ['MYSQL_HOST=db.example.com\nMYSQL_USER=app\nMYSQL_PASSWORD=secret\nMYSQL_DATABASE=shop', 'MYSQL', shop],
  ['singlestoredb://app:secret@db.example.com/shop', 'SINGLESTORE', shop],
  [
    'mysql://app:secret@svc-1.svc.singlestore.com:3306/shop',
    'SINGLESTORE',
    { ...shop, host: 'svc-1.svc.singlestore.com', port: 3306 },
  ],
  [
    'mongodb+srv://app:secret@c0.example.net/shop?retryWrites=true&w=majority',
    'MONGODB',
    { ...shop, host: 'c0.example.net', srv: true },
    ['retryWrites', 'w'],
  ],
  [
    'mongodb://app:secret@a.example:27017,b.example:27018/shop?replicaSet=rs0&authSource=admin&tls=true',
    'MONGODB',
    { ...shop, host: 'a.example', port: 27017, replicaSet: 'rs0', authSource: 'admin' },
    ['host'],
  ],
  ['mongodb://app:secret@db.example.com/shop', 'MONGODB', { ...shop, authSource: 'shop' }],
  [
    'mongodb://app:secret@db.example.com/shop?tls=false&authMechanism=SCRAM-SHA-256',
    'MONGODB',
    { ...shop, authMechanism: 'SCRAM_SHA_256', ...clear },
  ],
  [
    'mongodb://app:secret@db.example.com/shop?authSource=shop&authMechanism=PLAIN&tlsInsecure=true',
    'MONGODB',
    { ...shop, authSource: 'shop', ...require },
    ['authMechanism'],
  ],
  [
    'MONGODB_URI=mongodb+srv://app:secret@c0.example.net/shop\nPORT=3000',
    'MONGODB',
    { ...shop, host: 'c0.example.net', srv: true },
    ['PORT'],
  ],
  ['clickhouse://app:secret@db.example.com:9440/shop?secure=true', 'CLICKHOUSE', shop, ['port']],
  ['clickhouse+http://app:secret@db.example.com:8123/shop', 'CLICKHOUSE', { ...shop, port: 8123, ...clear }],
  [
    'https://app:secret@x.eu.aws.clickhouse.cloud/?database=shop',
    'CLICKHOUSE',
    { ...shop, host: 'x.eu.aws.clickhouse.cloud', port: 443 },
  ],
  ['jdbc:clickhouse:https://db.example.com:8443/shop?user=app&password=secret', 'CLICKHOUSE', { ...shop, port: 8443 }],
  [
    'Server=tcp:db.example.com,1433;Initial Catalog=shop;User ID=app;Password="se;cret";Encrypt=True;TrustServerCertificate=True;Connection Timeout=30;',
    'MSSQL',
    { ...shop, port: 1433, password: 'se;cret', ...require },
    ['Connection Timeout'],
  ],
  [
    'ConnectionStrings__Shop="Server=db.example.com;Database=shop;User Id=app;Password=secret;Encrypt=false"\nPORT=80',
    'MSSQL',
    { ...shop, ...require },
    ['PORT', 'Encrypt'],
  ],
  [
    'Driver={ODBC Driver 18 for SQL Server};Server=db.example.com\\SHOP;Database=shop;Uid=CORP\\app;Pwd=secret;Trusted_Connection=no',
    'MSSQL',
    { ...shop, domain: 'CORP' },
    ['instance'],
  ],
  [
    'jdbc:sqlserver://db.example.com:1433;databaseName=shop;user=app;password={se;c@t};encrypt=strict;hostNameInCertificate=sql.example.com',
    'MSSQL',
    { ...shop, port: 1433, password: 'se;c@t', tls: { serverName: 'sql.example.com' } },
  ],
  ['jdbc:sqlserver://;serverName=db.example.com;databaseName=shop;user=app;password=secret', 'MSSQL', shop],
  ['sqlserver://app:secret@db.example.com:1433?database=shop&encrypt=true', 'MSSQL', { ...shop, port: 1433 }],
  [
    'sqlserver://db.example.com:1433;database=shop;user=app;password=a@b',
    'MSSQL',
    { ...shop, port: 1433, password: 'a@b' },
  ],
  ['mssql://app:secret@db.example.com/shop', 'MSSQL', shop],
  [
    'trino://app:secret@t.example.com:443/hive/sales',
    'TRINO',
    { host: 't.example.com', port: 443, username: 'app', password: 'secret', catalog: 'hive', schema: 'sales' },
  ],
  [
    'jdbc:trino://t.example.com:8443/hive?user=app&password=secret&SSL=true&SSLVerification=NONE',
    'TRINO',
    { host: 't.example.com', port: 8443, username: 'app', password: 'secret', catalog: 'hive', ...require },
  ],
  [
    'snowflake://READER:p%40ss@myorg-account1/DB/PUBLIC?warehouse=WH&role=R',
    'SNOWFLAKE',
    { ...snow, schema: 'PUBLIC', role: 'R' },
  ],
  [
    'jdbc:snowflake://myorg-account1.snowflakecomputing.com/?user=READER&password=p%40ss&db=DB&warehouse=WH&CLIENT_SESSION_KEEP_ALIVE=true',
    'SNOWFLAKE',
    snow,
    ['CLIENT_SESSION_KEEP_ALIVE'],
  ],
  [
    '[connections.shop]\naccount = "myorg-account1"\nuser = "READER"\npassword = "p@ss"\nwarehouse = "WH"\ndatabase = "DB"\nauthenticator = "externalbrowser"',
    'SNOWFLAKE',
    snow,
    ['authenticator'],
  ],
  [
    `SNOWFLAKE_ACCOUNT=myorg-account1\nSNOWFLAKE_USER=READER\nSNOWFLAKE_PRIVATE_KEY="${KEY}"\nSNOWFLAKE_PASSWORD=x\nSNOWFLAKE_WAREHOUSE=WH\nSNOWFLAKE_DATABASE=DB`,
    'SNOWFLAKE',
    { ...snow, authentication: { keyPair: { privateKey: KEY } } },
    ['SNOWFLAKE_PASSWORD'],
  ],
  [
    'databricks://token:dapi1@dbc-a1.cloud.databricks.com:443?http_path=/sql/1.0/warehouses/a1b2&catalog=main&schema=sales',
    'DATABRICKS',
    { ...bricks, catalog: 'main', schema: 'sales' },
  ],
  [
    'jdbc:databricks://dbc-a1.cloud.databricks.com:443/default;transportMode=http;ssl=1;AuthMech=3;httpPath=/sql/1.0/warehouses/a1b2;UID=token;PWD=dapi1',
    'DATABRICKS',
    bricks,
  ],
  [
    'DATABRICKS_HOST=https://dbc-a1.cloud.databricks.com/\nDATABRICKS_HTTP_PATH=/sql/1.0/warehouses/a1b2\nDATABRICKS_CLIENT_ID=id\nDATABRICKS_CLIENT_SECRET=s',
    'DATABRICKS',
    { ...bricks, authentication: { oauth: { clientId: 'id', clientSecret: 's' } } },
  ],
  [
    'jdbc:awsathena://AwsRegion=eu-central-1;User=AKIAEXAMPLE;Password=a/b+c;S3OutputLocation=s3://results/athena/;Workgroup=shop',
    'ATHENA',
    { ...aws, outputLocation: 's3://results/athena/', workgroup: 'shop' },
  ],
  [
    'awsathena+rest://AKIAEXAMPLE:a%2Fb%2Bc@athena.eu-central-1.amazonaws.com:443/sales?s3_staging_dir=s3://results/&work_group=shop',
    'ATHENA',
    { ...aws, database: 'sales', outputLocation: 's3://results/', workgroup: 'shop' },
  ],
  [
    's3://AKIAEXAMPLE:a%2Fb%2Bc@shop-exports/2026/?region=eu-central-1',
    'S3',
    { ...aws, bucket: 'shop-exports', path: '2026', pathKind: 'FOLDER' },
  ],
  [
    'AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nAWS_SECRET_ACCESS_KEY=a/b+c\nAWS_DEFAULT_REGION=eu-central-1\nAWS_S3_BUCKET=shop-exports\nAWS_ENDPOINT_URL=https://minio.example.com:9000',
    'S3',
    { ...aws, bucket: 'shop-exports', baseUrl: 'https://minio.example.com:9000' },
  ],
  [
    'AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nAWS_SECRET_ACCESS_KEY=a/b+c\nAWS_DEFAULT_REGION=eu-central-1\nAWS_S3_BUCKET=shop-exports\nAWS_ROLE_ARN=arn:aws:iam::123456789012:role/reader\nAWS_ROLE_SESSION_NAME=me\nAWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token',
    'S3',
    {
      ...aws,
      bucket: 'shop-exports',
      assumeRole: { roleArn: 'arn:aws:iam::123456789012:role/reader', sessionName: 'me' },
    },
    ['AWS_WEB_IDENTITY_TOKEN_FILE'],
  ],
  [
    'https://qdrant.example.com:6333/collections/products/points',
    'QDRANT',
    { baseUrl: 'https://qdrant.example.com:6333', collection: 'products' },
  ],
  [
    'https://x.cloud.qdrant.io:6333/dashboard#/collections/products',
    'QDRANT',
    { baseUrl: 'https://x.cloud.qdrant.io:6333', collection: 'products' },
  ],
  [
    'QDRANT_URL=http://qdrant.example.com:6333\nQDRANT_API_KEY=k\nQDRANT_COLLECTION_NAME=products',
    'QDRANT',
    { baseUrl: 'http://qdrant.example.com:6333', apiKey: 'k', collection: 'products', ...clear },
  ],
  [
    'MONGO_DATA_API_URL=https://d.example.com/app/x/endpoint/data/v1/action/findOne\nMONGO_DATA_API_KEY=k\nMONGO_DATA_API_DATA_SOURCE=atlas\nMONGO_DATA_API_DATABASE=shop',
    'MONGO_DATA_API',
    { apiUrl: 'https://d.example.com/app/x/endpoint/data/v1', apiKey: 'k', dataSource: 'atlas', database: 'shop' },
  ],
  [
    'jdbc:elasticsearch://https://app:secret@s.example.com:9243/products',
    'ELASTICSEARCH',
    {
      serverType: 'SELF_MANAGED',
      url: 'https://s.example.com:9243',
      index: 'products',
      username: 'app',
      password: 'secret',
    },
  ],
  [
    'https://elastic:secret@abc.es.eu-west-1.aws.found.io:9243/products/_search?size=1',
    'ELASTICSEARCH',
    {
      serverType: 'SELF_MANAGED',
      url: 'https://abc.es.eu-west-1.aws.found.io:9243',
      index: 'products',
      username: 'elastic',
      password: 'secret',
    },
    ['size'],
  ],
  [
    'ELASTICSEARCH_HOSTS=["https://a.example:9200","https://b.example:9200"]\nELASTICSEARCH_USERNAME=app\nELASTICSEARCH_PASSWORD=secret',
    'ELASTICSEARCH',
    { serverType: 'SELF_MANAGED', url: 'https://a.example:9200', username: 'app', password: 'secret' },
    ['ELASTICSEARCH_HOSTS'],
  ],
  [
    'OPENSEARCH_URL=https://app:secret@s.example.com:9200',
    'OPENSEARCH',
    { serverType: 'SELF_MANAGED', url: 'https://s.example.com:9200', username: 'app', password: 'secret' },
  ],
  [
    'firebolt://id:s@sales/reports?account_name=my-account',
    'FIREBOLT',
    { clientId: 'id', clientSecret: 's', account: 'my-account', database: 'sales', engine: 'reports' },
  ],
  [
    'jdbc:firebolt:sales?client_id=id&client_secret=s&account=my-account',
    'FIREBOLT',
    { clientId: 'id', clientSecret: 's', account: 'my-account', database: 'sales' },
  ],
  [
    'https://files.example.com/a%20b.csv?sig=a%2Bb&se=1',
    'CSV',
    { source: { url: 'https://files.example.com/a%20b.csv' }, urlQuery: 'sig=a%2Bb&se=1' },
  ],
  [
    `BIGQUERY_DATASET=sales\nGOOGLE_CREDENTIALS='${JSON.stringify(ACCOUNT)}'`,
    'BIGQUERY',
    { projectId: 'shop-123', dataset: 'sales', credentials },
  ],
  [
    `GCS_BUCKET=shop-exports\nGOOGLE_CREDENTIALS='${JSON.stringify(ACCOUNT)}'`,
    'GOOGLE_CLOUD_STORAGE',
    { bucket: 'shop-exports', credentials },
  ],
];

/** The same where the type has to be given, or where something is missing. */
const parts: readonly (readonly [...Row, missing: readonly string[]])[] = [
  [JSON.stringify(ACCOUNT, null, 2), 'BIGQUERY', { projectId: 'shop-123', credentials }, [], []],
  [JSON.stringify(ACCOUNT), 'GOOGLE_CLOUD_STORAGE', { credentials }, [], ['bucket']],
  [
    '{"type":"authorized_user","client_id":"1"}',
    'BIGQUERY',
    { credentials: { type: 'authorized_user', clientId: '1' } },
    [],
    ['projectId', 'credentials.type', 'credentials.privateKey', 'credentials.clientEmail'],
  ],
  [
    JSON.stringify({
      type: 'external_account',
      audience: PROVIDER,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: 'https://sts.googleapis.com/v1/token',
      service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${ACCOUNT.client_email}:generateAccessToken`,
      credential_source: { file: '/var/run/token', format: { type: 'text' } },
    }),
    'GOOGLE_CLOUD_STORAGE',
    { workloadIdentity: { audience: PROVIDER, serviceAccountEmail: ACCOUNT.client_email } },
    ['credential_source.file', 'credential_source.format.type'],
    ['bucket', 'workloadIdentity.token'],
  ],
  ['gs://shop-exports/2026/x', 'GOOGLE_CLOUD_STORAGE', { bucket: 'shop-exports' }, ['path'], ['credentials']],
  [
    'https://storage.googleapis.com/shop-exports/x?X-Goog-Signature=ab',
    'GOOGLE_CLOUD_STORAGE',
    { bucket: 'shop-exports' },
    ['path', 'X-Goog-Signature'],
    ['credentials'],
  ],
  ['bigquery://shop-123/sales', 'BIGQUERY', { projectId: 'shop-123', dataset: 'sales' }, [], ['credentials']],
  ['Server=db.example.com;Database=shop;User Id=app;Password=secret', 'MSSQL', shop, [], []],
  ['Server=db.example.com;Database=shop;User Id=app;Password=secret', 'MYSQL', shop, [], []],
  ['mysql://app:secret@db.example.com/shop', 'SINGLESTORE', shop, [], []],
  [
    'https://app:secret@s.example.com:9200',
    'OPENSEARCH',
    { serverType: 'SELF_MANAGED', url: 'https://s.example.com:9200', username: 'app', password: 'secret' },
    [],
    [],
  ],
  [
    'http://s.example.com:9200/',
    'ELASTICSEARCH',
    { serverType: 'SELF_MANAGED', url: 'http://s.example.com:9200', ...clear },
    [],
    ['username', 'password'],
  ],
  [
    'https://shop-exports.s3.eu-central-1.amazonaws.com/a/b%20c.json',
    'S3',
    { region: 'eu-central-1', bucket: 'shop-exports', path: 'a/b c.json', pathKind: 'FILE' },
    [],
    ['accessKeyId', 'secretAccessKey'],
  ],
  [
    'https://s3.eu-central-1.amazonaws.com/shop-exports/a/',
    'S3',
    { region: 'eu-central-1', bucket: 'shop-exports', path: 'a', pathKind: 'FOLDER' },
    [],
    ['accessKeyId', 'secretAccessKey'],
  ],
  [
    'https://my.bucket.s3.amazonaws.com/',
    'S3',
    { bucket: 'my.bucket' },
    [],
    ['accessKeyId', 'secretAccessKey', 'region'],
  ],
  [
    'https://x.r2.cloudflarestorage.com/shop-exports',
    'S3',
    { region: 'auto', baseUrl: 'https://x.r2.cloudflarestorage.com', bucket: 'shop-exports' },
    [],
    ['accessKeyId', 'secretAccessKey'],
  ],
  [
    'http://minio.example.com:9000/shop-exports',
    'S3',
    { baseUrl: 'http://minio.example.com:9000', bucket: 'shop-exports', ...clear },
    [],
    ['accessKeyId', 'secretAccessKey', 'region'],
  ],
  [
    'https://shop-exports.s3.eu-central-1.amazonaws.com/a.json?X-Amz-Credential=AKIAEXAMPLE%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=ab',
    'S3',
    { region: 'eu-central-1', bucket: 'shop-exports', path: 'a.json', pathKind: 'FILE', accessKeyId: 'AKIAEXAMPLE' },
    ['X-Amz-Signature'],
    ['secretAccessKey'],
  ],
  ['postgres:///shop?host=/var/run/postgresql', 'POSTGRES', { database: 'shop' }, ['host'], ['host', 'username']],
  [
    'https://d.example.com/app/x/endpoint/data/v1',
    'MONGO_DATA_API',
    { apiUrl: 'https://d.example.com/app/x/endpoint/data/v1' },
    [],
    ['dataSource', 'database'],
  ],
];

const typed = [
  ...whole.flatMap(([text, type, config, ignored = []]) =>
    [undefined, type].map((given) => [text, type, given, config, ignored, []] as const),
  ),
  ...parts.map(([text, type, config, ignored = [], missing]) => [text, type, type, config, ignored, missing] as const),
];

describe('a text is read as what it says', () => {
  test.each(typed)('%s: %s, given %s', (text, type, given, config, ignored, missing) => {
    const { connector, values, ...rest } = connectionOf(text, given);
    expect({ type: connector.type, values }).toEqual({ type, values: config });
    expect(rest.ignored.map(({ name }) => name).toSorted()).toEqual([...ignored].toSorted());
    for (const { reason } of rest.ignored) expect(reason).toMatch(/^[A-Z].*\.$/s);
    expect(rest.issues.map(({ path }) => path.join('.')).toSorted()).toEqual([...missing].toSorted());
    expect(parseConfig(connector, values).success).toBe(missing.length === 0);
  });
});

describe('the examples of a type', () => {
  test.each(connectors.flatMap(({ type, texts }) => (texts?.examples ?? []).map((text) => [type, text] as const)))(
    '%s %s are read for it, and nothing of them is left',
    (type, text) => {
      const { connector, ignored } = connectionOf(text, type);
      expect({ type: connector.type, ignored }).toEqual({ type, ignored: [] });
      const outcome = read(text);
      if ('fault' in outcome)
        expect(outcome.fault).toMatchObject({ argument: 'type', message: expect.stringContaining(type) });
      else expect(outcome.connection.connector.type).toBe(type);
    },
  );

  test('are there where a type has texts of its own', () => {
    const own = connectors.filter(({ texts }) => texts !== undefined);
    expect(own.length).toBeGreaterThan(20);
    expect(own.filter(({ texts }) => texts?.examples.length === 0)).toEqual([]);
  });

  test('are not needed for variables and JSON that are named as the fields are', () => {
    for (const connector of connectors) {
      const bare = new ConnectionReader({ ...connector, texts: undefined } as unknown as typeof connector);
      const text = readText(JSON.stringify({ [connector.type]: connector.example }));
      const values = text && bare.read(text)?.values;
      const secretsAndAll = parseConfig(connector, connector.example as ConfigValues).data;
      expect({ type: connector.type, config: parseConfig(connector, values ?? {}).data }).toEqual({
        type: connector.type,
        config: secretsAndAll,
      });
    }
  });

  test('stand beside settings that lead to fields of the config alone, under names as they are compared', () => {
    for (const { type, texts, config } of connectors) {
      const paths = new Set(leavesOf(config).map(({ path }) => path));
      const settings = Object.entries(texts?.settings ?? {});
      const led = settings.filter(([, reader]) => typeof reader === 'string' && !paths.has(reader));
      const names = [...settings.map(([name]) => name), ...(texts?.signs ?? []), ...(texts?.prefixes ?? [])];
      expect({ type, led, names: names.filter((name) => plainName(name) !== name) }).toEqual({
        type,
        led: [],
        names: [],
      });
    }
  });
});

describe('a password of any characters', () => {
  const password = fc
    .string({ unit: fc.constantFrom(...' @:/#?%&=;+\'"\\{}[]<>$`|,äß漢😀aZ09'), minLength: 1, maxLength: 24 })
    .filter((text) => text.trim() === text && !/^(?:<.*>|\[.*\]|\$\{.*\}|\{\{.*\}\})$/.test(text));
  const quotedFor = {
    url: (text: string) => `postgres://app:${encodeURIComponent(text)}@db.example.com/shop`,
    parameter: (text: string) => `jdbc:postgresql://db.example.com/shop?user=app&password=${encodeURIComponent(text)}`,
    keywords: (text: string) => `host=db.example.com dbname=shop user=app password='${text.replace(/[\\']/g, '\\$&')}'`,
    'ADO.NET': (text: string) =>
      `Host=db.example.com;Database=shop;Username=app;Password="${text.replaceAll('"', '""')}"`,
    ODBC: (text: string) => `Server=db.example.com;Database=shop;UID=app;PWD={${text.replaceAll('}', '}}')}};`,
    lines: (text: string) =>
      `PGHOST=db.example.com\nPGUSER=app\nPGPASSWORD="${text.replace(/[\\"]/g, '\\$&')}"\nPGDATABASE=shop`,
    JSON: (text: string) => JSON.stringify({ ...shop, password: text }),
  };
  test.each(Object.entries(quotedFor))('comes out of %s as it went in', (_form, quoted) => {
    fc.assert(
      fc.property(password, (text) => {
        expect(connectionOf(quoted(text), 'POSTGRES').values).toEqual({ ...shop, password: text });
      }),
      { numRuns: 200 },
    );
  });

  test('comes out of a URL in which it was not encoded, where its end can be told', () => {
    const raw = fc.string({ unit: fc.constantFrom(...'@:/#%aZ09!$ä'), minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(
        raw.filter((text) => !/%[0-9a-f]{2}/i.test(text)),
        (text) => {
          expect(connectionOf(`postgres://app:${text}@db.example.com/shop?sslmode=disable`).values).toEqual({
            ...shop,
            password: text,
            ...clear,
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a text that is none', () => {
  const KIB_64 = 64 * 1024;
  const filled = (unit: string) => unit.repeat(Math.ceil(KIB_64 / unit.length)).slice(0, KIB_64);
  const beginnings = [
    '',
    'postgres://',
    'jdbc:sqlserver://h;',
    'https://h/',
    'A=',
    'host=',
    "host='",
    '{"a":',
    'x={',
    '[a]\n',
  ];
  const units = [
    'a',
    ' ',
    '=',
    ';',
    '; ',
    ';=',
    "';",
    "a='",
    'a={;',
    'a=b;',
    '@',
    '@/',
    ':',
    '/',
    '?',
    '&',
    '%',
    '%4',
    '%zz',
    '%ff',
    ',',
    '[',
    '{',
    '{"a":',
    '"',
    "'",
    '\\',
    '\n',
    'A=b\n',
    'A="\n',
    "A='\n",
    '# \n',
    '[a]\n',
    'a=1 ',
    "a='b' ",
    'jdbc:',
    '://',
    '\ud800',
    '\0',
  ];

  test.each(units)('is judged quickly: %j', (unit) => {
    const from = process.cpuUsage();
    for (const beginning of beginnings) {
      const text = (beginning + filled(unit)).slice(0, KIB_64);
      for (const type of [undefined, 'MSSQL']) {
        const outcome = read(text, type);
        if ('fault' in outcome) expect(outcome.fault.message.length).toBeLessThan(1_000);
        else expect(outcome.connection.ignored.length).toBeLessThanOrEqual(101);
      }
    }
    const { user, system } = process.cpuUsage(from);
    // twenty readings take some 20 ms; one that is not linear takes minutes
    expect((user + system) / 1_000).toBeLessThan(10_000);
  });

  test.each([
    ['{"__proto__":{"host":"x"},"constructor":{"prototype":{"host":"y"}}}', undefined],
    ['__proto__=x;constructor=y;toString=z', undefined],
    ['postgres://?__proto__=x&constructor=y', undefined],
    ['[]', undefined],
    ['{"a":', undefined],
    ['just some words', undefined],
    ['redis://cache:6379', undefined],
    ['mysql://app:secret@db.example.com/shop', 'POSTGRES'],
    ['NODE_ENV=production\nLOG_LEVEL=info', undefined],
  ])('is refused, and nothing of it is said again: %s', (text, type) => {
    const outcome = read(text, type);
    if (!('fault' in outcome)) throw new Error(JSON.stringify(outcome.connection.values));
    expect(outcome.fault.argument).toBe('text');
    expect(outcome.fault.message).not.toMatch(/secret|db\.example\.com\/shop|cache|prototype/);
    expect(Object.hasOwn(Object.prototype, 'host')).toBe(false);
  });

  test.each([
    'redis://cache:6379',
    'amqps://u:p@mq.example/v',
    'jdbc:oracle:thin:@//db.example:1521/xe',
    'file:///a.db',
  ])('a URL of no type is told as one: %s', (text) => {
    expect(read(text)).toMatchObject({ fault: { argument: 'text', message: expect.stringMatching(/a URL as none/) } });
  });

  test.each([
    ['https://www.example.com/', ['ELASTICSEARCH', 'S3', 'QDRANT']],
    ['Server=db.example.com;Database=shop;User Id=app;Password=secret', ['MSSQL', 'MYSQL']],
    ['AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b', ['S3', 'ATHENA']],
    ['PGHOST=a\nMONGODB_URI=mongodb://b/c', ['POSTGRES', 'MONGODB']],
    ['https://shop-exports.s3.eu-central-1.amazonaws.com/a.csv', ['S3', 'CSV']],
  ])('says several types: %s', (text, types) => {
    const outcome = read(text);
    expect(outcome).toMatchObject({ fault: { argument: 'type' } });
    for (const type of types) expect(JSON.stringify(outcome)).toContain(type);
  });
});
