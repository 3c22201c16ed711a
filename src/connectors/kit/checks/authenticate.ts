import type { Check } from '../contract/connector.ts';

/** The check that signs in: under one name in every type, and run whenever one after it is. */
export function authenticateCheck<Config, State>(
  description: string,
  run: Check<Config, State>['run'],
): Check<Config, State> {
  return { name: 'session/authenticate', title: 'Sign in', description, base: true, run };
}
