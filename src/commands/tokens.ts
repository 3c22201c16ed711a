import { label } from '../connectors/kit/config/label.ts';
import { fieldIssue } from '../errors/field-issues.ts';
import { type Scope, scopes } from '../modules/access/access.ts';
import type { TokenRow } from '../modules/access/store.ts';
import { everyNode, operator, options, print, UsageError, UUID } from './command.ts';
import { environmentNames } from './environments.ts';
import { type Services, withServices } from './settings.ts';

/** The units of --expires-in, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

export async function createToken(args: readonly string[]): Promise<void> {
  const given = options(args, {
    name: { type: 'string' },
    scopes: { type: 'string' },
    environment: { type: 'string', multiple: true },
    'all-environments': { type: 'boolean' },
    'expires-in': { type: 'string' },
  });
  const { name, environment: environments = [], 'all-environments': all = false } = given;
  if (name === undefined) throw new UsageError('Give --name NAME.');
  const named = label.safeParse(name);
  if (!named.success)
    throw new UsageError(`--name: ${named.error.issues.map((found) => fieldIssue(found, []).message)}`);
  if (all === environments.length > 0)
    throw new UsageError('Give --environment NAME, once or more, or --all-environments.');
  const wanted = { name: named.data, scopes: readScopes(given.scopes) };
  const lastsMs = readExpiry(given['expires-in']);
  const make = async (services: Services) => {
    const environmentIds = all ? null : await findEnvironments(services, environments);
    const expiresAt = lastsMs === null ? null : services.access.clock.timestamp(lastsMs);
    print(`${await services.access.createToken(operator.actor.name, { ...wanted, environmentIds, expiresAt })}\n`);
  };
  await withServices(make, { mustExist: false });
}

function readScopes(text = ''): Scope[] {
  const names = text.split(',').map((each) => each.trim());
  const isScope = (each: string): each is Scope => (scopes as readonly string[]).includes(each);
  if (!names.every(isScope)) throw new UsageError(`--scopes takes some of ${scopes.join(',')}.`);
  return [...new Set(names.filter(isScope))];
}

/** For how long a token is to last, in milliseconds; null: for ever. */
function readExpiry(text: string | undefined): number | null {
  if (text === undefined) return null;
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([dhm])$/.exec(text) ?? [];
  if (count === '') throw new UsageError('--expires-in takes a number and d, h or m: 90d.');
  return Number(count) * (UNITS[unit] ?? 0);
}

async function findEnvironments(services: Services, names: readonly string[]): Promise<string[]> {
  const ids = new Map<string, string>();
  for await (const [id, name] of environmentNames(services)) ids.set(name, id);
  return names.map((name) => {
    const id = ids.get(name);
    if (id === undefined) {
      throw new Error(
        `There is no environment "${name}": "environment list" prints those that there are, "environment create" makes one.`,
      );
    }
    return id;
  });
}

/** Prints a line for each lasting token, the newest first, with tabs between what it says. */
export async function listTokens(args: readonly string[]): Promise<void> {
  options(args, {});
  await withServices(async (services) => {
    const names = new Map<string, string>();
    for await (const [id, name] of environmentNames(services)) names.set(id, name);
    for await (const token of everyNode((page) => services.access.list(operator, null, page))) {
      const environments = token.environmentIds.map((id) => names.get(id) ?? id).toSorted();
      const columns = [
        token.id,
        token.prefix,
        token.name,
        (JSON.parse(token.scopes) as string[]).join(','),
        token.all_environments ? 'all environments' : environments.join(','),
        `used ${token.last_used_at ?? 'never'}`,
        stateOf(token, services.access.clock.now()),
      ];
      print(`${columns.join('\t')}\n`);
    }
  });
}

function stateOf({ revoked_at, expires_at }: Pick<TokenRow, 'revoked_at' | 'expires_at'>, now: number): string {
  if (revoked_at !== null) return `revoked ${revoked_at}`;
  if (expires_at === null) return 'lasts';
  return `${Date.parse(expires_at) <= now ? 'expired' : 'until'} ${expires_at}`;
}

export async function revokeToken(args: readonly string[]): Promise<void> {
  const { name, id } = options(args, { name: { type: 'string' }, id: { type: 'string' } });
  if ((name === undefined) === (id === undefined)) throw new UsageError('Give --name NAME or --id ID.');
  if (id !== undefined && !UUID.test(id))
    throw new UsageError('--id takes the id of a token, which "token list" prints first.');
  await withServices(async (services) => {
    const found = name === undefined ? id : await services.access.findId(name);
    const said = name === undefined ? 'of this id' : `"${name}"`;
    const missing = `There is no token ${said}: "token list" prints those that there are.`;
    if (found === undefined) throw new Error(missing);
    const token = await services.access.revoke(operator, found.toLowerCase()).catch((error: unknown) => {
      throw error instanceof Error && error.name === 'NotFoundError' ? new Error(missing) : error;
    });
    print(`${token.name} (${token.prefix}…) was revoked at ${token.revoked_at}.\n`);
  });
}
