import { type Cause, expectationOf, parts, type StartBastion } from '../fault-matrix.ts';
import type { PeerPrograms } from '../peers/installed.ts';
import type { Stand, StandPeer } from '../stands/stand.ts';

/** What a peer is to us, and the causes of the matrix in which it has a part. */
export const roles = {
  'a server': [
    'closed port',
    'unknown name',
    'blocked address',
    'silent peer',
    'silent once signed in',
    'gone once signed in',
    'a limit is reached',
    ...parts['The server’s certificate'],
    ...parts['At the server'],
  ],
  'a proxy': ['a web server answers', 'a firewall answers', 'nothing behind the proxy', 'a limit is reached'],
  'a TLS server': parts['The server’s certificate'],
  'a bastion': parts['Through an SSH tunnel'],
} as const satisfies Record<string, readonly Cause[]>;

/** What a failure comes to with this peer where that is not what it comes to with the fake; left out: the same. */
export interface Otherwise {
  readonly at?: string;
  readonly code?: string;
  readonly configPath?: string | null;
  readonly hint?: RegExp;
  /** A sentence for the documentation. */
  readonly why: string;
}

/**
 * A server that we did not write, with the stand that leads to it: of its causes it has to show each, but those that it
 * says it cannot make.
 */
export interface RealPeer<Options extends object = object, Peer extends StandPeer = StandPeer> {
  /** With its version, as the documentation has it. */
  readonly name: string;
  readonly programs: PeerPrograms;
  /** Left out: a server. */
  readonly role?: keyof typeof roles;
  /** Causes that it makes besides those of its role. */
  readonly also?: readonly Cause[];
  /**
   * The stand of the type's fake with another `start`: what is changed to make a cause, and what that comes to, is the
   * same for both.
   */
  readonly stand: Stand<Options, Peer>;
  /** What the evidence of `session/authenticate` has as the server, so that the version above is the one that runs. */
  readonly says?: RegExp;
  /** The command that prints the version, where neither that evidence has it nor a file of `.ci/peers/`. */
  readonly version?: readonly [program: string, ...options: readonly string[]];
  /** Why it cannot make a cause of its role, in a sentence for the documentation. */
  readonly cannot?: Partial<Readonly<Record<Cause, string>>>;
  /** Where it comes to something else than the fake. */
  readonly otherwise?: Partial<Readonly<Record<Cause, Otherwise>>>;
  /** Starts the bastion that it is. */
  readonly startBastion?: StartBastion;
}

/** The causes that a peer is to be asked for, in the order of the matrix, each with why it cannot make it. */
export function causesOf(peer: RealPeer): ReadonlyMap<Cause, string | undefined> {
  const { role = 'a server', also = [], stand, cannot = {} } = peer;
  const inRole: readonly Cause[] = [...roles[role], ...also];
  const order = Object.values(parts).flat() as readonly Cause[];
  const listed = order.filter((cause) => inRole.includes(cause));
  const never = (cause: Cause) => {
    const expected = expectationOf(stand, cause);
    return 'never' in expected ? expected.never : undefined;
  };
  return new Map(listed.map((cause) => [cause, cannot[cause] ?? never(cause)]));
}

/** Those that it has to show. */
export function provedBy(peer: RealPeer): Cause[] {
  return [...causesOf(peer)].flatMap(([cause, cannot]) => (cannot === undefined ? [cause] : []));
}

/** The version that a name has. */
export function versionIn(name: string): string {
  return /\d+(\.\d+)*/.exec(name)?.[0] ?? '';
}
