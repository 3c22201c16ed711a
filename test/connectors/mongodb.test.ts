import { ObjectId } from 'bson';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { changedDestinations } from '../../src/connectors/kit/config/shape.ts';
import { mongodb } from '../../src/connectors/mongodb/index.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { type Authority, createAuthority, createSelfSigned, type IssuedCertificate } from '../support/certificates.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../support/inputs.ts';
import {
  type FakeMongodb,
  type FakeMongodbOptions,
  mongoReply,
  startFakeMongodb,
} from '../support/peers/fake-mongodb.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { closedPort, startTarpit, type TarpitOptions } from '../support/peers/tarpit.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'correct, horse=$ä✓ battery';
const EVERY_CHECK = ['database/select', 'collections/list', 'document/insert'];
const ORDERS = [
  { _id: new ObjectId(), total: 12.5, paid: true, lines: [], at: new Date(), buyer: 'x' },
  { _id: new ObjectId(), total: 3, paid: null, at: new Date(), buyer: 7 },
];
const SHOP: FakeMongodbOptions = {
  users: {
    app: { password: PASSWORD },
    'a=b,c': { password: PASSWORD },
    modern: { password: PASSWORD, mechanisms: ['SCRAM-SHA-256'] },
    old: { password: PASSWORD, mechanisms: ['SCRAM-SHA-1'] },
    local: { password: PASSWORD, source: 'shop' },
    reader: { password: PASSWORD, may: { shop: ['read'] } },
    stranger: { password: PASSWORD, may: {} },
    prepared: { password: 'IX a' },
  },
  databases: { shop: { orders: ORDERS, customers: [], 'system.views': [] }, stock: { items: [{ sku: 'a' }] } },
  views: { recent: 'orders' },
};

const closing: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close()));
});

async function start(options: FakeMongodbOptions = {}): Promise<FakeMongodb> {
  const peer = await startFakeMongodb({ ...SHOP, ...options });
  closing.push(peer);
  return peer;
}

async function startStranger(options: TarpitOptions) {
  const stranger = await startTarpit(options);
  closing.push(stranger);
  return stranger;
}

function configFor(peer: { readonly port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    host: '127.0.0.1',
    port: peer.port,
    username: 'app',
    password: PASSWORD,
    database: 'shop',
    tls: { mode: 'DISABLE' },
    ...more,
  };
}

function tryConnection(
  peer: { readonly port: number },
  more: Record<string, unknown> = {},
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  return testConnection(mongodb, configFor(peer, more), options);
}

