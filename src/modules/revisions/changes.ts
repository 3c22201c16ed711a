import { isDeepStrictEqual } from 'node:util';
import { secretPathsOf } from '../../connectors/kit/config/shape.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { Datastore } from '../datastores/datastore.ts';
import type { Revision } from '../datastores/revision.ts';

/** What a version changed at one path: `label`, `tenancy.tableName`, `config.host`. */
export interface RevisionChange {
  readonly path: string;
  readonly isSecret: boolean;
  /** A JSON value; null for what was not there, and for a secret, always. */
  readonly before: unknown;
  /** A JSON value; null for what is not there any more, and for a secret, always. */
  readonly after: unknown;
}

const fields = ['name', 'label', 'description', 'ownerName', 'tags', 'checkEveryMinutes', 'tenancy', 'config'] as const;

/** Says what a revision changes, from what to what; of secrets it says that they did. */
export function changesOf({ before, after, changed }: Revision): RevisionChange[] {
  const touched = before ? fields.filter((field) => changed.some((path) => isWithin(path, field))) : fields;
  const [was, is] = [leavesOf(before, touched), leavesOf(after, touched)];
  const open = [...new Set([...was.keys(), ...is.keys()])]
    .map((path) => ({ path, isSecret: false, before: was.get(path) ?? null, after: is.get(path) ?? null }))
    .filter((change) => !isDeepStrictEqual(change.before, change.after));
  const secrets = before
    ? secretPathsOf(connectorOf(after.type)).filter((path) => changed.includes(`config.${path}`))
    : after.secrets.map(({ path }) => path);
  return [...open, ...secrets.map((path) => secretChange(`config.${path}`))];
}

/**
 * Keeps back what has become a secret since a change was stored: a type's config may know more of them than it did.
 */
export function withoutSecrets(type: string, changes: readonly RevisionChange[]): RevisionChange[] {
  const secrets = new Set(secretPathsOf(connectorOf(type)).map((path) => `config.${path}`));
  return changes.map((change) => (secrets.has(change.path) ? secretChange(change.path) : change));
}

function secretChange(path: string): RevisionChange {
  return { path, isSecret: true, before: null, after: null };
}

function isWithin(path: string, field: string): boolean {
  return path === field || path.startsWith(`${field}.`);
}

/** The values of these fields of a datastore by their paths, those of blocks one by one. */
function leavesOf(datastore: Datastore | null, touched: readonly (typeof fields)[number][]): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  const add = (path: string, value: unknown): void => {
    if (value == null || (Array.isArray(value) && value.length === 0)) return;
    if (typeof value !== 'object' || Array.isArray(value)) leaves.set(path, value);
    else for (const [key, inner] of Object.entries(value)) add(`${path}.${key}`, inner);
  };
  if (datastore) for (const field of touched) add(field, datastore[field]);
  return leaves;
}
