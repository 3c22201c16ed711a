import type { Duplex } from 'node:stream';
import { Failure } from './failure.ts';

/**
 * Reads the first message over a fresh connection, and pauses it: nothing that comes behind is taken. `whole` gives the
 * message in what has been received so far, or undefined while it is not there as a whole. Fails with what `whole`
 * throws, or with CONNECTION_LOST.
 */
export function firstMessage(socket: Duplex, whole: (received: Buffer) => Buffer | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (act: () => void) => {
      socket.pause();
      socket.off('data', onData).off('error', onError).off('close', onClose).off('end', onClose);
      act();
    };
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      try {
        const message = whole(received);
        if (message) settle(() => resolve(message));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Failure('CONNECTION_LOST')));
    socket.on('data', onData).on('error', onError).on('close', onClose).on('end', onClose);
  });
}
