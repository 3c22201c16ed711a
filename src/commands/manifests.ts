import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FieldIssue } from '../errors/field-issues.ts';
import { readManifest } from '../modules/manifests/manifest.ts';
import { hasChanges, type ManifestPlan } from '../modules/manifests/plan.ts';
import { operator, options, print, readNamed, UsageError } from './command.ts';
import { environmentNames } from './environments.ts';
import { GATEWAY, type GivenGateway, readGateway } from './gateway.ts';
import { readSecrets } from './manifest-secrets.ts';
import { databaseTarget, type Given, gatewayTarget, type ManifestTarget, planText } from './manifest-target.ts';
import { withSaving } from './settings.ts';

const MANIFEST = {
  ...GATEWAY,
  file: { type: 'string', short: 'f' },
  environment: { type: 'string' },
  prune: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;
const UNCHANGED = 0;
const WOULD_CHANGE = 2;

export async function exportManifest(args: readonly string[]): Promise<void> {
  const given = options(args, { ...GATEWAY, environment: { type: 'string' }, out: { type: 'string' } });
  const { environment, out } = given;
  if (environment === undefined) throw new UsageError('Give --environment NAME.');
  await withTarget(given, async (target) => {
    const text = await target.export(await environmentIdOf(target, environment));
    if (out === undefined) print(text);
    else await writeFile(out, text);
  });
}

export async function planManifest(args: readonly string[]): Promise<void> {
  const given = options(args, MANIFEST);
  await withManifest(given, async (target, manifest) => {
    const plan = await target.plan(manifest);
    print(given.json ? jsonOf(plan) : planText(plan));
    process.exitCode = hasChanges(plan) ? WOULD_CHANGE : UNCHANGED;
  });
}

export async function applyManifest(args: readonly string[]): Promise<void> {
  const given = options(args, { ...MANIFEST, confirm: { type: 'boolean' } });
  await withManifest(given, async (target, manifest) => {
    const plan = await target.apply(manifest, given.confirm ?? false);
    print(given.json ? jsonOf(plan) : planText(plan));
  });
}

export async function cloneEnvironment(args: readonly string[]): Promise<void> {
  const given = options(args, {
    ...{ from: { type: 'string' }, to: { type: 'string' } },
    ...{ prune: { type: 'boolean' }, confirm: { type: 'boolean' } },
  });
  const { from, to, prune = false, confirm = false } = given;
  if (from === undefined || to === undefined) throw new UsageError('Give --from NAME and --to NAME.');
  await withSaving(async (saving) => {
    const ids = new Map<string, string>();
    for await (const [id, name] of environmentNames(saving)) ids.set(name, id);
    const [sourceId, targetId] = [from, to].map((name) => ids.get(name) ?? missing(name)) as [string, string];
    const wanted = { sourceId, targetId, prune, path: [] };
    print(planText(await saving.manifests.clone(operator, wanted, confirm).catch(explained(`environment ${from}`, 0))));
  });
}

function jsonOf(plan: ManifestPlan): string {
  return `${JSON.stringify({ ...plan, hasChanges: hasChanges(plan) }, null, 2)}\n`;
}

function missing(name: string): never {
  throw new Error(`There is no environment "${name}": "environment list" prints those that there are.`);
}

async function environmentIdOf(target: ManifestTarget, name: string): Promise<string> {
  return (await target.environmentId(name)) ?? missing(name);
}

/** Does something with the database or, where one is named, a gateway. */
async function withTarget(given: GivenGateway, work: (target: ManifestTarget) => Promise<void>): Promise<void> {
  const gateway = readGateway(given);
  if (!gateway) return withSaving((saving) => work(databaseTarget(saving)));
  await work(gatewayTarget(gateway.url, gateway.token));
}

/** Reads a manifest and the secrets that it names, and does something with them. */
async function withManifest(
  given: GivenGateway &
    Partial<Record<'file' | 'environment', string | undefined>> & { readonly prune?: boolean | undefined },
  work: (target: ManifestTarget, manifest: Given) => Promise<void>,
): Promise<void> {
  const { file, prune = false } = given;
  if (file === undefined) throw new UsageError('Give -f FILE.');
  const bytes = await readNamed(file);
  const text = decoded(bytes, file);
  const manifest = await readManifest(text, []).catch(explained(file, 0));
  const name = given.environment ?? manifest.environment;
  if (name == null) throw new UsageError(`Give --environment NAME: ${file} names none.`);
  const references = [...manifest.datastores.values()].flatMap((datastore) => [...datastore.references.values()]);
  const secrets = await readSecrets(references, dirname(file));
  await withTarget(given, async (target) => {
    const environmentId = await environmentIdOf(target, name);
    await work(target, { environmentId, manifest: text, secrets, prune }).catch(explained(file, target.pathToManifest));
  });
}

function decoded(bytes: Uint8Array, file: string): string {
  try {
    // a byte order mark is told of with the manifest's other faults
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Error(`${file} is no text in UTF-8.`, { cause: error });
  }
}

/** Says of what is wrong with a manifest where it stands: `FILE:LINE:COLUMN: path: message`. */
function explained(file: string, pathToManifest: number): (error: unknown) => never {
  return (error) => {
    const issues = error instanceof Error && 'issues' in error ? (error.issues as readonly FieldIssue[]) : [];
    if (issues.length === 0) throw error;
    const lines = issues.map(({ path, message, line, column }) => {
      const place = line == null ? file : `${file}:${line}:${column}`;
      const within = path.slice(pathToManifest).join('.');
      return `${place}: ${within === '' ? '' : `${within}: `}${message}`;
    });
    throw new ManifestRefused(lines.join('\n'));
  };
}

/** What is wrong with a manifest, a line for each fault. */
class ManifestRefused extends Error {
  override readonly name = 'ManifestRefused';
}
