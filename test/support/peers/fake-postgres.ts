import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** What a server says in an ErrorResponse. */
export interface FakePostgresError {
  readonly code: string;
  readonly message: string;
  readonly routine?: string;
}

/** A number has 32 bits for the client, a bigint 64. */
export type FakePostgresRow = Readonly<Record<string, string | number | bigint | boolean | null>>;

export interface FakePostgresOptions {
  readonly username: string;
  readonly password: string;
  /**
   * How it asks for the password; a number is a kind of request that it makes and never gets an answer to. Left out:
   * MD5.
   */
  readonly asks?: 'clear' | 'md5' | number;
  /** Said instead of asking, or once the password was right. */
  readonly refusesBefore?: FakePostgresError;
  readonly refusesAfter?: FakePostgresError;
  /** Said to a wrong password. */
  readonly wrongPassword: FakePostgresError;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly answer?: (sql: string) => readonly FakePostgresRow[] | FakePostgresError;
  /** Tells which statements are carried out and never answered. */
  readonly stalls?: (sql: string) => boolean;
  /** Takes over once somebody is signed in: for peers that misbehave. */
  readonly signedIn?: (socket: Socket) => void;
  /** Takes over at the first query. */
  readonly asked?: (socket: Socket) => void;
}

export interface FakePostgres {
  readonly port: number;
  /** The parameters of each startup message so far. */
  readonly startups: readonly Readonly<Record<string, string>>[];
  /** Every statement so far. */
  readonly statements: readonly string[];
  /** Every answer to its request for a password so far. */
  readonly answers: readonly string[];
  close(): Promise<void>;
}

/**
 * PostgreSQL's wire protocol, version 3, as far as the driver uses it, written from its published description. It
 * checks the password.
 */
export async function startFakePostgres(options: FakePostgresOptions): Promise<FakePostgres> {
  const sockets = new Set<Socket>();
  const startups: Record<string, string>[] = [];
  const statements: string[] = [];
  const answers: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    // the tests break connections on purpose
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    serve(socket, options, { startups, statements, answers });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    startups,
    statements,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

const STATEMENT = 'S'.charCodeAt(0);
/** The types of pg_type, by their numbers. */
const TYPES: Readonly<Record<string, number>> = { number: 23, bigint: 20, boolean: 16 };
const TEXT = 25;

interface Heard {
  readonly startups: Record<string, string>[];
  readonly statements: string[];
  readonly answers: string[];
}

function serve(socket: Socket, options: FakePostgresOptions, { startups, statements, answers }: Heard): void {
  const salt = randomBytes(4);
  let rest: Buffer = Buffer.alloc(0);
  let isStarted = false;
  let sql = '';
  let asked: string[] = [];
  let isBinary = false;
  const onMessage = (type: string, body: Buffer) => {
    if (type === 'p') {
      answers.push(textOf(body));
      return signIn(socket, options, salt, textOf(body));
    }
    if (type === 'Q' || type === 'P') sql = type === 'Q' ? textOf(body) : textOf(body.subarray(body.indexOf(0) + 1));
    if (type === 'X') return socket.end();
    // with no parameters, a portal's message ends with the formats of its columns
    if (type === 'B') isBinary = body.readUInt16BE(body.length - 2) === 1;
    // what describes a statement says so in its body, and else describes a portal
    asked.push(type === 'D' && body[0] === STATEMENT ? 'DS' : type);
    if (type !== 'Q' && type !== 'S') return;
    const steps = type === 'Q' ? ['D', 'E'] : asked;
    asked = [];
    if (steps.includes('E')) statements.push(sql);
    if (options.asked) return options.asked(socket);
    const answered = Buffer.concat([...answerTo(sql, options, steps, isBinary && type !== 'Q'), message('Z', 'I')]);
    if (!options.stalls?.(sql)) socket.write(answered);
  };
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = isStarted ? 1 : 0;
      if (rest.length < head + 4 || rest.length < head + rest.readUInt32BE(head)) return;
      const end = head + rest.readUInt32BE(head);
      const [type, body] = [rest.toString('latin1', 0, head), rest.subarray(head + 4, end)];
      rest = rest.subarray(end);
      if (isStarted) onMessage(type, body);
      else {
        isStarted = true;
        startups.push(parametersOf(body));
        ask(socket, options, salt);
      }
    }
  });
}

