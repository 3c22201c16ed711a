import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';
import { eventually } from '../eventually.ts';

/** Resolves as soon as a server that speaks TLS at once shows this certificate. */
export async function presents(port: number, { certificate }: IssuedCertificate): Promise<void> {
  const wanted = new X509Certificate(certificate).fingerprint256;
  await eventually(async () => (await shown(port)) === wanted);
}

async function shown(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
