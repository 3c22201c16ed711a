import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { IssuedCertificate } from '../certificates.ts';
import { challengeMessage, isNegotiate, isProof, type NtlmAccount } from './ntlm.ts';
import { PRELOGIN, serveTls, TdsChannel, type TdsMessage } from './tds-channel.ts';
import {
  collationToken,
  doneToken,
  environmentToken,
  errorToken,
  featuresToken,
  loginToken,
  routingToken,
  rowTokens,
  rpcTexts,
  sspiToken,
  type TdsValue,
  transactionToken,
} from './tds-tokens.ts';

const LOGIN = 0x10;
const SSPI = 0x11;
const BATCH = 0x01;
const RPC = 0x03;
const TDS_7_4 = 0x7400_0004;
const INTEGRATED_SECURITY = 0x80;
/** What PRELOGIN says about encryption. */
const ON = 1;
const NOT_SUPPORTED = 2;
const REQUIRED = 3;

export interface FakeMssqlColumn {
  readonly name: string;
  readonly type: string;
  /** The alias type that it was declared with. Left out: none. */
  readonly alias?: string;
  readonly bytes?: number;
  readonly precision?: number;
  readonly scale?: number;
  readonly nullable?: boolean;
}

export interface FakeMssqlTable {
  readonly schema: string;
  readonly name: string;
  readonly kind?: 'U' | 'V';
  readonly columns?: readonly FakeMssqlColumn[];
}

export interface FakeMssqlUser {
  readonly password: string;
  /** Databases that the login may open. Left out: all. */
  readonly databases?: readonly string[];
  /** Gets in nowhere without naming a database. */
  readonly contained?: boolean;
  readonly mayCreate?: boolean;
  /** Left out: everything. */
  readonly mayRead?: boolean | 'views';
  /** Instead of being let in, whatever the password. */
  readonly error?: number;
}

export interface FakeMssqlOptions {
  readonly users?: Readonly<Record<string, FakeMssqlUser>>;
  readonly accounts?: readonly NtlmAccount[];
  /** By name; the tables of each. */
  readonly databases?: Readonly<Record<string, readonly FakeMssqlTable[]>>;
  /** Left out: none is offered. */
  readonly tls?: IssuedCertificate;
  /** `optional`, `required`: within PRELOGIN (TDS 7.4); `strict`: before all else (TDS 8.0), and nothing but that. */
  readonly encryption?: 'optional' | 'required' | 'strict';
  /** Says in PRELOGIN that it has encryption, or that it has none, whatever is true. */
  readonly claims?: number;
  /** Sends on to another server once the login is right. */
  readonly routesTo?: { readonly host: string; readonly port: number };
  /** Instead of its own answer to PRELOGIN, a login, a batch or a statement: the body of another. */
  readonly misbehave?: (step: 'prelogin' | 'login' | 'statement', text: string) => Buffer | undefined;
  /** The same, as it goes over the wire: packets and all. */
  readonly says?: (step: 'prelogin') => Buffer | undefined;
}

export interface FakeMssql {
  readonly port: number;
  /** Everything that came in as it stood on the wire, connection by connection. */
  readonly wire: Buffer[];
  /** What the last login said. */
  login(): Readonly<Record<string, string>> | undefined;
  /** The batches and statements so far. */
  readonly statements: string[];
  connections(): number;
  open(): number;
  close(): Promise<void>;
}

/**
 * A SQL Server in memory, written from MS-TDS: PRELOGIN, TLS in both its ways, LOGIN7 with the password checked, NTLM
 * with the proofs checked, and answers to the statements that the connector runs. It can misbehave.
 */
