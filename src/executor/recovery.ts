import type { FailureCode } from '../errors/check-failures.ts';
import type { ChildHandle, GoneReason } from './child-handle.ts';
import { machineTime } from './messages.ts';
import { RunningTest } from './running-test.ts';

/** How often a test is tried that may have brought its child down, or a judgement. */
export const ATTEMPTS = 2;
/** How often a test is tried that lost its child by another's doing; the last time in a child of its own. */
const INNOCENT_ATTEMPTS = 3;

/**
 * The test that brought the child down: the one that it was busy with, or else the one whose check was the last to
 * start. Undefined when it is gone for another reason than what its tests did.
 */
export function suspectOf({ work, lastActive }: ChildHandle, reason: GoneReason): RunningTest | undefined {
  if (reason !== 'blocked' && reason !== 'crashed' && reason !== 'misbehaved') return undefined;
  const held = [...work.values()].filter((each) => each instanceof RunningTest);
  const started = held.filter((test) => test.checkStart > 0).toSorted((a, b) => b.checkStart - a.checkStart);
  return lastActive && held.includes(lastActive) ? lastActive : started[0];
}

/** With which code a test ends whose child is lost; undefined: it runs again. */
export function finalCode(test: RunningTest, reason: GoneReason, suspected: boolean): FailureCode | undefined {
  if (test.cancelled) return 'CANCELLED';
  if (test.deadline <= machineTime() || (suspected && reason === 'blocked')) return 'TIMEOUT';
  if (test.wrote) return 'INTERRUPTED';
  const most = suspected || reason === 'killed' ? ATTEMPTS : INNOCENT_ATTEMPTS;
  return test.attempt < most ? undefined : 'INTERNAL';
}
