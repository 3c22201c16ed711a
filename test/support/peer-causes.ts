import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { valueAt } from '../../src/connectors/kit/config/shape.ts';
import { configKey } from '../../src/connectors/kit/contract/connector.ts';
import failures from '../../src/modules/connectors/failures.json' with { type: 'json' };
import { apiOf } from './api.ts';
import { type Cause, parts, type StartedStand, startStand } from './fault-matrix.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { describePeer } from './peers/installed.ts';
import { provedBy, type RealPeer, versionIn } from './real-peers/real-peer.ts';
import { type Changes, changed, type OwnCause, type Stand, type StandPeer } from './stands/stand.ts';
import { calledThere, type UsedStand, useStand } from './use-stand.ts';

/** How long a server may take to start, in milliseconds. */
const START_MS = 180_000;

interface Printed {
  readonly wrong: string;
  readonly at: string;
  readonly code: string;
  readonly configPath: string | null;
  readonly hint: string;
}

/** The whole suite of a peer: what the fault matrix has, and `more`, the peer's own tests. */
export function describeRealPeer<Options extends object, Peer extends StandPeer>(
  peer: RealPeer<Options, Peer>,
  more?: (used: UsedStand<Options, Peer>) => void,
): void {
  describePeer(`${peer.stand.connector.title} against ${peer.name}`, peer.programs, () => {
    const used = useStand(peer.stand);
    describeCauses(peer, used);
    more?.(used);
  });
}

/** The same for one peer of several types. */
export function describeRealPeers(peers: readonly RealPeer[]): void {
  for (const peer of peers) describeRealPeer(peer);
}

/**
 * Has a server that we did not write show the causes of the fault matrix: with nothing wrong the stand works, and each
 * cause comes to the check, the code, the field and the hint that the matrix has printed of the fake. What a config
 * alone brings about is tried through a running gateway too.
 */
export function describeCauses<Options extends object, Peer extends StandPeer>(
  peer: RealPeer<Options, Peer>,
  used: UsedStand<Options, Peer>,
): void {
  const { name, stand, startBastion, says, version } = peer;
  const { config } = stand.connector;
  const causes = provedBy(peer);

  describe('as the fault matrix has it', () => {
    let started: StartedStand;
    beforeAll(async () => {
      started = await startStand(stand, used, startBastion);
    }, START_MS);

    const ways = ['directly', ...('sshTunnel' in config.shape ? (['through a tunnel'] as const) : [])] as const;
    test.each(ways)('works %s', async (way) => {
      const { failure, evidence } = await started.works(way);
      expect(failure).toBeNull();
      if (says) expect(evidence['session/authenticate']?.server).toMatch(says);
    });

    test.each(causes)('%s', async (cause) => {
      const { failure, failedAt } = await started.tries(cause);
      const { code, configPath, hint } = failure ?? {};
      expect({ at: failedAt, code, configPath, hint }).toEqual(expectedOf(peer, cause));
    });
  });

  if (version)
    test('is of the version that is named', () => {
      const [program, ...options] = version;
      const { stdout, stderr } = spawnSync(program, options, { encoding: 'utf8' });
      expect(`${stdout}${stderr}`).toContain(versionIn(name));
    });

  describeGateway(peer, used, causes.filter(isOwn));
}

function isOwn(cause: Cause): cause is OwnCause {
  return (parts['At the server'] as readonly Cause[]).includes(cause);
}

/** The same through a gateway that runs, which finds the server by `localhost`. */
function describeGateway<Options extends object, Peer extends StandPeer>(
  peer: RealPeer<Options, Peer>,
  { stand, shared, authority, hosts }: UsedStand<Options, Peer>,
  causes: readonly OwnCause[],
): void {
  const { connector, trials } = stand;
  const changes = causes.flatMap((cause) => {
    const trial = trials[cause];
    return 'never' in trial || trial.options || trial.start ? [] : [[cause, trial.change ?? {}] as const];
  });
  if (stand.methods || !leadTo(stand, 0) || changes.length === 0) return;

  describe('through a gateway that runs', () => {
    let gateway: TestGateway;
    beforeAll(async () => {
      gateway = await startGateway();
    });
    afterAll(() => gateway?.close());

    async function tested(change: Changes = {}) {
      const { port, calls } = await shared();
      const trust = isInClearText(stand.config)
        ? {}
        : { 'tls.caCertificate': authority.certificate, 'tls.serverName': hosts[0] };
      const whole = changed(stand.config, { ...leadTo(stand, port), ...trust, ...change });
      const config = { [configKey(connector)]: calledThere(whole, calls) };
      const api = apiOf(gateway);
      const draft = { environmentId: await api.newEnvironment(), config: config as never };
      return api.ended((await api.testStarted({ target: { draft } })).id);
    }

    test('works', async () => {
      expect(await tested()).toMatchObject({ status: 'PASSED', failure: null });
    });

    test.each(changes)('%s', async (cause, change) => {
      const { status, failure } = await tested(change);
      const { at: _check, ...expected } = expectedOf(peer, cause);
      expect(status).toBe('FAILED');
      expect(failure).toMatchObject(expected);
    });
  });
}

/** What leads a config to a port of this machine; undefined for a type whose hosts are not told by its config. */
function leadTo(stand: Stand, port: number): Changes | undefined {
  const { connector, config } = stand;
  const [target] = connector.targets(connector.config.parse(config));
  const place = target?.hostPath === undefined ? undefined : valueAt(config, target.hostPath);
  if (typeof place !== 'string' || !target?.hostPath || !('tls' in connector.config.shape)) return undefined;
  if (place === target.host) return { [target.hostPath]: 'localhost', port };
  const scheme = /^https?:\/\//.exec(place)?.[0];
  return scheme === undefined ? undefined : { [target.hostPath]: `${scheme}localhost:${port}` };
}

function isInClearText(config: Stand['config']): boolean {
  return valueAt(config, 'tls.mode') === 'DISABLE';
}

/** What the fault matrix has of a cause, or what the peer has instead. */
function expectedOf<Options extends object, Peer extends StandPeer>(
  { stand, otherwise }: RealPeer<Options, Peer>,
  cause: Cause,
): Omit<Printed, 'wrong'> {
  const { type } = stand.connector;
  const all: Readonly<Record<string, readonly Printed[]>> = failures;
  const printed = all[type]?.find(({ wrong }) => wrong === cause);
  if (!printed) throw new Error(`${type} has nothing printed of "${cause}".`);
  const { at, code, configPath, hint } = { ...printed, ...otherwise?.[cause] };
  // in clear text the same is waited for by the check after the one for TLS
  const check = at === 'tls/handshake' && isInClearText(stand.config) ? 'session/authenticate' : at;
  return { at: check, code, configPath, hint: hint instanceof RegExp ? expect.stringMatching(hint) : hint };
}
