import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { rdsToken, type WithRdsIam } from '../../src/connectors/families/aws/rds.ts';
import { awsQueryString, signAwsRequest } from '../../src/connectors/families/aws/signing.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { describePeer } from '../support/peers/installed.ts';
import { MOTO } from '../support/peers/moto.ts';
import { judgeRdsToken } from '../support/peers/rds.ts';
import { pythonOf } from '../support/peers/vendor-clients.ts';

const run = promisify(execFile);
const SCRIPT = join(import.meta.dirname, 'moto/rds_token.py');
const ENVIRONMENT = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', PYTHONDONTWRITEBYTECODE: '1' };
const HOST = 'shop.cluster-abc.eu-central-1.rds.amazonaws.com';
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

/** The two have an order of their own in the query, in which it counts for nothing. */
function partsOf(token: string): readonly string[] {
  const [place = '', query = ''] = token.split('/?');
  return [place, ...query.split('&').toSorted()];
}

describePeer('AWS’ own library', MOTO, () => {
  test.each([
    ['a key', 'app', {}],
    ['temporary credentials', 'app', { sessionToken: 'a+session/token==' }],
    ['a name with other characters', 'ä b@c&d=é', {}],
  ])('signs the same token with %s, and the fake takes it', async (_title, username, more) => {
    const key = { ...KEY, ...more };
    const region = 'eu-central-1';
    const given = [HOST, '5432', username, region, ...Object.values(key)];
    const { stdout } = await run(pythonOf('moto'), [SCRIPT, ...given], { env: ENVIRONMENT });
    const theirs = stdout.trim();
    const time = /X-Amz-Date=(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(theirs) ?? [];
    const now = new Date(`${time.slice(1, 4).join('-')}T${time.slice(4).join(':')}Z`);
    const config = postgres.config.parse({ host: HOST, username, database: 'shop', awsIam: { region, ...key } });
    const ours = await rdsToken(config as unknown as WithRdsIam, {}, now);
    expect(partsOf(ours ?? '')).toEqual(partsOf(theirs));
    const place = { host: HOST, port: 5432, region, credentials: () => [key] };
    expect(judgeRdsToken(theirs, username, place)).toBe(true);
    expect(judgeRdsToken(theirs, 'another', place)).toBe(false);
  });

  test.each([
    ['es', 'GET', '/_resolve/index/*', { expand_wildcards: 'open', filter_path: 'indices.name,error.type' }, ''],
    ['es', 'GET', '/a%20b%2Bc,d/_mapping', {}, ''],
    ['aoss', 'PUT', '/clients/_doc/1', {}, '{"name":"ä"}'],
  ])('signs the same for %s: %s %s', async (service, method, path, query, body) => {
    const url = `https://search.example${path}${awsQueryString(query)}`;
    const given = [method, url, body, service, 'eu-central-1', ...Object.values(KEY)];
    const script = join(import.meta.dirname, 'moto/sign_request.py');
    const { stdout } = await run(pythonOf('moto'), [script, ...given], { env: ENVIRONMENT });
    const theirs = JSON.parse(stdout) as Record<string, string>;
    const [, date, time] = /^(\d{8})T(\d{6})Z$/.exec(theirs['X-Amz-Date'] ?? '') ?? [];
    const now = new Date(`${date} ${time}`.replace(/(....)(..)(..) (..)(..)(..)/, '$1-$2-$3T$4:$5:$6Z'));
    const unsigned = { method, host: 'search.example', path, query, body };
    const ours = await signAwsRequest(unsigned, KEY, { region: 'eu-central-1', service }, now);
    expect(ours.authorization).toBe(theirs.Authorization);
  });
});
