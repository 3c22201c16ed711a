import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { host as hostName } from '../config/host.ts';
import type { SshTunnel } from '../config/ssh-tunnel.ts';
import type { Tls } from '../config/tls.ts';
import type { Dialer, Evidence, HandshakeOptions, SecuredSocket } from '../contract/connector.ts';
import { explainNetworkError } from '../contract/explain.ts';
import { Failure } from '../contract/failure.ts';
import { type PeerAddress, PeerSocket } from '../contract/peer-socket.ts';
import {
  type EgressPolicy,
  judgeAddress,
  judgeBehindTunnel,
  judgeHostName,
  normalAddress,
  type Verdict,
} from './addresses.ts';
import { openThroughProxy } from './egress-proxy.ts';
import { securePeer } from './tls.ts';
import { Tunnel } from './tunnel.ts';

export interface DialerOptions {
  readonly policy: EgressPolicy;
  /** When it aborts, every socket is destroyed at once, and what waits rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /**
   * For tests alone: the `address:port` that stands for a `host:port` and is not checked. It comes in by constructing
   * the executor, and in no other way.
   */
  readonly names?: Readonly<Record<string, string>>;
  /** For tests alone: the PEM of a CA that is trusted in the place of the public ones. */
  readonly publicCa?: string;
  /** For tests alone: gives all addresses of a name. Left out: the system's resolver does, /etc/hosts included. */
  readonly lookup?: (host: string) => Promise<readonly string[]>;
  /** For tests alone: gives the SRV records of a name. Left out: the system's name servers do. */
  readonly lookupService?: (name: string) => Promise<readonly SrvRecord[]>;
}

type SrvRecord = Awaited<ReturnType<Resolver['resolveSrv']>>[number];

/** Opens a raw connection to one address, directly or through the operator's proxy. */
type Open = (peer: PeerAddress) => Promise<Duplex>;

/** How long an address may stay silent before the next one of the same host is tried beside it, in milliseconds. */
const NEXT_ADDRESS_AFTER = 2_000;

/** The dialer of one test, which asks the egress policy about every address. */
export class PolicedDialer implements Dialer {
  readonly #options: DialerOptions;
  readonly #streams = new Set<Duplex>();
  /** The streams that the tunnel goes over. They outlive the signal, so that afterwards() leads through it. */
  readonly #carriers = new Set<Duplex>();
  #lookups = new Map<string, Promise<readonly string[]>>();
  readonly #open: Open;
  #tunnel: Tunnel | undefined;
  #holds = 0;
  #closed = false;

