import { constants, generateKeyPairSync, privateDecrypt, randomInt } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { IssuedCertificate } from '../certificates.ts';
import { errorBody, OK, PacketChannel, resultBodies, scrambled, xor } from './mysql-packets.ts';

export type FakePlugin = 'mysql_native_password' | 'caching_sha2_password' | 'sha256_password' | (string & {});

export interface FakeMysqlTable {
  readonly name: string;
  /** As information_schema.tables names it. Left out: BASE TABLE. */
  readonly type?: string;
  /** What the user may do with its columns, as information_schema.columns lists it. Left out: select. */
  readonly privileges?: string;
  /** Name, type, nullable. */
  readonly columns: readonly (readonly [string, string, boolean])[];
}

export interface FakeMysqlOptions {
  readonly username: string;
  readonly password: string;
  /** Signs in with the same password, and may use no database. */
  readonly stranger?: string;
  /** Has used up what it may. */
  readonly crowded?: string;
  /** How the account signs in. Left out: caching_sha2_password. */
  readonly plugin?: FakePlugin;
  /** What the greeting names. Left out: the account's. */
  readonly defaultPlugin?: FakePlugin;
  /** Judges what is sent for mysql_clear_password, as a server does that asks somebody else. */
  readonly judges?: (password: string, username: string) => boolean;
  /** The server knows the hash already, so that caching_sha2_password needs no more. */
  readonly cached?: boolean;
  /** Turns TLS on. */
  readonly certificate?: IssuedCertificate;
  /** What version() says. Left out: 8.4.3. */
  readonly version?: string;
  /** What only SingleStore has. */
  readonly memsqlVersion?: string;
  /** Tells the server that the connection of this number leads to, as `@@server_uuid`. Left out: one for all. */
  readonly serverOf?: (connection: number) => string;
  /** The number that a connection has at the server behind a proxy. Left out: the one that its greeting tells. */
  readonly numberAtServer?: (connection: number) => number;
  /** How many connections of the user's have the number that is asked for. Left out: one. */
  readonly shows?: string;
  /** A variable that it does not know. */
  readonly lacks?: string;
  readonly databases?: Readonly<Record<string, readonly FakeMysqlTable[]>>;
  /** Sent instead of the answer to a statement that begins so, each in a packet; a function does what it wants. */
  readonly answers?: Readonly<Record<string, readonly Buffer[] | ((channel: PacketChannel) => Promise<void>)>>;
  /** Tells which statements are carried out and never answered. */
  readonly stalls?: (sql: string) => boolean;
  /** Sent as it is, in one go with the greeting or in place of it. */
  readonly afterGreeting?: Buffer;
  readonly insteadOfGreeting?: Buffer;
  /** Does what it wants with whoever has answered the greeting. */
  readonly insteadOfSignIn?: (channel: PacketChannel) => Promise<void>;
}

export interface FakeMysql {
  readonly port: number;
  /** Every statement that it was asked to run. */
  readonly statements: readonly string[];
  /** The schemas that were made and not dropped. */
  schemas(): readonly string[];
  /** All that came, to see whether a password is among it. */
  readonly inTheClear: readonly Buffer[];
  readonly overTls: readonly Buffer[];
  /** How each sign-in went: `caching_sha2_password over TLS`. */
  readonly signIns: readonly string[];
  connections(): number;
  close(): Promise<void>;
}

const SSL = 0x800;
const PLUGIN_AUTH = 0x80000;
const CONNECT_WITH_DB = 8;
const CAPABILITIES = 0x1 | 0x4 | CONNECT_WITH_DB | 0x80 | 0x200 | 0x2000 | 0x8000 | PLUGIN_AUTH | 0x200000;
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PUBLIC_KEY = publicKey.export({ type: 'spki', format: 'pem' });

/**
 * A MySQL server that is written from the protocol's published description: it checks every proof of a password for
 * real, decrypts what was encrypted with its key, and answers the few statements that the checks send.
 */
