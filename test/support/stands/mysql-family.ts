import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import { type FakeMysqlOptions, startFakeMysql } from '../peers/fake-mysql.ts';
import { errorBody } from '../peers/mysql-packets.ts';
import type { Stand } from './stand.ts';

const account = { username: 'app', password: 'mysql-password-3d90' };
const ACCESS_DENIED = errorBody(1044, 'Access denied for user to database');

/** MySQL and what speaks its protocol. */
export function mysqlFamilyStand(connector: Connector, options: Partial<FakeMysqlOptions> = {}): Stand {
  const databases = { shop: [{ name: 'orders', columns: [['id', 'bigint', false]] as const }] };
  return {
    connector,
    config: { host: 'db.example', ...account, database: 'shop' },
    start: (certificate) => startFakeMysql({ ...account, certificate, databases, ...options }),
    clearStart: 'server',
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      'no right': {
        start: (certificate) =>
          startFakeMysql({ ...account, certificate, databases, ...options, answers: { 'use ': [ACCESS_DENIED] } }),
        code: 'PERMISSION_DENIED',
        configPath: 'database',
      },
    },
  };
}
