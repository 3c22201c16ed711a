import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

/** A network between a client and a server, with the faults that a test chooses. No byte is lost but by a reset. */
export interface FaultyNetwork {
  readonly port: number;
  /** Connections that are open now. */
  open(): number;
  /** Passes nothing on until the function that it returns is called; connections stay open, and new ones are taken. */
  stall(): () => void;
  /** Drops, for ever and without a word, what comes over the connections of now; new ones are passed on. */
  swallow(): void;
  /** Resets every connection. */
  reset(): void;
  /** Passes on each first hundred bytes of a chunk one by one until the function that it returns is called. */
  slice(): () => void;
  /** Holds every chunk back for so long, in milliseconds, until the function that it returns is called. */
  delay(ms: number): () => void;
  close(): Promise<void>;
}

/** What of a chunk comes in single bytes: the heads of messages, which their readers have to put together. */
const SLICED = 100;

interface Link {
  readonly from: Socket;
  readonly to: Socket;
  isSwallowed: boolean;
}

/** Stands before a server of this machine. */
export async function startFaultyNetwork(port: number): Promise<FaultyNetwork> {
  const links = new Set<Link>();
  let gate: PromiseWithResolvers<void> | undefined;
  let isSliced = false;
  let delayMs = 0;

  const passOn = async (link: Link, chunk: Buffer): Promise<void> => {
    const pieces = isSliced ? [...[...chunk.subarray(0, SLICED)].map((byte) => Buffer.of(byte))] : [];
    for (const piece of [...pieces, chunk.subarray(pieces.length)]) {
      while (gate) await gate.promise;
      if (delayMs > 0) await sleep(delayMs);
      if (link.isSwallowed || piece.length === 0 || link.to.destroyed) continue;
      // a turn of the event loop lets the other side read it by itself
      if (link.to.write(piece)) await (pieces.length > 0 ? turn() : undefined);
      else await Promise.race([once(link.to, 'drain'), once(link.to, 'close')]);
    }
  };
  const pump = async (link: Link): Promise<void> => {
    links.add(link);
    try {
      for await (const chunk of link.from as AsyncIterable<Buffer>) await passOn(link, chunk);
    } catch {
      // a reset, which the other side is told by one
      link.to.resetAndDestroy();
    } finally {
      links.delete(link);
      if (!link.isSwallowed) link.to.end();
    }
  };
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', () => socket.destroy());
    void pump({ from: client, to: upstream, isSwallowed: false });
    void pump({ from: upstream, to: client, isSwallowed: false });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const reset = () => {
    for (const { from } of links) from.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    open: () => links.size / 2,
    stall() {
      const stalled = Promise.withResolvers<void>();
      gate = stalled;
      return () => {
        if (gate === stalled) gate = undefined;
        stalled.resolve();
      };
    },
    swallow() {
      for (const link of links) link.isSwallowed = true;
    },
    reset,
    slice() {
      isSliced = true;
      return () => {
        isSliced = false;
      };
    },
    delay(ms) {
      delayMs = ms;
      return () => {
        delayMs = 0;
      };
    },
    async close() {
      gate?.resolve();
      gate = undefined;
      reset();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