describe('a server that works', () => {
  test('passes every check over one connection, the writing one too, and says what it found', async () => {
    const peer = await start();
    const result = await tryConnection(peer, {}, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'collections/list: PASSED',
      'document/insert: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'MongoDB 7.0.14', user: 'app', mechanism: 'SCRAM-SHA-256' },
      'database/select': { database: 'shop' },
      'collections/list': { collections: '2', views: '1' },
      'document/insert': { written: 'true', removed: 'true' },
    });
    expect(peer.collections('shop')).toEqual(['orders', 'customers', 'system.views']);
    expect(peer.connections()).toBe(1);
    await expect.poll(() => peer.open()).toBe(0);
  });

  test('is not written to by default', async () => {
    const peer = await start();
    expect(await tryConnection(peer)).toMatchObject({ status: 'PASSED' });
    expect(peer.commands).not.toContain('insert');
  });

  test.each([
    ['the strongest that the user has', 'modern', undefined, 'SCRAM-SHA-256'],
    ['the weaker one where the user has no other', 'old', undefined, 'SCRAM-SHA-1'],
    ['the one asked for', 'app', 'SCRAM_SHA_1', 'SCRAM-SHA-1'],
    ['for a name with the separators of SCRAM', 'a=b,c', undefined, 'SCRAM-SHA-256'],
  ])('signs in by SCRAM: %s', async (_title, username, authMechanism, mechanism) => {
    const result = await tryConnection(await start(), { username, authMechanism });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ mechanism });
  });

  test('signs in with a password as SASLprep makes it', async () => {
    const password = 'I\u00ad\u2168\u00a0\u00aa'.replace('\u2168', 'X');
    expect(await tryConnection(await start(), { username: 'prepared', password })).toMatchObject({ status: 'PASSED' });
  });

  test('signs in to the database that knows the user', async () => {
    const peer = await start();
    expect(await tryConnection(peer, { username: 'local', authSource: 'shop' })).toMatchObject({ status: 'PASSED' });
    expect(gist(await tryConnection(peer, { username: 'local' }))).toMatchObject({ code: 'PASSWORD_REFUSED' });
  });

  test('signs in to a server that wants the last word acknowledged', async () => {
    expect(await tryConnection(await start({ withEmptyExchange: true }))).toMatchObject({ status: 'PASSED' });
  });

  test('needs no user where none is asked for', async () => {
    const peer = await start({ users: undefined });
    const result = await tryConnection(peer, { username: undefined, password: undefined });
    expect(result).toMatchObject({ status: 'PASSED' });
    expect(peer.commands).not.toContain('saslStart');
  });

  test('lists more collections than come at once', async () => {
    const many = Object.fromEntries(Array.from({ length: 450 }, (_, number) => [`c${number}`, []]));
    const peer = await start({ databases: { shop: many }, views: {} });
    expect((await tryConnection(peer)).evidence['collections/list']).toEqual({ collections: '450', views: '0' });
    expect(peer.commands.filter((command) => command === 'getMore')).toHaveLength(4);
  });

  test('sends nothing that it was not asked for', async () => {
    const peer = await start();
    await tryConnection(peer);
    expect(peer.requests.every((request) => request.compression === undefined && request.lsid === undefined)).toBe(
      true,
    );
    expect(JSON.stringify(peer.requests)).not.toContain(PASSWORD);
  });
});

describe('replica sets', () => {
  const set = { name: 'rs0', primary: 'db-1.example:27017', isPrimary: false };

  test('a secondary is read from, whoever else it names', async () => {
    const peer = await start({ replicaSet: set });
    const result = await tryConnection(peer, { replicaSet: 'rs0' });
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'session/authenticate': { replicaSet: 'rs0' } } });
    expect(peer.connections()).toBe(1);
  });

  test('a secondary takes no writes', async () => {
    const result = await tryConnection(await start({ replicaSet: set }), {}, { methods: ['document/insert'] });
    expect(gist(result)).toEqual({ at: 'document/insert', code: 'PERMISSION_DENIED', configPath: 'host' });
    expect(result.failure?.hint).toContain('primary');
  });

  test.each([
    ['another set', { replicaSet: set }],
    ['no set', {}],
  ])('a server of %s than the config says', async (_title, options) => {
    const result = await tryConnection(await start(options), { replicaSet: 'rs1' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'replicaSet' });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    [
      'no user at all',
      { username: undefined, password: undefined },
      'session/authenticate',
      'CREDENTIALS_REQUIRED',
      'username',
    ],
    [
      'a mechanism that the user does not have',
      { username: 'old', authMechanism: 'SCRAM_SHA_256' },
      'session/authenticate',
      'SIGN_IN_METHOD_REFUSED',
      'authMechanism',
    ],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    [
      'a database that the user may not read',
      { username: 'stranger' },
      'database/select',
      'PERMISSION_DENIED',
      'username',
    ],
    ['no right to write', { username: 'reader' }, 'document/insert', 'PERMISSION_DENIED', 'username'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryConnection(await start(), more, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain(PASSWORD);
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('talks too much');
  });

  test.each<[number, string]>([
    [8000, 'PASSWORD_REFUSED'],
    [11, 'PASSWORD_REFUSED'],
    [334, 'SIGN_IN_METHOD_REFUSED'],
    [13436, 'SERVER_UNAVAILABLE'],
    [99_999, 'SERVER_ERROR'],
  ])('the server’s code %i at sign-in', async (code, failure) => {
    const peer = await start({ misbehave: (command) => (command === 'saslStart' ? { ok: 0, code } : undefined) });
    expect(gist(await tryConnection(peer))).toMatchObject({ at: 'session/authenticate', code: failure });
  });

  test('a closed port', async () => {
    const result = await tryConnection({ port: await closedPort() });
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code: 'CONNECTION_REFUSED', configPath: 'port' });
  });

  test('an unknown name', async () => {
    const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const result = await tryConnection({ port: 1 }, { host: 'nope.invalid' }, { lookup });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: 'host' });
  });

  test('an address that is not allowed, which nobody connects to', async () => {
    const stranger = await startStranger({});
    const result = await tryConnection(stranger, {}, { allow: [] });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED', configPath: 'host' });
    expect(stranger.connections()).toBe(0);
  });
});

