import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  checkServerIdentity,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import type { FailureCode } from '../../../errors/check-failures.ts';
import type { Tls } from '../config/tls.ts';
import type { Evidence, HandshakeOptions, SecuredSocket } from '../contract/connector.ts';
import { chainFailureCode, explainTlsError } from '../contract/explain.ts';
import { Failure } from '../contract/failure.ts';
import { type PeerAddress, PeerSocket } from '../contract/peer-socket.ts';
import { readCertificates } from '../keys/certificates.ts';
import { writePem } from '../keys/pem.ts';
import { openPrivateKey } from '../keys/private-key.ts';

/** A certificate that ends in fewer days than this makes a warning. */
const EXPIRY_WARNING_DAYS = 14;
const DAY = 86_400_000;

export interface SecureOptions extends HandshakeOptions {
  readonly signal: AbortSignal;
  /** For tests alone: the PEM of a CA that is trusted in the place of the public ones. */
  readonly publicCa?: string;
}

/**
 * Puts TLS on a dialled connection, and judges the certificate by `tls.mode` before a byte of ours is sent over it. The
 * given socket cannot be used any more. Fails with one of the TLS failures; that of a refused certificate holds what
 * was seen of it.
 */
export async function securePeer(
  socket: Duplex,
  host: string,
  tls: Tls,
  options: SecureOptions,
): Promise<SecuredSocket> {
  const context = await secureContext(tls, options);
  const name = tls.serverName ?? host;
  const carrier = socket instanceof PeerSocket ? socket.detach() : socket;
  const secured = tlsConnect({
    socket: carrier,
    secureContext: context,
    // the certificate is judged below, so that a refused one can be shown
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    servername: isIP(name) ? '' : name,
    ...(options.alpnProtocols ? { ALPNProtocols: [...options.alpnProtocols] } : {}),
  });
  if (options.maxSendFragment !== undefined) secured.setMaxSendFragment(options.maxSendFragment);
  // this listener stays: an alert can come in the same breath as the end of the handshake, before anyone else listens
  secured.on('error', ignore);
  secured.once('close', () => carrier.destroy());
  const peer =
    socket instanceof PeerSocket
      ? { address: socket.remoteAddress, port: socket.remotePort }
      : { address: host, port: 0 };
  try {
    await handshaken(secured, options.signal, tls);
    if (secured.errored) throw handshakeFailure(secured.errored, secured, tls);
    // this way of asking gives the same answer twice, while getPeerX509Certificate() takes the certificate away with it
    const certificate = secured.getPeerCertificate();
    const evidence = evidenceOf(secured, certificate);
    const refused = judge(secured, certificate, name, tls);
    if (refused) throw new Failure(refused.code, { configPath: refused.configPath, evidence });
    const left = evidence.daysUntilExpiry;
    return {
      socket: new SecuredPeerSocket(secured, peer, certificate),
      evidence,
      warning: typeof left === 'number' && left < EXPIRY_WARNING_DAYS,
    };
  } catch (error) {
    secured.destroy();
    throw error;
  }
}

/** A PeerSocket over TLS. */
class SecuredPeerSocket extends PeerSocket {
  readonly encrypted = true;
  readonly #certificate: PeerCertificate;

  constructor(carrier: TLSSocket, peer: PeerAddress, certificate: PeerCertificate) {
    super(carrier, peer);
    this.#certificate = certificate;
  }

  override getPeerCertificate(): PeerCertificate {
    return this.#certificate;
  }
}

function handshaken(socket: TLSSocket, signal: AbortSignal, tls: Tls): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal.removeEventListener('abort', abort);
      socket.off('error', fail).off('close', lost).off('secureConnect', done);
      outcome();
    };
    const abort = () => settle(() => reject(signal.reason));
    const done = () => settle(resolve);
    const lost = () => settle(() => reject(signal.aborted ? signal.reason : new Failure('TLS_FAILED')));
    const fail = (error: Error) =>
      settle(() => reject(signal.aborted ? signal.reason : handshakeFailure(error, socket, tls)));
    socket.once('secureConnect', done).once('error', fail).once('close', lost);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * The failure that ended a handshake. When the peer's own certificate has come, it was the gateway's that the peer did
 * not like. Of one that is missing GnuTLS says, over TLS 1.2, that it could not decode it.
 */
function handshakeFailure(error: Error, socket: TLSSocket, tls: Tls): Failure {
  const code = 'code' in error ? String(error.code) : '';
  const isMissing = tls.clientCertificate === undefined;
  const isAboutOurs = isMissing ? /_ALERT_(HANDSHAKE_FAILURE|DECODE_ERROR)$/ : /_ALERT_HANDSHAKE_FAILURE$/;
  if (isAboutOurs.test(code) && isPresent(socket.getPeerCertificate())) {
    const failure = isMissing ? 'TLS_CLIENT_CERTIFICATE_REQUIRED' : 'TLS_CLIENT_CERTIFICATE_REFUSED';
    return new Failure(failure, { configPath: 'tls.clientCertificate', error });
  }
  return explainTlsError(error) ?? new Failure('TLS_FAILED', { error });
}

