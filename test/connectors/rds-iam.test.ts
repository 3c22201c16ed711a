import { describe, expect, test } from 'vitest';
import { mysql } from '../../src/connectors/mysql/index.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { describeAwsRoles } from '../support/aws-role-table.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { createFakeSts, type FakeSts } from '../support/peers/fake-sts.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { judgeRdsToken, startRdsFront } from '../support/peers/rds.ts';
import type { AwsCredentials } from '../support/peers/sigv4.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { postgresStand } from '../support/stands/postgres.ts';
import type { Changes, Stand } from '../support/stands/stand.ts';
import { gist, type TestedConnection } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const REGION = 'eu-central-1';
const STS = `sts.${REGION}.amazonaws.com`;
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const SIGN_IN: Changes = {
  username: 'app',
  password: undefined,
  'awsIam.region': REGION,
  'awsIam.accessKeyId': KEY.accessKeyId,
  'awsIam.secretAccessKey': KEY.secretAccessKey,
};

const postgresql = useStand(postgresStand);
const mysqls = useStand(mysqlStand);
const nobody = createFakeSts({ region: REGION, credentials: [], roles: [] });
const certificate = await authority.issue({ names: ['db.example', STS] });

/** A database that takes tokens of IAM, signed with these credentials. */
type StartRds = (credentials: () => readonly AwsCredentials[]) => Promise<{ readonly port: number }>;

const startPostgres: StartRds = async (credentials) => {
  const server = await trusting();
  const place = { host: 'db.example', port: 5432, region: REGION, credentials };
  return postgresql.keep(startRdsFront({ ...place, certificate, upstream: server.port }));
};
let first: Promise<{ readonly port: number }> | undefined;
function trusting() {
  first ??= postgresql.keep(postgresStand.start(undefined, { hba: ['host all all 127.0.0.1/32 trust'] }));
  return first;
}

const startMysql: StartRds = (credentials) => {
  const place = { host: 'db.example', port: 3306, region: REGION, credentials };
  const judges = (token: string, username: string) => judgeRdsToken(token, username, place);
  return mysqls.start({ username: 'app', plugin: 'mysql_clear_password', judges });
};

const types = [
  ['POSTGRES', postgres, postgresStand as Stand<never>, startPostgres, 5432],
  ['MYSQL', mysql, mysqlStand as Stand<never>, startMysql, 3306],
] as const;

describe.each(types)('%s with a token of AWS IAM', (_type, connector, stand, start, port) => {
  const used = useStand(stand);
  const configFor = (changes: Changes = {}) => used.configFor({ ...SIGN_IN, ...changes });
  const tryWith = async (sts: FakeSts, changes: Changes = {}, more: readonly AwsCredentials[] = []) => {
    const database = await start(() => [KEY, ...more, ...sts.issued]);
    const tokens = await used.keep(startHttpPeer((request) => sts.answer(request), { certificate }));
    const names = {
      [`db.example:${port}`]: `127.0.0.1:${database.port}`,
      [`${STS}:443`]: `127.0.0.1:${tokens.port}`,
    };
    return used.tryAt(database, { ...SIGN_IN, ...changes }, { names });
  };

  test('passes every check', async () => {
    const result = await tryWith(nobody);
    expect(result.failure).toBeNull();
    expect(result.steps).toContain('tables/list: PASSED');
    expect(JSON.stringify(result)).not.toContain('X-Amz-Signature');
  });

  test('takes temporary credentials', async () => {
    const temporary = { accessKeyId: 'ASIDEXAMPLE', secretAccessKey: 'another', sessionToken: 'a+session/token==' };
    const changes = Object.fromEntries(Object.entries(temporary).map(([key, value]) => [`awsIam.${key}`, value]));
    expect((await tryWith(nobody, changes, [temporary])).failure).toBeNull();
    const without = await tryWith(nobody, { ...changes, 'awsIam.sessionToken': undefined }, [temporary]);
    expect(gist(without)).toMatchObject({ at: 'session/authenticate', code: 'KEY_REFUSED' });
  });

  test.each<readonly [string, Changes]>([
    ['another secret', { 'awsIam.secretAccessKey': 'wrong' }],
    ['an unknown key', { 'awsIam.accessKeyId': 'AKIDNOBODY' }],
    ['another region', { 'awsIam.region': 'us-east-1' }],
  ])('%s is refused', async (_title, changes) => {
    const result: TestedConnection = await tryWith(nobody, changes);
    expect(gist(result)).toEqual({
      at: 'session/authenticate',
      code: 'KEY_REFUSED',
      configPath: 'awsIam.accessKeyId',
    });
    expect(result.failure?.hint).toMatch(/rds-db:connect/);
    expect(result.evidence['session/authenticate']).toHaveProperty('serverError');
  });

  describeAwsRoles({ connector, configFor, tryWith, key: KEY, region: REGION, within: 'awsIam.' });

  describeBadConfigs({ connector, config: configFor() }, [
    ['a password beside it', { password: 'x' }, 'password', 'INVALID_COMBINATION'],
    ['clear text', { tls: { mode: 'DISABLE' } }, 'tls.mode', 'INVALID_COMBINATION'],
    ['no region of AWS', { 'awsIam.region': 'moon' }, 'awsIam.region', 'INVALID_FORMAT'],
    ['no key', { 'awsIam.accessKeyId': undefined }, 'awsIam.accessKeyId', 'REQUIRED'],
    ['STS in clear text', { 'awsIam.stsUrl': 'http://sts.example' }, 'awsIam.stsUrl', 'INVALID_FORMAT'],
  ]);
});

test('MySQL is never given a password as clear text that is no token', async () => {
  const peer = await mysqls.start({ plugin: 'mysql_clear_password', judges: () => true });
  const result = await mysqls.tryAt(peer, {});
  expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'SIGN_IN_METHOD_REFUSED' });
});
