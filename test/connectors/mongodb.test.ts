import { Long } from 'bson';
import { describe, expect, test } from 'vitest';
import { changedDestinations } from '../../src/connectors/kit/config/shape.ts';
import { mongodb } from '../../src/connectors/mongodb/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../support/inputs.ts';
import { type FakeMongodbOptions, mongoReply } from '../support/peers/fake-mongodb.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { closedPort, startTarpit, type TarpitOptions } from '../support/peers/tarpit.ts';
import { describeReach } from '../support/reach-table.ts';
import { mongodbStand } from '../support/stands/mongodb.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist, type TestConnectionOptions, type TestedConnection } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const secure = useStand(mongodbStand);
const clear = useStand(inClearText(mongodbStand));
const { configFor, keep, start, tryAt, tryIt, tryWith } = clear;
const PASSWORD = String(configFor().password);
const EVERY_CHECK = ['database/select', 'collections/list', 'document/insert'];

describe('a server that works', () => {
  test('passes every check over one connection, the writing one too, and says what it found', async () => {
    const peer = await start();
    const result = await tryAt(peer, {}, { methods: EVERY_CHECK });
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

  test('says that it is FerretDB, where it is', async () => {
    const buildInfo = { ok: 1, version: '7.0.42', ferretdbVersion: 'v1.24.2' };
    const result = await tryWith({ misbehave: (command) => (command === 'buildInfo' ? buildInfo : undefined) });
    expect(result.evidence['session/authenticate']).toMatchObject({ server: 'FerretDB 1.24.2' });
  });

  test('is not written to by default', async () => {
    const peer = await start();
    expect(await tryAt(peer)).toMatchObject({ status: 'PASSED' });
    expect(peer.commands).not.toContain('insert');
  });

  test.each([
    ['the strongest that the user has', 'modern', undefined, 'SCRAM-SHA-256'],
    ['the weaker one where the user has no other', 'old', undefined, 'SCRAM-SHA-1'],
    ['the one asked for', 'app', 'SCRAM_SHA_1', 'SCRAM-SHA-1'],
    ['for a name with the separators of SCRAM', 'a=b,c', undefined, 'SCRAM-SHA-256'],
  ])('signs in by SCRAM: %s', async (_title, username, authMechanism, mechanism) => {
    const result = await tryIt({ username, authMechanism });
    expect(result.failure).toBeNull();
    expect(result.evidence['session/authenticate']).toMatchObject({ mechanism });
  });

  test('signs in with a password as SASLprep makes it', async () => {
    const password = 'I\u00ad\u2168\u00a0\u00aa'.replace('\u2168', 'X');
    expect(await tryIt({ username: 'prepared', password })).toMatchObject({ status: 'PASSED' });
  });

  test('signs in to the database that knows the user', async () => {
    const peer = await start();
    expect(await tryAt(peer, { username: 'local', authSource: 'shop' })).toMatchObject({ status: 'PASSED' });
    expect(gist(await tryAt(peer, { username: 'local' }))).toMatchObject({ code: 'PASSWORD_REFUSED' });
  });

  test('signs in to a server that wants the last word acknowledged', async () => {
    expect(await tryWith({ withEmptyExchange: true })).toMatchObject({ status: 'PASSED' });
  });

  test('needs no user where none is asked for', async () => {
    const peer = await start({ users: undefined });
    const result = await tryAt(peer, { username: undefined, password: undefined });
    expect(result).toMatchObject({ status: 'PASSED' });
    expect(peer.commands).not.toContain('saslStart');
  });

  test('lists more collections than come at once', async () => {
    const many = Object.fromEntries(Array.from({ length: 450 }, (_, number) => [`c${number}`, []]));
    const peer = await start({ databases: { shop: many }, views: {} });
    expect((await tryAt(peer)).evidence['collections/list']).toEqual({ collections: '450', views: '0' });
    expect(peer.commands.filter((command) => command === 'getMore')).toHaveLength(4);
  });

  test('sends nothing that it was not asked for', async () => {
    const peer = await start();
    await tryAt(peer);
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
    const result = await tryAt(peer, { replicaSet: 'rs0' });
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'session/authenticate': { replicaSet: 'rs0' } } });
    expect(peer.connections()).toBe(1);
  });

  test('a secondary takes no writes', async () => {
    const result = await tryWith({ replicaSet: set }, {}, { methods: ['document/insert'] });
    expect(gist(result)).toEqual({ at: 'document/insert', code: 'PERMISSION_DENIED', configPath: 'host' });
    expect(result.failure?.hint).toContain('primary');
  });

  test.each([
    ['another set', { replicaSet: set }],
    ['no set', {}],
  ])('a server of %s than the config says', async (_title, options) => {
    const result = await tryWith(options, { replicaSet: 'rs1' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'replicaSet' });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
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
    const result = await tryIt(more, { methods: EVERY_CHECK });
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
    expect(
      gist(await tryWith({ misbehave: (command) => (command === 'saslStart' ? { ok: 0, code } : undefined) })),
    ).toMatchObject({ at: 'session/authenticate', code: failure });
  });

  describeReach(clear);
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
    const result = await tryWith(options);
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('a server that knows nothing of the password and lets everybody in', async () => {
    const result = await tryWith({
      misbehave: (command, request) => {
        if (command === 'saslContinue') return { ok: 1, conversationId: 1, done: true, payload: Buffer.from('v=AAAA') };
        return command === 'saslStart' && request.done ? request : undefined;
      },
    });
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    expect(result.failure?.hint).toContain('prove');
  });

  test('a server that takes the nonce for its own', async () => {
    const payload = Buffer.from('r=other,s=c2FsdA==,i=5000');
    expect(
      gist(
        await tryWith({
          misbehave: (command) =>
            command === 'saslStart' ? { ok: 1, conversationId: 1, done: false, payload } : undefined,
        }),
      ),
    ).toMatchObject({ code: 'PROTOCOL_MISMATCH' });
  });

  test('a cursor that never ends and never goes on', async () => {
    const cursor = { id: 7, ns: 'shop.$cmd.listCollections' };
    const result = await tryWith({
      misbehave: (command) => {
        if (command === 'listCollections') return { ok: 1, cursor: { ...cursor, firstBatch: [{ name: 'a' }] } };
        return command === 'getMore' ? { ok: 1, cursor: { ...cursor, nextBatch: [] } } : undefined;
      },
    });
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'collections/list': { collections: '1' } } });
  });

  test('an answer after sign-in that is longer than any should be', async () => {
    expect(
      gist(
        await tryWith({
          misbehave: (command) =>
            command === 'listCollections' ? mongoReply({ ok: 1, note: 'x'.repeat(5_000_000) }, 5) : undefined,
        }),
      ),
    ).toMatchObject({ at: 'database/select', code: 'PROTOCOL_MISMATCH' });
  });

  test('documents within documents, after sign-in', async () => {
    expect(
      gist(
        await tryWith({
          misbehave: (command) => (command === 'listCollections' ? mongoReply(nested(400_000), 5) : undefined),
        }),
      ),
    ).toMatchObject({ at: 'database/select', code: 'UNEXPECTED_ANSWER' });
  });

  test.each<[string, TarpitOptions, string]>([
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['a MySQL server', { says: Buffer.from(`4a0000000a382e302e333600${'08'.repeat(66)}`, 'hex') }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
  ])('%s', async (_title, options, code) => {
    const result = await tryAt(await keep(startTarpit(options)));
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code });
    if (code === 'CONNECTION_LOST') expect(result.failure?.hint).toContain('TLS');
  });

  test('an HTTP server', async () => {
    const peer = await keep(startHttpPeer(() => ({ status: 200 })));
    const result = await tryAt(peer, {}, { deadline: 3_000 });
    expect(['PROTOCOL_MISMATCH', 'CONNECTION_LOST', 'TIMEOUT']).toContain(result.failure?.code);
  });

  test('silence, and a byte a second, end at the deadline', async () => {
    const cases: [TarpitOptions, object, string][] = [
      [{}, { mode: 'DISABLE' }, 'session/authenticate'],
      [{}, {}, 'tls/handshake'],
      [{ says: `\x40${'\0'.repeat(63)}`, slowly: true }, { mode: 'DISABLE' }, 'session/authenticate'],
    ];
    const strangers = await Promise.all(cases.map(([options]) => keep(startTarpit(options))));
    const results = await Promise.all(
      cases.map(([, tls], index) => tryAt({ port: strangers[index]?.port ?? 0 }, { tls }, { deadline: 1_500 })),
    );
    expect(results.map(gist)).toEqual(cases.map(([, , at]) => ({ at, code: 'TIMEOUT', configPath: null })));
    await expect.poll(() => strangers.map((stranger) => stranger.open())).toEqual([0, 0, 0]);
  });
});

