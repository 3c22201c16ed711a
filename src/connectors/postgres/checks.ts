import { ofRdsToken, rdsToken } from '../families/aws/rds.ts';
import {
  postgresCountTables,
  postgresSelectDatabase,
  postgresTableColumns,
  postgresTablesPage,
  postgresTablesPageInBytes,
} from '../families/postgres/catalog.ts';
import { explainPostgres } from '../families/postgres/failures.ts';
import { createSchemaInTransaction, type PostgresDialect, versionNumber } from '../families/postgres/family.ts';
import type { PostgresConfig } from './config.ts';

export const postgresDialect: PostgresDialect<PostgresConfig> = {
  // services that speak the protocol are of this type too, so any product is expected
  async product(session) {
    const number = versionNumber(session.parameter('server_version'));
    return { server: number ? `PostgreSQL ${number}` : 'PostgreSQL', isExpected: true };
  },
  sql: {
    selectDatabase: postgresSelectDatabase,
    countTables: postgresCountTables,
    createSchema: createSchemaInTransaction,
    tablesPage: postgresTablesPage,
    tablesPageInBytes: postgresTablesPageInBytes,
    tableColumns: postgresTableColumns,
  },
  passwordOf: rdsToken,
  explain: (error, config) => ofRdsToken(explainPostgres(error, config.tls), config),
};
