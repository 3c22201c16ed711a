import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import type { FailureCode } from '../../../src/errors/check-failures.ts';
import { type FakeMysql, type FakeMysqlOptions, startFakeMysql } from '../peers/fake-mysql.ts';
import { errorBody, type PacketChannel } from '../peers/mysql-packets.ts';
import type { Stand, Trial } from './stand.ts';

export const ACCOUNT = { username: 'äpp', password: 'correct horse $ä✓ battery' };

/** MySQL and what speaks its protocol; `own` is how its server differs. */
export function mysqlFamilyStand(
  connector: Connector,
  own: Partial<FakeMysqlOptions>,
): Stand<Partial<FakeMysqlOptions>, FakeMysql> {
  return {
    connector,
    config: { host: 'db.example', ...ACCOUNT, database: 'shop' },
    clearText: { tls: { mode: 'DISABLE' } },
    start: (certificate, options) => startFakeMysql({ ...ACCOUNT, certificate, ...own, ...options }),
    clearStart: 'server',
    tenancy: {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'shop',
      tableName: 'clients',
      tableClientNameColumn: 'name',
      tablePrimaryKeyColumn: 'id',
    },
    proxied: refused(
      9001,
      'Max connect timeout reached while reaching hostgroup 0 after 10000ms',
      'SERVER_UNAVAILABLE',
    ),
    limited: refused(1226, "User 'app' has exceeded the 'max_user_connections' resource", 'TOO_MANY_REQUESTS'),
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      'no right': {
        options: { answers: { 'use ': [errorBody(1044, 'Access denied for user to database')] } },
        code: 'PERMISSION_DENIED',
        configPath: 'database',
      },
    },
  };
}

/** What a server or proxy says instead of signing anybody in. */
function refused(number: number, message: string, code: FailureCode): Trial<Partial<FakeMysqlOptions>> {
  const insteadOfSignIn = async (channel: PacketChannel) => void channel.send(errorBody(number, message));
  return { options: { insteadOfSignIn }, code, configPath: null };
}
