import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** The kinds of keys that certificates are signed by. */
const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  Ed25519: { name: 'Ed25519' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;
export type KeyKind = keyof typeof ALGORITHMS;
const DAY = 86_400_000;

/** PEM text; the key is PKCS#8, not encrypted. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface IssueOptions {
  readonly commonName?: string;
  /** DNS names; left out: the common name. */
  readonly names?: readonly string[];
  readonly ips?: readonly string[];
  /** Left out: a day ago. */
  readonly notBefore?: Date;
  /** Left out: in 90 days. */
  readonly notAfter?: Date;
  /** For a client instead of a server. */
  readonly client?: boolean;
  /** Of its own key; left out: P-256. */
  readonly kind?: KeyKind;
}

/** A CA made for one test. Its own `certificate` is what `tls.caCertificate` takes. */
export interface Authority extends IssuedCertificate {
  issue(options?: IssueOptions): Promise<IssuedCertificate>;
  /** Makes a CA in the middle, which this one has signed. */
  intermediate(commonName: string): Promise<Authority>;
}

/** Makes a CA with a fresh key; takes milliseconds, no other process. */
export function createAuthority(commonName = 'Test Authority', kind: KeyKind = 'P-256'): Promise<Authority> {
  return makeAuthority(commonName, kind);
}

async function makeAuthority(commonName: string, kind: KeyKind, signer?: Signer): Promise<Authority> {
  const keys = await generateKeys(kind);
  const subject = `CN=${commonName}`;
  const own = await sign({
    subject,
    issuer: signer?.issuer ?? subject,
    publicKey: keys.publicKey,
    signingKey: signer?.signingKey ?? keys.privateKey,
    notBefore: new Date(Date.now() - 365 * DAY),
    notAfter: new Date(Date.now() + 365 * DAY),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    certificate: own.toString('pem'),
    key: await pemOf(keys.privateKey),
    issue: (options = {}) => issueLeaf(options, { issuer: subject, signingKey: keys.privateKey }),
    intermediate: (name) => makeAuthority(name, kind, { issuer: subject, signingKey: keys.privateKey }),
  };
}

/** A certificate that signed itself. */
export async function createSelfSigned(options: IssueOptions = {}): Promise<IssuedCertificate> {
  return issueLeaf(options);
}

interface Signer {
  readonly issuer: string;
  readonly signingKey: CryptoKey;
}

async function issueLeaf(options: IssueOptions, signer?: Signer): Promise<IssuedCertificate> {
  const commonName = options.commonName ?? (options.client ? 'test-client' : 'localhost');
  const names = options.names ?? [commonName];
  const keys = await generateKeys(options.kind ?? 'P-256');
  const subject = `CN=${commonName}`;
  const certificate = await sign({
    subject,
    issuer: signer?.issuer ?? subject,
    publicKey: keys.publicKey,
    signingKey: signer?.signingKey ?? keys.privateKey,
    notBefore: options.notBefore ?? new Date(Date.now() - DAY),
    notAfter: options.notAfter ?? new Date(Date.now() + 90 * DAY),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([options.client ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...(options.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
      ]),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

interface CertificateRequest extends Signer {
  readonly subject: string;
  readonly publicKey: CryptoKey;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: Extension[];
}

function sign(request: CertificateRequest): Promise<X509Certificate> {
  const serialNumber = Buffer.from(crypto.getRandomValues(new Uint8Array(15))).toString('hex');
  const { name } = request.signingKey.algorithm;
  const curve = 'namedCurve' in request.signingKey.algorithm ? request.signingKey.algorithm.namedCurve : undefined;
  const signingAlgorithm = Object.values(ALGORITHMS).find(
    (each) => each.name === name && (curve === undefined || ('namedCurve' in each && each.namedCurve === curve)),
  );
  if (!signingAlgorithm) throw new Error(`nothing is signed by ${name} here`);
  return X509CertificateGenerator.create({ serialNumber: `01${serialNumber}`, signingAlgorithm, ...request }, crypto);
}

async function generateKeys(kind: KeyKind): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(ALGORITHMS[kind], true, ['sign', 'verify'])) as CryptoKeyPair;
}

async function pemOf(key: CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
