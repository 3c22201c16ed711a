import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import { withoutSecretsInTheOpen } from '../config/open-fields.ts';
import type { SshTunnel } from '../config/ssh-tunnel.ts';
import type { Tenancy, TenancyLevel } from '../config/tenancy.ts';
import type { Tls } from '../config/tls.ts';
import type { ConnectionTexts } from '../connection-text/connection-text.ts';
import type { CatalogColumn, CatalogEntry } from './catalog-entry.ts';
import type { Failure, FailureDetails } from './failure.ts';
import type { PeerSocket } from './peer-socket.ts';

/** What a check found out. It holds parsed values only, of at most 200 printable characters each. */
export type Evidence = Readonly<Record<string, string | number | boolean | undefined>>;

/** What a check that did not fail returns. */
export interface CheckOutcome {
  readonly evidence: Evidence;
  /** True when the check passed, but something will need attention: a certificate that soon expires, say. */
  readonly warning?: boolean;
}

/** Where a config makes the gateway connect to. */
export interface Target {
  /** A host name or an address, in normal form, without brackets. */
  readonly host: string;
  readonly port: number;
  /** The name whose SRV records list the servers that are connected to instead of this host and port. */
  readonly service?: string;
  /** The TLS to agree on; null for clear text. */
  readonly tls: Tls | null;
  /** The bastion that the connection goes over. It is direct when this is null, undefined or not enabled. */
  readonly sshTunnel?: SshTunnel | null | undefined;
  /** The config paths that a failure points at. They are undefined when the host is fixed, as Google's is. */
  readonly hostPath?: string;
  readonly portPath?: string;
  /** The config path that a failure points at when another server answers. Left out: portPath, or else hostPath. */
  readonly strangerPath?: string;
  /** What to do when the name of the host does not resolve. Left out: to check its spelling. */
  readonly nameHint?: string;
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
  /** The newest version, for protocols that do not go with TLS 1.3. */
  readonly maxVersion?: 'TLSv1.2';
  /** The longest TLS record that the server takes, in bytes. */
  readonly maxSendFragment?: number;
}

/**
 * The only thing that opens a socket to a user's address. Each test has one, which owns every socket that it opened.
 */
export interface Dialer {
  /**
   * Resolves a host once per test and checks every address for this port. Fails with a failure of name resolution or
   * with ADDRESS_NOT_ALLOWED.
   */
  resolve(host: string, port: number): Promise<readonly string[]>;
  /**
   * The servers that the SRV records of a service's name list (`_mongodb._tcp.db.example`), the first to be tried
   * first, with host names in normal form. None of them is checked yet: resolve() and dial() do that.
   */
  resolveService(name: string): Promise<readonly { readonly host: string; readonly port: number }[]>;
  /**
   * Opens TCP to a checked address of the host. After openTunnel() the bastion opens the connection and resolves the
   * name; the gateway then refuses only what the name or the address itself shows to be never allowed.
   */
  dial(host: string, port: number): Promise<PeerSocket>;
  /**
   * Signs in at a bastion, whose own address is checked as any other. All that is dialled from then on goes through it.
   * Gives evidence, or fails with a failure of the network, of SSH or of the private key. `onCarrier` is told of the
   * connection to the bastion.
   */
  openTunnel(tunnel: SshTunnel, onCarrier?: (carrier: PeerSocket) => void): Promise<Evidence>;
  /** Does the TLS handshake over a dialled socket. The certificate is judged before a byte is sent. */
  secure(socket: Duplex, host: string, tls: Tls, options?: HandshakeOptions): Promise<SecuredSocket>;
  /**
   * Keeps the sockets open when the signal aborts, for an answer without which nobody can end what was begun. Nothing
   * new is dialled all the same. Gives what takes it back; it is called once.
   */
  hold(): () => void;
  /**
   * A dialer for what is left to do when the test's signal has aborted and its sockets are gone. It knows the addresses
   * that were looked up, goes through the tunnel that was opened, and ends with its own signal.
   */
  afterwards(signal: AbortSignal): Dialer;
}

/** The way into the world that a test has when it has ended. */
export interface Ending {
  /** Aborts a second after the end of the test. */
  readonly signal: AbortSignal;
  /** The test's own dialer; a fresh one where the test was aborted. */
  readonly dialer: Dialer;
}

