import { BadMessageError, type JudgedTarget, type TargetVerdict } from './messages.ts';

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
    this.#settle(this.targets.map(({ path }) => ({ path, verdict: 'unresolved' })));
  }
}
