import type { Duplex } from 'node:stream';
import type { FormattedExecutionResult } from 'graphql';

/** The first byte of a frame that is a whole text, and what stands for lengths that do not fit into the second. */
const WHOLE_TEXT = 0x81;
const IN_TWO_BYTES = 126;
const IN_EIGHT_BYTES = 127;
const MOST_IN_TWO_BYTES = 0xffff;
/** Up to so many bytes are copied into each frame sooner than the system is given two pieces of it. */
const COPIED = 4_096;

/** The ends of messages with results that several subscriptions get. */
const ends = new WeakMap<object, Buffer>();

/**
 * Writes a `next` message of graphql-transport-ws as a frame of RFC 6455. A result that many subscriptions get is
 * written as JSON once: only the head of the message, which has the subscription's id, is its own. `result` is what the
 * others get as well, `payload` what is shown of it.
 */
export function writeNext(
  socket: Duplex,
  id: string,
  result: object,
  payload: () => FormattedExecutionResult,
  written?: () => void,
): void {
  const end = endOf(result, payload);
  const start = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
  if (end.length <= COPIED) {
    socket.write(framed(start, end, end.length), written);
    return;
  }
  socket.cork();
  socket.write(framed(start, undefined, end.length));
  socket.write(end, written);
  socket.uncork();
}

function endOf(result: object, payload: () => FormattedExecutionResult): Buffer {
  const known = ends.get(result);
  if (known) return known;
  const end = Buffer.from(`${JSON.stringify(payload())}}`);
  ends.set(result, end);
  return end;
}

/** A frame whose message goes on with so many bytes: all of it, or its beginning where `end` is left out. */
function framed(start: string, end: Buffer | undefined, endBytes: number): Buffer {
  const startBytes = Buffer.byteLength(start);
  const length = startBytes + endBytes;
  const extra = length < IN_TWO_BYTES ? 0 : length <= MOST_IN_TWO_BYTES ? 2 : 8;
  const headBytes = 2 + extra + startBytes;
  const frame = Buffer.allocUnsafe(headBytes + (end?.length ?? 0));
  frame[0] = WHOLE_TEXT;
  frame[1] = extra === 0 ? length : extra === 2 ? IN_TWO_BYTES : IN_EIGHT_BYTES;
  if (extra === 2) frame.writeUInt16BE(length, 2);
  if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.write(start, 2 + extra);
  end?.copy(frame, headBytes);
  return frame;
}
