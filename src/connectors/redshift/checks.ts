import { explainPostgres, sqlState } from '../families/postgres/failures.ts';
import { createSchemaInTransaction, type PostgresDialect, versionNumber } from '../families/postgres/family.ts';
import { isPostgresError } from '../families/postgres/wire.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { RedshiftConfig } from './config.ts';

/** A page is larger than PostgreSQL's, because the server goes through all of its catalog for each. */
const TABLES_AT_ONCE = 400;

/** Selects the local tables and views, those of external schemas, and shared ones. */
const TABLES = `
  select table_schema::text as namespace, table_name::text as name, table_type::text as table_type
    from svv_tables
   where table_schema not in ('pg_catalog', 'information_schema', 'pg_internal', 'pg_automv', 'pg_auto_copy')
     and substring(table_schema::text, 1, 7) <> 'pg_temp'`;

const KIND = `case when t.table_type like '%VIEW%' then 'v' else 'r' end`;

/**
 * The dialect of Redshift, which stems from PostgreSQL 8.0: it has no row comparison by index and no `filter`, but
 * views of its own over its catalog.
 */
export const redshiftDialect: PostgresDialect<RedshiftConfig> = {
  async product(session) {
    // at the sign-in it tells the version of the PostgreSQL that it stems from, so it has to be asked
    if (session.refusal) return { server: 'Amazon Redshift', isExpected: true };
    const [row] = await session.query<{ version: string }>('select version() as version');
    const text = row?.version ?? '';
    const number = versionNumber(/\bRedshift (\S+)/.exec(text)?.[1]);
    if (number) return { server: `Amazon Redshift ${number}`, isExpected: true };
    const other = versionNumber(/^PostgreSQL (\S+)/.exec(text)?.[1]);
    return { server: other ? `PostgreSQL ${other}` : 'unknown', isExpected: false };
  },
  sql: {
    selectDatabase: `
      select current_database()::text as database, n.nspname is not null as found,
             coalesce(has_schema_privilege(n.nspname::text, 'USAGE'), false) as usable
        from (select 1) as one left join pg_catalog.pg_namespace n on n.nspname = $1`,
    countTables: `
      select (count(*) - count(case when table_type like '%VIEW%' then 1 end))::text as tables,
             count(case when table_type like '%VIEW%' then 1 end)::text as views, null::text as readable
        from svv_tables where table_schema = $1`,
    createSchema: createSchemaInTransaction,
    tablesPage: `
      select t.namespace, t.name, ${KIND} as kind, c.column_name::text as column_name, c.data_type::text as data_type,
             case lower(c.is_nullable::text) when 'yes' then true when 'no' then false else null end as nullable
        from (select * from (${TABLES}) as every_table
               where namespace > $1 or (namespace = $1 and name > $2)
               order by namespace, name limit ${TABLES_AT_ONCE}) as t
        left join svv_columns c on c.table_schema = t.namespace and c.table_name = t.name
       order by t.namespace, t.name, c.ordinal_position`,
    tableColumns: `
      select c.column_name::text as column_name, c.data_type::text as data_type
        from svv_tables t left join svv_columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
       where t.table_schema = $1 and t.table_name = $2`,
  },
  explain(error, config) {
    // 28P01, the code for a wrong password, came only with PostgreSQL 9.0
    if (isPostgresError(error) && error.code === '28000' && error.routine === 'auth_failed') {
      const hint = 'Check `username` and `password`: the server does not say which of them is wrong.';
      return new Failure('PASSWORD_REFUSED', { error, hint, configPath: 'password', evidence: sqlState(error) });
    }
    return explainPostgres(error, config.tls);
  },
};
