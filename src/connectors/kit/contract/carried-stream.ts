import { Duplex } from 'node:stream';
import { explainNetworkError } from './explain.ts';

/**
 * A stream over another one, its carrier. It ends and fails as the carrier does, and takes the carrier with it when it
 * is destroyed. Subclasses say what becomes of the bytes in either direction, in takeIn() and _write().
 */
export abstract class CarriedStream extends Duplex {
  #carrier: Duplex | undefined;

  constructor() {
    super({ allowHalfOpen: false });
  }

  /** Takes a chunk that has come in, and gives what it becomes to hand(). */
  protected abstract takeIn(chunk: Buffer): void;

  /** The carrier; undefined once it has been let go. */
  protected get carrier(): Duplex | undefined {
    return this.#carrier;
  }

  /** Goes on over this carrier, which is paused until somebody reads. */
  protected goOver(carrier: Duplex): void {
    this.#carrier = carrier;
    carrier.pause();
    carrier.on('data', this.#take).on('end', this.#end).on('error', this.#fail).on('close', this.#gone);
    // a carrier that is gone already has sent its last events before anyone could listen
    if (carrier.destroyed) this.destroy(carrier.errored ?? undefined);
  }

  protected letGo(): void {
    this.#carrier?.off('data', this.#take).off('end', this.#end).off('error', this.#fail).off('close', this.#gone);
    this.#carrier = undefined;
  }

  /** Gives bytes to the reader, and pauses the carrier when the reader has had enough. */
  protected hand(bytes: Buffer): void {
    if (!this.push(bytes)) this.#carrier?.pause();
  }

  override _read(): void {
    this.#carrier?.resume();
  }

  override _final(callback: (error?: Error | null) => void): void {
    const carrier = this.#carrier;
    if (!carrier || carrier.destroyed || carrier.writableEnded) callback();
    else carrier.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // the listener is added here, because drivers remove all of them, and an error without one ends the process
    this.on('error', ignore);
    const carrier = this.#carrier;
    this.letGo();
    carrier?.on('error', ignore).destroy();
    callback(error);
  }

  #take = (chunk: Buffer): void => this.takeIn(chunk);

  #end = (): void => {
    this.push(null);
  };

  #fail = (error: Error): void => {
    // it fails by a Failure, because undici takes an ECONNRESET for the end of an answer, and half of the answer for
    // the whole
    this.destroy(explainNetworkError(error) ?? error);
  };

  #gone = (): void => {
    // after an orderly end the reader may still read what came before
    if (!this.readableEnded && this.#carrier?.readableEnded) return;
    this.destroy();
  };
}

function ignore(): void {
  // a promise or a driver that uses the stream has reported it
}
