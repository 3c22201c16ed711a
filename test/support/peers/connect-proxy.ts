import { connect, type Socket } from 'node:net';
import { type Listener, listen } from '../listener.ts';

/**
 * An HTTP proxy as operators have them: CONNECT alone, to addresses, and that leads to this machine alone, for whoever
 * knows the password.
 */
export interface ConnectProxy {
  /** With its user name and password. */
  readonly url: string;
  readonly port: number;
  /** What it was asked for, as it stood there: `127.0.0.1:5432`. */
  readonly asked: readonly string[];
  /** Every status that it answered. */
  readonly answered: readonly number[];
  readonly listener: Listener;
  close(): Promise<void>;
}

const USER = 'gateway';
const PASSWORD = 'proxy p@ss:ä';
const CREDENTIALS = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');

const LOOPBACK = /^127\.\d+\.\d+\.\d+:\d+$/;
const ANYWHERE = /^\d+\.\d+\.\d+\.\d+:\d+$/;

export interface ConnectProxyOptions {
  /**
   * The port of this machine that every connection leads to, whatever address it was asked for. Left out: the one of
   * this machine that it was asked for.
   */
  readonly leadsTo?: number;
}

export async function startConnectProxy({ leadsTo }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const asked: string[] = [];
  const answered: number[] = [];
  const serve = (client: Socket, head: string, rest: Buffer): void => {
    const refuse = (status: number) => {
      answered.push(status);
      client.end(`HTTP/1.1 ${status} Refused\r\ncontent-length: 0\r\n\r\n`);
    };
    const [requestLine = '', ...headers] = head.split('\r\n');
    const place = /^CONNECT (\S+) HTTP\/1\.1$/.exec(requestLine)?.[1] ?? '';
    asked.push(place);
    const status = refusal(place, headers, leadsTo === undefined ? LOOPBACK : ANYWHERE);
    if (status !== undefined) {
      refuse(status);
      return;
    }
    const [address, port] = place.split(':');
    const target = leadsTo === undefined ? connect(Number(port), address) : connect(leadsTo, '127.0.0.1');
    target.once('error', () => refuse(502));
    target.once('connect', () => {
      answered.push(200);
      client.write('HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n');
      target.write(rest);
      target.pipe(client).pipe(target);
      client.on('close', () => target.destroy());
      target.on('error', () => client.destroy());
    });
  };
  const listener = await listen((client) => {
    let read = Buffer.alloc(0);
    const take = (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0) return;
      client.off('data', take);
      serve(client, read.toString('latin1', 0, end), read.subarray(end + 4));
    };
    client.on('data', take);
  });
  return {
    url: `http://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${listener.port}/`,
    port: listener.port,
    asked,
    answered,
    listener,
    close: () => listener.close(),
  };
}

/** The status that a request is refused with. */
function refusal(place: string, headers: readonly string[], allowed: RegExp): number | undefined {
  const lower = headers.map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()));
  if (!lower.includes(`host: ${place}`)) return 400;
  if (!lower.includes(`proxy-authorization: Basic ${CREDENTIALS}`)) return 407;
  // a name would be resolved a second time, to whatever it leads to by then
  return allowed.test(place) ? undefined : 403;
}