function ask(socket: Socket, { asks = 'md5', refusesBefore }: FakePostgresOptions, salt: Buffer): void {
  if (refusesBefore) socket.end(errorMessage(refusesBefore));
  else if (asks === 'md5') socket.write(message('R', Buffer.concat([int32(5), salt])));
  else socket.write(message('R', int32(asks === 'clear' ? 3 : asks)));
}

function signIn(socket: Socket, options: FakePostgresOptions, salt: Buffer, answer: string): void {
  const { username, password, asks = 'md5', refusesAfter, wrongPassword, parameters = {}, signedIn } = options;
  const md5 = (...parts: (string | Buffer)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex');
  const right = asks === 'clear' ? password : `md5${md5(md5(password, username), salt)}`;
  if (answer !== right) return void socket.end(errorMessage(wrongPassword));
  socket.write(message('R', int32(0)));
  if (refusesAfter) return void socket.end(errorMessage(refusesAfter));
  for (const [name, value] of Object.entries(parameters)) socket.write(message('S', `${name}\0${value}\0`));
  socket.write(message('Z', 'I'));
  signedIn?.(socket);
}

/** Answers the steps of the extended protocol in their order; a simple query has the last two. */
function answerTo(sql: string, { answer }: FakePostgresOptions, steps: readonly string[], isBinary: boolean): Buffer[] {
  const found = answer?.(sql) ?? { code: '42601', message: `the fake has no answer to ${sql}` };
  if ('code' in found) return [errorMessage(found as FakePostgresError)];
  const rows = found as readonly FakePostgresRow[];
  const fields = Object.entries(rows[0] ?? {}).map(([name, value]) => {
    const numbers = Buffer.alloc(18);
    numbers.writeInt32BE(TYPES[typeof value] ?? TEXT, 6);
    return Buffer.concat([Buffer.from(`${name}\0`), numbers]);
  });
  const description = message('T', Buffer.concat([int16(fields.length), ...fields]));
  const answers: Readonly<Record<string, readonly Buffer[]>> = {
    P: [message('1', '')],
    B: [message('2', '')],
    D: [description],
    DS: [message('t', int16(0)), description],
    E: [...rows.map((row) => rowMessage(row, isBinary)), message('C', `SELECT ${rows.length}\0`)],
  };
  return steps.flatMap((step) => answers[step] ?? []);
}

function rowMessage(row: FakePostgresRow, isBinary: boolean): Buffer {
  const values = Object.values(row).map((value) => {
    if (value === null) return int32(-1);
    if (isBinary && typeof value === 'number') return Buffer.concat([int32(4), int32(value)]);
    if (isBinary && typeof value === 'bigint') return Buffer.concat([int32(8), int64(value)]);
    const text = Buffer.from(typeof value === 'boolean' ? (value ? 't' : 'f') : String(value));
    return Buffer.concat([int32(text.length), text]);
  });
  return message('D', Buffer.concat([int16(values.length), ...values]));
}

function parametersOf(body: Buffer): Record<string, string> {
  const parts = body.subarray(4).toString().split('\0');
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < parts.length && parts[at] !== ''; at += 2)
    pairs.push([parts[at] ?? '', parts[at + 1] ?? '']);
  return Object.fromEntries(pairs);
}

function textOf(body: Buffer): string {
  return body.toString('utf8', 0, body.indexOf(0));
}

function errorMessage({ code, message: text, routine }: FakePostgresError): Buffer {
  const fields = [`SFATAL`, `VFATAL`, `C${code}`, `M${text}`, ...(routine ? [`R${routine}`] : [])];
  return message('E', `${fields.join('\0')}\0\0`);
}

/** A message of the protocol; `length` other than its own is a lie. */
export function message(type: string, body: Buffer | string, length: number = Buffer.byteLength(body) + 4): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

export function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
}

export function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}
