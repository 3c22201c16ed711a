import type { Check } from '../contract/connector.ts';

/** The check that signs in. It has one name in every type, and runs whenever a check after it does. */
export function authenticateCheck<Config, State>(
  description: string,
  run: Check<Config, State>['run'],
): Check<Config, State> {
  return { name: 'session/authenticate', title: 'Sign in', description, base: true, run };
}
