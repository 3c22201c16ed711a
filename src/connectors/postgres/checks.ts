import { postgresTableColumns, postgresTablesPage } from '../families/postgres/catalog.ts';
import { explainPostgres } from '../families/postgres/failures.ts';
import { createSchemaInTransaction, type PostgresDialect, versionNumber } from '../families/postgres/family.ts';
import type { PostgresConfig } from './config.ts';

export const postgresDialect: PostgresDialect<PostgresConfig> = {
  // services that speak the protocol are of this type, too: whatever answers is expected
  async product(session) {
    const number = versionNumber(session.parameter('server_version'));
    return { server: number ? `PostgreSQL ${number}` : 'PostgreSQL', isExpected: true };
  },
  sql: {
    selectDatabase: `
      select pg_catalog.current_database()::text as database, n.oid is not null as found,
             coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) as usable
        from (select 1) as one left join pg_catalog.pg_namespace n on n.nspname = $1`,
    countTables: `
      select count(*)::text as tables,
             (count(*) filter (where pg_catalog.has_table_privilege(c.oid, 'SELECT')))::text as readable
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname = $1 and c.relkind in ('r', 'p', 'f')`,
    createSchema: createSchemaInTransaction,
    tablesPage: postgresTablesPage,
    tableColumns: postgresTableColumns,
  },
  explain: (error, config) => explainPostgres(error, config.tls),
};
