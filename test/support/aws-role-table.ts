import { describe, expect, test } from 'vitest';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { createFakeSts, type FakeRole, type FakeSts, type FakeStsOptions } from './peers/fake-sts.ts';
import type { AwsCredentials } from './peers/sigv4.ts';
import { createTokenIssuer } from './peers/token-issuer.ts';
import type { Changes } from './stands/stand.ts';
import { gist, type TestedConnection } from './test-connection.ts';

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const OUTER = 'arn:aws:iam::210987654321:role/outer/of-others';
const WEB_ROLE = 'arn:aws:iam::123456789012:role/web';
export const issuer = createTokenIssuer('https://tokens.example', 'sts.amazonaws.com');
const otherIssuer = createTokenIssuer('https://tokens.example', 'sts.amazonaws.com');

export interface AwsRoleTable {
  readonly connector: Connector;
  /** A config that signs in with the key, with some values changed. */
  readonly configFor: (changes: Changes) => Record<string, unknown>;
  /** Tests such a config at a peer that takes what STS has given. */
  readonly tryWith: (sts: FakeSts, changes: Changes) => Promise<TestedConnection>;
  readonly key: AwsCredentials;
  readonly region: string;
  /** Where the sign-in stands in the config: `awsIam.`. Left out: at its root. */
  readonly within?: string;
}

