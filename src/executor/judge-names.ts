import type { Dialer } from '../connectors/kit/contract/connector.ts';
import { Failure } from '../connectors/kit/contract/failure.ts';
import { judgeBehindTunnel } from '../connectors/kit/network/addresses.ts';
import type { JudgedTarget, TargetVerdict } from './messages.ts';

type Verdict = TargetVerdict['verdict'];
type Place = Pick<JudgedTarget, 'host' | 'port'>;

export interface JudgeOptions {
  readonly dialer: Dialer;
  /** The dialer's: what is not found out when it aborts stays unjudged. */
  readonly signal: AbortSignal;
  /** Told what nobody expected. */
  readonly onError: (error: unknown) => void;
}

/** Looks up where targets lead, in the child; connects to nothing. Never rejects. */
export function judgeNames(targets: readonly JudgedTarget[], options: JudgeOptions): Promise<TargetVerdict[]> {
  return Promise.all(targets.map(async (target) => ({ path: target.path, verdict: await verdictOn(target, options) })));
}

/** A service is what its worst server is. */
async function verdictOn(target: JudgedTarget, options: JudgeOptions): Promise<Verdict> {
  const { service, tunnelled } = target;
  if (service === undefined) return await verdictOnPlace(target, options);
  const found = await attempt(() => options.dialer.resolveService(service), options);
  if (typeof found === 'string') return found;
  let worst: Verdict = 'allowed';
  for (const { host, port } of found) {
    const verdict = tunnelled ? verdictBehindTunnel({ host, port }) : await verdictOnPlace({ host, port }, options);
    if (verdict === 'not-allowed' || verdict === 'unjudged') return verdict;
    if (verdict === 'unresolved') worst = verdict;
  }
  return worst;
}

async function verdictOnPlace({ host, port }: Place, options: JudgeOptions): Promise<Verdict> {
  const found = await attempt(() => options.dialer.resolve(host, port), options);
  return typeof found === 'string' ? found : 'allowed';
}

/** What a bastion connects to is not ours to resolve. */
export function verdictBehindTunnel({ host, port }: Place): Verdict {
  return judgeBehindTunnel(host, port) === 'never' ? 'not-allowed' : 'allowed';
}

async function attempt<T extends object>(lookUp: () => Promise<T>, options: JudgeOptions): Promise<T | Verdict> {
  try {
    return await lookUp();
  } catch (error) {
    if (options.signal.aborted) return 'unjudged';
    if (error instanceof Failure) return error.report.cause === 'ADDRESS_NOT_ALLOWED' ? 'not-allowed' : 'unresolved';
    options.onError(error);
    return 'unjudged';
  }
}
