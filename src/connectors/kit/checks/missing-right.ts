import type { CheckOutcome } from '../contract/connector.ts';

/**
 * The outcome of a check whose right is missing, where a later check proves that the work can be done without it: a
 * warning, which names the right and says what it costs to go without.
 */
export function withoutRight(missingRight: string, costs: string): CheckOutcome {
  return { evidence: { missingRight, costs }, warning: true };
}
