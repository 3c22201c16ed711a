import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPeopleRules } from '../../src/modules/people/rules.ts';
import { verifyJournal } from '../../src/platform/journal/journal.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { apiOf } from '../support/api.ts';
import { describeEachGateway, type OpenTestGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DatastoreEvents, ReadAuditLog } from '../support/operations.ts';
import { type OpenIdPeer, signInAt, startOpenIdPeer } from '../support/peers/openid-provider.ts';

const REDIRECT = 'http://127.0.0.1/graphql';
const PEOPLE = {
  ann: { name: 'Ann Example', groups: ['platform', 'everybody'] },
  bob: { name: 'Bob', groups: ['everybody'] },
};
/** The rules of the documentation. */
const RULES =
  /```yaml\n([^`]+)```/.exec(readFileSync(new URL('../../docs/people.md', import.meta.url), 'utf8'))?.[1] ?? '';
const VIEWER = '{ viewer { token { id name prefix scopes expiresAt environments { name } } } }';

let folder: string;
let provider: OpenIdPeer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gateway-people-'));
  await writeFile(join(folder, 'rules.yaml'), RULES);
  provider = await startOpenIdPeer(PEOPLE, REDIRECT);
});

afterAll(async () => {
  await provider.close();
  await rm(folder, { recursive: true });
});

const openId = () => ({
  issuer: provider.issuer,
  audience: provider.audience,
  rulesFile: join(folder, 'rules.yaml'),
  clientId: provider.clientId,
  clientSecret: undefined,
  cooldownMs: 0,
});

describeEachGateway('a person', (open: OpenTestGateway) => {
  let gateway: TestGateway;
  let production: string;

  beforeAll(async () => {
    gateway = await open({ openId: openId(), testing: { limits: { recheckMs: 200 } } });
    const { json } = await gateway.send({
      query:
        'mutation { createEnvironment(input: { name: "production" }) { ... on CreateEnvironmentSuccess { environment { id } } } }',
    });
    production = (json.data as { createEnvironment: { environment: { id: string } } }).createEnvironment.environment.id;
  });

  const codeOf = async (query: string, token: string) => {
    const { json } = await gateway.send({ query }, token);
    return json.errors?.[0]?.extensions?.code ?? 'taken';
  };

  test('may what the first rule that fits says, in its environments, under the own name', async () => {
    const ann = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann });
    const { json } = await gateway.send({ query: VIEWER }, ann);
    expect(json.data).toEqual({
      viewer: {
        token: {
          id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
          name: 'Ann Example (ann)',
          prefix: '',
          scopes: ['DATASTORES_READ', 'DATASTORES_WRITE', 'DATASTORES_TEST', 'TOKENS_ADMIN'],
          expiresAt: expect.any(String),
          environments: [{ name: 'production' }],
        },
      },
    });
    const created = await apiOf(gateway, ann).created({ config: { postgres: postgresConfig() } });
    expect(created).toMatchObject({ createdBy: 'Ann Example (ann)', environment: { id: production } });
    const bob = await provider.tokenFor({ sub: 'bob', ...PEOPLE.bob });
    const seen = await gateway.send({ query: `{ datastore(id: "${created.id}") { createdBy } }` }, bob);
    expect(seen.json.data).toEqual({ datastore: { createdBy: 'Ann Example (ann)' } });
    expect(await codeOf(`mutation { deleteEnvironment(id: "${production}") { __typename } }`, bob)).toBe('FORBIDDEN');
  });

  test('whom no rule fits is known, and may nothing', async () => {
    const eve = await provider.tokenFor({ sub: 'eve', name: 'Eve', groups: 'others' });
    expect(await codeOf('{ viewer { token { name } } }', eve)).toBe('taken');
    expect(await codeOf('{ datastores { totalCount } }', eve)).toBe('FORBIDDEN');
  });

  test('of a long name is found in the audit log by what is left of it, and breaks no chain', async () => {
    const dan = await provider.tokenFor({ sub: 'dan', ...PEOPLE.ann, name: '😀'.repeat(100) });
    const make = `mutation { createApiToken(input: { name: "by dan", scopes: [], environmentIds: ["${production}"] }) {
      ... on CreateApiTokenSuccess { apiToken { createdBy } } } }`;
    const { json } = await gateway.send({ query: make }, dan);
    const { createApiToken } = json.data as { createApiToken: { apiToken: { createdBy: string } } };
    const { apiToken } = createApiToken;
    expect(apiToken.createdBy).toMatch(/^😀{60}.? \(dan\)$/u);
    const { auditLog } = await gateway.run(ReadAuditLog, { actor: apiToken.createdBy, action: 'token.create' });
    expect(auditLog.nodes).toMatchObject([{ actor: apiToken.createdBy, detail: { name: 'by dan' } }]);
    const keyring = await Keyring.load(join(gateway.folder, 'master.key'));
    expect((await verifyJournal(gateway.app.database.query, keyring, '')).brokenAt).toBeNull();
  });

  test('makes lasting tokens within what the rule says, and no session tokens', async () => {
    const ann = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann });
    const make = (scopes: string) => `mutation { createApiToken(input: { name: "by ann ${scopes}", scopes: [${scopes}],
      environmentIds: ["${production}"] }) { __typename ... on UserError { code } } }`;
    const made = await gateway.send({ query: make('DATASTORES_READ') }, ann);
    expect(made.json.data).toMatchObject({ createApiToken: { __typename: 'CreateApiTokenSuccess' } });
    const refused = await gateway.send({ query: make('AUDIT_READ') }, ann);
    expect(refused.json.data).toMatchObject({ createApiToken: { __typename: 'ValidationError' } });
    const session = `mutation { createSessionToken(input: { scopes: [DATASTORES_READ], environmentIds: ["${production}"],
      expiresInMinutes: 5 }) { __typename } }`;
    expect(await codeOf(session, ann)).toBe('FORBIDDEN');
  });

  test('signs in by code flow with PKCE, and the code is good once', async () => {
    const where = (await (await fetch(`${gateway.url}/graphiql/provider`)).json()) as {
      endpoint: string;
      clientId: string;
    };
    expect(where).toEqual({ endpoint: `${provider.issuer}/auth`, clientId: provider.clientId });
    const { code, state, verifier } = await signInAt(where.endpoint, where.clientId, REDIRECT, 'ann');
    expect(state).toBe(true);
    const exchange = (body: object) =>
      fetch(`${gateway.url}/graphiql/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code, verifier, redirectUri: REDIRECT, ...body }),
      });
    expect((await exchange({ verifier: 'x'.repeat(43) })).status).toBe(401);
    const again = await signInAt(where.endpoint, where.clientId, REDIRECT, 'ann');
    const good = await exchange({ code: again.code, verifier: again.verifier });
    expect(good.status).toBe(200);
    const { token } = (await good.json()) as { token: string };
    expect((await gateway.send({ query: VIEWER }, token)).json.data).toMatchObject({
      viewer: { token: { name: 'Ann Example (ann)', environments: [{ name: 'production' }] } },
    });
    expect((await exchange({ code: again.code, verifier: again.verifier })).status).toBe(401);
    for (const body of [{ code: 5 }, { verifier: 'x'.repeat(5_000) }, { redirectUri: null }])
      expect((await exchange(body)).status).toBe(401);
  });

  test('whose token ends loses the open subscription', async () => {
    const exp = Math.floor(Date.now() / 1_000) - 58;
    const token = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann, exp });
    // jose allows for a minute between the clocks, the gateway for nothing once it knows the token
    expect(await codeOf('{ viewer { token { name } } }', token)).toBe('UNAUTHENTICATED');
    const short = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann, exp: Math.floor(Date.now() / 1_000) + 2 });
    const closed = await gateway
      .follow(DatastoreEvents, { environmentId: production }, { token: short })
      .catch((reason: { code?: number }) => reason.code);
    expect(closed).toBe(4403);
  });

  test('is not let in by a token that is not good', async () => {
    const good = { sub: 'ann', ...PEOPLE.ann };
    const stranger = await startOpenIdPeer(PEOPLE, REDIRECT);
    const bad = {
      'of another audience': await provider.tokenFor({ ...good, aud: 'another' }),
      'of another issuer': await provider.tokenFor({ ...good, iss: stranger.issuer }),
      'signed by another provider': await stranger.tokenFor({ ...good, iss: provider.issuer }),
      'that has ended': await provider.tokenFor({ ...good, exp: Math.floor(Date.now() / 1_000) - 120 }),
      'that is not good yet': await provider.tokenFor({ ...good, nbf: Math.floor(Date.now() / 1_000) + 600 }),
      'without a subject': await provider.tokenFor({ ...PEOPLE.ann }),
      'without an end': await provider.tokenFor({ ...good, exp: undefined }),
      'signed by a secret': await new SignJWT({ ...good, iss: provider.issuer, aud: provider.audience })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode('x'.repeat(32))),
      'not signed at all': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ ...good, iss: provider.issuer, aud: provider.audience, exp: 9e9, iat: 1 })).toString('base64url')}.x`,
      'that was changed': (await provider.tokenFor(good)).replace(
        /\.(.)/,
        (_all, first) => `.${first === 'a' ? 'b' : 'a'}`,
      ),
      'that is too long': await provider.tokenFor({ ...good, more: 'x'.repeat(7_000) }),
    };
    await stranger.close();
    for (const [title, token] of Object.entries(bad))
      expect([title, await codeOf('{ viewer { token { name } } }', token)]).toEqual([title, 'UNAUTHENTICATED']);
    expect(gateway.log()).not.toContain(bad['of another audience']);
  });

  test('goes on when the provider changes its key, and while it is away; a new one waits', async () => {
    const before = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann });
    expect(await codeOf('{ viewer { token { name } } }', before)).toBe('taken');
    await provider.rotateKey();
    const after = await provider.tokenFor({ sub: 'ann', ...PEOPLE.ann });
    expect(await codeOf('{ viewer { token { name } } }', after)).toBe('taken');
    const asked = provider.keyRequests();
    for (let index = 0; index < 5; index += 1)
      expect(await codeOf('{ viewer { token { name } } }', await provider.tokenFor({ sub: `p${index}` }))).toBe(
        'taken',
      );
    expect(provider.keyRequests()).toBe(asked);
    await provider.goAway();
    expect(await codeOf('{ viewer { token { name } } }', after)).toBe('taken');
    const fresh = await open({ openId: openId() });
    const { status, json } = await fresh.send({ query: VIEWER }, after);
    expect([status, json.errors?.[0]?.extensions?.code]).toEqual([503, 'UNAVAILABLE']);
    await provider.comeBack();
    await eventually(async () => (await fresh.send({ query: VIEWER }, after)).status === 200);
  });
});

describe('the rules', () => {
  const read = async (text: string) => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, text);
    return readPeopleRules(path).then(
      () => 'taken',
      (error: Error) => error.message,
    );
  };
  const rule = '- { claim: groups, has: a, scopes: [DATASTORES_READ], environments: all }';

  test.each([
    ['no file of YAML', '- {', /^line \d: this is no YAML$/],
    ['two documents', `${rule}\n---\n${rule}`, /^line \d: this is no YAML$/],
    ['a key twice', '- { claim: a, claim: b }', /^line \d: this is no YAML$/],
    ['nothing', '', /^the file must be a list of 1 to 1000 rules$/],
    ['an object', 'claim: groups', /^the file must be a list/],
    ['aliases', `- &a { claim: groups, has: a, scopes: [], environments: all }\n- *a`, /^it may hold no aliases$/],
    [
      'a key too much',
      rule.replace('}', ', enviroments: [] }'),
      /^rule 1 must have claim, has, scopes and environments/,
    ],
    [
      'no such scope',
      rule.replace('DATASTORES_READ', 'hunter2'),
      /^rule 1, scopes must list some of DATASTORES_READ, /,
    ],
    [
      'no environments',
      rule.replace('environments: all', 'environments: hunter2'),
      /^rule 1, environments must be all, or a list/,
    ],
    [
      'a claim that is a number',
      `${rule}\n${rule.replace('groups', '5')}`,
      /^rule 2, claim must be the name of a claim$/,
    ],
  ])('%s', async (_title, text, message) => {
    const said = await read(text);
    expect(said).toMatch(message);
    expect(said).not.toContain('hunter2');
  });

  test('that are good are taken, in YAML as in JSON', async () => {
    expect(await read(rule)).toBe('taken');
    expect(await read(JSON.stringify([{ claim: 'a', has: ['b'], scopes: [], environments: ['c'] }]))).toBe('taken');
  });
});