/** A fake that gives these bytes as its first answer. */
const firstAnswer = (bytes: Buffer): FakeMongodbOptions => ({
  misbehave: (command) => (command === 'isMaster' ? bytes : undefined),
});
const HELLO = { ismaster: true, maxWireVersion: 21, ok: 1 };

/** A document within a document, and so on. */
function nested(depth: number): Buffer {
  const bytes = Buffer.alloc(8 * depth + 5);
  for (let level = 0; level < depth; level++) {
    bytes.writeInt32LE(bytes.length - 8 * level, 7 * level);
    bytes.write('\x03a\0', 7 * level + 4, 'latin1');
  }
  bytes.writeInt32LE(5, 7 * depth);
  return bytes;
}

describe('what is no MongoDB server, or a hostile one', () => {
  test.each<[string, FakeMongodbOptions, string]>([
    ['eight zero bytes', firstAnswer(Buffer.alloc(8)), 'PROTOCOL_MISMATCH'],
    ['a length of a gigabyte', firstAnswer(mongoReply(HELLO, 1, { length: 0x4000_0000 })), 'PROTOCOL_MISMATCH'],
    ['a negative length', firstAnswer(mongoReply(HELLO, 1, { length: -1 })), 'PROTOCOL_MISMATCH'],
    ['an answer to another question', firstAnswer(mongoReply(HELLO, 7)), 'PROTOCOL_MISMATCH'],
    ['a compressed answer', firstAnswer(mongoReply(HELLO, 1, { opcode: 2012 })), 'PROTOCOL_MISMATCH'],
    ['an answer of an old kind', firstAnswer(mongoReply(HELLO, 1, { opcode: 1 })), 'PROTOCOL_MISMATCH'],
    ['a promise of more to come', firstAnswer(mongoReply(HELLO, 1, { flags: 2 })), 'PROTOCOL_MISMATCH'],
    ['a section of another kind', firstAnswer(mongoReply(HELLO, 1, { kind: 1 })), 'PROTOCOL_MISMATCH'],
    ['two answers', firstAnswer(Buffer.concat([mongoReply(HELLO, 1), mongoReply(HELLO, 1)])), 'PROTOCOL_MISMATCH'],
    ['a document of no length', firstAnswer(mongoReply(Buffer.alloc(8), 1)), 'PROTOCOL_MISMATCH'],
    [
      'a document that is too long for its message',
      firstAnswer(mongoReply(Buffer.from([0xff, 0, 0, 0, 0, 0]), 1)),
      'PROTOCOL_MISMATCH',
    ],
    ['documents within documents', firstAnswer(mongoReply(nested(7_000), 1)), 'UNEXPECTED_ANSWER'],
    ['100 KiB before sign-in', firstAnswer(mongoReply({ ...HELLO, note: 'x'.repeat(100_000) }, 1)), 'TOO_MUCH_DATA'],
    ['a hello without its numbers', firstAnswer(mongoReply({ ok: 1 }, 1)), 'PROTOCOL_MISMATCH'],
    ['a server of before 3.6', firstAnswer(mongoReply({ ok: 1, maxWireVersion: 5 }, 1)), 'PROTOCOL_MISMATCH'],
    ['an error without a code', firstAnswer(mongoReply({ ok: 0 }, 1)), 'UNEXPECTED_ANSWER'],
    ['a hundred million rounds of password hashing', { iterations: 100_000_000 }, 'PROTOCOL_MISMATCH'],
    ['a single round of password hashing', { iterations: 1 }, 'PROTOCOL_MISMATCH'],
  ])('%s', async (_title, options, code) => {
    const result = await tryConnection(await start(options));
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('a server that knows nothing of the password and lets everybody in', async () => {
    const peer = await start({
      misbehave: (command, request) => {
        if (command === 'saslContinue') return { ok: 1, conversationId: 1, done: true, payload: Buffer.from('v=AAAA') };
        return command === 'saslStart' && request.done ? request : undefined;
      },
    });
    const result = await tryConnection(peer);
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    expect(result.failure?.hint).toContain('prove');
  });

  test('a server that takes the nonce for its own', async () => {
    const payload = Buffer.from('r=other,s=c2FsdA==,i=5000');
    const peer = await start({
      misbehave: (command) =>
        command === 'saslStart' ? { ok: 1, conversationId: 1, done: false, payload } : undefined,
    });
    expect(gist(await tryConnection(peer))).toMatchObject({ code: 'PROTOCOL_MISMATCH' });
  });

  test('a cursor that never ends and never goes on', async () => {
    const cursor = { id: 7, ns: 'shop.$cmd.listCollections' };
    const peer = await start({
      misbehave: (command) => {
        if (command === 'listCollections') return { ok: 1, cursor: { ...cursor, firstBatch: [{ name: 'a' }] } };
        return command === 'getMore' ? { ok: 1, cursor: { ...cursor, nextBatch: [] } } : undefined;
      },
    });
    const result = await tryConnection(peer);
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'collections/list': { collections: '1' } } });
  });

  test('an answer after sign-in that is longer than any should be', async () => {
    const peer = await start({
      misbehave: (command) =>
        command === 'listCollections' ? mongoReply({ ok: 1, note: 'x'.repeat(5_000_000) }, 5) : undefined,
    });
    expect(gist(await tryConnection(peer))).toMatchObject({ at: 'database/select', code: 'PROTOCOL_MISMATCH' });
  });

  test('documents within documents, after sign-in', async () => {
    const peer = await start({
      misbehave: (command) => (command === 'listCollections' ? mongoReply(nested(400_000), 5) : undefined),
    });
    expect(gist(await tryConnection(peer))).toMatchObject({ at: 'database/select', code: 'UNEXPECTED_ANSWER' });
  });

  test.each<[string, TarpitOptions, string]>([
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['a MySQL server', { says: Buffer.from(`4a0000000a382e302e333600${'08'.repeat(66)}`, 'hex') }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
  ])('%s', async (_title, options, code) => {
    const result = await tryConnection(await startStranger(options));
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code });
    if (code === 'CONNECTION_LOST') expect(result.failure?.hint).toContain('TLS');
  });

  test('an HTTP server', async () => {
    const peer = await startHttpPeer(() => ({ status: 200 }));
    closing.push(peer);
    const result = await tryConnection(peer, {}, { deadline: 3_000 });
    expect(['PROTOCOL_MISMATCH', 'CONNECTION_LOST', 'TIMEOUT']).toContain(result.failure?.code);
  });

  test('silence, and a byte a second, end at the deadline', async () => {
    const cases: [TarpitOptions, object, string][] = [
      [{}, { mode: 'DISABLE' }, 'session/authenticate'],
      [{}, {}, 'tls/handshake'],
      [{ says: '\x40\x00\x00', slowly: true }, { mode: 'DISABLE' }, 'session/authenticate'],
    ];
    const strangers = await Promise.all(cases.map(([options]) => startStranger(options)));
    const results = await Promise.all(
      cases.map(([, tls], index) => tryConnection({ port: strangers[index]?.port ?? 0 }, { tls }, { deadline: 1_500 })),
    );
    expect(results.map(gist)).toEqual(cases.map(([, , at]) => ({ at, code: 'TIMEOUT', configPath: null })));
    await expect.poll(() => strangers.map((stranger) => stranger.open())).toEqual([0, 0, 0]);
  });
});

