import { describe, expect, test } from 'vitest';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import {
  ACTED_AS,
  createFakeGoogleSts,
  type FakeGoogleSts,
  type FakeGoogleStsOptions,
  issuer,
  PROVIDER,
} from './peers/fake-google-sts.ts';
import { createTokenIssuer } from './peers/token-issuer.ts';
import type { Changes } from './stands/stand.ts';
import { gist, type TestedConnection } from './test-connection.ts';

const otherIssuer = createTokenIssuer('https://tokens.example', `https:${PROVIDER}`);
export interface WorkloadIdentityTable {
  readonly connector: Connector;
  /** A config that signs in by a key, with some values changed. */
  readonly configFor: (changes: Changes) => Record<string, unknown>;
  /** Tests such a config at a peer that takes what STS has given. */
  readonly tryWith: (sts: FakeGoogleSts, changes: Changes, more?: object) => Promise<TestedConnection>;
  /** The least scope of its checks. */
  readonly scope: string;
}

/** What holds of every type that a token of another provider signs in to. */
export function describeWorkloadIdentity({ connector, configFor, tryWith, scope }: WorkloadIdentityTable): void {
  const by = (token: string, more: object = {}): Changes => ({
    credentials: undefined,
    workloadIdentity: { audience: PROVIDER, token, ...more },
  });
  const acting = { serviceAccountEmail: ACTED_AS };
  const tryIdentity = async (changes: Changes, options: Partial<FakeGoogleStsOptions> = {}, more: object = {}) => {
    const sts = createFakeGoogleSts(options);
    return { sts, result: await tryWith(sts, changes, more) };
  };

  describe('a workload identity', () => {
    test('signs in with what its token is exchanged for', async () => {
      const { sts, result } = await tryIdentity(by(issuer.token()));
      expect(result.failure).toBeNull();
      expect(result.steps[0]).toBe('identity/exchange: PASSED');
      expect([...sts.issued.values()][0]).toEqual({ scopes: [scope], subject: 'gateway' });
    });

    test('signs in as the service account that lets it, with the least scope', async () => {
      const { sts, result } = await tryIdentity(by(issuer.token(), acting));
      expect(result.failure).toBeNull();
      expect(result.evidence['session/authenticate']).toMatchObject({ account: ACTED_AS });
      const [first, second] = sts.issued.values();
      expect(first?.account).toBeUndefined();
      expect(second).toEqual({ scopes: [scope], subject: 'gateway', account: ACTED_AS });
    });

    test('has its token exchanged once for each scope', async () => {
      const { sts } = await tryIdentity(by(issuer.token()));
      const scopes = [...sts.issued.values()].map((each) => each.scopes.join());
      expect(new Set(scopes).size).toBe(scopes.length);
    });

    test('leaves no token in what is told', async () => {
      const token = issuer.token();
      const { sts, result } = await tryIdentity(by(token, acting));
      for (const secret of [token, ...sts.issued.keys()]) expect(JSON.stringify(result)).not.toContain(secret);
    });

    test.each<readonly [string, Changes, Partial<FakeGoogleStsOptions>, string, string]>([
      ['a token of another issuer', by(otherIssuer.token()), {}, 'KEY_REFUSED', 'token'],
      ['a token for another audience', by(issuer.token({ aud: 'others' })), {}, 'KEY_REFUSED', 'token'],
      ['a text that is no token', by('no-token'), {}, 'KEY_REFUSED', 'token'],
      ['an expired token', by(issuer.token({ exp: 1 })), {}, 'TOKEN_EXPIRED', 'token'],
      [
        'a provider that is none',
        by(issuer.token(), { audience: PROVIDER.replace('my-pool', 'no-pool') }),
        {},
        'RESOURCE_NOT_FOUND',
        'audience',
      ],
      [
        'an owner whom a condition shuts out',
        by(issuer.token()),
        { lets: () => false },
        'PERMISSION_DENIED',
        'audience',
      ],
      [
        'an account that is none',
        by(issuer.token(), { serviceAccountEmail: 'nobody@my-project.iam.gserviceaccount.com' }),
        {},
        'RESOURCE_NOT_FOUND',
        'serviceAccountEmail',
      ],
      [
        'an account that does not let the owner',
        by(issuer.token({ sub: 'stranger' }), acting),
        {},
        'PERMISSION_DENIED',
        'serviceAccountEmail',
      ],
    ])('%s is told', async (_title, changes, options, code, field) => {
      const { result } = await tryIdentity(changes, options);
      expect(gist(result)).toEqual({ at: 'identity/exchange', code, configPath: `workloadIdentity.${field}` });
      expect(result.failure?.hint).toBeTruthy();
      expect(result.evidence['identity/exchange']).toHaveProperty('serverError');
    });

    test.each([
      ['the service account', acting, 'serviceAccountEmail'],
      ['the owner of the token', {}, 'audience'],
    ])('without a right %s is pointed at', async (_who, more, field) => {
      const { result } = await tryIdentity(by(issuer.token(), more), {}, { rights: [] });
      expect(result.failure).toMatchObject({ code: 'PERMISSION_DENIED', configPath: `workloadIdentity.${field}` });
    });
  });

  describe('the rules of a sign-in', () => {
    const issuesOf = (changes: Changes) =>
      (connector.config.safeParse(configFor(changes)).error?.issues ?? []).map(({ path }) => path.join('.'));

    test.each<readonly [string, Changes, readonly string[]]>([
      ['neither key nor workload identity', { credentials: undefined }, ['credentials']],
      ['both of them', { workloadIdentity: { audience: PROVIDER, token: 'x' } }, ['credentials']],
      [
        'an audience that is no provider',
        by('x', { audience: 'https://tokens.example' }),
        ['workloadIdentity.audience'],
      ],
      [
        'a user instead of an account',
        by('x', { serviceAccountEmail: 'reader' }),
        ['workloadIdentity.serviceAccountEmail'],
      ],
    ])('refuse %s', (_title, changes, paths) => {
      expect(issuesOf(changes)).toEqual(paths);
    });

    test('count STS among the places that are gone to', () => {
      const hosts = (changes: Changes) =>
        connector.targets(connector.config.parse(configFor(changes))).map(({ host }) => host);
      expect(hosts({})).toHaveLength(1);
      expect(hosts(by('x')).slice(1)).toEqual(['sts.googleapis.com']);
      expect(hosts(by('x', acting)).slice(1)).toEqual(['sts.googleapis.com', 'iamcredentials.googleapis.com']);
    });
  });
}
