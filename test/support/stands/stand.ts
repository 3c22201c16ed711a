import { setAt } from '../../../src/connectors/kit/config/shape.ts';
import type { Tenancy } from '../../../src/connectors/kit/config/tenancy.ts';
import type { Connector, OwnStorage } from '../../../src/connectors/kit/contract/connector.ts';
import type { FailureCode } from '../../../src/errors/check-failures.ts';
import type { IssuedCertificate } from '../certificates.ts';

/** What can go wrong in a way that is each type's own: the rest goes wrong alike for all of them. */
export type OwnCause = 'wrong password or key' | 'unknown user' | 'missing name' | 'no right';

/** A server on loopback that a stand is led to. */
export interface StandPeer {
  readonly port: number;
  /** What a type sees that runs in the gateway, instead of anything at the port. */
  readonly storage?: (config: Record<string, unknown>) => OwnStorage;
  /** What is called otherwise there than in the config, as keys are that the peer has made itself. */
  readonly calls?: Readonly<Record<string, string>>;
  /** Shows another certificate from the next connection on. Left out: another peer is started that has it. */
  present?(certificate: IssuedCertificate): Promise<void>;
  close(): Promise<unknown>;
}

/** Starts a peer over TLS, or in clear text where there is no certificate. */
export type StartPeer = (certificate: IssuedCertificate | undefined) => Promise<StandPeer>;

/** What changes in a config, by path; undefined takes the value away. */
export type Changes = Readonly<Record<string, unknown>>;

/** How a failure is brought about, and what it must come to. */
export interface Trial<Options extends object = object> {
  readonly change?: Changes;
  /** What the stand's peer is started with. Left out: nothing special. */
  readonly options?: Options;
  /** Another peer than the stand's own. */
  readonly start?: StartPeer;
  /** Has the stand's peer do something meanwhile, and gives what ends that where it does not end by itself. */
  during?(peer: StandPeer): Promise<(() => Promise<unknown>) | undefined>;
  readonly code: FailureCode;
  readonly configPath: string | null;
  /** The server refuses nothing: what it answers shows the failure. Left out: it refuses, with a code of its own. */
  readonly seenInAnswer?: boolean;
}

/** Why a failure cannot come about, for the legend of the matrix. */
export interface Inapplicable {
  readonly never: string;
}

/** One type with a peer that it works against, and what brings its own failures about. */
export interface Stand<Options extends object = object, Peer extends StandPeer = StandPeer> {
  readonly connector: Connector;
  /** Works once the hosts that it names lead to the peer, over TLS, with the test's CA trusted. */
  readonly config: Record<string, unknown>;
  /** What makes the config one for clear text. Left out: the type has no clear text. */
  readonly clearText?: Changes;
  /** `host:port` of where the connector goes besides its targets. */
  readonly places?: readonly string[];
  /** Starts the peer, with all that the config and the tenancy ask for; `options` are the peer's own, and win. */
  start(certificate: IssuedCertificate | undefined, options?: Options): Promise<Peer>;
  /** Only agrees on TLS: for peers that take long to start. Left out: `start`. */
  readonly startHandshake?: (certificate: IssuedCertificate) => Promise<StandPeer>;
  /** The checks that the peer is up to, by their names within the type. Left out: the default ones. */
  readonly methods?: readonly string[];
  /** Who speaks first, in the clear, before TLS is asked for. Left out: TLS from the first byte on. */
  readonly clearStart?: 'client' | 'server';
  /** What stands in the place of the peer and answers every request with a status. Left out: a server of ours. */
  readonly startWebServer?: (status: number, certificate: IssuedCertificate | undefined) => Promise<StandPeer>;
  /** A mapping of level TABLE that the peer's data hold: its key a number, its client's name a text. */
  readonly tenancy?: Tenancy;
  readonly trials: Readonly<Record<OwnCause, Trial<Options> | Inapplicable>>;
  /** What a pooler or proxy says that has no server behind it. Left out: what one of HTTP says, 503. */
  readonly proxied?: Trial<Options>;
  /** What a server says whose limit is reached. Left out: what one of HTTP says, 429. */
  readonly limited?: Trial<Options>;
}

/** The same stand without TLS. */
export function inClearText<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
): Stand<Options, Peer> {
  const { config, clearText } = stand;
  if (!clearText) throw new Error(`${stand.connector.type} has no clear text.`);
  return { ...stand, config: changed(config, clearText), start: (_none, options) => stand.start(undefined, options) };
}

/** A copy of a config with some values changed. */
export function changed(config: Readonly<Record<string, unknown>>, changes: Changes): Record<string, unknown> {
  const copy = structuredClone(config) as Record<string, unknown>;
  for (const [path, value] of Object.entries(changes)) setAt(copy, path, value);
  return copy;
}