interface Refusal {
  readonly code: FailureCode;
  readonly configPath?: string;
}

function judge(socket: TLSSocket, certificate: PeerCertificate, name: string, tls: Tls): Refusal | undefined {
  if (tls.mode === 'REQUIRE') return undefined;
  if (!socket.authorized) return chainRefusal(String(socket.authorizationError));
  if (tls.mode === 'VERIFY_CA') return undefined;
  const mismatch = !isPresent(certificate) || checkServerIdentity(name, certificate);
  return mismatch ? { code: 'TLS_NAME_MISMATCH', configPath: 'tls.serverName' } : undefined;
}

function chainRefusal(error: string): Refusal {
  const code = chainFailureCode(error) ?? 'TLS_UNTRUSTED';
  const mendedByCa = code === 'TLS_SELF_SIGNED' || code === 'TLS_UNTRUSTED';
  return mendedByCa ? { code, configPath: 'tls.caCertificate' } : { code };
}

/** Tells whether there is a certificate: Node gives an empty object where there is none. */
function isPresent(certificate: PeerCertificate): boolean {
  return certificate.raw !== undefined;
}

function evidenceOf(socket: TLSSocket, peer: PeerCertificate): Evidence {
  const cipher = socket.getCipher();
  const agreed = { protocol: socket.getProtocol() ?? undefined, cipher: cipher?.standardName ?? cipher?.name };
  if (!isPresent(peer)) return agreed;
  const certificate = new X509Certificate(peer.raw);
  return {
    ...agreed,
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: certificate.subjectAltName?.replaceAll(/(DNS|IP Address):/g, ''),
    daysUntilExpiry: Math.floor((certificate.validToDate.getTime() - Date.now()) / DAY),
    expiresAt: certificate.validToDate.toISOString(),
    fingerprintSha256: certificate.fingerprint256,
  };
}

function oneLine(name: string | undefined): string {
  // the subject may be missing: a certificate can name it in its alternative names alone
  return (name ?? '').split('\n').join(', ');
}

/**
 * The context of the certificates and the key of a config. They are checked one by one, so that a failure can say which
 * of them cannot be used.
 */
async function secureContext(tls: Tls, options: SecureOptions): Promise<SecureContext> {
  const { caCertificate } = tls;
  const ca = caCertificate === undefined ? undefined : certificatesOf(caCertificate, 'tls.caCertificate');
  const identity = await clientIdentity(tls, options.signal);
  return usable(identity && 'tls.clientKey', () =>
    createSecureContext({
      minVersion: 'TLSv1.2',
      ...(options.maxVersion ? { maxVersion: options.maxVersion } : {}),
      ca: ca?.map(({ pem }) => pem) ?? options.publicCa,
      // a pinned server certificate, or the one CA in the middle that signed it, is trust enough
      allowPartialTrustChain: ca !== undefined,
      ...identity,
    }),
  );
}

/**
 * The certificates and the key that the gateway shows of itself. OpenSSL wants the key's own certificate first, in
 * whatever order they were given.
 */
async function clientIdentity(tls: Tls, signal: AbortSignal): Promise<{ cert: string; key: string } | undefined> {
  const { clientCertificate, clientKey, clientKeyPassphrase: passphrase } = tls;
  if (clientCertificate === undefined || clientKey === undefined) return undefined;
  const chain = certificatesOf(clientCertificate, 'tls.clientCertificate');
  const paths = { keyPath: 'tls.clientKey', passphrasePath: 'tls.clientKeyPassphrase' };
  const key = await openPrivateKey(clientKey, { ...paths, passphrase, signal, takesAnyType: true }).catch(asMaterial);
  const own = chain.filter(({ certificate }) => certificate.checkPrivateKey(key));
  if (own.length === 0) throw new Failure('TLS_BAD_MATERIAL', { configPath: 'tls.clientKey' });
  const others = chain.filter((each) => !own.includes(each));
  return {
    cert: [...own, ...others].map(({ pem }) => pem).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Throws the failure of a key as one of material for TLS. */
function asMaterial(error: unknown): never {
  if (!(error instanceof Failure) || error.report.code !== 'KEY_UNUSABLE') throw error;
  const { hint } = error.report;
  throw new Failure('TLS_BAD_MATERIAL', { configPath: 'tls.clientKey', ...(hint ? { hint } : {}), error });
}

interface ParsedCertificate {
  readonly pem: string;
  readonly certificate: X509Certificate;
}

/**
 * The certificates of a text, as the gateway itself reads them: OpenSSL passes over a CA that it cannot read, in
 * silence.
 */
function certificatesOf(text: string, configPath: string): ParsedCertificate[] {
  return usable(configPath, () =>
    readCertificates(text).certificates.map((block) => {
      const pem = writePem([block]);
      return { pem, certificate: new X509Certificate(pem) };
    }),
  );
}

function usable<T>(configPath: string | undefined, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Failure('TLS_BAD_MATERIAL', { configPath, error });
  }
}

function ignore(): void {
  // the promise of the handshake or the PeerSocket around it has reported it
}