describe('TLS', () => {
  const name = 'db.example';
  const found = { lookup: async () => ['127.0.0.1'] };
  let authority: Authority;
  let others: Authority;

  beforeAll(async () => {
    [authority, others] = await Promise.all([createAuthority(), createAuthority('Other')]);
  });

  async function tryTls(
    issued: IssuedCertificate,
    tls: Record<string, unknown>,
    more: Record<string, unknown> = {},
    options: FakeMongodbOptions = {},
  ): Promise<TestedConnection> {
    const peer = await start({ tls: issued, ...options });
    return tryConnection(peer, { host: name, tls, ...more }, found);
  }

  const issue = (options = {}) => authority.issue({ names: [name], ...options });
  const yesterday = new Date(Date.now() - 60_000);

  test.each<[string, () => Promise<IssuedCertificate>, Record<string, unknown>, string | undefined]>([
    ['a certificate of a CA of its own', issue, { own: true }, undefined],
    ['any certificate, with REQUIRE', () => createSelfSigned({ names: ['x.example'] }), { mode: 'REQUIRE' }, undefined],
    [
      'another name, with VERIFY_CA',
      () => issue({ names: ['x.example'] }),
      { own: true, mode: 'VERIFY_CA' },
      undefined,
    ],
    ['another name', () => issue({ names: ['x.example'] }), { own: true }, 'TLS_NAME_MISMATCH'],
    ['a CA that nobody knows', issue, {}, 'TLS_UNTRUSTED'],
    ['a self-signed certificate', () => createSelfSigned({ names: [name] }), {}, 'TLS_SELF_SIGNED'],
    ['an expired certificate', () => issue({ notAfter: yesterday }), { own: true }, 'TLS_EXPIRED'],
  ])('%s', async (_title, issued, { own, ...tls }, code) => {
    const result = await tryTls(await issued(), own ? { ...tls, caCertificate: authority.certificate } : tls);
    if (code) expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
    else expect(result).toMatchObject({ status: 'PASSED', evidence: { 'tls/handshake': { protocol: 'TLSv1.3' } } });
  });

  test('a server that does not speak it', async () => {
    const result = await tryConnection(await start(), { tls: {} });
    expect(result).toMatchObject({ failedAt: 'tls/handshake' });
    expect(['TLS_FAILED', 'CONNECTION_LOST']).toContain(result.failure?.code);
  });

  test.each([
    ['that the server knows', 'CN=app', () => authority, undefined, undefined],
    ['that the server knows, with the name', 'CN=app', () => authority, 'CN=app', undefined],
    ['for somebody whom the server does not know', 'CN=nobody', () => authority, undefined, 'session/authenticate'],
  ])('signs in by a client certificate %s', async (_title, subject, signer, username, failedAt) => {
    const client = await signer().issue({ client: true, commonName: subject.slice(3) });
    const pair = { clientCertificate: client.certificate, clientKey: client.key };
    const result = await tryTls(
      { ...(await issue()), clientCa: authority.certificate } as IssuedCertificate,
      { caCertificate: authority.certificate, ...pair },
      { username, password: undefined, authMechanism: 'X509' },
      { users: { 'CN=app': {} } },
    );
    if (!failedAt) expect(result).toMatchObject({ status: 'PASSED' });
    else
      expect(gist(result)).toEqual({
        at: failedAt,
        code: 'TLS_CLIENT_CERTIFICATE_REFUSED',
        configPath: 'tls.clientCertificate',
      });
  });

  test('a client certificate of another CA', async () => {
    const client = await others.issue({ client: true, commonName: 'app' });
    const result = await tryTls({ ...(await issue()), clientCa: authority.certificate } as IssuedCertificate, {
      caCertificate: authority.certificate,
      clientCertificate: client.certificate,
      clientKey: client.key,
    });
    // this server hangs up, where a real one sends an alert
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'CONNECTION_LOST' });
    expect(result.failure?.hint).toContain('certificate');
  });

  test('a server that asks for a client certificate', async () => {
    const tls = { ...(await issue()), clientCa: authority.certificate } as IssuedCertificate;
    const result = await tryTls(tls, { caCertificate: authority.certificate });
    expect(result.failure).toMatchObject({
      code: 'TLS_CLIENT_CERTIFICATE_REQUIRED',
      configPath: 'tls.clientCertificate',
    });
  });
});