/** Ends at the other side what a test has opened there. Nobody waits for it, and its failure changes nothing. */
export type CleanUp = (ending: Ending) => Promise<unknown>;

/** What the gateway itself keeps for a datastore, as the checks of a type that runs in the gateway see it. */
export interface OwnStorage {
  /** Fails with RESOURCE_NOT_FOUND where the config names what there is not. */
  read(): Promise<Evidence>;
  /** Writes something and takes it back. Fails with QUOTA_EXCEEDED where there is no room for it. */
  write(): Promise<Evidence>;
  /** What is known of how its records look. */
  columns(): Promise<readonly CatalogColumn[]>;
}

/** What a test gives to its checks: the config, and the way into the world. */
export interface TestContext<Config> {
  /** The parsed config, with its secrets in place. */
  readonly config: Config;
  /** Aborts at the deadline and at a cancellation. */
  readonly signal: AbortSignal;
  readonly dialer: Dialer;
  /** Only where the type runs in the gateway. */
  readonly storage?: OwnStorage | undefined;
  /** The connection that endpoint/connect and tls/handshake have made, for the check that signs in. */
  readonly link: Link;
  /** How clients are laid out inside the datastore; null when the datastore says nothing of clients. */
  readonly tenancy: Tenancy | null;
  /** Hands catalog entries to the gateway. Resolves when the gateway has taken them. */
  emitCatalog(entries: readonly CatalogEntry[]): Promise<void>;
  /**
   * Has a clean-up done when the test ends, however it ends: the newest first. Gives what takes that back, for what has
   * ended by itself. `leaves` names what stays at the other side when the clean-up fails, for the operator's log.
   */
  onEnd(cleanUp: CleanUp, leaves?: string): () => void;
  /**
   * Tells what the running check waits for from now on, so that a TIMEOUT names it: a warehouse that is starting. The
   * end of the check takes it back.
   */
  waitsFor(what: Pick<FailureDetails, 'hint' | 'configPath'>): void;
}

/** What a check takes: what the test gives, and what earlier checks of the same test left. */
export interface CheckContext<Config, State> extends TestContext<Config> {
  /** What the connector's checks share: a driver's client, a server version. */
  readonly state: State;
}

/** The one prepared connection of a test, which goes from endpoint/connect over tls/handshake to the driver. */
export interface Link {
  /** The socket as far as it is prepared; undefined once taken. */
  socket: PeerSocket | undefined;
  /** Gives the socket away. Throws when none is prepared, or when it was taken before. */
  take(): PeerSocket;
}

/** One named step of a test. It never times, catches or redacts: run-checks.ts does that for all of them. */
export interface Check<Config, State> {
  /** The check's name within its connector: `bucket/head`. */
  readonly name: string;
  readonly title: string;
  /** Says what is true when the check passes, and which right it needs. Shown to users. */
  readonly description: string;
  /** True for a check that later ones build on: it runs whenever one of them does. */
  readonly base?: boolean;
  /** True for the check that signs in. It fails before it is run when a secret is missing that the type needs. */
  readonly signsIn?: boolean;
  /** Whether the check runs when no method is asked for. Left out: true. */
  readonly runsByDefault?: boolean;
  /** True for a check that writes something and removes it again. Such a check never runs by default. */
  readonly writes?: boolean;
  /** The config field that the check is about. A type whose config has no such field does not have the check either. */
  readonly configField?: string;
  /** Tells whether the check has anything to do for a config. Left out: it always has. */
  readonly appliesTo?: (config: Config, tenancy: Tenancy | null) => boolean;
  readonly run: (context: CheckContext<Config, State>) => Promise<CheckOutcome>;
}

/** What an earlier check has left in the state. Throws when it is not there, which is a fault of the connector. */
export function required<T>(left: T | undefined, check: string): T {
  if (left === undefined) throw new Error(`${check} has to run first.`);
  return left;
}

/** A statement, a policy or commands, as whoever runs a server gives them to it. The names are those of the example. */
export interface Recipe {
  /** The language, as Markdown names it: `sql`. */
  readonly language: string;
  readonly text: string;
}

