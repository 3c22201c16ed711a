import { z } from 'zod';
import type { CatalogColumn, CatalogEntry } from '../../kit/contract/catalog-entry.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { jsonAnswer, listOf } from '../../kit/http/answers.ts';
import { askElastic, type ElasticContext, elasticAccepted } from './client.ts';
import { isIndexName } from './config.ts';

/** The longest list of names that is read, in bytes: it has room for some 100,000 indices. */
export const MAX_NAMES = 8 * 1024 * 1024;
/** The longest answer with the mappings of some indices, in bytes. */
const MAX_MAPPINGS = 8 * 1024 * 1024;
const INDICES_AT_ONCE = 25;
/** The longest list of names in a path, in bytes: servers take request lines of up to 4,096. */
const LONGEST_LIST = 3_000;
const DEEPEST_FIELD = 100;

const NAMES = z.union([listOf(z.string()), z.string().transform((name) => [name])]).default([]);
const RESOLVED = z.object({
  indices: listOf(z.object({ name: z.string() })).default([]),
  aliases: listOf(z.object({ name: z.string(), indices: NAMES })).default([]),
  data_streams: listOf(z.object({ name: z.string(), backing_indices: NAMES })).default([]),
});
/** The mappings by index. What each of them holds is looked at where it is used. */
const MAPPINGS = z.record(z.string(), z.unknown());
const MAPPING = z.object({ mappings: z.object({ properties: z.unknown().optional() }).optional() });

/** The names that the user may see: those of the config's index, or of all. */
export type ElasticNames = z.output<typeof RESOLVED>;

/**
 * The names of indices, aliases and data streams, without hidden ones. Fails with INDEX_NOT_FOUND when the config's
 * index is missing.
 */
export async function resolveNames(context: ElasticContext): Promise<ElasticNames> {
  const { index } = context.config;
  if (context.state.signer?.isServerless) return listNames(context);
  // the filter is applied to errors too, so it names their fields
  const filter =
    'indices.name,aliases.name,aliases.indices,data_streams.name,data_streams.backing_indices,error.type,status';
  const path = `/_resolve/index/${index === undefined ? '*' : encodeURIComponent(index)}?expand_wildcards=open&filter_path=${filter}`;
  const response = await askElastic(context, { method: 'GET', path, maxBytes: MAX_NAMES });
  const found = jsonAnswer(elasticAccepted(response, context), RESOLVED);
  if (index !== undefined) {
    const total = found.indices.length + found.aliases.length + found.data_streams.length;
    if (total === 0) throw new Failure('INDEX_NOT_FOUND', { configPath: 'index' });
    return found;
  }
  const isShown = ({ name }: { name: string }) => !name.startsWith('.');
  return {
    indices: found.indices.filter(isShown),
    aliases: found.aliases.filter(isShown),
    data_streams: found.data_streams.filter(isShown),
  };
}

const LISTED = listOf(z.object({ index: z.string() }));
/** Asks for the names of all indices alone. */
export const LIST_PATH = '/_cat/indices?format=json&h=index';

/** The names of indices where there is no API that resolves names: without aliases, of which none is told. */
async function listNames(context: ElasticContext): Promise<ElasticNames> {
  const { index } = context.config;
  const response = await askElastic(context, { method: 'GET', path: LIST_PATH, maxBytes: MAX_NAMES });
  const names = jsonAnswer(elasticAccepted(response, context), LISTED).map((each) => ({ name: each.index }));
  const indices = names.filter(({ name }) => (index === undefined ? !name.startsWith('.') : name === index));
  if (index !== undefined && indices.length === 0) throw new Failure('INDEX_NOT_FOUND', { configPath: 'index' });
  return { indices, aliases: [], data_streams: [] };
}

type Named = Pick<CatalogEntry, 'name' | 'kind'>;

/**
 * Reads every index, alias and data stream that the user may see, with the fields of its mapping, some at a time. An
 * alias and a data stream have the fields of the last of their indices by name, which is the newest when they are
 * numbered or dated.
 */
