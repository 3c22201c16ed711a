import {
  postgresCountTables,
  postgresSelectDatabase,
  postgresTableColumns,
  postgresTablesPageSql,
} from '../families/postgres/catalog.ts';
import { explainPostgres, sqlState } from '../families/postgres/failures.ts';
import { type PostgresDialect, versionNumber } from '../families/postgres/family.ts';
import { explainPooler } from '../families/postgres/poolers.ts';
import { isPostgresError, type PostgresError } from '../families/postgres/wire.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { CockroachdbConfig } from './config.ts';

/**
 * The codes with which the proxy of CockroachDB Cloud rejects a connection before the sign-in: the older one and the
 * newer one.
 */
const BY_PROXY = ['08004', '08C00'];

export const cockroachdbDialect: PostgresDialect<CockroachdbConfig> = {
  async product(session) {
    const text = session.parameter('crdb_version');
    const number = versionNumber(/^CockroachDB \S+ (\S+)/.exec(text ?? '')?.[1]);
    if (text !== undefined || session.refusal)
      return { server: number ? `CockroachDB ${number}` : 'CockroachDB', isExpected: true };
    const other = versionNumber(session.parameter('server_version'));
    return { server: other ? `PostgreSQL ${other}` : 'unknown', isExpected: false };
  },
  clusterOf: (config) => config.cluster,
  sql: {
    selectDatabase: postgresSelectDatabase,
    countTables: postgresCountTables,
    // a transaction would not help: each change of the schema ends the one that it stands in (autocommit_before_ddl)
    createSchema: (name) => [`create schema ${name}`, `drop schema ${name}`],
    dropSchema: (name) => `drop schema if exists ${name}`,
    // hidden columns are left out: those that are NOT VISIBLE, and the rowid of a table without a primary key
    tablesPage: postgresTablesPageSql({ columnIsHidden: 'a.attishidden' }),
    tableColumns: postgresTableColumns,
  },
  explain(error, config) {
    return (
      (isPostgresError(error) ? explainOwn(error, config)?.with(sqlState(error)) : undefined) ??
      explainPostgres(error, config.tls)
    );
  },
};

function explainOwn(error: PostgresError, { tls, cluster }: CockroachdbConfig): Failure | undefined {
  const byProxy = BY_PROXY.includes(error.code);
  // 08P01, a protocol violation, is what it sends where other servers say that they take TLS alone
  if (tls.mode === 'DISABLE' && (byProxy || (error.code === '08P01' && !explainPooler(error))))
    return new Failure('TLS_REQUIRED', { error, configPath: 'tls.mode' });
  if (byProxy) {
    const hint =
      'CockroachDB Cloud did not pass the connection on. Check `host` and `cluster`, and that the cluster is running.';
    return new Failure('RESOURCE_NOT_FOUND', { error, configPath: 'cluster', hint });
  }
  if (error.code === '42704' && cluster !== undefined) {
    const hint = 'The server knows no option `cluster`: leave it out where the host says it all.';
    return new Failure('PROTOCOL_MISMATCH', { error, configPath: 'cluster', hint });
  }
  // older versions let the user in though there is no database, and then miss the catalog that every database has
  if (error.code === '42P01') return new Failure('DATABASE_NOT_FOUND', { error, configPath: 'database' });
  return undefined;
}
