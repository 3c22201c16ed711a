import { type SshTunnel, TUNNEL_PATHS } from '../config/ssh-tunnel.ts';
import type { Tls } from '../config/tls.ts';
import type { Check, CheckContext, CheckOutcome, Target } from '../contract/connector.ts';
import { explainNetworkError, type NetworkPaths } from '../contract/explain.ts';
import type { PeerSocket } from '../contract/peer-socket.ts';

/**
 * A check in a connector's own way. `usual` does it in the kit's way, for this target instead of the config's; its
 * failures point at that target's fields.
 */
export type EndpointStep<Config, State> = (
  context: CheckContext<Config, State>,
  usual: (target?: Target) => Promise<CheckOutcome>,
) => Promise<CheckOutcome>;

export interface EndpointChecksOptions<Config, State> {
  readonly target: (config: Config) => Target;
  /**
   * False for a config that leads to no endpoint: none of the checks runs for it. Left out: every config leads to one.
   */
  readonly appliesTo?: (config: Config) => boolean;
  /**
   * Asks for TLS in clear text, as PostgreSQL's protocol does; fails with TLS_NOT_OFFERED. Left out: the connection is
   * TLS from its first byte on.
   */
  readonly startTls?: (socket: PeerSocket, context: CheckContext<Config, State>) => Promise<void>;
  /** The protocols that TLS offers: `http/1.1`. */
  readonly alpnProtocols?: readonly string[];
  /**
   * How endpoint/resolve, endpoint/connect and tls/handshake are done. Left out: they are done in the kit's way, for
   * the config's target.
   */
  readonly resolve?: EndpointStep<Config, State>;
  readonly connect?: EndpointStep<Config, State>;
  readonly handshake?: EndpointStep<Config, State>;
}

/**
 * The checks that every connector to one host begins with: endpoint/resolve, tunnel/open, endpoint/connect and
 * tls/handshake. They leave the prepared socket in `context.link`. Their failures point at the target's hostPath and
 * portPath, or into sshTunnel.
 */
export function endpointChecks<Config, State>(options: EndpointChecksOptions<Config, State>): Check<Config, State>[] {
  const { target: targetOf, alpnProtocols } = options;
  const check = (
    { applies, run, ...rest }: EndpointCheck,
    own?: EndpointStep<Config, State>,
  ): Check<Config, State> => ({
    ...rest,
    base: true,
    appliesTo: (config) => (options.appliesTo?.(config) ?? true) && (applies?.(targetOf(config)) ?? true),
    run(context) {
      const startTls = async (socket: PeerSocket) => options.startTls?.(socket, context);
      const usual = (target = targetOf(context.config)) => run(context, target, { startTls, alpnProtocols });
      return own ? own(context, usual) : usual();
    },
  });
  return [
    check(resolveCheck, options.resolve),
    check(tunnelCheck),
    check(connectCheck, options.connect),
    check(handshakeCheck, options.handshake),
  ];
}

/** A check of any connector's, before it knows where that connector's configs lead. */
interface EndpointCheck extends Pick<Check<unknown, unknown>, 'name' | 'title' | 'description' | 'configField'> {
  readonly applies?: (target: Target) => boolean;
  readonly run: (
    context: Pick<CheckContext<unknown, unknown>, 'dialer' | 'link'>,
    target: Target,
    tls: {
      readonly startTls: (socket: PeerSocket) => Promise<void>;
      readonly alpnProtocols: readonly string[] | undefined;
    },
  ) => Promise<CheckOutcome>;
}

const resolveCheck: EndpointCheck = {
  name: 'endpoint/resolve',
  title: 'Resolve the host',
  description:
    'The host name resolves, and the gateway may connect to every address behind it. With an SSH tunnel this is the bastion’s name.',
  async run({ dialer }, target) {
    const { host, port, ...paths } = bastionOf(target) ?? target;
    const addresses = await pointing(paths, () => dialer.resolve(host, port));
    return { evidence: { addresses: addresses.join(', ') } };
  },
};

const tunnelCheck: EndpointCheck = {
  name: 'tunnel/open',
  title: 'Open the SSH tunnel',
  description:
    'SSH signs in at the bastion, which shows the host key that sshTunnel.hostKeyFingerprint names. Without that field it stops here and ' +
    'shows, as evidence, the fingerprint to confirm.',
  configField: 'sshTunnel',
  applies: (target) => tunnelOf(target) !== null,
  async run({ dialer }, target) {
    const tunnel = tunnelOf(target);
    if (!tunnel) throw new Error('tunnel/open was run for a target without a tunnel.');
    return { evidence: await pointing(TUNNEL_PATHS, () => dialer.openTunnel(tunnel)) };
  },
};

const connectCheck: EndpointCheck = {
  name: 'endpoint/connect',
  title: 'Connect',
  description: 'A TCP connection to host and port opens. With an SSH tunnel the bastion opens it.',
  async run({ dialer, link }, target) {
    const start = performance.now();
    link.socket = await pointing(target, () => dialer.dial(target.host, target.port));
    const latencyMs = Math.round((performance.now() - start) * 10) / 10;
    return { evidence: { address: link.socket.remoteAddress, latencyMs } };
  },
};

const handshakeCheck: EndpointCheck = {
  name: 'tls/handshake',
  title: 'Agree on TLS',
  description:
    'TLS 1.2 or newer is agreed on, and the certificate is as tls.mode asks: any (REQUIRE), signed by a trusted CA (VERIFY_CA), ' +
    'and for this host (VERIFY_FULL). Warns when it ends in less than 14 days.',
  applies: (target) => tlsOf(target) !== null,
  async run({ dialer, link }, target, { startTls, alpnProtocols }) {
    const tls = tlsOf(target);
    if (!tls) throw new Error('tls/handshake was run for a target without TLS.');
    const socket = link.take();
    const secured = await pointing(target, async () => {
      await startTls(socket);
      return dialer.secure(socket, target.host, tls, { alpnProtocols });
    });
    link.socket = secured.socket;
    return { evidence: secured.evidence, warning: secured.warning };
  },
};

/** The TLS that a target asks for; null for clear text. */
export function tlsOf(target: Target): Tls | null {
  return target.tls?.mode === 'DISABLE' ? null : target.tls;
}

/** The bastion that the gateway itself connects to on the way to a target. Undefined for a direct connection. */
export function bastionOf(target: Target) {
  const tunnel = tunnelOf(target);
  return tunnel ? { host: tunnel.host, port: tunnel.port, ...TUNNEL_PATHS } : undefined;
}

/** The tunnel that a target is reached through; null for a direct connection. */
function tunnelOf(target: Target): SshTunnel | null {
  return target.sshTunnel?.enabled ? target.sshTunnel : null;
}

/** Tells a network failure which fields of the config it is about, and throws all other errors as they are. */
async function pointing<T>(paths: NetworkPaths, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainNetworkError(error, paths) ?? error;
  }
}