export async function* readElasticCatalog(context: ElasticContext): AsyncGenerator<readonly CatalogEntry[]> {
  const sources = sourcesOf(await resolveNames(context));
  for (const indices of listsOf([...sources.keys()].sort())) {
    const mappings = await mappingsOf(context, indices);
    yield indices.flatMap((index) => {
      const columns = columnsOfMapping(mappings[index]);
      return (sources.get(index) ?? []).map((entry) => ({ namespace: null, ...entry, columns }));
    });
  }
}

/** The entries whose fields each index tells. */
function sourcesOf({ indices, aliases, data_streams }: ElasticNames): Map<string, Named[]> {
  const sources = new Map<string, Named[]>();
  const add = (index: string | undefined, entry: Named) => {
    if (index === undefined || !isIndexName(index)) return;
    const known = sources.get(index);
    if (known) known.push(entry);
    else sources.set(index, [entry]);
  };
  for (const { name } of indices) add(name, { name, kind: 'INDEX' });
  for (const { name, indices: of } of aliases) add(lastOf(of), { name, kind: 'VIEW' });
  for (const { name, backing_indices: of } of data_streams) add(lastOf(of), { name, kind: 'COLLECTION' });
  return sources;
}

function lastOf(names: readonly string[]): string | undefined {
  return names.toSorted().at(-1);
}

/** Cuts the names into lists that a request line holds. */
function* listsOf(names: readonly string[]): Generator<string[]> {
  let list: string[] = [];
  let length = 0;
  for (const name of names) {
    const own = encodeURIComponent(name).length + 1;
    if (list.length > 0 && (list.length >= INDICES_AT_ONCE || length + own > LONGEST_LIST)) {
      yield list;
      list = [];
      length = 0;
    }
    list.push(name);
    length += own;
  }
  if (list.length > 0) yield list;
}

/** The mappings by the name of the index. An index that has gone meanwhile is missing. */
async function mappingsOf(context: ElasticContext, names: readonly string[]): Promise<z.output<typeof MAPPINGS>> {
  const path = `/${names.map(encodeURIComponent).join(',')}/_mapping?ignore_unavailable=true&filter_path=*.mappings.properties`;
  const response = await askElastic(context, { method: 'GET', path, maxBytes: MAX_MAPPINGS });
  return jsonAnswer(elasticAccepted(response, context), MAPPINGS);
}

/**
 * The fields of an index, alias or data stream; null when there is none of that name. A schema is not asked for: there
 * are none.
 */
export async function elasticColumns(
  context: ElasticContext,
  { table }: { readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  if (!isIndexName(table)) return null;
  const path = `/${encodeURIComponent(table)}/_mapping`;
  const response = await askElastic(context, { method: 'GET', path, maxBytes: MAX_MAPPINGS });
  if (response.status === 404) return null;
  const mappings = jsonAnswer(elasticAccepted(response, context), MAPPINGS);
  const last = lastOf(Object.keys(mappings));
  return last === undefined ? null : columnsOfMapping(mappings[last]);
}

/** The fields of a mapping. An index that has gone, or that holds no document yet, has none. */
function columnsOfMapping(mapping: unknown): CatalogColumn[] {
  if (mapping === undefined) return [];
  const parsed = MAPPING.safeParse(mapping);
  if (!parsed.success) throw new Failure('UNEXPECTED_ANSWER');
  return columnsOf(parsed.data.mappings?.properties);
}

/**
 * The fields by their dotted names. Those within objects and the further forms of a field (`name.keyword`) count too.
 */
function columnsOf(properties: unknown, prefix = '', depth = 0): CatalogColumn[] {
  if (depth > DEEPEST_FIELD) throw new Failure('UNEXPECTED_ANSWER');
  return Object.entries(isObject(properties) ? properties : {}).flatMap(([key, field]) => {
    const name = prefix + key;
    const { type, properties: inner, fields } = isObject(field) ? field : {};
    const own = typeof type === 'string' && inner === undefined ? [{ name, dataType: type, nullable: null }] : [];
    return [...own, ...columnsOf(inner, `${name}.`, depth + 1), ...columnsOf(fields, `${name}.`, depth + 1)];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
