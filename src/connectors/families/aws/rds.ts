import { z } from 'zod';
import { inGroup, issue, named } from '../../kit/config/marks.ts';
import { has, leftOut, mayHave, type Rule, rules } from '../../kit/config/rules.ts';
import type { Tls } from '../../kit/config/tls.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { awsRegion, awsSignInFields, awsSignInRules, withAwsSignIn } from './config.ts';
import { presignAwsRequest } from './signing.ts';
import { type AwsSigned, type AwsSigner, identityPath, signerIdentity } from './sts.ts';

/** How long a token may be used to sign in, in seconds; a session that it has opened goes on. */
const LASTS = 900;
const WITHIN = 'awsIam.';

const iamBlock = named(
  'AwsRdsIam',
  z.object({
    region: awsRegion('The region of the database.'),
    ...awsSignInFields,
  }),
);

/** The `awsIam` block of a server that Amazon RDS may run: a token of IAM stands in the place of a password. */
export function rdsIam() {
  return withAwsSignIn(inGroup('ADVANCED', iamBlock))
    .meta(rules(...awsSignInRules))
    .optional()
    .meta({
      title: 'Sign in with AWS IAM',
      description:
        'For a database of Amazon RDS or Aurora: the gateway signs a token for each sign-in, valid for 15 minutes, which takes the place of the password and needs TLS. The host has to be the database’s own endpoint, no other name of it. Leave empty to sign in with a password.',
    });
}

/** The parts of a config that the block is a part of. */
export interface WithRdsIam {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password?: string | undefined;
  readonly tls: Tls;
  readonly awsIam?: z.output<typeof iamBlock> | undefined;
}

/** Refuses what does not go with a token of IAM. */
export function checkRdsIam({ awsIam, password, tls }: WithRdsIam, context: z.RefinementCtx): void {
  if (awsIam === undefined) return;
  const refuse = (path: readonly string[], message: string) =>
    context.addIssue({ code: 'custom', path: [...path], ...issue('INVALID_COMBINATION', message) });
  if (password !== undefined) refuse(['password'], 'A token of AWS IAM takes the place of the password: leave it out.');
  if (tls.mode === 'DISABLE') refuse(['tls', 'mode'], 'A token of AWS IAM is sent over TLS alone.');
}

const hasIam = has('awsIam', { type: 'object' });

/** The same for forms. */
export const rdsIamRules: readonly Rule[] = [
  [hasIam, leftOut('password')],
  [hasIam, mayHave('tls', mayHave('mode', { pattern: '^(?!DISABLE$)' }))],
];

/** Who signs the tokens of a config; nobody where it signs in without them. */
export function rdsSignerOf({ awsIam }: WithRdsIam): AwsSigner | undefined {
  return awsIam && { signIn: awsIam, region: awsIam.region, within: WITHIN };
}

/** A token for the config's user, which takes the place of the password; undefined where the config has no `awsIam`. */
export async function rdsToken(config: WithRdsIam, signed: AwsSigned, now?: Date): Promise<string | undefined> {
  const signer = rdsSignerOf(config);
  if (!signer) return undefined;
  const { host, port, username } = config;
  const query = { Action: 'connect', DBUser: username };
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const scope = { region: signer.region, service: 'rds-db' };
  const identity = signerIdentity(signer, signed);
  const signature = await presignAwsRequest({ host: place, path: '/', query }, identity, scope, LASTS, now);
  return `${place}/${signature}`;
}

const REFUSED_HINT =
  'The database refused the token of AWS IAM: check that IAM authentication is turned on there, that the user `username` is made for it, that who signs may call rds-db:connect for that user, and that `awsIam.region` and `host` are those of the database’s own endpoint.';

/** The failure of a sign-in with a token, where that of one with a password is known. */
export function ofRdsToken(failure: Failure | undefined, config: WithRdsIam): Failure | undefined {
  const signer = rdsSignerOf(config);
  if (!signer || failure?.report.configPath !== 'password') return failure;
  const { evidence, cause: error } = failure;
  return new Failure('KEY_REFUSED', { configPath: identityPath(signer), hint: REFUSED_HINT, evidence, error });
}