/** What holds of every type whose requests a role may sign. */
export function describeAwsRoles({ connector, configFor, tryWith, key, region, within = '' }: AwsRoleTable): void {
  const roles: readonly FakeRole[] = [
    { arn: ROLE, trusts: [key.accessKeyId, WEB_ROLE] },
    { arn: OUTER, trusts: [key.accessKeyId], externalId: 'customer/42' },
    { arn: WEB_ROLE, issuer },
  ];
  const noKey = { accessKeyId: undefined, secretAccessKey: undefined };
  const placed = (changes: Changes) =>
    Object.fromEntries(Object.entries(changes).map(([path, value]) => [within + path, value]));
  const tryRole = async (changes: Changes, options: Partial<FakeStsOptions> = {}) => {
    const sts = createFakeSts({ region, credentials: [key], roles, ...options });
    return { sts, result: await tryWith(sts, placed(changes)) };
  };
  const web = (token: string, more: object = {}) => ({ ...noKey, webIdentity: { roleArn: WEB_ROLE, token, ...more } });

  describe('a role that is assumed', () => {
    test('signs the requests, for a quarter of an hour', async () => {
      const { sts, result } = await tryRole({ assumeRole: { roleArn: ROLE } });
      expect(result.failure).toBeNull();
      expect(result.steps[0]).toBe('role/assume: PASSED');
      expect(result.evidence['role/assume']).toMatchObject({
        role: 'arn:aws:sts::123456789012:assumed-role/reader/datastore-gateway',
        expires: expect.stringMatching(/^\d{4}-.*Z$/),
      });
      expect(sts.issued).toHaveLength(1);
      expect(sts.issued[0]?.form.get('DurationSeconds')).toBe('900');
      expect(sts.issued[0]?.form.get('Policy')).toBeNull();
    });

    test('goes by external id, session name and session policy', async () => {
      const sessionPolicy = '{"Version":"2012-10-17","Statement":[]}';
      const { sts, result } = await tryRole({
        assumeRole: { roleArn: OUTER, externalId: 'customer/42', sessionName: 'a@b', sessionPolicy },
      });
      expect(result.failure).toBeNull();
      const form = sts.issued[0]?.form;
      expect([form?.get('ExternalId'), form?.get('RoleSessionName'), form?.get('Policy')]).toEqual([
        'customer/42',
        'a@b',
        sessionPolicy,
      ]);
    });

    test('may be that of a web identity, without a key', async () => {
      const { sts, result } = await tryRole(web(issuer.token()));
      expect(result.failure).toBeNull();
      expect(sts.issued.map(({ role }) => role)).toEqual([WEB_ROLE]);
    });

    test('may be another one that the role of a web identity assumes', async () => {
      const { sts, result } = await tryRole({ ...web(issuer.token()), assumeRole: { roleArn: ROLE } });
      expect(result.failure).toBeNull();
      expect(sts.issued.map(({ role }) => role)).toEqual([WEB_ROLE, ROLE]);
    });

    test('leaves neither its credentials nor the token in what is told', async () => {
      const token = issuer.token();
      const { sts, result } = await tryRole(web(token));
      const told = JSON.stringify(result);
      for (const { secretAccessKey, sessionToken } of sts.issued)
        for (const secret of [token, secretAccessKey, sessionToken]) expect(told).not.toContain(secret);
    });
  });

  describe('a role that is not assumed', () => {
    const assumed = { assumeRole: { roleArn: ROLE } };
    test.each<readonly [string, Changes, string, string]>([
      ['a role that trusts others', { assumeRole: { roleArn: WEB_ROLE } }, 'PERMISSION_DENIED', 'assumeRole.roleArn'],
      ['no external id', { assumeRole: { roleArn: OUTER } }, 'PERMISSION_DENIED', 'assumeRole.roleArn'],
      ['an unknown key', { ...assumed, accessKeyId: 'AKIDNOBODY' }, 'KEY_REFUSED', 'accessKeyId'],
      ['another secret', { ...assumed, secretAccessKey: 'wrong' }, 'KEY_REFUSED', 'secretAccessKey'],
      ['a token of another issuer', web(otherIssuer.token()), 'KEY_REFUSED', 'webIdentity.token'],
      ['a token for another audience', web(issuer.token({ aud: 'others' })), 'KEY_REFUSED', 'webIdentity.token'],
      ['an expired token', web(issuer.token({ exp: 1 })), 'TOKEN_EXPIRED', 'webIdentity.token'],
      ['a text that is no token', web('no-token'), 'KEY_REFUSED', 'webIdentity.token'],
      ['a role for keys alone', web(issuer.token(), { roleArn: ROLE }), 'PERMISSION_DENIED', 'webIdentity.roleArn'],
    ])('%s is told', async (_title, changes, code, path) => {
      const { sts, result } = await tryRole(changes);
      expect(gist(result)).toEqual({ at: 'role/assume', code, configPath: within + path });
      const named = [...(result.failure?.hint ?? '').matchAll(/`([A-Za-z.]+)`/g)].map(([, field]) => field ?? '');
      expect(named.filter((field) => !field.startsWith(within))).toEqual([]);
      expect(result.failure?.hint).toBeTruthy();
      expect(result.evidence['role/assume']).toHaveProperty('serverError');
      expect(sts.issued).toEqual([]);
    });

    test.each([
      ['MalformedPolicyDocument', 'SERVER_ERROR', 'assumeRole.sessionPolicy'],
      ['RegionDisabledException', 'WRONG_REGION', 'region'],
      ['Throttling', 'TOO_MANY_REQUESTS', undefined],
      ['ValidationError', 'SERVER_ERROR', 'assumeRole.roleArn'],
    ])('%s of STS is told', async (refuses, code, path) => {
      const { result } = await tryRole(assumed, { refuses });
      expect(result).toMatchObject({ failedAt: 'role/assume', failure: { code } });
      if (path !== undefined) expect(result.failure?.configPath).toBe(within + path);
    });

    test('a clock that is an hour behind is told', async () => {
      const { result } = await tryRole(assumed, { clockAhead: 60 });
      expect(result).toMatchObject({ failedAt: 'role/assume', failure: { code: 'CLOCK_SKEW' } });
    });
  });

  describe('the rules of a sign-in', () => {
    const issuesOf = (changes: Changes) =>
      (connector.config.safeParse(configFor(placed(changes))).error?.issues ?? []).map(({ path }) => path.join('.'));

    test.each<readonly [string, Changes, readonly string[]]>([
      ['neither key nor web identity', noKey, ['accessKeyId', 'secretAccessKey']],
      ['both of them', { webIdentity: { roleArn: WEB_ROLE, token: 'x' } }, ['accessKeyId', 'secretAccessKey']],
      ['no ARN', { assumeRole: { roleArn: 'reader' } }, ['assumeRole.roleArn']],
      ['a user’s ARN', { assumeRole: { roleArn: 'arn:aws:iam::123456789012:user/x' } }, ['assumeRole.roleArn']],
      ['a policy that is no JSON', { assumeRole: { roleArn: ROLE, sessionPolicy: '{' } }, ['assumeRole.sessionPolicy']],
      [
        'a session’s name with a blank',
        { assumeRole: { roleArn: ROLE, sessionName: 'a b' } },
        ['assumeRole.sessionName'],
      ],
    ])('refuse %s', (_title, changes, paths) => {
      expect(issuesOf(changes)).toEqual(paths.map((path) => within + path));
    });

    test('count STS among the places that are gone to', () => {
      const config = connector.config.parse(configFor(placed({ assumeRole: { roleArn: ROLE } })));
      expect(connector.targets(config).map(({ host }) => host)).toContain(`sts.${region}.amazonaws.com`);
      const plain = connector.config.parse(configFor({}));
      expect(connector.targets(plain).map(({ host }) => host)).not.toContain(`sts.${region}.amazonaws.com`);
    });
  });
}
