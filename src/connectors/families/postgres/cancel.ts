import { once } from 'node:events';
import { tlsOf } from '../../kit/checks/endpoint.ts';
import type { Ending, Target } from '../../kit/contract/connector.ts';
import type { PeerSocket } from '../../kit/contract/peer-socket.ts';
import { type CancelKey, requestPostgresTls } from './wire.ts';

/** The code of a request to cancel, 1234.5678. */
const CANCEL_CODE = 80_877_102;

/**
 * Has the server cancel the statement that runs in the connection of this key: one whose connection has closed goes on
 * until it has something to send. Settles when the server has taken the request, which it never answers.
 */
export async function cancelStatement(target: Target, key: CancelKey, ending: Ending): Promise<void> {
  const socket = await connectAnew(target, ending);
  const request = Buffer.alloc(16);
  request.writeInt32BE(request.length, 0);
  request.writeInt32BE(CANCEL_CODE, 4);
  request.writeInt32BE(key.processId, 8);
  request.writeInt32BE(key.secretKey, 12);
  const closed = once(socket.resume(), 'close', { signal: ending.signal });
  // whoever ends here at once is gone before a pooler has passed the request on, which drops it then
  socket.write(request);
  await closed;
}

/** A new connection to the server, over TLS where the target asks for it. */
export async function connectAnew(target: Target, { dialer }: Ending): Promise<PeerSocket> {
  const socket = await dialer.dial(target.host, target.port);
  const tls = tlsOf(target);
  if (!tls) return socket;
  await requestPostgresTls(socket);
  return (await dialer.secure(socket, target.host, tls)).socket;
}