export async function startFakeMysql(options: FakeMysqlOptions): Promise<FakeMysql> {
  const seen = {
    statements: [] as string[],
    signIns: [] as string[],
    inTheClear: [] as Buffer[],
    overTls: [] as Buffer[],
    made: new Set<string>(),
  };
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    const channel = new PacketChannel(socket, (chunk, encrypted) =>
      (encrypted ? seen.overTls : seen.inTheClear).push(chunk),
    );
    void serve(channel, options, seen, connections).finally(() => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ...seen,
    schemas: () => [...seen.made],
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface Seen {
  readonly statements: string[];
  readonly signIns: string[];
  readonly made: Set<string>;
}

async function serve(channel: PacketChannel, options: FakeMysqlOptions, seen: Seen, connection: number): Promise<void> {
  const { insteadOfGreeting, afterGreeting, certificate } = options;
  if (insteadOfGreeting) {
    channel.sendRaw(insteadOfGreeting);
    return void (await channel.next());
  }
  const scramble = Buffer.from(Array.from({ length: 20 }, () => randomInt(1, 128)));
  channel.send(greetingBody(options, scramble, connection));
  channel.sendRaw(afterGreeting ?? Buffer.alloc(0));
  let request = await channel.next();
  if (request && certificate && request.readUInt32LE(0) & SSL) {
    const flags = request.readUInt32LE(0);
    channel.startTls(certificate);
    request = await channel.next();
    if (request && request.readUInt32LE(0) !== flags) throw new Error('The client has changed its mind over TLS');
  }
  if (!request) return;
  if (options.insteadOfSignIn) return options.insteadOfSignIn(channel);
  const response = responseOf(request);
  const said = await signIn(channel, options, response, scramble);
  if (said && response.username === options.crowded) {
    const message = `User '${options.crowded}' has exceeded the 'max_connections_per_hour' resource (current value: 1)`;
    return void channel.send(errorBody(1226, message));
  }
  if (!said) {
    channel.send(errorBody(1045, `Access denied for user '${options.username}'`));
    return;
  }
  seen.signIns.push(`${said}${channel.encrypted ? ' over TLS' : ''}`);
  channel.send(OK);
  await answerStatements(channel, options, seen, { username: response.username, connection });
}

function greetingBody(options: FakeMysqlOptions, scramble: Buffer, connection: number): Buffer {
  const capabilities = CAPABILITIES | (options.certificate ? SSL : 0);
  const low = Buffer.alloc(2);
  const high = Buffer.alloc(2);
  low.writeUInt16LE(capabilities & 0xffff);
  high.writeUInt16LE(capabilities >>> 16);
  return Buffer.concat([
    Buffer.from([0x0a]),
    Buffer.from(`${options.version ?? '8.4.3'}\0`),
    Buffer.from([connection, 0, 0, 0]),
    scramble.subarray(0, 8),
    Buffer.from([0]),
    low,
    Buffer.from([255, 2, 0]),
    high,
    Buffer.from([21]),
    Buffer.alloc(10),
    scramble.subarray(8),
    Buffer.from(`\0${options.defaultPlugin ?? pluginOf(options)}\0`),
  ]);
}

function pluginOf({ plugin = 'caching_sha2_password' }: FakeMysqlOptions): FakePlugin {
  return plugin;
}

interface SignIn {
  readonly username: string;
  readonly proof: Buffer;
  readonly plugin: string;
}

/** The client's answer to the greeting: flags, longest packet, character set, 23 zeros, then what it says of itself. */
function responseOf(body: Buffer): SignIn {
  const flags = body.readUInt32LE(0);
  const end = body.indexOf(0, 32);
  const start = end + 2;
  const proof = body.subarray(start, start + (body[end + 1] ?? 0));
  let at = start + proof.length;
  if (flags & CONNECT_WITH_DB) at = body.indexOf(0, at) + 1;
  return {
    username: body.toString('utf8', 32, end),
    proof,
    plugin: body.toString('latin1', at, body.indexOf(0, at)),
  };
}

/** How the client has signed in; undefined when it is not let in. */
async function signIn(
  channel: PacketChannel,
  options: FakeMysqlOptions,
  { username, proof, plugin: offered }: SignIn,
  scramble: Buffer,
): Promise<string | undefined> {
  const plugin = pluginOf(options);
  let answer: Buffer | undefined = proof;
  if (offered !== plugin) {
    channel.send(Buffer.concat([Buffer.from(`\xfe${plugin}\0`, 'latin1'), scramble, Buffer.from([0])]));
    answer = await channel.next();
  }
  if (!answer || ![options.username, options.stranger, options.crowded].includes(username)) return undefined;
  switch (plugin) {
    case 'mysql_native_password':
      return answer.equals(scrambled('sha1', options.password, scramble)) ? plugin : undefined;
    case 'caching_sha2_password':
      return cachingSha2(channel, options, answer, scramble);
    case 'sha256_password':
      return (await receivePassword(channel, answer, 0x01, scramble)) === options.password ? plugin : undefined;
    case 'mysql_clear_password': {
      const isRight = answer.at(-1) === 0 && options.judges?.(answer.toString('utf8', 0, answer.length - 1), username);
      return channel.encrypted && isRight ? plugin : undefined;
    }
    default:
      return undefined;
  }
}

async function cachingSha2(
  channel: PacketChannel,
  { password, cached }: FakeMysqlOptions,
  proof: Buffer,
  scramble: Buffer,
): Promise<string | undefined> {
  if (cached) {
    if (!proof.equals(scrambled('sha256', password, scramble))) return undefined;
    channel.send(Buffer.from([0x01, 0x03]));
    return 'caching_sha2_password (fast)';
  }
  channel.send(Buffer.from([0x01, 0x04]));
  const answer = await channel.next();
  if (!answer || (await receivePassword(channel, answer, 0x02, scramble)) !== password) return undefined;
  return 'caching_sha2_password (full)';
}

/** Over TLS the password itself; otherwise the client asks for the key, and encrypts with it. */
async function receivePassword(channel: PacketChannel, answer: Buffer, keyRequest: number, scramble: Buffer) {
  if (channel.encrypted) return answer.toString('utf8', 0, answer.length - 1);
  if (!answer.equals(Buffer.from([keyRequest]))) return undefined;
  channel.send(Buffer.concat([Buffer.from([0x01]), Buffer.from(PUBLIC_KEY)]));
  const encrypted = await channel.next();
  if (!encrypted) return undefined;
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const bytes = xor(privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, encrypted), scramble);
  return bytes.toString('utf8', 0, bytes.length - 1);
}

async function answerStatements(
  channel: PacketChannel,
  options: FakeMysqlOptions,
  seen: Seen,
  session: Pick<StatementState, 'username' | 'connection'>,
): Promise<void> {
  const state = { ...session, database: '', made: seen.made };
  while (true) {
    const command = await channel.next();
    if (command?.[0] === 0x0e) {
      channel.send(OK);
      continue;
    }
    if (command?.[0] !== 0x03) return;
    const sql = command.toString('utf8', 1).replaceAll(/\s+/g, ' ');
    seen.statements.push(sql);
    const given = Object.entries(options.answers ?? {}).find(([start]) => sql.startsWith(start))?.[1];
    const answer = given ?? answerTo(sql, options, state);
    if (typeof answer === 'function') await answer(channel);
    else if (!options.stalls?.(sql)) channel.send(...answer);
  }
}

interface StatementState {
  database: string;
  readonly username: string;
  readonly connection: number;
  readonly made: Set<string>;
}

const PLACE = ', connection_id(), @@hostname, @@server_id, @@port /*!50700 , @@server_uuid */';

function answerTo(sql: string, options: FakeMysqlOptions, state: StatementState): readonly Buffer[] {
  const { databases = {}, lacks } = options;
  if (lacks && sql.includes(lacks)) return [errorBody(1193, 'Unknown system variable')];
  if (sql.startsWith('select ') && sql.endsWith(PLACE)) return place(sql.slice(7, -PLACE.length), options, state);
  if (/^kill query \d+$/.test(sql) || /^set (names|@@session\.autocommit) /i.test(sql)) return [OK];
  const tables = databases[state.database] ?? [];
  if (sql === 'select 1') return resultBodies([['1']]);
  if (sql.startsWith('select version()') || sql.startsWith('select @@')) return versionAnswer(sql.slice(7), options);
  const used = /^use `(.*)`$/.exec(sql)?.[1]?.replaceAll('``', '`');
  if (used !== undefined) {
    if (state.username === options.stranger)
      return [errorBody(1044, `Access denied for user '${options.stranger}'@'%' to database '${used}'`)];
    if (!(used in databases)) return [errorBody(1049, `Unknown database '${used}'`)];
    state.database = used;
    return [OK];
  }
  const [, act, name = ''] = /^(drop|create) schema (?:if exists )?`(dsg_test_[0-9a-f]{32})`$/.exec(sql) ?? [];
  if (act) {
    if (act === 'create') state.made.add(name);
    else state.made.delete(name);
    return [OK];
  }
  const [, schema = '', table] = /^show columns from `(.*)`\.`(.*)`$/.exec(sql) ?? [];
  if (table !== undefined) {
    const found = databases[schema]?.find((each) => each.name === table);
    return found ? resultBodies(found.columns.map(shown)) : [errorBody(1146, `Table '${table}' doesn't exist`)];
  }
  if (sql.startsWith('select count(*)')) {
    return resultBodies([[String(tables.length), String(tables.filter((each) => each.type?.endsWith('VIEW')).length)]]);
  }
  const [from = '', to = ''] = [...sql.matchAll(/unhex\('([0-9a-f]*)'\)/g)].map(([, hex = '']) => hex);
  const byName = [...tables].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const hexOf = ({ name }: FakeMysqlTable) => Buffer.from(name).toString('hex');
  if (sql.includes('from information_schema.tables')) {
    const limit = Number(/ limit (\d+)$/.exec(sql)?.[1]);
    const page = byName.filter((each) => hexOf(each) > from).slice(0, limit);
    return resultBodies(page.map(({ name, type = 'BASE TABLE' }) => [name, type]));
  }
  if (sql.includes('from information_schema.columns')) {
    const page = byName.filter((each) => hexOf(each) >= from && hexOf(each) <= to);
    return resultBodies(
      page.flatMap(({ name, privileges = 'select', columns }) =>
        columns.map((column) => [name, ...shown(column), privileges]),
      ),
    );
  }
  return [errorBody(1064, 'You have an error in your SQL syntax')];
}

/** The answer to an expression that is selected together with where the connection leads to. */
function place(expression: string, options: FakeMysqlOptions, { connection }: StatementState): readonly Buffer[] {
  const { serverOf, numberAtServer, shows = '1' } = options;
  const number = String(numberAtServer?.(connection) ?? connection);
  const where = [number, 'db-1', '1', '3306', serverOf?.(connection) ?? 'a-server'];
  if (expression.startsWith('(select count(*) from information_schema.processlist'))
    return resultBodies([[shows, ...where]]);
  return versionAnswer(expression, options, where);
}

function versionAnswer(
  expression: string,
  { version = '8.4.3', memsqlVersion }: FakeMysqlOptions,
  more: readonly string[] = [],
): readonly Buffer[] {
  const value = { 'version()': version, '@@memsql_version': memsqlVersion }[expression];
  return value === undefined ? [errorBody(1193, 'Unknown system variable')] : resultBodies([[value, ...more]]);
}

function shown([name, type, nullable]: readonly [string, string, boolean]): string[] {
  return [name, type, nullable ? 'YES' : 'NO'];
}
