import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PeerCertificate } from 'node:tls';
import { CarriedStream } from './carried-stream.ts';
import { Failure } from './failure.ts';

/** How much a peer may send before it has signed in, in bytes. */
export const SIGN_IN_LIMIT = 64 * 1024;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) > 0 && LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4'));
}

export interface PeerAddress {
  /** The checked address that the connection goes to. */
  readonly address: string;
  readonly port: number;
}

/**
 * What every driver gets instead of a net.Socket: a stream around a TCP socket, a TLS socket or a tunnel's channel. It
 * is destroyed at once, never throws an error that nobody listens to, and takes no more from the peer than its limit
 * says.
 */
export class PeerSocket extends CarriedStream {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** It is connected from the start. Drivers look at this before they write. */
  readonly connecting = false;
  #left: number;

  /**
   * True when what is written never goes over a network as it is: to this machine, or through a tunnel to the bastion's
   * own.
   */
  get isLoopback(): boolean {
    return isLoopback(this.remoteAddress);
  }

  constructor(carrier: Duplex, peer: PeerAddress, limit: number = SIGN_IN_LIMIT) {
    super();
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.#left = limit;
    this.goOver(carrier);
  }

  /** The peer's certificate, for drivers that bind their sign-in to it. There is none without TLS. */
  getPeerCertificate?(): PeerCertificate;

  /** Lets the peer send this many bytes more from now on. A connector calls it once it has signed in. */
  raiseCap(bytes: number): void {
    this.#left = bytes;
  }

  /**
   * Fails with what closed it, or with CONNECTION_LOST. A driver's adapter calls it when it begins to listen: a close
   * that came before, while the driver was being loaded, would never reach it.
   */
  assertOpen(): void {
    if (this.destroyed) throw this.errored ?? new Failure('CONNECTION_LOST');
  }

  /**
   * Gives the stream underneath back, so that TLS can be put on it; this one cannot be used any more. Fails with
   * PROTOCOL_MISMATCH when the peer has sent something that nobody has read: it would pass for a part of what comes
   * later over TLS.
   */
  detach(): Duplex {
    const { carrier } = this;
    if (!carrier || this.destroyed) throw new Failure('CONNECTION_LOST');
    if (this.readableLength > 0 || carrier.readableLength > 0) {
      this.destroy();
      throw new Failure('PROTOCOL_MISMATCH');
    }
    carrier.pause();
    this.letGo();
    return carrier;
  }

  /** Reports, as drivers that call it expect, that it is connected. */
  connect(): this {
    process.nextTick(() => {
      if (!this.destroyed) this.emit('connect');
    });
    return this;
  }

  /** This method and the four that follow have no effect: the dialer sees to times and handles. */
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.carrier) this.carrier.write(chunk, encoding, callback);
    else callback(new Failure('CONNECTION_LOST'));
  }

  override _writev(
    chunks: Array<{ chunk: Buffer; encoding: BufferEncoding }>,
    callback: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map((each) => each.chunk)), 'binary', callback);
  }

  protected override takeIn(chunk: Buffer): void {
    this.#left -= chunk.length;
    if (this.#left < 0) this.destroy(new Failure('TOO_MUCH_DATA'));
    else this.hand(chunk);
  }
}
