import { NETWORK_NAME_RULE, networkName } from '../modules/environments/name.ts';
import { UsageError } from './command.ts';

/** Reads the option of commands that are about a network; undefined where it is left out. @throws UsageError */
export function readNetwork(given: string | undefined): string | undefined {
  if (given === undefined || networkName.safeParse(given).success) return given;
  throw new UsageError(`--network must be ${NETWORK_NAME_RULE}.`);
}