/** The code for one datastore type. It has a folder, and a line in list.ts. */
export interface Connector<Schema extends z.ZodObject = z.ZodObject, State = unknown> {
  /** The API's DatastoreType, `POSTGRES`. The id in check names and the config's key are derived from it. */
  readonly type: string;
  readonly title: string;
  /** Markdown that is shown to users. */
  readonly description: string;
  readonly category: ConnectorCategory;
  /** What the connector's tests run against, as the README tells it: `real PostgreSQL 18`, `fake`. */
  readonly provenAgainst: string;
  /**
   * The least rights at the server with which the default checks pass, in Markdown: docs/rights.md is printed
   * from it.
   */
  readonly leastRights: string;
  /** What makes who has them. Left out: the type's page has the words of `leastRights` alone. */
  readonly recipe?: Recipe;
  /**
   * The single truth about the config. Input, patch and object type, validation, JSON Schema, secrets and destinations
   * come from it.
   */
  readonly config: Schema;
  /**
   * A config input that is right in every field, its secrets invented, its hosts public names. The JSON Schema shows it
   * without the secrets, and the contract test starts from it.
   */
  readonly example: z.input<Schema>;
  /** How texts that people paste are read for the type. Left out: settings named as its config fields are. */
  readonly texts?: ConnectionTexts;
  /** The path of the field that `configSecret` fills. */
  readonly principalSecret?: string;
  readonly defaultPort?: number;
  /**
   * Every place that the config makes the gateway connect to. Each is checked when the config is saved, and again when
   * it is connected to.
   */
  readonly targets: (config: z.output<Schema>) => readonly Target[];
  /** The checks in their order. When one fails, those after it are skipped. */
  readonly checks: readonly Check<z.output<Schema>, State>[];
  /**
   * The levels of tenancy that the type knows; with TABLE, its checks hold the kit's tenancyCheck. Left out: it knows
   * none.
   */
  readonly tenancyLevels?: readonly TenancyLevel[];
  /** Reads the catalog. It is not among `checks`, because only a refresh runs it. Left out: the type has no catalog. */
  readonly catalogCheck?: Check<z.output<Schema>, State>;
  /** True where tests run in the gateway, since they are about what it keeps itself: they dial nothing. */
  readonly runsInGateway?: true;
  /** Makes a fresh state for a test. Nothing is sent before a check runs. */
  readonly createState: (test: TestContext<z.output<Schema>>) => State;
  /** Ends what the state holds, and says goodbye where the protocol does. The dialer destroys the sockets anyway. */
  readonly close?: (state: State) => void;
  /** The failure behind an error of the connector's driver or server. Undefined when the error is neither's. */
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

/**
 * Checks one connector's types of config and state against each other, which the registry does not know, and adds the
 * rules of all configs.
 */
export function defineConnector<Schema extends z.ZodObject, State>(connector: Connector<Schema, State>): Connector {
  const has = ({ configField }: Check<z.output<Schema>, State>) =>
    configField === undefined || configField in connector.config.shape;
  const config = withoutSecretsInTheOpen(connector.config);
  return { ...connector, config, checks: connector.checks.filter(has) } as unknown as Connector;
}

/** Every check that a test of the connector can run: those of its list, and the one that reads the catalog. */
export function allChecksOf(connector: Connector): Connector['checks'] {
  return connector.catalogCheck ? [...connector.checks, connector.catalogCheck] : connector.checks;
}

/** The id that check names begin with: `google_cloud_storage`. */
export function connectorId(connector: Pick<Connector, 'type'>): string {
  return connector.type.toLowerCase();
}

/** The key in DatastoreConfigInput and DatastoreConfigPatch: `googleCloudStorage`. */
export function configKey(connector: Pick<Connector, 'type'>): string {
  return connectorId(connector).replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The word that the API's type names begin with: `GoogleCloudStorage`. */
export function pascalName(connector: Pick<Connector, 'type'>): string {
  const key = configKey(connector);
  return key.charAt(0).toUpperCase() + key.slice(1);
}

/** A check's public name, which users call a validation method: `s3/bucket/head`. */
export function checkName(connector: Pick<Connector, 'type'>, check: { readonly name: string }): string {
  return `${connectorId(connector)}/${check.name}`;
}
