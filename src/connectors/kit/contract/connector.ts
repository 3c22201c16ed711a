import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import type { SshTunnel } from '../config/ssh-tunnel.ts';
import type { Tenancy, TenancyLevel } from '../config/tenancy.ts';
import type { Tls } from '../config/tls.ts';
import type { CatalogEntry } from './catalog-entry.ts';
import type { Failure } from './failure.ts';
import type { PeerSocket } from './peer-socket.ts';

/** What a check found out: parsed values only, at most 200 printable characters each. */
export type Evidence = Readonly<Record<string, string | number | boolean | undefined>>;

/** What a check that did not fail returns. */
export interface CheckOutcome {
  readonly evidence: Evidence;
  /** Passed, but something will need attention: a certificate that soon expires, say. */
  readonly warning?: boolean;
}

/** Where a config makes the gateway connect to. */
export interface Target {
  /** A host name or an address, in normal form, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Null: clear text. */
  readonly tls: Tls | null;
  /** The bastion that the connection goes over; null, undefined or not enabled: direct. */
  readonly sshTunnel?: SshTunnel | null | undefined;
  /** Config paths that a failure points at; undefined where the host is fixed (Google's, say). */
  readonly hostPath?: string;
  readonly portPath?: string;
}

/** A dialled connection whose TLS handshake is done and whose certificate has been judged. */
export interface SecuredSocket {
  readonly socket: PeerSocket;
  readonly evidence: Evidence;
  readonly warning: boolean;
}

/** How a protocol wants its TLS. */
export interface HandshakeOptions {
  /** The protocols that TLS offers: `http/1.1`. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** For protocols that do not go with TLS 1.3. */
  readonly maxVersion?: 'TLSv1.2';
  /** For servers that take no longer TLS records, in bytes. */
  readonly maxSendFragment?: number;
}

/** The only thing that opens a socket to a user's address. One per test: it owns every socket that it opened. */
export interface Dialer {
  /** Resolves a host once per test and checks every address for this port; fails with DNS or ADDRESS_NOT_ALLOWED causes. */
  resolve(host: string, port: number): Promise<readonly string[]>;
  /**
   * What the SRV records of a service's name list (`_mongodb._tcp.db.example`), the first to be tried first; host names in normal form.
   * None of them is checked yet: resolve() and dial() do.
   */
  resolveService(name: string): Promise<readonly { readonly host: string; readonly port: number }[]>;
  /**
   * Opens TCP to a checked address of the host. After openTunnel(): has the bastion open it, to whom the host's name is then left; only what
   * is never allowed is refused as far as the name or address tells it.
   */
  dial(host: string, port: number): Promise<PeerSocket>;
  /**
   * Signs in at a bastion, whose own address is checked as any; all that is dialled from then on goes through it. Gives evidence, or fails
   * with the failures of the network, of SSH and of the private key. `onCarrier` is told of the connection to the bastion.
   */
  openTunnel(tunnel: SshTunnel, onCarrier?: (carrier: PeerSocket) => void): Promise<Evidence>;
  /** Does the TLS handshake over a dialled socket; the certificate is judged before a byte is sent. */
  secure(socket: Duplex, host: string, tls: Tls, options?: HandshakeOptions): Promise<SecuredSocket>;
}

/** What a test gives to its checks: the config, and the way into the world. */
export interface TestContext<Config> {
  /** Parsed, with its secrets in place. */
  readonly config: Config;
  /** Aborts at the deadline and at a cancellation. */
  readonly signal: AbortSignal;
  readonly dialer: Dialer;
  /** The connection that endpoint/connect and tls/handshake made, for whoever signs in over it. */
  readonly link: Link;
  /** How clients are laid out inside; null where nothing is said of it. */
  readonly tenancy: Tenancy | null;
  /** Hands catalog entries to the gateway; resolves when it has taken them. */
  emitCatalog(entries: readonly CatalogEntry[]): Promise<void>;
}

/** What a check takes: what the test gives, and what earlier checks of the same test left. */
export interface CheckContext<Config, State> extends TestContext<Config> {
  /** The connector's own: a driver's client, a server version. */
  readonly state: State;
}

/** The one prepared connection of a test, handed from endpoint/connect over tls/handshake to the driver. */
export interface Link {
  /** The socket as far as it is prepared; undefined once taken. */
  socket: PeerSocket | undefined;
  /** Gives the socket away, once; fails when nothing was prepared. */
  take(): PeerSocket;
}