export async function startFakeMssql(options: FakeMssqlOptions = {}): Promise<FakeMssql> {
  const sockets = new Set<Socket>();
  const wire: Buffer[] = [];
  const log: Log = { statements: [], login: undefined };
  let connections = 0;
  const server = createServer((socket) => {
    const index = connections++;
    wire[index] = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      wire[index] = Buffer.concat([wire[index] ?? Buffer.alloc(0), chunk]);
    });
    void new Session(options, log, socket).serve();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    wire,
    login: () => log.login,
    statements: log.statements,
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface Log {
  readonly statements: string[];
  login: Readonly<Record<string, string>> | undefined;
}

/** What one connection has come to. */
class Session {
  readonly #options: FakeMssqlOptions;
  readonly #log: Log;
  readonly #socket: Socket;
  readonly #challenge = randomBytes(8);
  #channel: TdsChannel | undefined;
  #user: FakeMssqlUser | undefined;
  #database = '';
  #isEncrypted = false;

  constructor(options: FakeMssqlOptions, log: Log, socket: Socket) {
    this.#options = options;
    this.#log = log;
    this.#socket = socket;
  }

  async serve(): Promise<void> {
    const { tls, encryption } = this.#options;
    if (encryption === 'strict' && tls) {
      this.#isEncrypted = true;
      this.#listen(await serveTls(this.#socket, tls, 'first'));
    } else this.#listen(this.#socket);
  }

  #listen(stream: Duplex): void {
    this.#channel = new TdsChannel(stream, (message) => void this.#take(message));
  }

  async #take({ type, body }: TdsMessage): Promise<void> {
    if (type === PRELOGIN) return this.#prelogin(body);
    if (type === LOGIN) this.#channel?.send(this.#login(body));
    else if (type === SSPI) this.#channel?.send(this.#ntlm(body));
    else if (type === BATCH) this.#channel?.send(this.#batch(body.subarray(body.readUInt32LE(0)).toString('utf16le')));
    else if (type === RPC) this.#channel?.send(this.#statement(rpcTexts(body)));
    else this.#socket.destroy();
  }

  async #prelogin(body: Buffer): Promise<void> {
    const { tls, encryption, claims, misbehave, says } = this.#options;
    const packets = says?.('prelogin');
    if (packets) {
      this.#socket.write(packets);
      return;
    }
    const canEncrypt = tls !== undefined && !this.#isEncrypted;
    const wantsIt = preloginOption(body, 1)?.[0] === ON;
    const agreed = !canEncrypt ? NOT_SUPPORTED : encryption === 'required' ? REQUIRED : wantsIt ? ON : NOT_SUPPORTED;
    this.#channel?.send(misbehave?.('prelogin', '') ?? preloginAnswer(claims ?? agreed));
    if (!canEncrypt || !wantsIt || claims === NOT_SUPPORTED) return;
    this.#isEncrypted = true;
    this.#channel?.release();
    this.#listen(await serveTls(this.#socket, tls, 'wrapped'));
  }

  #login(body: Buffer): Buffer {
    const text = (at: number) => {
      const start = body.readUInt16LE(at);
      return body.subarray(start, start + body.readUInt16LE(at + 2) * 2).toString('utf16le');
    };
    const names = { host: text(36), username: text(40), application: text(48), server: text(52), database: text(68) };
    this.#log.login = names;
    this.#database = names.database;
    const instead = this.#options.misbehave?.('login', names.username);
    if (instead) return instead;
    if ((body[25] ?? 0) & INTEGRATED_SECURITY) {
      const start = body.readUInt16LE(78);
      const negotiate = body.subarray(start, start + body.readUInt16LE(80));
      return isNegotiate(negotiate) ? sspiToken(challengeMessage(this.#challenge, 'CORP')) : this.#refusal(18_452);
    }
    const start = body.readUInt16LE(44);
    const hidden = body.subarray(start, start + body.readUInt16LE(46) * 2);
    const password = Buffer.from(hidden.map((byte) => swapped(byte ^ 0xa5))).toString('utf16le');
    const user = this.#options.users?.[names.username];
    return user?.password === password ? this.#letIn(user) : this.#refusal(18_456);
  }

  #ntlm(body: Buffer): Buffer {
    const isRight = isProof(body, this.#challenge, this.#options.accounts ?? []);
    return isRight ? this.#letIn({ password: '' }) : this.#refusal(18_452);
  }

  #letIn(user: FakeMssqlUser): Buffer {
    const { databases = {}, routesTo } = this.#options;
    if (user.error !== undefined) return this.#refusal(user.error);
    if (this.#database === '' && user.contained) return this.#refusal(18_456);
    const mayOpen = this.#database in databases && (user.databases?.includes(this.#database) ?? true);
    if (this.#database !== '' && !mayOpen) return this.#refusal(4060, 18_456);
    this.#user = user;
    return Buffer.concat([
      environmentToken(1, this.#database || 'master', 'master'),
      collationToken(),
      environmentToken(2, 'us_english'),
      loginToken(TDS_7_4),
      environmentToken(4, '4096', '4096'),
      featuresToken(),
      ...(routesTo ? [routingToken(routesTo.host, routesTo.port)] : []),
      doneToken(),
    ]);
  }

  /** What is said to a login that is refused, before the connection ends. */
  #refusal(...numbers: number[]): Buffer {
    setImmediate(() => this.#socket.end());
    return refusal(...numbers);
  }

  #batch(sql: string): Buffer {
    this.#log.statements.push(sql);
    const instead = this.#options.misbehave?.('statement', sql);
    if (instead) return instead;
    if (sql.startsWith('create schema') && !this.#user?.mayCreate) return refusal(262, 2759);
    if (sql === 'select 1') return Buffer.concat([rowTokens([[1]], 1), doneToken({ rows: 1 })]);
    const token = /^(begin|rollback) transaction$/.exec(sql)?.[1];
    return Buffer.concat([...(token ? [transactionToken(token === 'begin')] : []), doneToken()]);
  }

  #statement([sql = '', , ...values]: string[]): Buffer {
    this.#log.statements.push(sql);
    const instead = this.#options.misbehave?.('statement', sql);
    if (instead) return instead;
    const rows = this.#rows(sql, values);
    return Buffer.concat([rowTokens(rows, rows[0]?.length ?? 9), doneToken({ procedure: true, rows: rows.length })]);
  }

  #rows(sql: string, [first = '', second = '']: string[]): TdsValue[][] {
    const { databases = {} } = this.#options;
    const tables = databases[this.#database] ?? [];
    const named = (table: FakeMssqlTable) => table.schema === first && table.name === second;
    if (sql === 'select 1') return [[1]];
    if (sql.includes('schema_id(@p1)')) {
      const isKnown = first === 'dbo' || tables.some((table) => table.schema === first);
      return [[this.#database, isKnown ? 5 : null]];
    }
    if (sql.includes('has_dbaccess')) {
      return [[first in databases ? (this.#user?.databases?.includes(first) === false ? 0 : 1) : null]];
    }
    if (sql.includes('top (100)'))
      return page(tables, first, second).flatMap((table) => columnRows(table, 'declared', this.#user));
    if (sql.includes('has_perms_by_name')) {
      const found = tables.filter((table) => table.schema === first);
      const views = found.filter((table) => table.kind === 'V').length;
      const readable = found.filter((table) => mayRead(this.#user, table)).length;
      return [[found.length - views, views, found.length === 0 ? null : readable]];
    }
    if (sql.includes('o.name = @p2'))
      return tables
        .filter(named)
        .flatMap((table) => columnRows(table, sql.includes('system_type_id') ? 'base' : 'declared'));
    throw new Error(`an unknown statement: ${sql}`);
  }
}

/** Errors of these numbers, and that nothing was done. */
export function refusal(...numbers: number[]): Buffer {
  const errors = numbers.map((number) => errorToken(number, `${number} says a server that talks too much`));
  return Buffer.concat([...errors, doneToken({ failed: true })]);
}

function page(tables: readonly FakeMssqlTable[], schema: string, name: string): FakeMssqlTable[] {
  const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return tables
    .filter((table) => table.schema > schema || (table.schema === schema && table.name > name))
    .toSorted((one, other) => compare(one.schema, other.schema) || compare(one.name, other.name))
    .slice(0, 100);
}

function mayRead(user: FakeMssqlUser | undefined, { kind }: FakeMssqlTable): boolean {
  return user?.mayRead === undefined || user.mayRead === true || (user.mayRead === 'views' && kind === 'V');
}

function columnRows(
  { schema, name, kind = 'U', columns = [] }: FakeMssqlTable,
  types: 'declared' | 'base',
  user?: FakeMssqlUser,
): TdsValue[][] {
  const readable = types === 'base' ? null : Number(mayRead(user, { schema, name, kind }));
  if (columns.length === 0) return [[schema, name, kind, readable, null, null, null, null, null, null]];
  return columns.map((column) => {
    const { bytes = 4, precision = 0, scale = 0, nullable = true } = column;
    const type = types === 'declared' ? (column.alias ?? column.type) : column.type;
    return [schema, name, kind, readable, column.name, type, bytes, precision, scale, nullable];
  });
}

function swapped(byte: number): number {
  return ((byte << 4) | (byte >> 4)) & 0xff;
}

function preloginOption(body: Buffer, token: number): Buffer | undefined {
  for (let at = 0; body[at] !== 0xff && at + 5 <= body.length; at += 5) {
    const start = body.readUInt16BE(at + 1);
    if (body[at] === token) return body.subarray(start, start + body.readUInt16BE(at + 3));
  }
  return undefined;
}

/** An answer to PRELOGIN: version 16.0.1135, and what is said about encryption. */
export function preloginAnswer(encryption: number): Buffer {
  const list = Buffer.from([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff]);
  return Buffer.concat([list, Buffer.from([16, 0, 0x04, 0x6f, 0, 0, encryption])]);
}
