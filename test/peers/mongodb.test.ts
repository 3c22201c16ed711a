import { expect, test } from 'vitest';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { perlMongodbPeer } from '../support/real-peers/perl-mongodb.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

describePeer('MongoDB against Perl’s SCRAM and BSON', perlMongodbPeer.programs, () => {
  const used = useStand(perlMongodbPeer.stand);
  const { tryIt: tryConnection } = used;

  describeCauses(perlMongodbPeer, used);

  test('every check passes, the writing one too', async () => {
    const result = await tryConnection({}, { methods: ['database/select', 'collections/list', 'document/insert'] });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'MongoDB 6.0.5', mechanism: 'SCRAM-SHA-256' },
      'collections/list': { collections: '3', views: '1' },
      'document/insert': { written: 'true', removed: 'true' },
    });
  });

  test.each([
    ['app', 'SCRAM_SHA_1', 'SCRAM-SHA-1'],
    ['app', 'SCRAM_SHA_256', 'SCRAM-SHA-256'],
    ['jörg=a,b', undefined, 'SCRAM-SHA-256'],
    ['modern', undefined, 'SCRAM-SHA-256'],
    ['old', undefined, 'SCRAM-SHA-1'],
    ['slow', undefined, 'SCRAM-SHA-256'],
  ])('%s signs in by %s', async (username, authMechanism, mechanism) => {
    const result = await tryConnection({ username, authMechanism });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ mechanism });
  });

  test('a password is prepared as the server prepares it', async () => {
    const result = await tryConnection({ username: 'prepared', password: 'I\u00adX\u00a0\u00aa \u2168' });
    expect(result.failure).toBeNull();
    const spelledOut = await tryConnection({ username: 'prepared', password: 'IX a IX' });
    expect(spelledOut.failure).toBeNull();
  });

  test.each([
    [
      'a wrong password by SHA-1',
      { password: 'wrong', authMechanism: 'SCRAM_SHA_1' },
      'session/authenticate',
      'PASSWORD_REFUSED',
      'password',
    ],
    [
      'no user',
      { username: undefined, password: undefined },
      'session/authenticate',
      'CREDENTIALS_REQUIRED',
      'username',
    ],
    ['no right to write', { username: 'reader' }, 'document/insert', 'PERMISSION_DENIED', 'username'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryConnection(more, { methods: ['database/select', 'document/insert'] });
    expect(gist(result)).toEqual({ at, code, configPath });
  });

  test('the catalog', async () => {
    const { batches } = await tryConnection({}, { catalog: true });
    expect(batches.flat().map(({ name, kind }) => [name, kind])).toEqual([
      ['customers', 'COLLECTION'],
      ['orders', 'COLLECTION'],
      ['recent', 'VIEW'],
      ['suppliers', 'COLLECTION'],
    ]);
    expect(batches.flat()[1]?.columns).toEqual([
      { name: '_id', dataType: 'objectId', nullable: null },
      { name: 'total', dataType: 'double | int', nullable: null },
      { name: 'note', dataType: 'string', nullable: true },
    ]);
  });
});