/** One named step of a test. It never times, catches, retries or redacts: run-checks.ts does, once. */
export interface Check<Config, State> {
  /** Within the connector: `bucket/head`. */
  readonly name: string;
  readonly title: string;
  /** What passes, and which right it needs. Shown to users. */
  readonly description: string;
  /** A check that others build on runs whenever one of those does. */
  readonly base?: boolean;
  /** Left out: true. */
  readonly runsByDefault?: boolean;
  /** Writes something and removes it again; never by default. */
  readonly writes?: boolean;
  /** A type whose config has no such field does not have the check either. */
  readonly configField?: string;
  /** Left out: always. False for a config that it has nothing to do for. */
  readonly appliesTo?: (config: Config, tenancy: Tenancy | null) => boolean;
  readonly run: (context: CheckContext<Config, State>) => Promise<CheckOutcome>;
}

/** What an earlier check has left in the state. Throws when it is not there, which is a mistake of the connector's. */
export function required<T>(left: T | undefined, check: string): T {
  if (left === undefined) throw new Error(`${check} has to run first.`);
  return left;
}

/** The code for one datastore type: one folder, one line in the registry. */
export interface Connector<Schema extends z.ZodObject = z.ZodObject, State = unknown> {
  /** `POSTGRES`: the API's DatastoreType. The id in check names and config keys are derived from it. */
  readonly type: string;
  readonly title: string;
  /** Shown to users; Markdown. */
  readonly description: string;
  readonly category: ConnectorCategory;
  /** What its tests run against, for the README: `real PostgreSQL 18`, `fake`. */
  readonly provenAgainst?: string;
  /** The single truth about the config: input, patch and object type, validation, JSON Schema, secrets, destinations. */
  readonly config: Schema;
  /**
   * A config input that is right in every field, its secrets invented, its hosts public names: shown in the JSON Schema (without the
   * secrets), and what the contract test starts from.
   */
  readonly example?: z.input<Schema>;
  /** The config path that configSecret fills. */
  readonly principalSecret?: string;
  readonly defaultPort?: number;
  /** Every place that the config makes the gateway connect to, checked when it is saved and again when it connects. */
  readonly targets: (config: z.output<Schema>) => readonly Target[];
  /** In order: each later one is skipped when one fails. */
  readonly checks: readonly Check<z.output<Schema>, State>[];
  /** Left out: the type knows no tenancy. With TABLE its checks hold kit's tenancyCheck. */
  readonly tenancyLevels?: readonly TenancyLevel[];
  /** Reads the catalog; left out: the type has none. Not among `checks`: only a refresh runs it. */
  readonly catalogCheck?: Check<z.output<Schema>, State>;
  /** A fresh one for each test. Nothing is sent before a check runs. */
  readonly createState: (test: TestContext<z.output<Schema>>) => State;
  /** Ends what the state holds, politely and at once; the dialer destroys the sockets anyway. */
  readonly close?: (state: State) => void;
  /** A driver's or a server's own error in the words of the failure table; undefined where it is none of the connector's. */
  readonly explain?: (error: unknown, config: z.output<Schema>) => Failure | undefined;
}

export type ConnectorCategory =
  | 'SQL'
  | 'WAREHOUSE'
  | 'DOCUMENT'
  | 'SEARCH'
  | 'VECTOR'
  | 'OBJECT_STORAGE'
  | 'FILE'
  | 'MANAGED';

/** Keeps the types of one connector's config and state together; the registry forgets them. */
export function defineConnector<Schema extends z.ZodObject, State>(connector: Connector<Schema, State>): Connector {
  const has = ({ configField }: Check<z.output<Schema>, State>) =>
    configField === undefined || configField in connector.config.shape;
  return { ...connector, checks: connector.checks.filter(has) } as unknown as Connector;
}

/** Every check that a test of the connector can run: its own, and reading the catalog. */
export function allChecksOf(connector: Connector): Connector['checks'] {
  return connector.catalogCheck ? [...connector.checks, connector.catalogCheck] : connector.checks;
}

/** `google_cloud_storage`: what check names begin with. */
export function connectorId(connector: Pick<Connector, 'type'>): string {
  return connector.type.toLowerCase();
}

/** `googleCloudStorage`: the key in DatastoreConfigInput and DatastoreConfigPatch. */
export function configKey(connector: Pick<Connector, 'type'>): string {
  return connectorId(connector).replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** `GoogleCloudStorage`: what the type names of the API begin with. */
export function pascalName(connector: Pick<Connector, 'type'>): string {
  const key = configKey(connector);
  return key.charAt(0).toUpperCase() + key.slice(1);
}

/** `s3/bucket/head`: a check's public name, which users call a validation method. */
export function checkName(connector: Pick<Connector, 'type'>, check: { readonly name: string }): string {
  return `${connectorId(connector)}/${check.name}`;
}