describeTls(mongodbStand, { heard: ({ requests }) => requests });

describe('TLS', () => {
  const { authority, issue } = secure;
  /** Of a server that asks for certificates of the same CA. */
  const mutual = async () => ({ ...(await issue()), clientCa: authority.certificate });
  const pairOf = ({ certificate, key }: IssuedCertificate) => ({ clientCertificate: certificate, clientKey: key });

  test('a server that does not speak it', async () => {
    const result = await tryIt({ tls: {} });
    expect(result).toMatchObject({ failedAt: 'tls/handshake' });
    expect(['TLS_FAILED', 'CONNECTION_LOST']).toContain(result.failure?.code);
  });

  test.each([
    ['that the server knows', 'app', undefined, undefined],
    ['that the server knows, with the name', 'app', 'CN=app', undefined],
    ['for somebody whom the server does not know', 'nobody', undefined, 'session/authenticate'],
  ])('signs in by a client certificate %s', async (_title, commonName, username, failedAt) => {
    const result = await secure.tryWith(
      { tls: await mutual(), users: { 'CN=app': {} } },
      {
        tls: pairOf(await authority.issue({ client: true, commonName })),
        username,
        password: undefined,
        authMechanism: 'X509',
      },
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
    const client = await (await createAuthority('Other')).issue({ client: true, commonName: 'app' });
    const result = await secure.tryWith({ tls: await mutual() }, { tls: pairOf(client) });
    // this server hangs up, where a real one sends an alert
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'CONNECTION_LOST' });
    expect(result.failure?.hint).toContain('certificate');
  });

  test('a server that asks for a client certificate', async () => {
    const result = await secure.tryWith({ tls: await mutual() });
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
    return tryAt(
      { port: 0 },
      { host: cluster, srv: true, ...more },
      {
        names: {},
        lookup: async () => ['127.0.0.1'],
        lookupService: async (name) => {
          asked.push(name);
          expect(asked).toEqual([`_mongodb._tcp.${cluster}`]);
          return records;
        },
        ...options,
      },
    );
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
    const peer = await start({ tls: await secure.issue({ names: ['a.ab1cd.example.net'] }) });
    expect(await trySrv([record('a.ab1cd.example.net', peer.port)], { tls: {} })).toMatchObject({ status: 'PASSED' });
    expect(gist(await trySrv([record('b.ab1cd.example.net', peer.port)], { tls: {} }))).toMatchObject({
      at: 'tls/handshake',
      code: 'TLS_NAME_MISMATCH',
    });
  });

  test('lead a write to the primary, if it is one of them', async () => {
    const primary = await start();
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
    const stranger = await keep(startTarpit());
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
    const stranger = await keep(startTarpit());
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

describe('the catalog', () => {
  test('fields and types are those of a sample', async () => {
    const result = await tryIt({}, { catalog: true });
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
      { namespace: 'shop', name: 'orders', kind: 'COLLECTION', readable: true, columns: orders },
      { namespace: 'shop', name: 'customers', kind: 'COLLECTION', readable: true, columns: [] },
      { namespace: 'shop', name: 'recent', kind: 'VIEW', readable: true, columns: orders },
    ]);
  });

  test('a collection that may not be read has no fields; a server that stops ends the reading', async () => {
    const refuse = (code: number) => (command: string) => (command === 'aggregate' ? { ok: 0, code } : undefined);
    const unread = await tryWith({ misbehave: refuse(13) }, {}, { catalog: true });
    expect(unread.batches.flat().map(({ name, columns, readable }) => [name, columns.length, readable])).toEqual([
      ['orders', 0, false],
      ['customers', 0, false],
      ['recent', 0, false],
    ]);
    const stopping = await tryWith({ misbehave: refuse(91) }, {}, { catalog: true });
    expect(gist(stopping)).toMatchObject({ at: 'catalog/read', code: 'SERVER_UNAVAILABLE' });
  });

  test.each([168, 238, 40_324])('a server that lacks a stage (%i) lists names; a mapping is told so', async (code) => {
    const options = { misbehave: (command: string) => (command === 'aggregate' ? { ok: 0, code } : undefined) };
    const { batches } = await tryWith(options, {}, { catalog: true });
    expect(batches.flat().map(({ name, columns, readable }) => [name, columns.length, readable])).toContainEqual([
      'orders',
      0,
      null,
    ]);
    const tenancy = { ...ORDERS, level: 'TABLE', clientColumnType: 'NUMBER', tablePrimaryKeyColumn: '_id' } as const;
    const mapped = await tryWith(options, {}, { tenancy });
    expect(gist(mapped)).toEqual({ at: 'tenancy/mapping', code: 'SERVER_ERROR', configPath: null });
    expect(mapped.failure?.hint).toContain('$sample');
  });

  test('many collections come some at a time', async () => {
    const many = Object.fromEntries(Array.from({ length: 450 }, (_, number) => [`c${number}`, [{ a: 1 }]]));
    const result = await tryWith({ databases: { shop: many }, views: {} }, {}, { catalog: true });
    expect(result.batches.map((batch) => batch.length)).toEqual([100, 100, 100, 100, 50]);
    expect(result.evidence['catalog/read']).toEqual({ entries: '450', columns: '450' });
  });
});

const ORDERS = { schemaName: 'shop', tableName: 'orders', tableClientNameColumn: 'total' };
describeTenancy(clear, [
  ['whose key is an ObjectId', { ...ORDERS, clientColumnType: 'STRING', tablePrimaryKeyColumn: '_id' }, undefined],
  [
    'whose key is of several types',
    { ...ORDERS, clientColumnType: 'STRING', tablePrimaryKeyColumn: 'buyer' },
    'TENANCY_COLUMN_TYPE',
    'tablePrimaryKeyColumn',
  ],
  [
    'whose database may not be read',
    { schemaName: 'stock', tableName: 'items' },
    'PERMISSION_DENIED',
    'tableName',
    undefined,
    { username: 'reader' },
  ],
]);

const PAIR = { clientCertificate: CERTIFICATE, clientKey: PRIVATE_KEY };

describeBadConfigs(mongodbStand, [
  ['a connection string', { host: 'mongodb://a:b@db.example/shop' }, 'host', 'URL_IN_HOST'],
  ['several hosts', { host: 'a.example,b.example' }, 'host', 'INVALID_FORMAT'],
  ['a socket', { host: '/tmp/mongodb-27017.sock' }, 'host', 'INVALID_FORMAT'],
  ['an address with srv', { host: '192.0.2.1', srv: true }, 'host', 'INVALID_COMBINATION'],
  ['a port with srv', { srv: true, port: 27_018 }, 'port', 'INVALID_COMBINATION'],
  ['a port of 0', { port: 0 }, 'port', 'OUT_OF_RANGE'],
  ['a database with a slash', { database: 'a/b' }, 'database', 'INVALID_FORMAT'],
  ['a database with a dot', { database: 'a.b' }, 'database', 'INVALID_FORMAT'],
  ['a database of too many bytes', { database: 'ä'.repeat(32) }, 'database', 'INVALID_FORMAT'],
  ['an unknown mechanism', { authMechanism: 'GSSAPI' }, 'authMechanism', 'INVALID_VALUE'],
  ['a password without a user', { username: undefined }, 'username', 'INVALID_COMBINATION'],
  [
    'X509 without a certificate',
    { password: undefined, authMechanism: 'X509' },
    'tls.clientCertificate',
    'INVALID_COMBINATION',
  ],
  [
    'X509 in clear text',
    { password: undefined, authMechanism: 'X509', tls: { mode: 'DISABLE' } },
    'authMechanism',
    'INVALID_COMBINATION',
  ],
  ['X509 with a password', { authMechanism: 'X509', tls: PAIR }, 'password', 'INVALID_COMBINATION'],
  [
    'X509 with another source',
    { password: undefined, authMechanism: 'X509', authSource: 'admin', tls: PAIR },
    'authSource',
    'INVALID_COMBINATION',
  ],
]);

describe('the config', () => {
  test('leads where it says', () => {
    expect(mongodb.targets(mongodb.config.parse(configFor()))).toMatchObject([{ host: 'mongo.example', port: 27_017 }]);
  });

  test.each([
    ['host', { host: 'other.example' }, ['host']],
    ['srv', { srv: true }, ['srv']],
    ['mechanism', { authMechanism: 'SCRAM_SHA_1' }, ['authMechanism']],
    ['user, database and source', { username: 'b', database: 'c', authSource: 'd', replicaSet: 'e' }, []],
  ])('a change of %s is one of destination: %j', (_title, change, paths) => {
    const parse = (more: object) => mongodb.config.parse({ ...configFor({ tls: undefined }), ...more });
    expect(changedDestinations(mongodb, parse({}), parse(change))).toEqual(paths);
  });
});

describe('a cursor that is left open', () => {
  test('is ended when the test is cancelled', async () => {
    const asked = Promise.withResolvers<void>();
    const stalls = (command: string) => {
      if (command === 'getMore') asked.resolve();
      return command === 'getMore';
    };
    const peer = await start({ batch: 1, stalls });
    const end = new AbortController();
    const outcome = tryAt(peer, {}, { cancel: end.signal, deadline: 60_000, cleanUpMs: 20_000 });
    await asked.promise;
    expect(peer.cursors()).toBe(1);
    end.abort();
    expect(await outcome).toMatchObject({ status: 'CANCELLED', log: [] });
    expect(peer.cursors()).toBe(0);
  });

  test('is ended when it does not go forward', async () => {
    const cursor = { id: Long.fromNumber(7), ns: 'shop.$cmd.listCollections' };
    const misbehave = (command: string) =>
      command === 'listCollections'
        ? { cursor: { ...cursor, firstBatch: [{ name: 'orders' }] }, ok: 1 }
        : command === 'getMore'
          ? { cursor: { ...cursor, nextBatch: [] }, ok: 1 }
          : undefined;
    const peer = await start({ misbehave });
    await tryAt(peer);
    const { killCursors, cursors } = peer.requests.find((request) => 'killCursors' in request) ?? {};
    expect({ killCursors, cursors: cursors?.map(Number) }).toEqual({
      killCursors: '$cmd.listCollections',
      cursors: [7],
    });
  });
});
