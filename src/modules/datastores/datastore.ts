import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Selectable } from 'kysely';
import { z } from 'zod';
import { destinationsDigest } from '../../connectors/kit/config/destinations.ts';
import { issue } from '../../connectors/kit/config/marks.ts';
import { deserializeConfig, type PublicConfig, serializeConfig } from '../../connectors/kit/config/shape.ts';
import type { Tenancy } from '../../connectors/kit/config/tenancy.ts';
import type { DatastoresTable } from '../../platform/database/tables.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';
import type { Details, Tag } from './details.ts';

/** A reference to the stored secret that stands at a config path. */
export interface StoredSecret {
  readonly path: string;
  /** The id of its row in secret_versions. */
  readonly id: string;
  readonly updatedAt: string;
}

/** One registered datastore, without its secrets' values. */
export interface Datastore extends Details {
  readonly id: string;
  readonly type: string;
  readonly environmentId: string;
  readonly name: string;
  readonly label: string;
  readonly config: PublicConfig;
  readonly secrets: readonly StoredSecret[];
  readonly version: number;
  /** 1, or more where a deleted datastore had this id before. */
  readonly firstVersion: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly createdBy: string;
  readonly createdOnBehalfOf: string | null;
  readonly updatedBy: string;
  readonly updatedOnBehalfOf: string | null;
  readonly lastTestId: string | null;
  readonly tenancy: Tenancy | null;
}

/** Makes a datastore of its row. What was not read of the row is missing in it. */
export function datastoreOf(row: Selectable<DatastoresTable>): Datastore {
  return {
    id: row.id,
    type: row.type,
    environmentId: row.environment_id,
    name: row.name,
    label: row.label,
    config: read(row.config, deserializeConfig),
    secrets: read(row.secrets, (text) => JSON.parse(text) as StoredSecret[]),
    version: row.version,
    firstVersion: row.first_version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    createdBy: row.created_by,
    createdOnBehalfOf: row.created_on_behalf_of,
    updatedBy: row.updated_by,
    updatedOnBehalfOf: row.updated_on_behalf_of,
    lastTestId: row.last_test_id,
    tenancy: read(row.tenancy, (text) => (text === null ? null : (JSON.parse(text) as Tenancy))),
    description: row.description,
    ownerName: row.owner_name,
    checkEveryMinutes: row.check_every_minutes,
    tags: read(row.tags, (text) => (text === null ? [] : (JSON.parse(text) as Tag[]))),
  };
}

/** Reads a column, unless it was left out. */
function read<Column, Value>(column: Column | undefined, of: (column: Column) => Value): Value {
  return column === undefined ? (undefined as Value) : of(column);
}

export function rowOf(datastore: Datastore): Selectable<DatastoresTable> {
  return {
    id: datastore.id,
    type: datastore.type,
    environment_id: datastore.environmentId,
    name: datastore.name,
    label: datastore.label,
    label_folded: fold(datastore.label),
    config: serializeConfig(datastore.config),
    secrets: JSON.stringify(datastore.secrets),
    version: datastore.version,
    first_version: datastore.firstVersion,
    created_at: datastore.createdAt,
    updated_at: datastore.updatedAt,
    created_by: datastore.createdBy,
    created_on_behalf_of: datastore.createdOnBehalfOf,
    updated_by: datastore.updatedBy,
    updated_on_behalf_of: datastore.updatedOnBehalfOf,
    last_test_id: datastore.lastTestId,
    tenancy: datastore.tenancy && JSON.stringify(datastore.tenancy),
    description: datastore.description,
    owner_name: datastore.ownerName,
    check_every_minutes: datastore.checkEveryMinutes,
    tags: datastore.tags.length > 0 ? JSON.stringify(datastore.tags) : null,
  };
}

/** Says whose secrets a datastore's are, when they are sealed for the destinations at these config paths. */
export function secretOwner(
  { environmentId, id, type, config }: Pick<Datastore, 'environmentId' | 'id' | 'type' | 'config'>,
  boundTo: readonly string[],
): SecretOwner {
  return { environmentId, kind: 'datastore', id, boundTo: destinationsDigest(type, config, boundTo) };
}

/** Writes a text as it is compared without case. */
export function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/** The longest name, in characters. */
const MAX_NAME = 63;
/** A name for programs, unique within an environment. */
export const datastoreName = z
  .string()
  .refine(
    (name) => name.length <= MAX_NAME && /^[a-z0-9_-]+$/.test(name),
    issue('INVALID_FORMAT', '1 to 63 lower-case letters, digits, "-" and "_".'),
  )
  .meta({ pattern: '^[a-z0-9_-]{1,63}$' });
/**
 * Makes a name from a label, of lower-case letters, digits, '-' and '_'; `fallback` where nothing of the label is left.
 */
export function nameFrom(label: string, fallback: string): string {
  const plain = label.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '');
  const name = plain.replace(/[^a-z0-9_-]+/g, '-').replace(/^[-_]+|[-_]+$/g, '');
  return name.slice(0, MAX_NAME).replace(/[-_]+$/, '') || fallback;
}

/** Returns a name with a number behind it; that of 1 is the name itself. */
export function numbered(name: string, number: number): string {
  const suffix = number === 1 ? '' : `-${number}`;
  return name.slice(0, MAX_NAME - suffix.length) + suffix;
}

/** Returns the name or, when it is taken, the first free one with a number behind it. */
export function firstFree(name: string, taken: ReadonlySet<string>): string {
  let number = 1;
  while (taken.has(numbered(name, number))) number += 1;
  return numbered(name, number);
}

/** Returns the stored secrets that a change leaves as they are. */
export function keptSecrets(
  before: Datastore,
  were: ReadonlyMap<string, string>,
  are: ReadonlyMap<string, string>,
): StoredSecret[] {
  return before.secrets.filter(({ path }) => isSameSecret(were.get(path), are.get(path)));
}

/** Kept by nobody: digests are compared, never stored. */
const comparisonKey = randomBytes(32);

/** Compares two secrets in a time that tells nothing of either. */
function isSameSecret(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const digest = (text: string) => createHmac('sha256', comparisonKey).update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

const plainFields = ['name', 'label', 'description', 'ownerName', 'tags', 'tenancy', 'checkEveryMinutes'] as const;
type PlainField = (typeof plainFields)[number];

/** Returns what a change touches, as paths: `label`, `config.host`. A secret is named by its path alone. */
export function changedPaths(before: Datastore, now: Pick<Datastore, PlainField | 'config' | 'secrets'>): string[] {
  const fields = plainFields.filter((field) => !isDeepStrictEqual(before[field], now[field]));
  const keys = [...new Set([...Object.keys(before.config), ...Object.keys(now.config)])];
  const config = keys.filter((key) => !isDeepStrictEqual(before.config[key], now.config[key]));
  const ids = (secrets: readonly StoredSecret[]) => new Map(secrets.map(({ path, id }) => [path, id]));
  const [were, are] = [ids(before.secrets), ids(now.secrets)];
  const secrets = [...new Set([...were.keys(), ...are.keys()])].filter((path) => were.get(path) !== are.get(path));
  return [...fields, ...config.map((key) => `config.${key}`), ...secrets.map((path) => `config.${path}`)];
}
