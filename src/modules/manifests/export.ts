import { type ConfigValues, fieldsOf, secretPathsOf, setAt } from '../../connectors/kit/config/shape.ts';
import { tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { configKey } from '../../connectors/kit/contract/connector.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { DataStructure } from '../data-structures/service.ts';
import type { StructureField } from '../data-structures/structure.ts';
import type { Datastore } from '../datastores/datastore.ts';
import { type NamedSecret, referenceTo, variableNames, withStructures } from './references.ts';

/** What is written into a manifest. */
export interface Exported {
  /** The environment that the manifest is for; null for any. */
  readonly environment: string | null;
  readonly dataStructures: readonly DataStructure[];
  readonly datastores: readonly Datastore[];
}

/** A secret that a manifest names. */
export interface ManifestSecret extends NamedSecret {
  /** As the manifest writes it: `${env:ORDERS_PASSWORD}`. */
  readonly reference: string;
}

/** A manifest as plain values, ordered as it is written, with what it has in the place of secrets. */
export interface ManifestValues {
  readonly values: Readonly<Record<string, unknown>>;
  readonly secrets: readonly ManifestSecret[];
}

const HEAD = [
  ' Secrets are named here, and not held: where one is not given, the stored one stays.',
  ' What is left out is taken away, and what stands here alone is made.',
].join('\n');

/** Writes what an environment holds, ordered by names and fields, so that what stays the same is written the same. */
export function manifestValues({ environment, dataStructures, datastores }: Exported): ManifestValues {
  const named = datastores.flatMap(({ name, type, secrets }) => {
    const known = new Set(secretPathsOf(connectorOf(type)));
    return secrets.filter(({ path }) => known.has(path)).map(({ path }) => ({ datastore: name, configPath: path }));
  });
  const secrets = [...variableNames(named)].map(([secret, name]) => ({
    ...secret,
    reference: referenceTo(`env:${name}`),
  }));
  const names = new Map(dataStructures.map(({ id, name }) => [id, name]));
  const values = {
    manifest: 1,
    ...(environment === null ? {} : { environment }),
    ...(dataStructures.length > 0 ? { dataStructures: byName(dataStructures, structureValues) } : {}),
    datastores: byName(datastores, (datastore) => {
      const own = secrets.filter((secret) => secret.datastore === datastore.name);
      return datastoreValues(datastore, own, names);
    }),
  };
  return { values, secrets };
}

/** Writes a manifest as YAML. */
export async function manifestText(values: Readonly<Record<string, unknown>>): Promise<string> {
  const { Document } = await import('yaml');
  const document = new Document(values, { aliasDuplicateObjects: false });
  document.commentBefore = HEAD;
  return document.toString({ lineWidth: 0 });
}

function byName<Item extends { readonly name: string }>(items: readonly Item[], write: (item: Item) => object): object {
  const sorted = items.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  return Object.fromEntries(sorted.map((item) => [item.name, write(item)]));
}

function datastoreValues(
  datastore: Datastore,
  secrets: readonly ManifestSecret[],
  structures: ReadonlyMap<string, string>,
): object {
  const { name, label, description, ownerName, tags, checkEveryMinutes, tenancy, type } = datastore;
  const connector = connectorOf(type);
  const config = withStructures(connector, datastore.config, structures);
  for (const { configPath, reference } of secrets) setAt(config, configPath, reference);
  return {
    ...(label === name ? {} : { label }),
    ...(description === null ? {} : { description }),
    ...(ownerName === null ? {} : { ownerName }),
    ...(tags.length > 0 ? { tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])) } : {}),
    ...(checkEveryMinutes === null ? {} : { checkEveryMinutes }),
    ...(tenancy ? { tenancy: inOrder(tenancySchema, tenancy as ConfigValues) } : {}),
    config: { [configKey(connector)]: inOrder(connector.config, config) },
  };
}

/** The values of a block in the order of its fields, without what it does not know any more. */
function inOrder(object: Parameters<typeof fieldsOf>[0], values: ConfigValues): ConfigValues {
  const known = fieldsOf(object).filter(({ key }) => values[key] != null);
  return Object.fromEntries(
    known.map(({ key, schema }) => {
      const value = values[key];
      const isBlock = '_zod' in schema && 'shape' in schema._zod.def;
      return [key, isBlock ? inOrder(schema as typeof object, value as ConfigValues) : value];
    }),
  );
}

function structureValues({ strict, fields }: DataStructure): object {
  return { strict, fields: fields.map(fieldValues) };
}

/** A field with what it has: what is left out is read as null or false again. */
function fieldValues({ fields, ...field }: StructureField): object {
  const isSaid = (key: string, value: unknown) => value !== null && !(key === 'required' && value === false);
  const had = Object.entries(field).filter(([key, value]) => isSaid(key, value));
  return { ...Object.fromEntries(had), ...(fields ? { fields: fields.map(fieldValues) } : {}) };
}
