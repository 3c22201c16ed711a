import { athena } from './athena/index.ts';
import { bigquery } from './bigquery/index.ts';
import { clickhouse } from './clickhouse/index.ts';
import { cockroachdb } from './cockroachdb/index.ts';
import { csv } from './csv/index.ts';
import { databricks } from './databricks/index.ts';
import { elasticsearch } from './elasticsearch/index.ts';
import { firebolt } from './firebolt/index.ts';
import { googleCloudStorage } from './google-cloud-storage/index.ts';
import type { Connector } from './kit/contract/connector.ts';
import { mongoDataApi } from './mongo-data-api/index.ts';
import { mongodb } from './mongodb/index.ts';
import { mssql } from './mssql/index.ts';
import { mysql } from './mysql/index.ts';
import { opensearch } from './opensearch/index.ts';
import { postgres } from './postgres/index.ts';
import { qdrant } from './qdrant/index.ts';
import { redshift } from './redshift/index.ts';
import { s3 } from './s3/index.ts';
import { singlestore } from './singlestore/index.ts';
import { snowflake } from './snowflake/index.ts';
import { trino } from './trino/index.ts';

/** Every datastore type there is, in the order in which users see them. */
export const connectors: readonly Connector[] = [
  mongoDataApi,
  googleCloudStorage,
  s3,
  qdrant,
  postgres,
  redshift,
  cockroachdb,
  mysql,
  singlestore,
  mongodb,
  clickhouse,
  mssql,
  trino,
  elasticsearch,
  opensearch,
  snowflake,
  bigquery,
  databricks,
  athena,
  firebolt,
  csv,
];

/** The connector of a type. Throws when there is none: types from outside have been checked before. */
export function connectorOf(type: string): Connector {
  const connector = connectors.find((each) => each.type === type);
  if (!connector) throw new Error(`There is no connector of the type ${type}.`);
  return connector;
}
