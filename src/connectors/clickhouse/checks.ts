import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { HttpState } from '../kit/http/http-base.ts';
import { clickhouseColumns, NOT_INNER } from './catalog.ts';
import { literal, query } from './client.ts';
import type { ClickHouseConfig } from './config.ts';

type ClickHouseCheck = Check<ClickHouseConfig, HttpState>;

const VERSION = z.tuple([z.string().regex(/^\d{1,4}(\.\d{1,6}){1,3}/)]);
const ONE = z.tuple([z.literal(1)]);
/** The counts: old servers send long numbers as strings, newer ones as numbers. */
const COUNTS = z.tuple([z.coerce.number(), z.coerce.number()]);

const authenticate: ClickHouseCheck = authenticateCheck(
  'The server takes the user name and the password.',
  async (context) => {
    // a ping would not sign in; the checks that follow tell whether the database exists
    const [row] = await query(context, 'select version()', VERSION, { inDatabase: false });
    if (!row) throw new Failure('PROTOCOL_MISMATCH', { configPath: 'port' });
    const version = /^[\d.]+/.exec(row[0])?.[0] ?? '';
    return { evidence: { server: `ClickHouse ${version}`, user: context.config.username } };
  },
);

const executeQuery: ClickHouseCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description: 'The database exists, and the server answers `select 1` in it.',
  async run(context) {
    const rows = await query(context, 'select 1', ONE);
    if (rows.length !== 1) throw new Failure('UNEXPECTED_ANSWER');
    return { evidence: { database: context.config.database, rows: rows.length } };
  },
};

const listTables: ClickHouseCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description: 'The tables and views of the database that the user may see can be listed.',
  async run(context) {
    const { database } = context.config;
    const name = literal(database);
    const [row] = await query(
      context,
      `select (select count() from system.databases where name = ${name}), count()
         from system.tables where database = ${name} and ${NOT_INNER}`,
      COUNTS,
    );
    if (!row) throw new Failure('UNEXPECTED_ANSWER');
    const [databases, tables] = row;
    // newer servers hide a database from a user who has no right in it
    if (databases === 0) {
      throw new Failure('PERMISSION_DENIED', {
        configPath: 'database',
        hint: 'Grant the user the right to read from the database.',
      });
    }
    return { evidence: { database, tables } };
  },
};

export const clickhouseChecks: readonly ClickHouseCheck[] = [
  authenticate,
  executeQuery,
  listTables,
  tenancyCheck(clickhouseColumns),
];
