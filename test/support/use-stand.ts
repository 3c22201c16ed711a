import { afterAll } from 'vitest';
import { type Authority, createAuthority, type IssuedCertificate, type IssueOptions } from './certificates.ts';
import { type Changes, changed, type Stand, type StandPeer } from './stands/stand.ts';
import { type TestConnectionOptions, type TestedConnection, testConnection } from './test-connection.ts';

/** One CA for a whole file of tests: making a key takes longer than using it. */
export const authority = await createAuthority();

/** A stand whose peers run on this machine. Its functions may be taken apart. */
export interface UsedStand<Options extends object = object, Peer extends StandPeer = StandPeer> {
  readonly stand: Stand<Options, Peer>;
  /** The CA that `tryAt` trusts. */
  readonly authority: Authority;
  /** The hosts that the stand's config leads to, which are those of its certificate. */
  readonly hosts: readonly string[];
  /** A certificate for these hosts, unless others are given. */
  issue(options?: IssueOptions): Promise<IssuedCertificate>;
  /** What leads each host of the config to a port of this machine. */
  namesFor(port: number, config?: Record<string, unknown>): Record<string, string>;
  /** Starts the stand's peer with a certificate for its hosts; `options` are the peer's own, and win. */
  start(options?: Options): Promise<Peer>;
  /** Closes another peer, too, when all is over. */
  keep<Other extends { close(): unknown }>(starting: Promise<Other>): Promise<Other>;
  /** The stand's config with some values changed, each by its path. */
  configFor(changes?: Changes): Record<string, unknown>;
  /** Tests a connection to a peer, to which every host of the config leads. */
  tryAt(
    peer: Pick<StandPeer, 'port' | 'storage' | 'calls'>,
    changes?: Changes,
    how?: TestConnectionOptions,
  ): Promise<TestedConnection>;
  /** Starts a peer with these options and tests a connection to it. */
  tryWith(options: Options, changes?: Changes, how?: TestConnectionOptions): Promise<TestedConnection>;
  /** The one peer of all tests that want nothing special of theirs; it starts when it is first asked for. */
  shared(): Promise<Peer>;
  /** Tests a connection to the shared peer. */
  tryIt(changes?: Changes, how?: TestConnectionOptions): Promise<TestedConnection>;
  /** Closes every peer. */
  close(): Promise<void>;
}

/** A stand for the tests of one file; its peers are closed after the last of them. */
export function useStand<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
): UsedStand<Options, Peer> {
  const used = openStand(stand);
  afterAll(() => used.close());
  return used;
}

/** The same for whoever closes it himself. */
export function openStand<Options extends object, Peer extends StandPeer>(
  stand: Stand<Options, Peer>,
): UsedStand<Options, Peer> {
  const { connector } = stand;
  const peers: { close(): unknown }[] = [];
  let first: Promise<Peer> | undefined;
  const configFor = (changes: Changes = {}) => changed(stand.config, changes);
  const placesOf = (config: Record<string, unknown>) => [
    ...connector.targets(connector.config.parse(config)).map(({ host, port }) => `${host}:${port}`),
    ...(stand.places ?? []),
  ];
  const hosts = [...new Set(placesOf(configFor()).map((place) => place.slice(0, place.lastIndexOf(':'))))];
  const keep = async <Other extends { close(): unknown }>(starting: Promise<Other>): Promise<Other> => {
    const peer = await starting;
    peers.push(peer);
    return peer;
  };
  const issue = (options: IssueOptions = {}) => authority.issue({ names: hosts, ...options });
  let issued: Promise<IssuedCertificate> | undefined;
  const namesFor = (port: number, config = configFor()) =>
    Object.fromEntries(placesOf(config).map((place) => [place, `127.0.0.1:${port}`]));
  const start = async (options?: Options) => {
    issued ??= issue();
    return keep(stand.start(await issued, options));
  };
  const shared = () => {
    first ??= start();
    return first;
  };
  const tryAt: UsedStand['tryAt'] = ({ port, storage, calls }, changes, how) => {
    const config = calledThere(configFor(changes), calls);
    const names = namesFor(port, config);
    const own = storage ? { storage: storage(config) } : {};
    const methods = stand.methods ? { methods: stand.methods } : {};
    return testConnection(connector, config, { names, publicCa: authority.certificate, ...methods, ...own, ...how });
  };
  return {
    stand,
    authority,
    hosts,
    issue,
    namesFor,
    start,
    keep,
    configFor,
    tryAt,
    tryWith: async (options, changes, how) => tryAt(await start(options), changes, how),
    shared,
    tryIt: async (changes, how) => tryAt(await shared(), changes, how),
    close: async () => {
      await Promise.all(peers.splice(0).map((peer) => peer.close()));
    },
  };
}

/** A config with what the peer calls otherwise. */
export function calledThere<Value>(value: Value, calls: StandPeer['calls'] = {}): Value {
  if (typeof value === 'string') return (calls[value] ?? value) as Value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, calledThere(each, calls)])) as Value;
}
