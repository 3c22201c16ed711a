import { postgres } from '../../../src/connectors/postgres/index.ts';
import { type FakePostgres, type FakePostgresOptions, startFakePostgres } from '../peers/fake-postgres.ts';
import { ACCOUNT, postgresFamilyStand } from './postgres-family.ts';
import { inClearText, type Stand } from './stand.ts';

export const postgresStand = postgresFamilyStand(postgres, {
  hba: [
    'host all legacy 127.0.0.1/32 md5',
    'host all in_the_clear 127.0.0.1/32 password',
    'host all all 127.0.0.1/32 scram-sha-256',
  ],
  cluster: [
    ...['builder', 'blind', 'least', 'viewer', 'mutual', 'in_the_clear'].map(
      (name) => `create role ${name} ${password('login')}`,
    ),
    'create role by_certificate login',
    `create role retired ${password('nologin')}`,
    'set password_encryption = md5',
    `create role legacy ${password('login')}`,
    'grant create on database shop to builder',
  ],
  shop: `
    create schema sales;
    grant usage on schema sales to app, least;
    create table sales.orders (id int, label text);
    create table sales.customers (id int);
    create view sales.overview as select 1;
    grant select on sales.orders to app, least;
    create schema reports;
    create table reports.raw (id int);
    create view reports.monthly as select id from reports.raw;
    grant usage on schema reports to viewer;
    grant select on reports.monthly to viewer;
    create schema domains;
    create domain domains.id as bigint check (value > 0);
    create domain domains.tenant_id as domains.id;
    create domain domains.label as varchar(40);
    create table domains.tenants (id domains.tenant_id, label domains.label);
    create schema secret;
    create schema locked;
    grant usage on schema locked to blind;
    create table locked.orders (id int)`,
});

/** What no real server does. In clear text. */
export const fakePostgresStand: Stand<Partial<FakePostgresOptions>, FakePostgres> = inClearText<object, FakePostgres>({
  ...postgresStand,
  start: (_certificate, options) =>
    startFakePostgres({ ...ACCOUNT, wrongPassword: { code: '28P01', message: 'no' }, ...options }),
});

function password(attribute: string): string {
  return `${attribute} password '${ACCOUNT.password}'`;
}
