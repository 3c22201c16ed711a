import { isIP } from 'node:net';
import { judgeHostName } from '../connectors/kit/network/addresses.ts';
import { verdictBehindTunnel } from './judge-names.ts';
import { BadMessageError, type DialerSettings, type JudgedTarget, type TargetVerdict } from './messages.ts';

/** Targets on their way through a child, over one or two attempts. It settles once. */
export class Judgement {
  readonly targets: readonly JudgedTarget[];
  readonly timeoutMs: number;
  readonly verdicts: Promise<readonly TargetVerdict[]>;
  attempt = 1;
  #settle: (verdicts: readonly TargetVerdict[]) => void;

  constructor(targets: readonly JudgedTarget[], timeoutMs: number) {
    const { promise, resolve } = Promise.withResolvers<readonly TargetVerdict[]>();
    this.targets = targets;
    this.timeoutMs = timeoutMs;
    this.verdicts = promise;
    this.#settle = resolve;
  }

  /** Takes the child's verdicts. @throws BadMessageError when they are about other targets */
  conclude(verdicts: readonly TargetVerdict[]): void {
    const fits =
      verdicts.length === this.targets.length && verdicts.every(({ path }, i) => path === this.targets[i]?.path);
    if (!fits) throw new BadMessageError('It has judged other targets than it was asked about.');
    this.#settle(verdicts);
  }

  /** Ends it without the child: of no target is anything known. */
  giveUp(): void {
    this.#settle(this.targets.map(({ path }) => ({ path, verdict: 'unjudged' })));
  }
}

/**
 * The verdict on a target that needs no look-up: on an address, on a name that no address could make allowed, and on
 * what a bastion connects to. Undefined: a child has to look a name up.
 */
export function verdictWithoutLookup(
  { host, port, path, service, tunnelled }: JudgedTarget,
  { policy, names }: DialerSettings,
): TargetVerdict | undefined {
  // of a service the records alone tell
  if (service !== undefined) return undefined;
  if (tunnelled) return { path, verdict: verdictBehindTunnel({ host, port }) };
  // a stand-in is not judged, and only the dialer knows what stands for what
  if (names?.[`${host}:${port}`] !== undefined) return undefined;
  if (judgeHostName(host, port, policy) !== 'allowed') return { path, verdict: 'not-allowed' };
  const forbidsName = policy.forbidden.some((each) => each.port === port && !isIP(each.host));
  return isIP(host) && !forbidsName ? { path, verdict: 'allowed' } : undefined;
}
