import { type AddressInfo, createServer, connect as netConnect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';
import { type AwsCredentials, verifyPresigned } from './sigv4.ts';

/** Where a database of Amazon RDS is, and who may sign tokens for it. */
export interface RdsPlace {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly credentials: () => readonly AwsCredentials[];
}

/** Judges the token that stands in the place of a user's password, from the published description of tokens. */
export function judgeRdsToken(token: string, username: string, { host, port, region, credentials }: RdsPlace): boolean {
  const verdict = verifyPresigned(token, {
    credentials: credentials(),
    region,
    service: 'rds-db',
    host: `${host}:${port}`,
    query: { Action: 'connect', DBUser: username },
  });
  return 'credentials' in verdict;
}

export interface RdsFrontOptions extends RdsPlace {
  readonly certificate: IssuedCertificate;
  /** The port of a PostgreSQL that trusts whoever comes from this machine, in clear text. */
  readonly upstream: number;
}

export interface RdsFront {
  readonly port: number;
  /** What came in the place of passwords. */
  readonly tokens: readonly string[];
  close(): Promise<void>;
}

const TLS_CODE = 80_877_103;

/**
 * What Amazon RDS has before a PostgreSQL: it takes TLS alone, asks for the password in clear text, judges the token by
 * itself, and leads whoever it lets in to the real server.
 */
export async function startRdsFront(options: RdsFrontOptions): Promise<RdsFront> {
  const sockets = new Set<Socket>();
  const tokens: string[] = [];
  const server = createServer((socket) => {
    keep(socket);
    void firstMessage(socket, false).then((request) => {
      if (request.length !== 8 || request.readUInt32BE(4) !== TLS_CODE)
        return void socket.end(refusal('no pg_hba.conf entry for host, no encryption', 'ClientAuthentication'));
      socket.write('S');
      const { certificate: cert, key } = options.certificate;
      const secured = new TLSSocket(socket, { isServer: true, cert, key });
      keep(secured);
      return admit(secured, options, tokens, keep);
    });
  });
  function keep(socket: Socket) {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    tokens,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function admit(
  client: Socket,
  options: RdsFrontOptions,
  tokens: string[],
  keep: (socket: Socket) => void,
): Promise<void> {
  const startup = await firstMessage(client, false);
  const username = /\0user\0([^\0]*)\0/.exec(`\0${startup.toString('utf8', 8)}`)?.[1] ?? '';
  client.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
  const password = await firstMessage(client, true);
  const token = password.toString('utf8', 5, password.length - 1);
  tokens.push(token);
  if (!judgeRdsToken(token, username, options))
    return void client.end(refusal(`PAM authentication failed for user "${username}"`, 'auth_failed'));
  const upstream = netConnect(options.upstream, '127.0.0.1');
  keep(upstream);
  upstream.write(startup);
  client.pipe(upstream).pipe(client);
  client.on('close', () => upstream.destroy());
}

/** The first message that comes, with its length; `typed` ones have a byte before that. */
function firstMessage(socket: Socket, typed: boolean): Promise<Buffer> {
  const head = typed ? 1 : 0;
  return new Promise((resolve) => {
    let rest: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      if (rest.length < head + 4) return;
      const end = head + rest.readUInt32BE(head);
      if (rest.length < end) return;
      socket.off('data', onData);
      socket.pause();
      if (rest.length > end) socket.unshift(rest.subarray(end));
      resolve(rest.subarray(0, end));
    };
    socket.on('data', onData);
    socket.resume();
  });
}

function refusal(message: string, routine: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${message}\0R${routine}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
