import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { keyholdStand } from '../support/stands/keyhold.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { start, tryAt, tryIt } = useStand(keyholdStand);

test('a store that works passes every check over one connection', async () => {
  const peer = await start();
  const result = await tryAt(peer);
  expect(result.failure).toBeNull();
  expect(result.evidence).toMatchObject({
    'session/authenticate': { server: 'Keyhold 3.1' },
    'bucket/get': { bucket: 'settings', keys: '3' },
  });
  expect(peer.connections()).toBe(1);
});

describe('what goes wrong is named', () => {
  test.each([
    ['no token', { token: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'token'],
    ['an unknown bucket', { bucket: 'nope' }, 'bucket/get', 'BUCKET_NOT_FOUND', 'bucket'],
  ])('%s', async (_title, changes, at, code, configPath) => {
    expect(gist(await tryIt(changes))).toEqual({ at, code, configPath });
  });
});

describeHttpFaults(keyholdStand);

describeBadConfigs(keyholdStand, [
  ['a bucket with a zero byte', { bucket: 'a\0' }, 'bucket', 'INVALID_FORMAT'],
  ['clear text without saying so', { baseUrl: 'http://keyhold.example' }, 'baseUrl', 'INVALID_COMBINATION'],
]);
