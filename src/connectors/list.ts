import type { Connector } from './kit/contract/connector.ts';

/** Every datastore type there is, in the order in which users see them, and how its connector is loaded. */
const loaders: Readonly<Record<string, () => Promise<Connector>>> = {
  MONGO_DATA_API: async () => (await import('./mongo-data-api/index.ts')).mongoDataApi,
  GOOGLE_CLOUD_STORAGE: async () => (await import('./google-cloud-storage/index.ts')).googleCloudStorage,
  S3: async () => (await import('./s3/index.ts')).s3,
  QDRANT: async () => (await import('./qdrant/index.ts')).qdrant,
  POSTGRES: async () => (await import('./postgres/index.ts')).postgres,
  REDSHIFT: async () => (await import('./redshift/index.ts')).redshift,
  COCKROACHDB: async () => (await import('./cockroachdb/index.ts')).cockroachdb,
  MYSQL: async () => (await import('./mysql/index.ts')).mysql,
  SINGLESTORE: async () => (await import('./singlestore/index.ts')).singlestore,
  MONGODB: async () => (await import('./mongodb/index.ts')).mongodb,
  CLICKHOUSE: async () => (await import('./clickhouse/index.ts')).clickhouse,
  MSSQL: async () => (await import('./mssql/index.ts')).mssql,
  TRINO: async () => (await import('./trino/index.ts')).trino,
  ELASTICSEARCH: async () => (await import('./elasticsearch/index.ts')).elasticsearch,
  OPENSEARCH: async () => (await import('./opensearch/index.ts')).opensearch,
  SNOWFLAKE: async () => (await import('./snowflake/index.ts')).snowflake,
  BIGQUERY: async () => (await import('./bigquery/index.ts')).bigquery,
  DATABRICKS: async () => (await import('./databricks/index.ts')).databricks,
  ATHENA: async () => (await import('./athena/index.ts')).athena,
  FIREBOLT: async () => (await import('./firebolt/index.ts')).firebolt,
  CSV: async () => (await import('./csv/index.ts')).csv,
  MANAGED: async () => (await import('./managed/index.ts')).managed,
};

/** What the executor runs besides: nobody can register one. */
const others: typeof loaders = {
  WEBHOOK: async () => (await import('./webhook/index.ts')).webhook,
};

/** The names of all types. */
export const types: readonly string[] = Object.keys(loaders);

/** Loads the connector of a type, be it `WEBHOOK`, and nothing of the others. Rejects when there is none. */
export async function loadConnector(type: string): Promise<Connector> {
  const load = [loaders, others].find((some) => Object.hasOwn(some, type))?.[type];
  if (!load) throw new Error(`There is no connector of the type ${type}.`);
  return await load();
}
