import { expect, test } from 'vitest';
import { describeRealPeer } from '../support/peer-causes.ts';
import { mysqlMimicPeer } from '../support/real-peers/mysql-mimic.ts';
import { gist } from '../support/test-connection.ts';

describeRealPeer(mysqlMimicPeer, ({ tryIt }) => {
  const tryWith = (change: Record<string, unknown>) => tryIt({ username: 'native', ...change });

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
    ['no password', { password: undefined }, 'CREDENTIALS_REQUIRED', 'password'],
    ['a user who may not sign in', { username: 'locked' }, 'PASSWORD_REFUSED', 'password'],
    ['a user whose password has to be sent as it is', { username: 'clear' }, 'SIGN_IN_METHOD_REFUSED', 'username'],
  ])('refuses %s', async (_title, change, code, configPath) => {
    const result = await tryWith(change);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
  });
});