describe('SRV records', () => {
  const record = (name: string, port: number, priority = 0, weight = 0) => ({ name, port, priority, weight });
  const cluster = 'cluster0.ab1cd.example.net';

  function trySrv(
    records: readonly ReturnType<typeof record>[],
    more: Record<string, unknown> = {},
    options: TestConnectionOptions = {},
  ): Promise<TestedConnection> {
    const asked: string[] = [];
    const config = { ...configFor({ port: 27_017 }), host: cluster, srv: true, ...more };
    return testConnection(mongodb, config, {
      lookup: async () => ['127.0.0.1'],
      lookupService: async (name) => {
        asked.push(name);
        expect(asked).toEqual([`_mongodb._tcp.${cluster}`]);
        return records;
      },
      ...options,
    });
  }

  test('lead to the first server that answers, by priority', async () => {
    const [first, second] = [await start(), await start()];
    const result = await trySrv([
      record('b.ab1cd.example.net', second.port, 2),
      record('a.ab1cd.example.net', first.port, 1),
    ]);
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'endpoint/resolve': { servers: `a.ab1cd.example.net:${first.port}, b.ab1cd.example.net:${second.port}` },
      'endpoint/connect': { server: `a.ab1cd.example.net:${first.port}` },
    });
    expect([first.connections(), second.connections()]).toEqual([1, 0]);
  });

  test('warn when the first does not answer, and fail when none does', async () => {
    const peer = await start();
    const away = record('away.ab1cd.example.net', await closedPort(), 0);
    const result = await trySrv([away, record('b.ab1cd.example.net', peer.port, 1)]);
    expect(result.steps).toContain('endpoint/connect: WARNING');
    expect(result.steps.at(-1)).toBe('collections/list: PASSED');
    expect(gist(await trySrv([away]))).toEqual({
      at: 'endpoint/connect',
      code: 'CONNECTION_REFUSED',
      configPath: 'host',
    });
  });

  test('lead to the name that the certificate is for', async () => {
    const authority = await createAuthority();
    const peer = await start({ tls: await authority.issue({ names: ['a.ab1cd.example.net'] }) });
    const tls = { caCertificate: authority.certificate };
    expect(await trySrv([record('a.ab1cd.example.net', peer.port)], { tls })).toMatchObject({ status: 'PASSED' });
    expect(gist(await trySrv([record('b.ab1cd.example.net', peer.port)], { tls }))).toMatchObject({
      at: 'tls/handshake',
      code: 'TLS_NAME_MISMATCH',
    });
  });

  test('lead a write to the primary, if it is one of them', async () => {
    const primary = await start({ databases: SHOP.databases });
    const set = { name: 'rs0', primary: `P.ab1cd.example.net:${primary.port}`, isPrimary: false };
    const secondary = await start({ replicaSet: set });
    const records = [record('s.ab1cd.example.net', secondary.port), record('p.ab1cd.example.net', primary.port, 1)];
    const result = await trySrv(records, {}, { methods: ['document/insert'] });
    expect(result.failure).toBeNull();
    expect(primary.commands).toContain('insert');
    expect(secondary.commands).not.toContain('insert');
    await expect.poll(() => [primary.open(), secondary.open()]).toEqual([0, 0]);
  });

  test('do not lead a write to whom the server names beside them', async () => {
    const stranger = await startStranger({});
    const set = { name: 'rs0', primary: `127.0.0.1:${stranger.port}`, isPrimary: false };
    const peer = await start({ replicaSet: set });
    const result = await trySrv([record('s.ab1cd.example.net', peer.port)], {}, { methods: ['document/insert'] });
    expect(gist(result)).toMatchObject({ at: 'document/insert', code: 'PERMISSION_DENIED' });
    expect(stranger.connections()).toBe(0);
  });

  test.each([
    ['of another domain', 'a.evil.example', 'ADDRESS_NOT_ALLOWED'],
    ['that only ends alike', 'xab1cd.example.net', 'ADDRESS_NOT_ALLOWED'],
    ['that is the domain itself', 'ab1cd.example.net', 'ADDRESS_NOT_ALLOWED'],
    ['that is an address', '127.0.0.1', 'ADDRESS_NOT_ALLOWED'],
    ['that says there is no service', '', 'NAME_NOT_FOUND'],
  ])('a server %s is not called', async (_title, name, code) => {
    const stranger = await startStranger({});
    const result = await trySrv([record(name, stranger.port)]);
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code, configPath: 'host' });
    expect(stranger.connections()).toBe(0);
  });

  test('a server with an address that is not allowed is not called, nor are the others', async () => {
    const peer = await start();
    const lookup = async (host: string) => [host.startsWith('inner') ? '169.254.169.254' : '127.0.0.1'];
    const records = [record('a.ab1cd.example.net', peer.port), record('inner.ab1cd.example.net', 80, 1)];
    const result = await trySrv(records, {}, { lookup });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED', configPath: 'host' });
    expect(peer.connections()).toBe(0);
  });

  test.each([
    ['none', async () => [], 'NAME_NOT_FOUND'],
    ['an unknown name', () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })), 'NAME_NOT_FOUND'],
  ])('%s', async (_title, lookupService, code) => {
    const result = await trySrv([], {}, { lookupService });
    expect(gist(result)).toEqual({ at: 'endpoint/resolve', code, configPath: 'host' });
  });
});

