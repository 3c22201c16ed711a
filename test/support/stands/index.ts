import { athenaStand } from './athena.ts';
import { bigqueryStand } from './bigquery.ts';
import { clickhouseStand } from './clickhouse.ts';
import { cockroachdbStand } from './cockroachdb.ts';
import { csvStand } from './csv.ts';
import { databricksStand } from './databricks.ts';
import { elasticsearchStand } from './elasticsearch.ts';
import { fireboltStand } from './firebolt.ts';
import { googleCloudStorageStand } from './google-cloud-storage.ts';
import { managedStand } from './managed.ts';
import { mongoDataApiStand } from './mongo-data-api.ts';
import { mongodbStand } from './mongodb.ts';
import { mssqlStand } from './mssql.ts';
import { mysqlStand } from './mysql.ts';
import { opensearchStand } from './opensearch.ts';
import { postgresStand } from './postgres.ts';
import { qdrantStand } from './qdrant.ts';
import { redshiftStand } from './redshift.ts';
import { s3Stand } from './s3.ts';
import { singlestoreStand } from './singlestore.ts';
import { snowflakeStand } from './snowflake.ts';
import type { Stand } from './stand.ts';
import { trinoStand } from './trino.ts';

/** One for each type of the registry. */
export const stands: readonly Stand[] = [
  mongoDataApiStand,
  googleCloudStorageStand,
  s3Stand,
  qdrantStand,
  postgresStand,
  redshiftStand,
  cockroachdbStand,
  mysqlStand,
  singlestoreStand,
  mongodbStand,
  clickhouseStand,
  mssqlStand,
  trinoStand,
  elasticsearchStand,
  opensearchStand,
  snowflakeStand,
  bigqueryStand,
  databricksStand,
  athenaStand,
  fireboltStand,
  csvStand,
  managedStand,
];
