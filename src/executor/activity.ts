import type { Dialer } from '../connectors/kit/contract/connector.ts';
import type { PeerSocket } from '../connectors/kit/contract/peer-socket.ts';

/**
 * Wraps a dialer so that it calls onActivity whenever the peer gets a word in: before a name, a connection or bytes are
 * handed to the driver. What holds the event loop is nearly always a driver at work on what just came in, so the test
 * that was active last is the culprit.
 */
export function watchActivity(dialer: Dialer, onActivity: () => void): Dialer {
  const watched = (socket: PeerSocket): PeerSocket => {
    const push = socket.push.bind(socket);
    socket.push = (chunk, encoding) => {
      onActivity();
      return push(chunk, encoding);
    };
    onActivity();
    return socket;
  };
  return {
    async resolve(host, port) {
      const addresses = await dialer.resolve(host, port);
      onActivity();
      return addresses;
    },
    async resolveService(name) {
      const servers = await dialer.resolveService(name);
      onActivity();
      return servers;
    },
    openTunnel(tunnel, onCarrier) {
      onActivity();
      return dialer.openTunnel(tunnel, (carrier) => {
        watched(carrier);
        onCarrier?.(carrier);
      });
    },
    dial: async (host, port) => watched(await dialer.dial(host, port)),
    async secure(socket, host, tls, options) {
      const secured = await dialer.secure(socket, host, tls, options);
      watched(secured.socket);
      return secured;
    },
    hold: () => dialer.hold(),
    afterwards: (signal) => watchActivity(dialer.afterwards(signal), onActivity),
  };
}
