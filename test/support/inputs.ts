import type {
  DatastoreConfigInput,
  GoogleCloudStorageConfigInput,
  MongoDataApiConfigInput,
  PostgresConfigInput,
  QdrantConfigInput,
  S3ConfigInput,
} from './gql/graphql.ts';

const PLAIN = { mode: 'DISABLE' } as const;
/** It has the form of a key, and is none. */
export const PRIVATE_KEY =
  '-----BEGIN PRIVATE KEY-----\nMCECAQAwDQYJKoZIhvcNAQEBBQAEDU5vIGtleSBhdCBhbGw=\n-----END PRIVATE KEY-----\n';
export const CERTIFICATE =
  '-----BEGIN CERTIFICATE-----\nMBcwEAwOTm8gY2VydGlmaWNhdGUwAAMBAA==\n-----END CERTIFICATE-----\n';
export const OTHER_CERTIFICATE =
  '-----BEGIN CERTIFICATE-----\nMBQwDQwLQW5vdGhlciBvbmUwAAMBAA==\n-----END CERTIFICATE-----\n';

/** Google's fixed host on this machine, where nothing listens: for AppOptions.testing.executor. */
export const GOOGLE_NOWHERE = { names: { 'storage.googleapis.com:443': '127.0.0.1:1' } };

/*
 * Configs that are right in every field and lead to this machine. Nothing needs to listen there: storing one connects
 * to nothing.
 */

export function postgresConfig(more: Partial<PostgresConfigInput> = {}): PostgresConfigInput {
  const account = { username: 'reader', password: 'secret-of-postgres', database: 'app' };
  return { host: '127.0.0.1', port: 1, ...account, tls: PLAIN, ...more };
}

export function s3Config(more: Partial<S3ConfigInput> = {}): S3ConfigInput {
  const key = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret-of-s3' };
  return { ...key, region: 'us-east-1', bucket: 'my-data', baseUrl: 'http://127.0.0.1:1', tls: PLAIN, ...more };
}

export function qdrantConfig(more: Partial<QdrantConfigInput> = {}): QdrantConfigInput {
  return {
    baseUrl: 'http://127.0.0.1',
    port: 1,
    apiKey: 'secret-of-qdrant',
    collection: 'products',
    tls: PLAIN,
    ...more,
  };
}

export function mongoDataApiConfig(more: Partial<MongoDataApiConfigInput> = {}): MongoDataApiConfigInput {
  const names = { dataSource: 'atlas', database: 'shop', collection: 'orders' };
  return { apiUrl: 'http://127.0.0.1:1/data/v1', apiKey: 'secret-of-mongo', ...names, tls: PLAIN, ...more };
}

export function googleCloudStorageConfig(
  more: Partial<GoogleCloudStorageConfigInput> = {},
): GoogleCloudStorageConfigInput {
  const credentials = { clientEmail: 'reader@my-project.iam.gserviceaccount.com', privateKey: PRIVATE_KEY };
  return { bucket: 'my-data', credentials, ...more };
}

/** One of each type. */
export const oneOfEach: readonly DatastoreConfigInput[] = [
  { postgres: postgresConfig() },
  { s3: s3Config() },
  { qdrant: qdrantConfig() },
  { mongoDataApi: mongoDataApiConfig() },
  { googleCloudStorage: googleCloudStorageConfig() },
];
