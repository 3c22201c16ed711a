import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import ssh2, { type AuthContext, type AuthenticationType, type Connection, type ParsedKey } from 'ssh2';
import { type Listener, listen } from '../listener.ts';
import { generateSshKey } from '../ssh-keys.ts';

export interface BastionUser {
  readonly name: string;
  readonly password?: string;
  /** In the form of authorized_keys. */
  readonly publicKey?: string;
  /**
   * Asks for the password by keyboard-interactive, as PAM does, instead of taking it as one; `too`: or takes it as one.
   */
  readonly asks?: boolean | 'too';
  /** Wants the key and then the password. */
  readonly both?: boolean;
  /** Wants another password than the right one. */
  readonly expired?: boolean;
}

export interface BastionOptions {
  readonly user: BastionUser;
  /** Private keys in OpenSSH's form; left out: a fresh Ed25519 key. */
  readonly hostKeys?: readonly string[];
  /**
   * Which `host:port` it opens connections to, and where on this machine they lead; `never`: it does not say. Left out:
   * none is allowed.
   */
  readonly forwards?: Readonly<Record<string, string>>;
  /** What it says before its identification. */
  readonly greeting?: string;
  /** What follows SSH-2.0- in its first line. */
  readonly ident?: string;
  /** Sends on a forwarded connection without heed to the window. */
  readonly floods?: boolean;
}

/** An SSH server on loopback that checks passwords and signatures for real, and forwards. */
export interface FakeBastion {
  readonly port: number;
  /** As OpenSSH prints it, of its first host key. */
  readonly fingerprint: string;
  /** The `host:port` of every connection that it was asked to open. */
  readonly asked: readonly string[];
  /** `password:ann`: every attempt to sign in, but for `none`. */
  readonly attempts: readonly string[];
  readonly listener: Listener;
  close(): Promise<void>;
}

export async function startBastion(options: BastionOptions): Promise<FakeBastion> {
  const hostKeys = options.hostKeys ?? [generateSshKey('ed25519').private];
  const asked: string[] = [];
  const attempts: string[] = [];
  const server = new ssh2.Server({ hostKeys: [...hostKeys], ident: options.ident ?? 'FakeBastion_1.0 test' });
  server.on('connection', (client: Connection) => {
    // the tests break connections on purpose
    client.on('error', () => undefined);
    const checks = signInChecks(options.user, attempts);
    client.on('authentication', (context) => checks(context));
    if (options.forwards) forward(client, options.forwards, asked, options.floods === true);
  });
  const listener = await listen((socket) => {
    if (options.greeting) socket.write(options.greeting);
    server.injectSocket(socket);
  });
  const first = parsed(hostKeys[0] ?? '').getPublicSSH();
  return {
    port: listener.port,
    fingerprint: `SHA256:${createHash('sha256').update(first).digest('base64').replace(/=+$/, '')}`,
    asked,
    attempts,
    listener,
    close: () => listener.close(),
  };
}

function parsed(text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key;
}

/** Decides on each attempt of one connection. */
function signInChecks(user: BastionUser, attempts: string[]): (context: AuthContext) => void {
  const ways: AuthenticationType[] = [];
  if (user.publicKey !== undefined) ways.push('publickey');
  if (user.password !== undefined && !user.both && user.asks !== true) ways.push('password');
  if (user.asks) ways.push('keyboard-interactive');
  let keyWasRight = false;
  const refuse = (context: AuthContext) => context.reject(keyWasRight ? ['password'] : ways);
  return (context) => {
    if (context.method !== 'none') attempts.push(`${context.method}:${context.username}`);
    const isUser = context.username === user.name;
    if (context.method === 'password' && user.expired && context.password === user.password) {
      context.requestChange('Choose another one', () => refuse(context));
    } else if (context.method === 'password' && (!user.both || keyWasRight)) {
      if (isUser && context.password === user.password) context.accept();
      else refuse(context);
    } else if (context.method === 'publickey' && isUser && isSigned(context, user)) {
      if (!user.both || !context.signature) return context.accept();
      keyWasRight = true;
      context.reject(['password'], true);
    } else if (context.method === 'keyboard-interactive' && user.asks) {
      context.prompt([{ prompt: 'Password: ', echo: false }], ([answer]) => {
        if (isUser && answer === user.password) context.accept();
        else refuse(context);
      });
    } else refuse(context);
  };
}

/** The right key, and when there is a signature, one by that key over this very session. */
function isSigned(context: Extract<AuthContext, { method: 'publickey' }>, user: BastionUser): boolean {
  if (user.publicKey === undefined) return false;
  const known = parsed(user.publicKey);
  if (!known.getPublicSSH().equals(context.key.data)) return false;
  return !context.signature || known.verify(context.blob ?? '', context.signature, context.hashAlgo) === true;
}

function forward(
  client: Connection,
  forwards: Readonly<Record<string, string>>,
  asked: string[],
  floods: boolean,
): void {
  client.on('tcpip', (accept, reject, { destIP, destPort }) => {
    asked.push(`${destIP}:${destPort}`);
    const place = forwards[`${destIP}:${destPort}`];
    if (place === 'never') return;
    if (place === undefined) return reject();
    const [address, port] = place.split(':');
    const socket = connect(Number(port), address);
    socket.on('error', () => reject());
    socket.once('connect', () => {
      const channel = accept();
      if (floods) (channel as unknown as Windowed).outgoing.window = Number.MAX_SAFE_INTEGER;
      channel.on('close', () => socket.destroy());
      socket.on('close', () => channel.end());
      client.on('close', () => socket.destroy());
      socket.pipe(channel).pipe(socket);
    });
  });
}

/** What a channel knows of how much it may send. */
interface Windowed {
  readonly outgoing: { window: number };
}
