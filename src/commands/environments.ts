import { ENVIRONMENT_NAME_RULE, environmentName } from '../modules/environments/name.ts';
import { everyNode, operator, options, print, UsageError } from './command.ts';
import { readNetwork } from './network.ts';
import { type Services, withServices } from './settings.ts';

export async function createEnvironment(args: readonly string[]): Promise<void> {
  const { name = '', network } = options(args, { name: { type: 'string' }, network: { type: 'string' } });
  if (!environmentName.safeParse(name).success) throw new UsageError(`--name must be ${ENVIRONMENT_NAME_RULE}.`);
  const input = { name, network: readNetwork(network), path: ['--name'] };
  const make = async (services: Services) => print(`${(await services.environments.create(operator, input)).id}\n`);
  await withServices(make, { mustExist: false });
}

export async function listEnvironments(args: readonly string[]): Promise<void> {
  options(args, {});
  await withServices(async (services) => {
    for await (const [id, name] of environmentNames(services)) print(`${id}  ${name}\n`);
  });
}

/** Tells the id and the name of every environment. */
export async function* environmentNames(
  services: Pick<Services, 'environments'>,
): AsyncGenerator<readonly [id: string, name: string]> {
  for await (const { id, name } of everyNode((page) => services.environments.list(operator, null, page)))
    yield [id, name];
}
