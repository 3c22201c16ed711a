import { fieldIssue } from '../../../errors/field-issues.ts';
import { secretPathsOf } from '../config/shape.ts';
import type { Check, Connector } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';

/** The check that signs in. It has one name in every type, and runs whenever a check after it does. */
export function authenticateCheck<Config, State>(
  description: string,
  run: Check<Config, State>['run'],
): Check<Config, State> {
  return { name: 'session/authenticate', title: 'Sign in', description, base: true, signsIn: true, run };
}

/**
 * Keeps a config without a secret that its type needs from signing in. None can be saved so, but versions before this
 * rule have stored such configs. Throws CREDENTIALS_REQUIRED.
 */
export function requireSecrets(
  { signsIn }: Pick<Check<never, never>, 'signsIn'>,
  connector: Connector,
  config: object,
): void {
  if (!signsIn) return;
  const secrets = secretPathsOf(connector);
  const missing = connector.config
    .safeParse(config)
    .error?.issues.map((found) => fieldIssue(found, found.path.map(String)))
    .find(({ path, code }) => code === 'REQUIRED' && secrets.includes(path.join('.')));
  if (missing)
    throw new Failure('CREDENTIALS_REQUIRED', {
      configPath: missing.path.join('.'),
      hint: 'Give this secret: nobody is signed in without it.',
    });
}
