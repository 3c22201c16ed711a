import { readVariable } from '../env.ts';
import type { Gateway } from '../platform/ask-gateway.ts';
import { UsageError } from './command.ts';

/** The options of a command that asks a gateway instead of the database. */
export const GATEWAY = { gateway: { type: 'string' }, 'token-variable': { type: 'string' } } as const;

export interface GivenGateway {
  readonly gateway?: string | undefined;
  readonly 'token-variable'?: string | undefined;
  /** The token itself, which every user of the machine can read on a command line. */
  readonly token?: string | undefined;
}

/** Reads which gateway is meant; undefined where the database is. @throws UsageError, Error when there is no token */
export function readGateway({
  gateway,
  token: given,
  'token-variable': variable = 'GATEWAY_TOKEN',
}: GivenGateway): Gateway | undefined {
  if (gateway === undefined) return undefined;
  if (!URL.canParse(gateway) || !/^https?:$/.test(new URL(gateway).protocol))
    throw new UsageError('--gateway takes the URL of a gateway: https://gateway.example.');
  const token = given ?? readVariable(variable);
  if (token === undefined) throw new Error(`${variable} is not set: put the token of the gateway into it.`);
  return { url: new URL(gateway), token };
}
