import type { Duplex } from 'node:stream';
import type { FormattedExecutionResult } from 'graphql';

/** The first byte of a frame that is a whole text, and what stands for lengths that do not fit into the second. */
const WHOLE_TEXT = 0x81;
const IN_TWO_BYTES = 126;
const IN_EIGHT_BYTES = 127;
const MOST_IN_TWO_BYTES = 0xffff;

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
  socket.cork();
  socket.write(headed(start, end.length));
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

/** The beginning of a frame that goes on with so many bytes. */
function headed(start: string, followingBytes: number): Buffer {
  const startBytes = Buffer.byteLength(start);
  const length = startBytes + followingBytes;
  const extra = length < IN_TWO_BYTES ? 0 : length <= MOST_IN_TWO_BYTES ? 2 : 8;
  const head = Buffer.allocUnsafe(2 + extra + startBytes);
  head[0] = WHOLE_TEXT;
  head[1] = extra === 0 ? length : extra === 2 ? IN_TWO_BYTES : IN_EIGHT_BYTES;
  if (extra === 2) head.writeUInt16BE(length, 2);
  if (extra === 8) head.writeBigUInt64BE(BigInt(length), 2);
  head.write(start, 2 + extra);
  return head;
}
