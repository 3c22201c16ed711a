import type { Duplex } from 'node:stream';
import { Failure } from '../contract/failure.ts';
import type { PeerAddress } from '../contract/peer-socket.ts';

/** The longest answer of a proxy that is read, in bytes. */
const MAX_ANSWER = 16 * 1024;
/** How much of the answer is looked through for its status, in bytes. */
const STATUS_LINE = 64;

const UNREACHABLE_HINT =
  'The gateway’s proxy (EGRESS_PROXY) could not reach the host and port: check both, or ask the operator.';
const REFUSED_HINT = 'The gateway’s proxy (EGRESS_PROXY) refused the connection: ask the operator.';
const SILENT_HINT = 'The gateway’s proxy (EGRESS_PROXY) cannot be used: ask the operator.';

/**
 * Has the operator's proxy open a connection to a checked address, by CONNECT. Fails with HOST_UNREACHABLE and a hint
 * that names the proxy.
 */
export async function openThroughProxy(
  peer: PeerAddress,
  proxy: URL,
  connect: (proxy: { readonly host: string; readonly port: number }) => Promise<Duplex>,
): Promise<Duplex> {
  const host = proxy.hostname.replace(/^\[(.*)\]$/, '$1');
  const connecting = connect({ host, port: Number(proxy.port || 80) });
  const socket = await connecting.catch(blameProxy);
  socket.write(connectRequest(peer, proxy));
  const status = await answerStatus(socket).catch(blameProxy);
  if (status >= 200 && status < 300) return socket;
  socket.destroy();
  throw proxyFailure(status === 403 || status === 407 ? REFUSED_HINT : UNREACHABLE_HINT);
}

function connectRequest(peer: PeerAddress, proxy: URL): string {
  const place = `${peer.address.includes(':') ? `[${peer.address}]` : peer.address}:${peer.port}`;
  const lines = [`CONNECT ${place} HTTP/1.1`, `Host: ${place}`];
  if (proxy.username !== '') {
    const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    lines.push(`Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Reads the proxy's answer up to its empty line. What follows comes from the peer, and stays in the stream. */
function answerStatus(socket: Duplex): Promise<number> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const done = () => {
      socket.pause();
      socket.off('data', take).off('error', reject).off('close', lost);
    };
    const lost = () => {
      done();
      reject(socket.errored ?? proxyFailure(SILENT_HINT));
    };
    const take = (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0 && read.length <= MAX_ANSWER) return;
      done();
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(read.toString('latin1', 0, STATUS_LINE))?.[1];
      if (end < 0 || status === undefined) {
        socket.destroy();
        reject(proxyFailure(SILENT_HINT));
        return;
      }
      if (end + 4 < read.length) socket.unshift(read.subarray(end + 4));
      resolve(Number(status));
    };
    socket.on('data', take).once('error', reject).once('close', lost);
  });
}

/** Until the proxy has opened the connection, an error of the socket, or an unknown name, is the proxy's own. */
function blameProxy(error: unknown): never {
  throw error instanceof Error && 'code' in error ? proxyFailure(SILENT_HINT, error) : error;
}

function proxyFailure(hint: string, error?: Error): Failure {
  return new Failure('HOST_UNREACHABLE', { hint, error });
}
