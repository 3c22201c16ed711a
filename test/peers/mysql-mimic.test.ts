import { afterAll, beforeAll, expect, test } from 'vitest';
import { mysql } from '../../src/connectors/mysql/index.ts';
import { describePeer } from '../support/peers/installed.ts';
import { MYSQL_MIMIC, type MysqlMimic, startMysqlMimic } from '../support/peers/mysql-mimic.ts';
import { gist, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'correct horse ä✓ battery';

describePeer('MySQL against mysql-mimic', MYSQL_MIMIC, () => {
  let server: MysqlMimic;
  beforeAll(async () => {
    server = await startMysqlMimic(PASSWORD);
  });
  afterAll(() => server?.close());

  function tryWith(change: Record<string, unknown>) {
    const config = { host: '127.0.0.1', port: server.port, username: 'native', password: PASSWORD, database: 'shop' };
    return testConnection(mysql, { ...config, tls: { mode: 'DISABLE' }, ...change });
  }

  test.each([
    ['a password', {}],
    ['the password of before, while that still counts', { username: 'rotated' }],
    ['the new one', { username: 'rotated', password: 'new' }],
  ])('takes %s', async (_title, change) => {
    const result = await tryWith(change);
    expect(result.failure).toBeNull();
    expect(result.evidence['tables/list']).toMatchObject({ database: 'shop', tables: '1' });
  });

  test.each([
    ['a wrong password', { password: 'wrong' }, 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'PASSWORD_REFUSED', 'username'],
    ['a user who may not sign in', { username: 'locked' }, 'PASSWORD_REFUSED', 'password'],
    ['a user whose password has to be sent as it is', { username: 'clear' }, 'SIGN_IN_METHOD_REFUSED', 'username'],
  ])('refuses %s', async (_title, change, code, configPath) => {
    const result = await tryWith(change);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
  });
});
