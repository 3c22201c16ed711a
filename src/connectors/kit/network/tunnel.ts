import { createHash } from 'node:crypto';
import type { AnyAuthMethod, Client, ClientChannel, ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import type { FailureCode } from '../../../errors/check-failures.ts';
import { type SshTunnel, TUNNEL_PATHS } from '../config/ssh-tunnel.ts';
import type { Evidence } from '../contract/connector.ts';
import { explainNetworkError } from '../contract/explain.ts';
import { Failure } from '../contract/failure.ts';
import { PeerSocket } from '../contract/peer-socket.ts';
import { SshIdentification } from './ssh-identification.ts';
import { readCredentials, type TunnelCredentials } from './tunnel-credentials.ts';

/** What a channel may hold back unread, in bytes: twice the window that the bastion is granted. */
const MAX_UNREAD = 4 * 1024 * 1024;
/** How long a bastion may take from its first words to its identification, in milliseconds. */
const GREETING_MS = 3_000;
const PROHIBITED = 1;

/** The kinds of host key that are taken, in the order in which one is asked for. */
const HOST_KEY_KINDS: readonly (readonly ServerHostKeyAlgorithm[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
];

/**
 * The algorithms that are taken: without SHA-1, DSA, CBC and groups of the server's own making. Nothing is
 * decompressed.
 */
const ALGORITHMS: ConnectConfig['algorithms'] = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
  ],
  cipher: [
    'aes256-gcm@openssh.com',
    'aes128-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes256-ctr',
    'aes192-ctr',
    'aes128-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
};

/** The failures of a bastion that was asked for a kind of host key that it does not have. */
const NO_SUCH_KEY: readonly FailureCode[] = ['SSH_HOST_KEY_MISMATCH', 'SSH_HANDSHAKE_FAILED'];

/** Tells whether the algorithms sign with a host key of this type: an RSA key signs in several ways. */
function isOfKind(keyType: unknown, algorithms: readonly string[]): boolean {
  return algorithms.some((name) => name === keyType || (keyType === 'ssh-rsa' && name.startsWith('rsa-')));
}

/** A bastion that has let us in. It ends with the connection that it was opened over. */
export class Tunnel {
  readonly #client: Client;
  readonly #carrier: PeerSocket;
  readonly #config: SshTunnel;
  readonly #credentials: TunnelCredentials;
  readonly #signal: AbortSignal;
  readonly #channels = new Map<ClientChannel, PeerSocket>();
  readonly #identification = new SshIdentification();
  #hostKey: Evidence = {};
  /** The reason why the gateway, and not the bastion, has ended the connection. */
  #refusal: Failure | undefined;

  private constructor(
    client: Client,
    carrier: PeerSocket,
    config: SshTunnel,
    credentials: TunnelCredentials,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#carrier = carrier;
    this.#config = config;
    this.#credentials = credentials;
    this.#signal = signal;
  }

  /**
   * Signs in at a bastion, over a connection that `connect` makes, when its host key is the confirmed one. A bastion
   * shows one of its host keys: when another kind may be the confirmed one, the bastion is asked for that on a new
   * connection before anything is sent. Fails with one of the SSH failures, of which those about the host key show it
   * as evidence, or says what is wrong with the private key.
   */
  static async open(connect: () => Promise<PeerSocket>, config: SshTunnel, signal: AbortSignal): Promise<Tunnel> {
    try {
      return await Tunnel.#openOnce(connect, config, signal, HOST_KEY_KINDS);
    } catch (error) {
      if (!(error instanceof Failure) || error.report.code !== 'SSH_HOST_KEY_MISMATCH') throw error;
      for (const kind of HOST_KEY_KINDS.filter((each) => !isOfKind(error.evidence.keyType, each))) {
        const opened = await Tunnel.#openOnce(connect, config, signal, [kind]).catch((reason: unknown) => {
          // the bastion has no key of this kind, or another one: then the user reads what it showed first
          if (reason instanceof Failure && NO_SUCH_KEY.includes(reason.report.code)) return undefined;
          throw reason;
        });
        if (opened) return opened;
      }
      throw error;
    }
  }

  static async #openOnce(
    connect: () => Promise<PeerSocket>,
    config: SshTunnel,
    signal: AbortSignal,
    kinds: typeof HOST_KEY_KINDS,
  ): Promise<Tunnel> {
    const { default: ssh2 } = await import('ssh2');
    const carrier = await connect();
    try {
      const credentials = await readCredentials(config, ssh2.utils.parseKey, signal);
      const tunnel = new Tunnel(new ssh2.Client(), carrier, config, credentials, signal);
      await tunnel.#signIn(kinds.flat());
      return tunnel;
    } catch (error) {
      carrier.destroy();
      throw error;
    }
  }

  /** What the bastion has told: its software, and the type and the fingerprint of its host key. */
  get evidence(): Evidence {
    return { server: this.#identification.software, ...this.#hostKey };
  }

  async #signIn(serverHostKey: ServerHostKeyAlgorithm[]): Promise<void> {
    const client = this.#client;
    // the bastion may have closed the connection while the key was opened
    if (this.#carrier.destroyed) throw new Failure('CONNECTION_LOST', { configPath: TUNNEL_PATHS.portPath });
    await new Promise<void>((resolve, reject) => {
      const fail = (error?: Error) =>
        reject(this.#signal.aborted ? this.#signal.reason : (this.#refusal ?? this.#explain(error)));
      // these listeners stay: the streams tell what comes after the sign-in
      client
        .once('ready', resolve)
        .on('error', fail)
        .on('close', () => fail());
      client.on('change password', () => {
        this.#refusal = this.#credentials.expired(this.evidence);
        this.#carrier.destroy();
      });
      client.connect({
        sock: this.#carrier,
        username: this.#config.username,
        algorithms: { ...ALGORITHMS, serverHostKey },
        hostVerifier: (offered: Buffer) => this.#isConfirmed(offered),
        // its type lacks the false that ends the sign-in
        authHandler: (offered, partial, next) => next(this.#credentials.next(offered, partial) as AnyAuthMethod),
        // the dialer sees to times
        readyTimeout: 0,
        keepaliveInterval: 0,
      });
      // this comes after connect(), which holds the stream back until ssh2 reads itself
      this.#watch();
    });
    this.#carrier.raiseCap(Number.POSITIVE_INFINITY);
  }

  /**
   * Has the bastion open a connection, for which it resolves the host's name itself. Fails with SSH_FORWARDING_REFUSED
   * or SSH_TARGET_UNREACHABLE.
   */
  dial(host: string, port: number): Promise<PeerSocket> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => reject(this.#signal.aborted ? this.#signal.reason : forwardingFailure(error));
      const take = (error: Error | undefined, channel: ClientChannel) => {
        if (error) fail(error);
        else resolve(this.#wrap(channel, host, port));
      };
      try {
        this.#client.forwardOut('127.0.0.1', 0, host, port, take);
      } catch (error) {
        // forwardOut() throws when the connection is gone
        fail(error);
      }
    });
  }

  #wrap(channel: ClientChannel, host: string, port: number): PeerSocket {
    // nobody else reads stderr, and it would fill up
    channel.stderr.resume();
    // a channel neither closes on destroy() nor keeps its errors to those who listen: around it, this one does as
    // sockets do
    const socket = new PeerSocket(channel, { address: host, port }, Number.POSITIVE_INFINITY);
    this.#channels.set(channel, socket);
    channel.on('close', () => this.#channels.delete(channel));
    return socket;
  }

  /** Reads along to learn what the peer calls itself, whether it is SSH at all, and whether it keeps to its window. */
  #watch(): void {
    const refuse = (failure: Failure) => {
      this.#refusal = failure;
      this.#carrier.destroy();
    };
    let patience: NodeJS.Timeout | undefined;
    const readIdentification = (chunk: Buffer): void => {
      const failure = this.#identification.read(chunk);
      if (failure) refuse(failure);
      patience ??= setTimeout(() => refuse(this.#identification.ended()), GREETING_MS);
      if (!failure && this.#identification.software === undefined) return;
      clearTimeout(patience);
      this.#carrier.off('data', readIdentification);
    };
    this.#carrier.on('data', readIdentification);
    this.#carrier.once('close', () => clearTimeout(patience));
    this.#carrier.on('data', () => {
      for (const [channel, socket] of this.#channels) {
        if (channel.readableLength <= MAX_UNREAD) continue;
        socket.destroy(new Failure('TOO_MUCH_DATA'));
        this.#carrier.destroy();
      }
    });
  }

  /** Tells whether this host key is the confirmed one. ssh2 asks again whenever keys are exchanged anew. */
  #isConfirmed(offered: Buffer): boolean {
    const hostKeyFingerprint = fingerprintOf(offered);
    const confirmed = this.#config.hostKeyFingerprint;
    this.#hostKey = { keyType: typeOf(offered), hostKeyFingerprint };
    if (confirmed === hostKeyFingerprint) return true;
    this.#refusal = new Failure(confirmed === undefined ? 'SSH_HOST_KEY_UNCONFIRMED' : 'SSH_HOST_KEY_MISMATCH', {
      configPath: 'sshTunnel.hostKeyFingerprint',
      evidence: this.evidence,
    });
    return false;
  }

  #explain(error: Error | undefined): Failure {
    const network = explainNetworkError(error, TUNNEL_PATHS);
    if (network) return network;
    if (this.#identification.software === undefined) return this.#identification.ended(error);
    const evidence = this.evidence;
    // from then on any end is a refusal: a bastion that has had enough hangs up
    if (this.#credentials.asked) return this.#credentials.refused(evidence, error);
    if (!error) return new Failure('CONNECTION_LOST', { configPath: TUNNEL_PATHS.portPath, evidence });
    return new Failure('SSH_HANDSHAKE_FAILED', { configPath: TUNNEL_PATHS.hostPath, evidence, error });
  }
}

function forwardingFailure(error: unknown): Failure {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  if (reason === undefined) return explainNetworkError(error) ?? new Failure('CONNECTION_LOST', { error });
  return new Failure(reason === PROHIBITED ? 'SSH_FORWARDING_REFUSED' : 'SSH_TARGET_UNREACHABLE', { error });
}

/** The fingerprint of a host key as OpenSSH prints it. */
function fingerprintOf(hostKey: Buffer): string {
  return `SHA256:${createHash('sha256').update(hostKey).digest('base64').replace(/=+$/, '')}`;
}

/** The type of a host key, which is the name that it begins with: `ssh-ed25519`. */
function typeOf(hostKey: Buffer): string | undefined {
  const length = hostKey.length >= 4 ? hostKey.readUInt32BE() : 0;
  return /^[a-z0-9-]{1,64}$/.exec(hostKey.toString('latin1', 4, 4 + length))?.[0];
}
