import { goPrograms, startGoProgram } from './go-programs.ts';

export const GO_SSH = goPrograms('ssh');

export interface GoBastionOptions {
  /** Left out: ed25519. */
  readonly hostKey?: 'ed25519' | 'ecdsa' | 'rsa';
  readonly user: string;
  /** Taken as a password, unless `asks` says in how many questions it is asked for by keyboard-interactive. */
  readonly password?: string;
  readonly asks?: number;
  /** In the form of authorized_keys. */
  readonly authorizedKey?: string;
  /** Wants the key and then the password. */
  readonly both?: boolean;
  /** The algorithms that it insists on. Left out: Go's own. */
  readonly ciphers?: readonly string[];
  readonly keyExchanges?: readonly string[];
  readonly macs?: readonly string[];
  readonly publicKeyAlgorithms?: readonly string[];
  /** The `host:port` that it opens; any other is prohibited. */
  readonly forwards?: readonly string[];
  /** The `address:port` to which those that are opened lead. */
  readonly target?: string;
  /** Says that it is out of resources instead of opening anything. */
  readonly short?: boolean;
  /** Shown before the sign-in. */
  readonly banner?: string;
}

/** A bastion made of Go's golang.org/x/crypto/ssh, on loopback. */
export interface GoBastion {
  readonly port: number;
  /** As OpenSSH prints it, of its host key. */
  readonly fingerprint: string;
  close(): Promise<void>;
}

export async function startGoBastion(options: GoBastionOptions): Promise<GoBastion> {
  const { line, stop } = await startGoProgram('ssh', { settings: JSON.stringify(options) });
  const [port, fingerprint = ''] = line.split(' ');
  return { port: Number(port), fingerprint, close: stop };
}