describe('catalog and tenancy', () => {
  test('fields and types are those of a sample', async () => {
    const result = await tryConnection(await start(), {}, { catalog: true });
    expect(result.failure).toBeNull();
    const orders = [
      { name: '_id', dataType: 'objectId', nullable: null },
      { name: 'total', dataType: 'double | int', nullable: null },
      { name: 'paid', dataType: 'bool', nullable: true },
      { name: 'at', dataType: 'date', nullable: null },
      { name: 'lines', dataType: 'array', nullable: true },
      { name: 'buyer', dataType: 'mixed: int | string', nullable: null },
    ];
    expect(result.batches.flat()).toEqual([
      { namespace: 'shop', name: 'orders', kind: 'COLLECTION', columns: orders },
      { namespace: 'shop', name: 'customers', kind: 'COLLECTION', columns: [] },
      { namespace: 'shop', name: 'recent', kind: 'VIEW', columns: orders },
    ]);
  });

  test('a collection that may not be read has no fields; a server that stops ends the reading', async () => {
    const refuse = (code: number) => (command: string) => (command === 'aggregate' ? { ok: 0, code } : undefined);
    const unread = await tryConnection(await start({ misbehave: refuse(13) }), {}, { catalog: true });
    expect(unread.batches.flat().map(({ name, columns }) => [name, columns.length])).toEqual([
      ['orders', 0],
      ['customers', 0],
      ['recent', 0],
    ]);
    const stopping = await tryConnection(await start({ misbehave: refuse(91) }), {}, { catalog: true });
    expect(gist(stopping)).toMatchObject({ at: 'catalog/read', code: 'SERVER_UNAVAILABLE' });
  });

  test('many collections come some at a time', async () => {
    const many = Object.fromEntries(Array.from({ length: 450 }, (_, number) => [`c${number}`, [{ a: 1 }]]));
    const result = await tryConnection(await start({ databases: { shop: many }, views: {} }), {}, { catalog: true });
    expect(result.batches.map((batch) => batch.length)).toEqual([100, 100, 100, 100, 50]);
    expect(result.evidence['catalog/read']).toEqual({ entries: '450', columns: '450' });
  });

  const tenancy = {
    level: 'TABLE',
    clientColumnType: 'STRING',
    schemaName: 'shop',
    tableName: 'orders',
    tableClientNameColumn: 'total',
    tablePrimaryKeyColumn: '_id',
  } as const;

  test.each([
    ['the mapping is there', {}, undefined],
    [
      'the mapping is in another database',
      { schemaName: 'stock', tableName: 'items', tablePrimaryKeyColumn: 'sku', tableClientNameColumn: 'sku' },
      undefined,
    ],
    ['there is no such collection', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['there is no such database', { schemaName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['there is no such field', { tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['the key is of another type', { clientColumnType: 'NUMBER' }, 'TENANCY_COLUMN_TYPE'],
    ['the key is of several types', { tablePrimaryKeyColumn: 'buyer' }, 'TENANCY_COLUMN_TYPE'],
  ] as const)('%s', async (_title, more, code) => {
    const result = await tryConnection(await start(), {}, { tenancy: { ...tenancy, ...more } });
    if (code) expect(gist(result)).toMatchObject({ at: 'tenancy/mapping', code });
    else expect(result.steps.at(-1)).toBe('tenancy/mapping: PASSED');
  });
});

const BASE = { host: 'db.example', database: 'shop', username: 'app', password: 'x' };
const PAIR = { clientCertificate: CERTIFICATE, clientKey: PRIVATE_KEY };

const badConfigs: readonly BadConfig[] = [
  {
    name: 'a connection string',
    config: { ...BASE, host: 'mongodb://a:b@db.example/shop' },
    path: 'host',
    code: 'URL_IN_HOST',
  },
  { name: 'several hosts', config: { ...BASE, host: 'a.example,b.example' }, path: 'host', code: 'INVALID_FORMAT' },
  { name: 'a socket', config: { ...BASE, host: '/tmp/mongodb-27017.sock' }, path: 'host', code: 'INVALID_FORMAT' },
  {
    name: 'an address with srv',
    config: { ...BASE, host: '192.0.2.1', srv: true },
    path: 'host',
    code: 'INVALID_COMBINATION',
  },
  { name: 'a port with srv', config: { ...BASE, srv: true, port: 27_018 }, path: 'port', code: 'INVALID_COMBINATION' },
  { name: 'a port of 0', config: { ...BASE, port: 0 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'a database with a slash', config: { ...BASE, database: 'a/b' }, path: 'database', code: 'INVALID_FORMAT' },
  { name: 'a database with a dot', config: { ...BASE, database: 'a.b' }, path: 'database', code: 'INVALID_FORMAT' },
  {
    name: 'a database of too many bytes',
    config: { ...BASE, database: 'ä'.repeat(32) },
    path: 'database',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'an unknown mechanism',
    config: { ...BASE, authMechanism: 'GSSAPI' },
    path: 'authMechanism',
    code: 'INVALID_VALUE',
  },
  {
    name: 'a password without a user',
    config: { ...BASE, username: undefined },
    path: 'username',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'X509 without a certificate',
    config: { ...BASE, password: undefined, authMechanism: 'X509' },
    path: 'tls.clientCertificate',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'X509 in clear text',
    config: { ...BASE, password: undefined, authMechanism: 'X509', tls: { mode: 'DISABLE' } },
    path: 'authMechanism',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'X509 with a password',
    config: { ...BASE, authMechanism: 'X509', tls: PAIR },
    path: 'password',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'X509 with another source',
    config: { ...BASE, password: undefined, authMechanism: 'X509', authSource: 'admin', tls: PAIR },
    path: 'authSource',
    code: 'INVALID_COMBINATION',
  },
];

describeBadConfigs(mongodb, badConfigs);

describe('the config', () => {
  test('leads where it says', () => {
    expect(mongodb.targets(mongodb.config.parse(BASE))).toMatchObject([{ host: 'db.example', port: 27_017 }]);
  });

  test.each([
    ['host', { host: 'other.example' }, ['host']],
    ['srv', { srv: true }, ['srv']],
    ['mechanism', { authMechanism: 'SCRAM_SHA_1' }, ['authMechanism']],
    ['user, database and source', { username: 'b', database: 'c', authSource: 'd', replicaSet: 'e' }, []],
  ])('a change of %s is one of destination: %j', (_title, change, paths) => {
    const parse = (more: object) => mongodb.config.parse({ ...BASE, ...more });
    expect(changedDestinations(mongodb, parse({}), parse(change))).toEqual(paths);
  });
});
