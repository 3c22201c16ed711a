import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import type { FailureCode } from '../../../src/errors/check-failures.ts';
import type { IssuedCertificate } from '../certificates.ts';

/** What can go wrong in a way that is each type's own: the rest goes wrong alike for all of them. */
export type OwnCause = 'wrong password or key' | 'unknown user' | 'missing name' | 'no right';

/** A server on loopback that a stand is led to. */
export interface StandPeer {
  readonly port: number;
  close(): Promise<unknown>;
}

/** Starts a peer over TLS. */
export type StartPeer = (certificate: IssuedCertificate) => Promise<StandPeer>;

/** How a failure is brought about, and what it must come to. */
export interface Trial {
  /** By config path; undefined takes the value away. */
  readonly change?: Readonly<Record<string, unknown>>;
  /** Another peer than the stand's own. */
  readonly start?: StartPeer;
  readonly code: FailureCode;
  readonly configPath: string | null;
}

/** Why a failure cannot come about, for the legend of the matrix. */
export interface Inapplicable {
  readonly never: string;
}

/** One type with a peer that it works against, and what brings its own failures about. */
export interface Stand {
  readonly connector: Connector;
  /** Works once the hosts that it names lead to the peer, over TLS, with the test's CA trusted. */
  readonly config: Record<string, unknown>;
  /** `host:port` of where the connector goes besides its targets. */
  readonly places?: readonly string[];
  /** The peer, with all that the config asks for. */
  readonly start: StartPeer;
  /** Only agrees on TLS: for peers that take long to start. Left out: `start`. */
  readonly startHandshake?: StartPeer;
  /** Who speaks first, in the clear, before TLS is asked for. Left out: TLS from the first byte on. */
  readonly clearStart?: 'client' | 'server';
  readonly trials: Readonly<Record<OwnCause, Trial | Inapplicable>>;
}
