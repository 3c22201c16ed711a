import type { Duplex } from 'node:stream';
import { type SshTunnel, TUNNEL_PATHS } from '../config/ssh-tunnel.ts';
import type { Tls } from '../config/tls.ts';
import type { Check, CheckContext, Target } from '../contract/connector.ts';
import { explainNetworkError, type NetworkPaths } from '../contract/explain.ts';

export interface EndpointChecksOptions<Config, State> {
  readonly target: (config: Config) => Target;
  /** Asks for TLS in the clear, as PostgreSQL's protocol does; fails with TLS_NOT_OFFERED. Left out: TLS from the first byte on. */
  readonly startTls?: (socket: Duplex, context: CheckContext<Config, State>) => Promise<void>;
  /** The protocols that TLS offers: `http/1.1`. */
  readonly alpnProtocols?: readonly string[];
}

/**
 * The checks that every connector to one host begins with: endpoint/resolve, tunnel/open, endpoint/connect and tls/handshake.
 * They leave the prepared socket in `context.link`. Their failures point at the target's hostPath and portPath, or into sshTunnel.
 */
export function endpointChecks<Config, State>(options: EndpointChecksOptions<Config, State>): Check<Config, State>[] {
  return [resolveCheck(options), tunnelCheck(options), connectCheck(options), handshakeCheck(options)];
}

function resolveCheck<Config, State>(options: EndpointChecksOptions<Config, State>): Check<Config, State> {
  return {
    name: 'endpoint/resolve',
    title: 'Resolve the host',
    description:
      'The host name resolves, and the gateway may connect to every address behind it. With an SSH tunnel: the bastion’s name.',
    base: true,
    async run({ config, dialer }) {
      const target = options.target(config);
      const { host, port, ...paths } = bastionOf(target) ?? target;
      const addresses = await pointing(paths, () => dialer.resolve(host, port));
      return { evidence: { addresses: addresses.join(', ') } };
    },
  };
}

/** tunnel/open, for connectors that have checks of their own instead of endpointChecks: from then on the dialer goes through the tunnel. */
export function tunnelCheck<Config, State>(
  options: Pick<EndpointChecksOptions<Config, State>, 'target'>,
): Check<Config, State> {
  return {
    name: 'tunnel/open',
    title: 'Open the SSH tunnel',
    description:
      'SSH signs in at the bastion, which shows the host key that sshTunnel.hostKeyFingerprint names. Without that field it stops here and ' +
      'shows, as evidence, the fingerprint to confirm.',
    base: true,
    configField: 'sshTunnel',
    appliesTo: (config) => tunnelOf(options.target(config)) !== null,
    async run({ config, dialer }) {
      const tunnel = tunnelOf(options.target(config));
      if (!tunnel) throw new Error('tunnel/open was run for a target without a tunnel.');
      return { evidence: await pointing(TUNNEL_PATHS, () => dialer.openTunnel(tunnel)) };
    },
  };
}

function connectCheck<Config, State>(options: EndpointChecksOptions<Config, State>): Check<Config, State> {
  return {
    name: 'endpoint/connect',
    title: 'Connect',
    description: 'A TCP connection to host and port opens; with an SSH tunnel, from the bastion.',
    base: true,
    async run({ config, dialer, link }) {
      const target = options.target(config);
      const start = performance.now();
      link.socket = await pointing(target, () => dialer.dial(target.host, target.port));
      const latencyMs = Math.round((performance.now() - start) * 10) / 10;
      return { evidence: { address: link.socket.remoteAddress, latencyMs } };
    },
  };
}

function handshakeCheck<Config, State>(options: EndpointChecksOptions<Config, State>): Check<Config, State> {
  return {
    name: 'tls/handshake',
    title: 'Agree on TLS',
    description:
      'TLS 1.2 or newer is agreed on, and the certificate is as tls.mode asks: any (REQUIRE), signed by a trusted CA (VERIFY_CA), ' +
      'and for this host (VERIFY_FULL). Warns when it ends in less than 14 days.',
    base: true,
    appliesTo: (config) => tlsOf(options.target(config)) !== null,
    run: (context) => shakeHands(context, options),
  };
}

async function shakeHands<Config, State>(
  context: CheckContext<Config, State>,
  options: EndpointChecksOptions<Config, State>,
) {
  const { config, dialer, link } = context;
  const target = options.target(config);
  const tls = tlsOf(target);
  if (!tls) throw new Error('tls/handshake was run for a target without TLS.');
  const socket = link.take();
  const secured = await pointing(target, async () => {
    await options.startTls?.(socket, context);
    return dialer.secure(socket, target.host, tls, { alpnProtocols: options.alpnProtocols });
  });
  link.socket = secured.socket;
  return { evidence: secured.evidence, warning: secured.warning };
}

/** The TLS that a target asks for; null for clear text. */
export function tlsOf(target: Target): Tls | null {
  return target.tls?.mode === 'DISABLE' ? null : target.tls;
}

/** What the gateway itself connects to on the way to a target: its bastion. Undefined for a direct connection. */
export function bastionOf(target: Target) {
  const tunnel = tunnelOf(target);
  return tunnel ? { host: tunnel.host, port: tunnel.port, ...TUNNEL_PATHS } : undefined;
}

/** The tunnel that a target is reached through; null for a direct connection. */
function tunnelOf(target: Target): SshTunnel | null {
  return target.sshTunnel?.enabled ? target.sshTunnel : null;
}

/** Tells a network failure which fields of the config it is about; all other errors go on as they are. */
async function pointing<T>(paths: NetworkPaths, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainNetworkError(error, paths) ?? error;
  }
}
