import { cockroachdb } from '../../../src/connectors/cockroachdb/index.ts';
import {
  type FakePostgres,
  type FakePostgresOptions,
  type FakePostgresRow,
  startFakePostgres,
} from '../peers/fake-postgres.ts';
import { ACCOUNT, postgresFamilyStand } from './postgres-family.ts';
import { inClearText, type Stand } from './stand.ts';

const REFUSED = { code: '28P01', message: 'password authentication failed for user app' };
const PARAMETERS = {
  server_version: '13.0.0',
  crdb_version: 'CockroachDB CCL v26.2.5 (x86_64-pc-linux-gnu, built 2026/06/01 12:00:00, go1.25.1)',
};

/** `a.attishidden` is a column of CockroachDB's pg_attribute; to Postgres it is a function of the row. */
const STAND_INS = `
  create function public.attishidden(pg_catalog.pg_attribute) returns boolean language sql as $$ select $1.attname = 'rowid' $$;
  create schema sales;
  create schema locked;
  create schema crdb_internal;
  create table crdb_internal.jobs (id integer);
  grant usage on schema sales to app;
  create table sales.orders (id integer not null, label text, rowid bigint);
  create table sales.secrets (id integer);
  create view sales.overview as select id from sales.orders;
  grant select on sales.orders to app`;

const real = postgresFamilyStand(cockroachdb, { shop: STAND_INS });

export const cockroachdbStand = { ...real, config: { ...real.config, schema: 'sales' } };

/** What PostgreSQL cannot show: CockroachDB's own sign-in, version and routing. In clear text. */
export const ownCockroachdbStand: Stand<Partial<FakePostgresOptions>, FakePostgres> = {
  ...inClearText<object, FakePostgres>({
    ...cockroachdbStand,
    start: (_certificate, options) => startFakeCockroach(options),
  }),
};

function startFakeCockroach(options: Partial<FakePostgresOptions> = {}): Promise<FakePostgres> {
  return startFakePostgres({
    ...ACCOUNT,
    asks: 'clear',
    wrongPassword: REFUSED,
    parameters: PARAMETERS,
    answer: answerAsCockroach,
    ...options,
  });
}

function answerAsCockroach(sql: string): readonly FakePostgresRow[] {
  if (sql.includes('has_schema_privilege')) return [{ database: 'shop', found: true, usable: true }];
  if (sql.includes('count(*)')) return [{ tables: 2n, views: 1n, readable: 2n }];
  // its integers have 64 bits, which our driver hands over as text
  return [{ one: 1n }];
}
