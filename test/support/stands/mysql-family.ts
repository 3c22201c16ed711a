import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import { type FakeMysql, type FakeMysqlOptions, startFakeMysql } from '../peers/fake-mysql.ts';
import { errorBody } from '../peers/mysql-packets.ts';
import type { Stand } from './stand.ts';

export const ACCOUNT = { username: 'äpp', password: 'correct horse $ä✓ battery' };
const UNREACHED = 'Max connect timeout reached while reaching hostgroup 0 after 10000ms';

/** MySQL and what speaks its protocol; `own` is how its server differs. */
export function mysqlFamilyStand(
  connector: Connector,
  own: Partial<FakeMysqlOptions>,
): Stand<Partial<FakeMysqlOptions>, FakeMysql> {
  return {
    connector,
    config: { host: 'db.example', ...ACCOUNT, database: 'shop' },
    clearText: { tls: { mode: 'DISABLE' } },
    start: (certificate, options) =>
      startFakeMysql({ ...ACCOUNT, stranger: 'stranger', crowded: 'crowded', certificate, ...own, ...options }),
    clearStart: 'server',
    tenancy: {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'shop',
      tableName: 'clients',
      tableClientNameColumn: 'name',
      tablePrimaryKeyColumn: 'id',
    },
    // as ProxySQL says it
    proxied: {
      options: { insteadOfSignIn: async (channel) => void channel.send(errorBody(9001, UNREACHED)) },
      code: 'SERVER_UNAVAILABLE',
      configPath: null,
    },
    limited: { change: { username: 'crowded' }, code: 'TOO_MANY_REQUESTS', configPath: null },
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      'no right': { change: { username: 'stranger' }, code: 'PERMISSION_DENIED', configPath: 'database' },
    },
  };
}
