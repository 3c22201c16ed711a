import { describe, expect, test } from 'vitest';
import { opensearch } from '../../src/connectors/opensearch/index.ts';
import { describeAwsRoles } from '../support/aws-role-table.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import type { FakeSigning } from '../support/peers/fake-elastic.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import type { Changes } from '../support/stands/stand.ts';
import { gist } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const REGION = 'eu-central-1';
const STS = `sts.${REGION}.amazonaws.com`;
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const STRANGER = { accessKeyId: 'AKIDSTRANGER', secretAccessKey: 'a-secret-of-the-stranger' };
const EXPIRED = { ...KEY, accessKeyId: 'ASIEXPIRED', sessionToken: 'old', expired: true };

const { tryAt, start, configFor } = useStand({ ...opensearchStand, places: [`${STS}:443`] });
const certificate = await authority.issue({ names: ['search.example', STS] });
const within = (changes: Changes) =>
  Object.fromEntries(Object.entries(changes).map(([path, value]) => [`awsSigV4.${path}`, value]));

describe.each([
  ['a domain', 'ES', 'es'],
  ['a collection', 'AOSS', 'aoss'],
] as const)('%s of AWS', (_title, service, signedFor) => {
  const SIGN_IN: Changes = {
    username: undefined,
    password: undefined,
    ...within({ service, region: REGION, ...KEY }),
  };
  const isServerless = service === 'AOSS';
  const signedConfig = (changes: Changes = {}) => configFor({ ...SIGN_IN, ...changes });
  const begin = (more: Partial<FakeSigning> = {}) => {
    const credentials = [KEY, STRANGER, EXPIRED];
    const signing = { service: signedFor, region: REGION, credentials, denied: [STRANGER.accessKeyId], ...more };
    return start({ certificate, signed: signing });
  };
  const tryWith = async (changes: Changes = {}, more: Partial<FakeSigning> = {}, how = {}) =>
    tryAt(await begin(more), { ...SIGN_IN, ...changes }, how);

  test('passes every check, the writing one too', async () => {
    const result = await tryWith(
      {},
      {},
      { methods: ['cluster/info', 'indices/list', 'document/index'].slice(isServerless ? 1 : 0) },
    );
    expect(result.failure).toBeNull();
    expect(result.steps).toContain('document/index: PASSED');
    expect(result.evidence['session/authenticate']?.server).toBe(
      isServerless ? 'Amazon OpenSearch Serverless' : 'OpenSearch 2.17.1',
    );
  });

  test('passes by default, without a cluster where there is none', async () => {
    const result = await tryWith();
    expect(result.failure).toBeNull();
    expect(result.steps.includes('cluster/info: PASSED')).toBe(!isServerless);
    expect(Number(result.evidence['indices/list']?.indices)).toBeGreaterThan(2);
  });

  test('reads a catalog', async () => {
    const result = await tryWith({}, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map(({ name }) => name)).toEqual(expect.arrayContaining(['clients-1', 'clients-2']));
  });

  test.each<readonly [string, Changes, string, string]>([
    ['an unknown key', within({ accessKeyId: 'AKIDNOBODY' }), 'KEY_REFUSED', 'accessKeyId'],
    ['another secret', within({ secretAccessKey: 'wrong' }), 'KEY_REFUSED', 'secretAccessKey'],
    ['another region', within({ region: 'us-east-1' }), 'WRONG_REGION', 'region'],
    ['another service', within({ service: isServerless ? 'ES' : 'AOSS' }), 'WRONG_REGION', 'region'],
    ['no right', within(STRANGER), 'PERMISSION_DENIED', 'accessKeyId'],
    ['an expired token', within({ ...EXPIRED, expired: undefined }), 'TOKEN_EXPIRED', 'sessionToken'],
  ])('%s is told', async (_what, changes, code, path) => {
    const result = await tryWith(changes);
    expect(result.failure?.hint).toBeTruthy();
    // a collection gives no reason
    const [told, field] = isServerless ? ['PERMISSION_DENIED', 'accessKeyId'] : [code, path];
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: told, configPath: `awsSigV4.${field}` });
  });

  test('a clock that is an hour behind is told', async () => {
    const { failure } = await tryWith({}, { clockAhead: 60 });
    expect(failure?.code).toBe(isServerless ? 'PERMISSION_DENIED' : 'CLOCK_SKEW');
  });

  test('an index that is missing is told', async () => {
    expect(gist(await tryWith({ index: 'nope' }))).toEqual({
      at: 'indices/list',
      code: 'INDEX_NOT_FOUND',
      configPath: 'index',
    });
  });

  describeAwsRoles({
    connector: opensearch,
    configFor: signedConfig,
    tryWith: (sts, changes) => tryWith(changes, { sts }),
    key: KEY,
    region: REGION,
    within: 'awsSigV4.',
  });

  describeBadConfigs({ connector: opensearch, config: signedConfig() }, [
    ['a user name beside it', { username: 'a' }, 'username', 'INVALID_COMBINATION'],
    ['an API key beside it', { apiKey: 'a' }, 'apiKey', 'INVALID_COMBINATION'],
    ['no authentication', { disableAuth: true }, 'disableAuth', 'INVALID_COMBINATION'],
    ['no region of AWS', within({ region: 'moon' }), 'awsSigV4.region', 'INVALID_FORMAT'],
  ]);
});

test('a collection that refuses says that it gives no reason', async () => {
  const peer = await start({ certificate, signed: { service: 'aoss', region: REGION, credentials: [] } });
  const changes = { username: undefined, password: undefined, ...within({ service: 'AOSS', region: REGION, ...KEY }) };
  const result = await tryAt(peer, changes);
  expect(gist(result)).toEqual({
    at: 'session/authenticate',
    code: 'PERMISSION_DENIED',
    configPath: 'awsSigV4.accessKeyId',
  });
  expect(result.failure?.hint).toMatch(/aoss:APIAccessAll/);
});

test('a cluster that takes no signatures is told', async () => {
  const peer = await start({ certificate });
  const changes = { username: undefined, password: undefined, ...within({ region: REGION, ...KEY }) };
  expect(gist(await tryAt(peer, changes))).toEqual({
    at: 'session/authenticate',
    code: 'SIGN_IN_METHOD_REFUSED',
    configPath: 'awsSigV4.accessKeyId',
  });
});