  constructor(options: DialerOptions) {
    this.#options = options;
    const { proxy } = options.policy;
    this.#open =
      proxy === undefined
        ? (peer) => this.#connect(peer)
        : (peer) => openThroughProxy(peer, new URL(proxy), (own) => this.#connectProxy(own));
    options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  resolve(host: string, port: number): Promise<readonly string[]> {
    return explaining(() => (this.#tunnel ? resolveBehindTunnel(host, port) : this.#resolve(host, port)));
  }

  dial(host: string, port: number): Promise<PeerSocket> {
    const tunnel = this.#tunnel;
    return explaining(() => (tunnel ? this.#dialThrough(tunnel, host, port) : this.#dial(host, port)));
  }

  openTunnel(tunnel: SshTunnel, onCarrier?: (carrier: PeerSocket) => void): Promise<Evidence> {
    return explaining(async () => {
      const connect = async () => {
        const carrier = await this.#dial(tunnel.host, tunnel.port);
        onCarrier?.(carrier);
        return carrier;
      };
      this.#tunnel = await Tunnel.open(connect, tunnel, this.#options.signal);
      for (const stream of this.#streams) this.#carriers.add(stream);
      this.#streams.clear();
      this.#assertOpen();
      return this.#tunnel.evidence;
    });
  }

  resolveService(name: string): Promise<readonly { readonly host: string; readonly port: number }[]> {
    return explaining(() => this.#resolveService(name));
  }

  async #resolveService(name: string) {
    const { lookupService, signal } = this.#options;
    const records = await (lookupService
      ? unlessAborted(lookupService(name), signal)
      : lookupServiceBySystem(name, signal));
    const servers = records
      .toSorted((one, other) => one.priority - other.priority || other.weight - one.weight)
      .map((record) => ({ host: hostName().safeParse(record.name).data, port: record.port }));
    if (servers.length === 0) throw new Failure('NAME_NOT_FOUND');
    return servers.map(({ host, port }) => {
      // a dot alone says that the service is not there; anything else that is no host name leads nowhere either
      if (host === undefined || !(port >= 1 && port <= 65_535)) throw new Failure('NAME_NOT_FOUND');
      return { host, port };
    });
  }

  async #resolve(host: string, port: number): Promise<readonly string[]> {
    const standIn = this.#standIn(host, port);
    if (standIn) return [standIn.address];
    const { policy } = this.#options;
    if (judgeHostName(host, port, policy) !== 'allowed')
      throw notAllowed(judgeHostName(host, port, { ...policy, forbidden: [] }));
    const addresses = await this.#lookup(host);
    const forbidden = await this.#forbiddenAddresses(port);
    for (const address of addresses) {
      const verdict = judgeAddress(address, port, policy, host);
      if (verdict !== 'allowed' || forbidden.has(normalAddress(address) ?? ''))
        throw notAllowed(judgeAddress(address, port, { ...policy, forbidden: [] }, host));
    }
    return addresses;
  }

  async #dial(host: string, port: number): Promise<PeerSocket> {
    this.#assertOpen();
    const standIn = this.#standIn(host, port);
    if (standIn) return this.#wrap(await this.#connect(standIn), standIn);
    const addresses = await this.#resolve(host, port);
    return this.#race(addresses.map((address) => ({ address, port })));
  }

  async #dialThrough(tunnel: Tunnel, host: string, port: number): Promise<PeerSocket> {
    this.#assertOpen();
    await resolveBehindTunnel(host, port);
    // the tunnel outlives the abort, for what is cleaned up through it
    const carrier = this.#own(await unlessAborted(tunnel.dial(host, port), this.#options.signal));
    return this.#wrap(carrier, { address: host, port });
  }

  async secure(socket: Duplex, host: string, tls: Tls, options: HandshakeOptions = {}): Promise<SecuredSocket> {
    this.#assertOpen();
    const { signal, publicCa } = this.#options;
    const secured = await securePeer(socket, host, tls, { ...options, signal, publicCa });
    this.#own(secured.socket);
    return secured;
  }

  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      if (this.#options.signal.aborted) this.#abort();
    };
  }

  afterwards(signal: AbortSignal): Dialer {
    const dialer = new PolicedDialer({ ...this.#options, signal });
    dialer.#lookups = this.#lookups;
    dialer.#tunnel = this.#tunnel;
    return dialer;
  }

  /** Destroys every socket that it opened, at once. */
  close(): void {
    this.#end();
    for (const stream of [...this.#carriers].reverse()) stream.destroy();
    this.#carriers.clear();
  }

  #abort = (): void => {
    if (this.#holds > 0) return;
    const { reason } = this.#options.signal;
    // it always ends with an error: undici takes a connection that closes without one for the end of an answer
    this.#end(reason instanceof Error ? reason : new Failure('CONNECTION_LOST'));
  };

  #end(reason?: Error): void {
    this.#closed = true;
    this.#options.signal.removeEventListener('abort', this.#abort);
    // the newest goes first: what the driver holds learns the reason before what lies under it closes
    for (const stream of [...this.#streams].reverse()) stream.destroy(reason);
    this.#streams.clear();
  }

  #assertOpen(): void {
    this.#options.signal.throwIfAborted();
    if (this.#closed) throw new Failure('CONNECTION_LOST');
  }

  /** Has close() destroy the stream too. A stream that comes too late is destroyed at once. */
  #own<T extends Duplex>(stream: T): T {
    // this listener stays: an error that comes when nobody listens any more must not end the process
    stream.on('error', ignore);
    stream.once('close', () => {
      this.#streams.delete(stream);
      this.#carriers.delete(stream);
    });
    this.#streams.add(stream);
    if (this.#closed) stream.destroy();
    return stream;
  }

  #wrap(carrier: Duplex, peer: PeerAddress): PeerSocket {
    const socket = this.#own(new PeerSocket(carrier, peer));
    this.#assertOpen();
    return socket;
  }

  /** Tries the addresses in turn. One that stays silent does not keep the next from being tried beside it. */
  async #race(peers: readonly PeerAddress[]): Promise<PeerSocket> {
    const attempts: Promise<PeerSocket>[] = [];
    let won = false;
    for (const peer of peers) {
      const attempt = this.#open(peer).then((carrier) => {
        if (won) {
          carrier.destroy();
          throw new Failure('CONNECTION_LOST');
        }
        won = true;
        return this.#wrap(carrier, peer);
      });
      attempts.push(attempt);
      const pause = patience();
      // a refusal ends the wait as a connection does, be it of this address or of one before
      const first = await Promise.race([attempt, Promise.any(attempts), pause.over]).catch(() => undefined);
      pause.clear();
      if (first) return first;
      this.#assertOpen();
    }
    return Promise.any(attempts).catch((error: AggregateError) => {
      this.#assertOpen();
      throw mostTelling(error.errors);
    });
  }

  async #connect(peer: PeerAddress): Promise<Socket> {
    const socket = this.#own(netConnect({ host: peer.address, port: peer.port, noDelay: true }));
    await connected(socket, this.#options.signal);
    return socket;
  }

  /** Connects to the proxy, whose address the operator has given, so that it is not judged. */
  async #connectProxy(proxy: { readonly host: string; readonly port: number }): Promise<Socket> {
    const [address] = await this.#lookup(proxy.host);
    return this.#connect({ address: address ?? proxy.host, port: proxy.port });
  }

  /**
   * Looks a host up once in a test, so that a name gains nothing by changing its address between check and connection.
   */
  #lookup(host: string): Promise<readonly string[]> {
    if (isIP(host)) return Promise.resolve([host]);
    const known = this.#lookups.get(host);
    if (known) return known;
    const { lookup = lookupBySystem, signal } = this.#options;
    const found = unlessAborted(lookup(host), signal).then((addresses) => {
      if (addresses.length === 0) throw new Failure('NAME_NOT_FOUND');
      return addresses;
    });
    this.#lookups.set(host, found);
    return found;
  }

  /** The addresses that the names among the forbidden places resolve to, for those of this port. */
  async #forbiddenAddresses(port: number): Promise<Set<string>> {
    const names = this.#options.policy.forbidden.filter((each) => each.port === port && !isIP(each.host));
    const found = await Promise.allSettled(names.map((each) => this.#lookup(each.host)));
    this.#options.signal.throwIfAborted();
    // a name that does not resolve leads nobody to a forbidden place
    const addresses = found.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
    return new Set(addresses.map((address) => normalAddress(address) ?? ''));
  }

  #standIn(host: string, port: number): PeerAddress | undefined {
    const place = this.#options.names?.[`${host}:${port}`];
    if (place === undefined) return undefined;
    const colon = place.lastIndexOf(':');
    return { address: place.slice(0, colon), port: Number(place.slice(colon + 1)) };
  }
}

/**
 * The failure of an address by what would become of it if the gateway had no places of its own. Where one of these lies
 * is told only to who may connect beside it.
 */
function notAllowed(otherwise: Verdict): Failure {
  if (otherwise === 'private') return new Failure('ADDRESS_NOT_ALLOWED');
  const hint =
    otherwise === 'never'
      ? 'Use another address: no setting opens metadata services, link-local, multicast and reserved addresses.'
      : 'Use another address or port: the gateway’s own listener and database are there, which no setting opens.';
  return new Failure('ADDRESS_NOT_ALLOWED', { hint });
}

/** Resolves an address to itself, and a name to nothing: the bastion alone knows its addresses. */
async function resolveBehindTunnel(host: string, port: number): Promise<readonly string[]> {
  if (judgeBehindTunnel(host, port) === 'never') throw notAllowed('never');
  return isIP(host) ? [host] : [];
}

/** Turns errors of the socket and the resolver into failures. */
async function explaining<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainNetworkError(error) ?? error;
  }
}

async function lookupBySystem(host: string): Promise<readonly string[]> {
  const found = await systemLookup(host, { all: true, order: 'verbatim' });
  return found.map((each) => each.address);
}

/** Looks SRV records up. The system does not cache them and, unlike a look-up of addresses, this one can be ended. */
async function lookupServiceBySystem(name: string, signal: AbortSignal): Promise<readonly SrvRecord[]> {
  const resolver = new Resolver();
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await unlessAborted(resolver.resolveSrv(name), signal);
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const isUnknown = code === 'ENOTFOUND' || code === 'ENODATA';
    throw new Failure(isUnknown ? 'NAME_NOT_FOUND' : 'NAME_LOOKUP_FAILED', { error });
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function connected(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(signal.aborted ? signal.reason : new Failure('CONNECTION_LOST')));
  });
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

function patience(): { over: Promise<undefined>; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), NEXT_ADDRESS_AFTER);
  });
  return { over, clear: () => clearTimeout(timer) };
}

/** The error that tells most. An address that answered says more about the host than one to which no way leads. */
function mostTelling(errors: readonly unknown[]): unknown {
  const answered = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  return errors.find(answered) ?? errors[0];
}

function ignore(): void {
  // whoever waits for the stream gets the error from the promise or the driver
}
