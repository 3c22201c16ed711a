import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Authority, IssuedCertificate } from '../certificates.ts';
import type { StartProgram } from './built-programs.ts';
import { goPrograms, startGoProgram } from './go-programs.ts';
import type { PeerPrograms } from './installed.ts';
import { rustPrograms, startRustProgram } from './rust-programs.ts';
import { type StartedTool, startTool } from './started-tool.ts';

const run = promisify(execFile);

/** What makes the four servers, and the certificates that WebCrypto cannot make. */
export const TLS_SERVERS: PeerPrograms = {
  programs: ['openssl', 'gnutls-serv', ...goPrograms('tls').programs, ...rustPrograms('tls').programs],
  packages: ['openssl', 'gnutls-bin'],
  script: 'apt-get install openssl gnutls-bin && .ci/peers/go/build tls && .ci/peers/rust/build tls',
};

export interface TlsServerOptions {
  /** PEM texts in the order in which they are sent. The first is of the key, but to Go's and rustls' servers. */
  readonly chain: readonly string[];
  readonly key: string;
  /** The one version that it speaks. Left out: its own choice. */
  readonly version?: TlsVersion;
  /** The ciphers that it takes, as the server itself calls them. Left out: its own choice. */
  readonly ciphers?: readonly string[];
  /** PEM text: it asks for a client certificate that this has signed; with `required` one has to be there. */
  readonly clientCa?: string;
  readonly required?: boolean;
  /** The port on loopback to which Go's and rustls' servers hand on; the others answer with nonsense. */
  readonly target: number;
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export const tlsServers = {
  OpenSSL: startOpenssl,
  GnuTLS: startGnutls,
  Go: startBuilt(startGoProgram),
  rustls: startBuilt(startRustProgram),
} satisfies Record<string, StartServer>;

type StartServer = (options: TlsServerOptions) => Promise<StartedTool>;

/** Starts the server that `.ci/peers` builds around a language's own library. */
function startBuilt(start: StartProgram): StartServer {
  return async ({ chain, clientCa, target, ...rest }) => {
    const settings = { ...rest, chain: chain.join('\n'), clientCA: clientCa, target: `127.0.0.1:${target}` };
    const { line, stop } = await start('tls', { settings: JSON.stringify(settings) });
    return { port: Number(line), stop };
  };
}

function startOpenssl({ chain, key, version, ciphers, clientCa, required }: TlsServerOptions): Promise<StartedTool> {
  const [leaf = '', ...others] = chain;
  const files = {
    leaf,
    key,
    ...(others.length > 0 && { others: others.join('\n') }),
    ...(clientCa && { clients: clientCa }),
  };
  return startTool('openssl', files, (port, file) => [
    's_server',
    `-accept=127.0.0.1:${port}`,
    '-rev',
    '-quiet',
    `-cert=${file('leaf')}`,
    `-key=${file('key')}`,
    ...(others.length > 0 ? [`-cert_chain=${file('others')}`] : []),
    ...(version ? [`-${version.replace('TLSv', 'tls').replace('.', '_')}`] : []),
    ...(ciphers ? [version === 'TLSv1.3' ? '-ciphersuites' : '-cipher', ciphers.join(':')] : []),
    ...(clientCa
      ? [required ? '-Verify=1' : '-verify=1', '-verify_return_error', '-verify_quiet', `-CAfile=${file('clients')}`]
      : []),
  ]);
}

function startGnutls({ chain, key, version, ciphers, clientCa, required }: TlsServerOptions): Promise<StartedTool> {
  const files = { chain: chain.join('\n'), key, ...(clientCa && { clients: clientCa }) };
  const only = (kind: string, names: readonly string[]) => [`-${kind}-ALL`, ...names.map((name) => `+${name}`)];
  const priority = [
    'NORMAL',
    ...(version ? only('VERS', [version.replace('TLSv', 'VERS-TLS').replace(/TLS1$/, 'TLS1.0')]) : []),
    ...(ciphers ? only('CIPHER', ciphers) : []),
  ];
  return startTool('gnutls-serv', files, (port, file) => [
    '--http',
    '--quiet',
    `--port=${port}`,
    `--x509certfile=${file('chain')}`,
    `--x509keyfile=${file('key')}`,
    `--priority=${priority.join(':')}`,
    ...(clientCa
      ? [`--x509cafile=${file('clients')}`, '--verify-client-cert', ...(required ? ['--require-client-cert'] : [])]
      : ['--disable-client-cert']),
  ]);
}

/** How OpenSSL's command makes each kind of key. */
const KEYS = {
  'RSA of 2048 bits': ['rsa:2048'],
  'RSA of 3072 bits': ['rsa:3072'],
  'RSA of 1024 bits': ['rsa:1024'],
  'RSA-PSS': ['rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'P-256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  Ed25519: ['ed25519'],
  Ed448: ['ed448'],
} as const;
export type KeyKind = keyof typeof KEYS;
export const keyKinds = Object.keys(KEYS) as KeyKind[];

/** Has OpenSSL's command make a key of this kind, and a certificate for it that the authority signs. */
export async function issueByOpenssl(authority: Authority, kind: KeyKind, name: string): Promise<IssuedCertificate> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-issue-'));
  const file = (each: string) => join(home, each);
  try {
    await writeFile(file('ca'), authority.certificate);
    await writeFile(file('ca-key'), authority.key, { mode: 0o600 });
    await writeFile(file('extensions'), `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const out = ['-nodes', '-keyout', file('key'), '-subj', `/CN=${name}`, '-out', file('request')];
    await run('openssl', ['req', '-new', '-newkey', ...KEYS[kind], ...out]);
    const by = ['-CA', file('ca'), '-CAkey', file('ca-key'), '-extfile', file('extensions'), '-days', '90'];
    await run('openssl', ['x509', '-req', '-in', file('request'), ...by, '-out', file('certificate')]);
    const [certificate, key] = await Promise.all([
      readFile(file('certificate'), 'utf8'),
      readFile(file('key'), 'utf8'),
    ]);
    return { certificate, key };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
