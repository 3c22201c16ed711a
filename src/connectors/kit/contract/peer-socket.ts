import { Duplex } from 'node:stream';
import { Failure } from './failure.ts';

/** How much a peer may send before it has signed in, in bytes. */
export const SIGN_IN_LIMIT = 64 * 1024;

export interface PeerAddress {
  /** The checked address that the connection goes to. */
  readonly address: string;
  readonly port: number;
}

/**
 * What every driver gets instead of a net.Socket: a stream around a TCP socket, a TLS socket or a tunnel's channel that
 * is destroyed at once, never throws an error that nobody listens to, and takes no more from the peer than its limit says.
 */
export class PeerSocket extends Duplex {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Drivers look at it before they write. */
  readonly connecting = false;
  #carrier: Duplex | undefined;
  #left: number;

  constructor(carrier: Duplex, peer: PeerAddress, limit: number = SIGN_IN_LIMIT) {
    super({ allowHalfOpen: false });
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.#carrier = carrier;
    this.#left = limit;
    carrier.pause();
    carrier.on('data', this.#take);
    carrier.on('end', this.#end);
    carrier.on('error', this.#fail);
    carrier.on('close', this.#gone);
    // its last events were sent before anyone could listen
    if (carrier.destroyed) this.destroy(carrier.errored ?? undefined);
  }

  /** From now on the peer may send this many bytes more. A connector calls it once it has signed in. */
  raiseCap(bytes: number): void {
    this.#left = bytes;
  }

  /**
   * Gives the stream underneath back, for TLS to be put on it; this one is of no use any more. Fails with PROTOCOL_MISMATCH
   * when the peer has sent something that nobody has read: it would pass for a part of what comes later over TLS.
   */
  detach(): Duplex {
    const carrier = this.#carrier;
    if (!carrier || this.destroyed) throw new Failure('CONNECTION_LOST');
    if (this.readableLength > 0 || carrier.readableLength > 0) {
      this.destroy();
      throw new Failure('PROTOCOL_MISMATCH');
    }
    carrier.pause();
    this.#letGo(carrier);
    return carrier;
  }

  /** It is connected already: says so, as drivers that call it expect. */
  connect(): this {
    process.nextTick(() => {
      if (!this.destroyed) this.emit('connect');
    });
    return this;
  }

  /** Has no effect, like the four that follow: times and handles are the dialer's. */
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

  override _read(): void {
    this.#carrier?.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#carrier) this.#carrier.write(chunk, encoding, callback);
    else callback(new Failure('CONNECTION_LOST'));
  }

  override _writev(
    chunks: Array<{ chunk: Buffer; encoding: BufferEncoding }>,
    callback: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map((each) => each.chunk)), 'binary', callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    const carrier = this.#carrier;
    if (!carrier || carrier.destroyed || carrier.writableEnded) callback();
    else carrier.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // here, not in the constructor: drivers remove all listeners, and an error without one ends the process
    this.on('error', ignore);
    if (this.#carrier) {
      const carrier = this.#carrier;
      this.#letGo(carrier);
      carrier.on('error', ignore);
      carrier.destroy();
    }
    callback(error);
  }

  #letGo(carrier: Duplex): void {
    carrier.off('data', this.#take);
    carrier.off('end', this.#end);
    carrier.off('error', this.#fail);
    carrier.off('close', this.#gone);
    this.#carrier = undefined;
  }

  #take = (chunk: Buffer): void => {
    this.#left -= chunk.length;
    if (this.#left < 0) {
      this.destroy(new Failure('TOO_MUCH_DATA'));
    } else if (!this.push(chunk)) {
      this.#carrier?.pause();
    }
  };

  #end = (): void => {
    this.push(null);
  };

  #fail = (error: Error): void => {
    this.destroy(error);
  };

  #gone = (): void => {
    // after an orderly end what was read before is still the reader's
    if (!this.readableEnded && this.#carrier?.readableEnded) return;
    this.destroy();
  };
}

function ignore(): void {
  // the promise or the driver that uses the socket reports it
}
