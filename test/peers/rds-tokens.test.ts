import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { rdsToken, type WithRdsIam } from '../../src/connectors/families/aws/rds.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { describePeer } from '../support/peers/installed.ts';
import { MOTO } from '../support/peers/moto.ts';
import { judgeRdsToken } from '../support/peers/rds.ts';
import { pythonOf } from '../support/peers/vendor-clients.ts';

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
    const { stdout } = await promisify(execFile)(pythonOf('moto'), [SCRIPT, ...given], { env: ENVIRONMENT });
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
});
