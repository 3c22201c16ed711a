import { createServer as createNetServer, connect as netConnect } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { createAuthority, createSelfSigned, type IssuedCertificate } from '../support/certificates.ts';
import { holdSchemas } from '../support/held-schemas.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { startTarpit, type TarpitOptions } from '../support/peers/tarpit.ts';
import { describeReach } from '../support/reach-table.ts';
import { postgresStand } from '../support/stands/postgres.ts';
import { ACCOUNT, administer, type PostgresPeer } from '../support/stands/postgres-family.ts';
import { inClearText } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const secure = useStand(postgresStand);
const stand = useStand(inClearText(postgresStand));
const { authority, keep, start, tryAt, tryIt } = stand;
const EVERY_CHECK = ['database/select', 'query/execute', 'tables/list', 'schema/create'];

describe('a database that works', () => {
  test('passes every check, the writing one too, and says what it found', async () => {
    const result = await tryIt({ username: 'builder' }, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: PASSED',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
      'schema/create: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: expect.stringMatching(/^PostgreSQL 18\.\d+$/), user: 'builder' },
      'database/select': { database: 'shop', schema: 'public' },
      'query/execute': { rows: '1' },
      'tables/list': { tables: '0', views: '0', readable: '0' },
      'schema/create': { created: 'true', removed: 'true' },
    });
  });

  test('counts the tables of the schema, and those that may be read', async () => {
    const result = await tryIt({ schema: 'sales' });
    expect(result.evidence['tables/list']).toEqual({ schema: 'sales', tables: '2', views: '1', readable: '1' });
    expect(result.steps.at(-1)).toBe('tables/list: PASSED');
  });

  test('asks for no more than the least rights', async () => {
    const result = await tryIt({ username: 'least', schema: 'sales' });
    expect(result.failure).toBeNull();
    expect(result.steps.slice(-3)).toEqual(['database/select: PASSED', 'query/execute: PASSED', 'tables/list: PASSED']);
  });

  test('asks for no more than the user has whom the documentation makes', async () => {
    const peer = await stand.shared();
    await administer(peer.server, 'postgres', ['create database kept', 'revoke all on database kept from public']);
    await administer(peer.server, 'kept', ['revoke all on schema public from public; create table orders (id int)']);
    const recipe = stand.stand.connector.recipe?.text.replaceAll('shop', 'kept') ?? '';
    const [, password] = /PASSWORD '(.+)'/.exec(recipe) ?? [];
    await administer(peer.server, 'kept', [recipe]);
    const result = await tryIt({ username: 'gateway', password, database: 'kept' });
    expect(result.failure).toBeNull();
    expect(result.evidence['tables/list']).toMatchObject({ tables: '1', readable: '1' });
    expect(result.steps.at(-1)).toBe('tables/list: PASSED');
    await administer(peer.server, 'kept', ['revoke usage on schema public from gateway']);
    expect((await tryIt({ username: 'gateway', password, database: 'kept' })).failure).not.toBeNull();
  });

  test('warns when there are tables, but none may be read', async () => {
    const result = await tryIt({ username: 'blind', schema: 'locked' });
    expect(result.steps.at(-1)).toBe('tables/list: WARNING');
  });

  test('does not warn a role that reads views alone', async () => {
    const result = await tryIt({ username: 'viewer', schema: 'reports' });
    expect(result.steps.at(-1)).toBe('tables/list: PASSED');
    expect(result.evidence['tables/list']).toEqual({ schema: 'reports', tables: '1', views: '1', readable: '1' });
  });

  test.each(['legacy', 'in_the_clear'])('signs %s in as the server asks', async (username) => {
    expect(await tryIt({ username })).toMatchObject({ status: 'PASSED', failure: null });
  });

  test('takes nothing from the environment', async () => {
    const environment = {
      PGPASSWORD: ACCOUNT.password,
      PGUSER: 'postgres',
      PGOPTIONS: '-c nonsense=1',
      PGREPLICATION: 'database',
      PGAPPNAME: 'leak',
      PGCLIENTENCODING: 'LATIN1',
    };
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    try {
      expect(await tryIt()).toMatchObject({ status: 'PASSED' });
      const without = await tryIt({ password: undefined });
      expect(gist(without)).toEqual({
        at: 'session/authenticate',
        code: 'CREDENTIALS_REQUIRED',
        configPath: 'password',
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('a test that ends while its statement waits', () => {
  test.each([
    { title: 'in clear text', used: stand, ssl: {}, how: 'cancel', status: 'CANCELLED' },
    { title: 'over TLS', used: secure, ssl: { ssl: { rejectUnauthorized: false } }, how: 'expire', status: 'FAILED' },
  ])('has it cancelled, $title', async ({ used, ssl, how, status }) => {
    const peer = await used.shared();
    const { statements, end } = await holdSchemas(peer.server, { database: 'shop', role: 'builder', ...ssl });
    try {
      const ending = new AbortController();
      const options = { methods: ['schema/create'], deadline: 60_000, cleanUpMs: 20_000, [how]: ending.signal };
      const outcome = used.tryAt(peer, { username: 'builder' }, options);
      await expect.poll(statements).toBe(1);
      ending.abort();
      expect(await outcome).toMatchObject({ status, log: [] });
      await expect.poll(statements).toBe(0);
    } finally {
      await end();
    }
  });

  test('is cancelled whenever the test ends, before it is sent too', async () => {
    const peer = await stand.shared();
    const { statements, end } = await holdSchemas(peer.server, { database: 'shop', role: 'builder' });
    try {
      for (let ms = 0; ms <= 15; ms += 1) {
        const ending = new AbortController();
        const onPassed = (check: string) => {
          if (check === 'session/authenticate') setTimeout(() => ending.abort(), ms);
        };
        const options = { methods: ['schema/create'], deadline: 60_000, cleanUpMs: 20_000, cancel: ending.signal };
        const outcome = await tryIt({ username: 'builder' }, { ...options, onPassed });
        expect(outcome).toMatchObject({ status: 'CANCELLED', log: [] });
      }
      await expect.poll(statements).toBe(0);
    } finally {
      await end();
    }
  });
});

describe('the catalog', () => {
  test('comes in parts, however many tables there are, and each of them once', async () => {
    const peer = await start({ settings: { max_locks_per_transaction: '512' } });
    await administer(peer.server, 'postgres', [
      `do $$ begin for n in 1..450 loop
        execute format('create table "T %s" (a int not null, b text[])', n); end loop; end $$`,
    ]);
    const { superuser: username, password } = peer.server;
    const result = await tryAt(peer, { username, password, database: 'postgres' }, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.map((batch) => batch.length)).toEqual([100, 100, 100, 100, 50]);
    const entries = result.batches.flat();
    expect(new Set(entries.map(({ name }) => name)).size).toBe(450);
    expect(entries.find(({ name }) => name === 'T 7')).toEqual({
      namespace: 'public',
      name: 'T 7',
      kind: 'TABLE',
      readable: true,
      columns: [
        { name: 'a', dataType: 'integer', nullable: false },
        { name: 'b', dataType: 'text[]', nullable: true },
      ],
    });
  });

  test('holds the tables of every schema, and says which of them the role may read', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(
      result.batches.flat().map(({ namespace, name, kind, readable }) => `${namespace}.${name} ${kind} ${readable}`),
    ).toEqual([
      'domains.tenants TABLE false',
      'locked.orders TABLE false',
      'reports.monthly VIEW false',
      'reports.raw TABLE false',
      'sales.customers TABLE false',
      'sales.orders TABLE true',
      'sales.overview VIEW false',
    ]);
  });

  test('of a database that knows no characters holds all names that are text, and says which are not', async () => {
    const { server, port } = await stand.shared();
    await administer(server, 'postgres', [
      "create database bytes encoding 'SQL_ASCII' locale 'C' locale_provider libc template template0",
    ]);
    await administer(server, 'bytes', [
      'create table "Straße" (id int, "Größe" text)',
      `do $$ begin
        execute convert_from('\\x637265617465207461626c652022636166e92220286964206a736f6e29', 'SQL_ASCII');
        execute convert_from('\\x616c746572207461626c65202253747261c39f652220616464202254fc722220696e74', 'SQL_ASCII');
        for n in 1..200 loop execute format('create table "T %s" (a int)', n); end loop; end $$`,
    ]);
    const result = await tryAt({ port }, { database: 'bytes' }, { catalog: true });
    expect(result.failure).toBeNull();
    const entries = result.batches.flat();
    expect(entries.map(({ name }) => name)).toHaveLength(201);
    expect(entries.find(({ name }) => name === 'Straße')?.columns.map(({ name }) => name)).toEqual(['id', 'Größe']);
    expect(result.steps.at(-1)).toBe('catalog/read: WARNING');
    expect(result.evidence['catalog/read']).toMatchObject({
      entriesLeftOut: '1',
      columnsLeftOut: '1',
      unfitNames: 'public.Straße.T\ufffdr, public.caf\ufffd',
    });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a user who may not log in', { username: 'retired' }, 'session/authenticate', 'PERMISSION_DENIED', 'username'],
    [
      'a user who may not connect once more',
      { username: 'crowded' },
      'session/authenticate',
      'TOO_MANY_REQUESTS',
      null,
    ],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    [
      'a database that the user may not connect to',
      { database: 'closed' },
      'database/select',
      'PERMISSION_DENIED',
      'database',
    ],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a schema that the user may not use', { schema: 'secret' }, 'database/select', 'PERMISSION_DENIED', 'schema'],
    ['no right to create', {}, 'schema/create', 'PERMISSION_DENIED', 'username'],
    ['a server without TLS', { tls: {} }, 'tls/handshake', 'TLS_NOT_OFFERED', 'tls.mode'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain(ACCOUNT.password);
  });

  test('an unknown database also where only a later check is asked for', async () => {
    const result = await tryIt({ database: 'nope' }, { methods: ['tables/list'] });
    expect(gist(result)).toEqual({ at: 'tables/list', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
  });

  describeReach(stand);
});

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer | string, length = Buffer.byteLength(body) + 4): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

const SIGNED_IN = message('R', int32(0));

describe('what is no Postgres server, or a hostile one', () => {
  test.each<[string, TarpitOptions, string]>([
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['a MySQL server', { says: Buffer.from('4a0000000a382e302e3336000800', 'hex') }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
    ['a length of a gigabyte', { answers: message('R', int32(0), 0x4000_0000) }, 'PROTOCOL_MISMATCH'],
    ['a length of zero', { answers: message('R', int32(0), 0) }, 'PROTOCOL_MISMATCH'],
    ['a request for sign-in that is cut off', { answers: message('R', '') }, 'PROTOCOL_MISMATCH'],
    ['Kerberos', { answers: message('R', int32(7)) }, 'SIGN_IN_METHOD_REFUSED'],
    ['an error without an end', { answers: message('E', 'SFATAL\0C') }, 'PROTOCOL_MISMATCH'],
    [
      'an error without an end, before another message',
      { answers: Buffer.concat([message('E', 'SFATAL\0C28P01\0'), SIGNED_IN]) },
      'PROTOCOL_MISMATCH',
    ],
    ['a code that nobody knows', { answers: message('E', 'SFATAL\0VFATAL\0CXX999\0Mboom\0\0') }, 'SERVER_ERROR'],
    [
      'a server that is starting',
      { answers: message('E', 'SFATAL\0VFATAL\0C57P03\0Mstarting up\0\0') },
      'SERVER_UNAVAILABLE',
    ],
    [
      'a row before anything was asked',
      { answers: Buffer.concat([SIGNED_IN, message('T', int32(-1))]) },
      'PROTOCOL_MISMATCH',
    ],
    [
      'a row with a negative number of columns',
      { answers: Buffer.concat([SIGNED_IN, message('Z', 'I'), message('D', Buffer.from([0xff, 0xff]))]) },
      'PROTOCOL_MISMATCH',
    ],
    ['a message that does not exist', { answers: Buffer.concat([SIGNED_IN, message('?', '')]) }, 'PROTOCOL_MISMATCH'],
    ['100 KiB before sign-in', { answers: message('N', `SNOTICE\0M${'x'.repeat(100_000)}\0\0`) }, 'TOO_MUCH_DATA'],
  ])('%s', async (_title, options, code) => {
    const stranger = await keep(startTarpit(options));
    const result = await tryAt(stranger);
    expect(result.failure).toMatchObject({ code });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('an HTTP server, in the clear and asked for TLS', async () => {
    const peer = await keep(startHttpPeer(() => ({ status: 200 })));
    const inTheClear = await tryAt(peer);
    expect(gist(inTheClear)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    const overTls = await tryAt(peer, { tls: {} });
    expect(gist(overTls)).toEqual({ at: 'tls/handshake', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
  });

  test.each<[string, TarpitOptions, string]>([
    ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
    ['more than the one byte', { answers: Buffer.concat([Buffer.from('S'), SIGNED_IN]) }, 'PROTOCOL_MISMATCH'],
    ['one that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
    ['one that says yes and then no TLS', { answers: 'S', hangsUp: true }, 'TLS_FAILED'],
  ])('asked for TLS: %s', async (_title, options, code) => {
    const stranger = await keep(startTarpit(options));
    const result = await tryAt(stranger, { tls: {} });
    expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
  });

  test('silence, and a byte a second, end at the deadline', async () => {
    const cases: [TarpitOptions, object, string][] = [
      [{}, { mode: 'DISABLE' }, 'session/authenticate'],
      [{}, {}, 'tls/handshake'],
      [{ says: SIGNED_IN, slowly: true }, { mode: 'DISABLE' }, 'session/authenticate'],
    ];
    const strangers = await Promise.all(cases.map(([options]) => keep(startTarpit(options))));
    const results = await Promise.all(
      cases.map(([, tls], index) => tryAt({ port: strangers[index]?.port ?? 0 }, { tls }, { deadline: 2000 })),
    );
    expect(results.map(gist)).toEqual(cases.map(([, , at]) => ({ at, code: 'TIMEOUT', configPath: null })));
    await expect.poll(() => strangers.map((stranger) => stranger.open())).toEqual([0, 0, 0]);
  });

  test('a hundred million rounds of password hashing', async () => {
    const server = createNetServer((socket) => {
      socket.once('data', () =>
        socket.write(message('R', Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]))),
      );
      socket.on('data', (data) => {
        const nonce = /r=([^,]+)$/.exec(data.toString('latin1'))?.[1];
        if (nonce)
          socket.write(
            message('R', Buffer.concat([int32(11), Buffer.from(`r=${nonce}server,s=c2FsdA==,i=100000000`)])),
          );
      });
      socket.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as { port: number };
      const result = await tryAt({ port });
      expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
      expect(result.failure?.hint).toContain('lower scram_iterations');
    } finally {
      server.close();
    }
  });
});

describeBadConfigs(postgresStand, [
  ['a name that is too long', { database: 'x'.repeat(64) }, 'database', 'TOO_LONG'],
  ['a user name that no pooler takes', { username: 'x'.repeat(129) }, 'username', 'TOO_LONG'],
  ['a zero byte in the password', { password: 'a\0b' }, 'password', 'INVALID_FORMAT'],
  ['a URL as the host', { host: 'postgres://db.example' }, 'host', 'URL_IN_HOST'],
  ['a port that there is not', { port: 0 }, 'port', 'OUT_OF_RANGE'],
]);

describeTls(postgresStand);

describe('TLS', () => {
  let demanding: PostgresPeer;
  let signedByEd25519: PostgresPeer & { readonly ca: string };

  beforeAll(async () => {
    const other = await createAuthority('Ed25519', 'Ed25519');
    const certificate = await other.issue({ names: secure.hosts });
    signedByEd25519 = { ...(await keep(postgresStand.start(certificate))), ca: other.certificate };
    demanding = await secure.start({
      clientCa: authority.certificate,
      hba: [
        'hostssl all mutual 127.0.0.1/32 scram-sha-256 clientcert=verify-ca',
        'hostssl all by_certificate 127.0.0.1/32 cert',
        'hostssl all all 127.0.0.1/32 scram-sha-256',
      ],
    });
  });

  test('DISABLE, where the server takes only TLS', async () => {
    const result = await tryAt(demanding);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });

  test.each([
    ['that is needed', 'mutual', () => authority, undefined],
    ['instead of a password', 'by_certificate', () => authority, undefined],
    ['that is missing', 'mutual', undefined, 'TLS_CLIENT_CERTIFICATE_REQUIRED'],
    ['that is missing, instead of a password', 'by_certificate', undefined, 'TLS_CLIENT_CERTIFICATE_REQUIRED'],
    ['of another CA', 'mutual', () => createAuthority('Other'), 'TLS_CLIENT_CERTIFICATE_REFUSED'],
    ['for another user', 'by_certificate', () => authority, 'TLS_CLIENT_CERTIFICATE_REFUSED'],
  ] as const)('a client certificate %s', async (title, username, signer, code) => {
    const commonName = title === 'for another user' ? 'someone-else' : username;
    const client = await (await signer?.())?.issue({ client: true, commonName });
    const tls = client && { clientCertificate: client.certificate, clientKey: client.key };
    const password = username === 'by_certificate' ? undefined : ACCOUNT.password;
    const result = await secure.tryAt(demanding, { username, password, tls });
    expect(result.failure?.code).toBe(code);
    if (code) expect(gist(result)).toMatchObject({ at: 'session/authenticate', configPath: 'tls.clientCertificate' });
    else expect(result.status).toBe('PASSED');
  });

  test.each([
    ['VERIFY_FULL', undefined],
    ['VERIFY_CA', undefined],
    ['REQUIRE', 'SIGN_IN_METHOD_REFUSED'],
  ])('a certificate that Ed25519 signed, to which no sign-in can be bound: %s', async (mode, code) => {
    const peer = signedByEd25519;
    const result = await secure.tryAt(peer, { tls: { mode, caCertificate: peer.ca } });
    expect(result.failure?.code).toBe(code);
    // whoever stands in the middle could show such a certificate too
    if (code) expect(gist(result)).toMatchObject({ at: 'session/authenticate', configPath: 'tls.mode' });
    else expect(result.status).toBe('PASSED');
  });

  test('someone in the middle cannot pass a password on, not even with REQUIRE', async () => {
    const own = await createSelfSigned({ names: secure.hosts });
    const middle = await startMiddle(demanding.port, own);
    try {
      const result = await tryAt(middle, { tls: { mode: 'REQUIRE' } });
      expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'TLS_UNTRUSTED' });
      // the same one in the middle does let through what is not bound to a certificate
      expect(middle.relayed()).toBe(true);
    } finally {
      middle.close();
    }
  });
});

describeTenancy(stand, [
  ['whose columns have types of their own', { schemaName: 'domains', tableName: 'tenants' }, undefined],
  [
    'whose key is a text by a type of its own',
    { schemaName: 'domains', tableName: 'tenants', tablePrimaryKeyColumn: 'label' },
    'TENANCY_COLUMN_TYPE',
    'clientColumnType',
  ],
]);

/** Ends TLS, looks at everything, and passes it on to the server over TLS of its own. */
async function startMiddle(
  target: number,
  { certificate, key }: IssuedCertificate,
): Promise<{ port: number; relayed(): boolean; close(): void }> {
  let relayed = false;
  const inner = createTlsServer({ cert: certificate, key }, (client) => void relay(client));
  const relay = async (client: TLSSocket): Promise<void> => {
    const raw = netConnect({ host: '127.0.0.1', port: target });
    raw.write(Buffer.from('0000000804d2162f', 'hex'));
    await new Promise((resolve) => raw.once('data', resolve));
    const server = tlsConnect({ socket: raw, rejectUnauthorized: false });
    for (const each of [client, server]) each.on('error', () => each.destroy());
    server.once('data', () => {
      relayed = true;
    });
    client.pipe(server).pipe(client);
  };
  const outer = createNetServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write('S');
      inner.emit('connection', socket);
    });
  });
  await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
  const { port } = outer.address() as { port: number };
  return { port, relayed: () => relayed, close: () => outer.close() };
}
