import { redshift } from '../../../src/connectors/redshift/index.ts';
import { type FakePostgres, type FakePostgresOptions, startFakePostgres } from '../peers/fake-postgres.ts';
import { ACCOUNT, postgresFamilyStand } from './postgres-family.ts';
import { inClearText, type Stand } from './stand.ts';

const VERSION =
  'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467';
const REFUSED = { code: '28000', message: 'password authentication failed for user "app"', routine: 'auth_failed' };

/**
 * Redshift's own views as Postgres can tell them: with an external table and a late-binding view that Postgres does not
 * have.
 */
const VIEWS = `
  create schema sales;
  create schema locked;
  grant usage on schema sales to app;
  create table sales.orders (id integer not null, total numeric(10,2), label text);
  create view sales.overview as select id from sales.orders;
  create view public.svv_tables as
    select table_catalog, table_schema, table_name, table_type::text as table_type from information_schema.tables
    union all values ('shop', 'spectrum', 'clicks', 'EXTERNAL TABLE'), ('shop', 'sales', 'late', 'VIEW'), ('shop', 'pg_temp_3', 'passing', 'BASE TABLE');
  create view public.svv_columns as
    select table_catalog, table_schema, table_name, column_name, ordinal_position, is_nullable::text as is_nullable, data_type::text as data_type
      from information_schema.columns
    union all values ('shop', 'spectrum', 'clicks', 'at', 1, '', 'timestamp'), ('shop', 'sales', 'late', 'total', 1, null, 'numeric(10,2)');
  grant select on sales.orders, sales.overview, public.svv_tables, public.svv_columns to app`;
const real = postgresFamilyStand(redshift, { shop: VIEWS });

/** Its own words for whoever it does not let in; the fake has no TLS. */
const refusal = {
  change: { tls: { mode: 'DISABLE' } },
  start: () => startFakeRedshift({ password: 'another password' }),
  code: 'PASSWORD_REFUSED',
  configPath: 'password',
} as const;

export const redshiftStand = {
  ...real,
  config: { ...real.config, schema: 'sales' },
  trials: { ...real.trials, 'wrong password or key': refusal, 'unknown user': refusal },
};

/** What PostgreSQL cannot show: Redshift's own sign-in and version. In clear text. */
export const ownRedshiftStand: Stand<Partial<FakePostgresOptions>, FakePostgres> = {
  ...inClearText<object, FakePostgres>({
    ...redshiftStand,
    start: (_certificate, options) => startFakeRedshift(options),
  }),
};

function startFakeRedshift(options: Partial<FakePostgresOptions> = {}): Promise<FakePostgres> {
  return startFakePostgres({ ...ACCOUNT, wrongPassword: REFUSED, answer: answerAsRedshift, ...options });
}

function answerAsRedshift(sql: string): readonly Record<string, string | number | boolean | null>[] {
  if (sql.includes('version()')) return [{ version: VERSION }];
  if (sql.includes('has_schema_privilege')) return [{ database: 'shop', found: true, usable: true }];
  if (sql.includes('count(*)')) return [{ tables: '3', views: '2', readable: null }];
  return [{ one: 1 }];
}
