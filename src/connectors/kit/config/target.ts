import type { Target } from '../contract/connector.ts';
import type { SshTunnel } from './ssh-tunnel.ts';
import { type Tls, tls } from './tls.ts';

/** TLS for a config without a `tls` block: VERIFY_FULL with the public CAs. */
export const publicTls: Tls = tls().parse({});

/** The target of a config whose fields are those of one host. */
export function hostTarget(config: {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls;
  readonly sshTunnel?: SshTunnel | undefined;
}): Target {
  const { host, port, tls, sshTunnel } = config;
  return { host, port, tls: tls.mode === 'DISABLE' ? null : tls, sshTunnel, hostPath: 'host', portPath: 'port' };
}

/**
 * The target of a public service that answers over HTTPS. `hostPath` is the field that decides on its host. Left out:
 * the host is fixed.
 */
export function serviceTarget(host: string, hostPath?: string): Target {
  return { host, port: 443, tls: publicTls, ...(hostPath === undefined ? {} : { hostPath }) };
}
