import { z } from 'zod';
import { type FieldMark, fieldMarks } from './marks.ts';

/** A config, or a block of one, as plain JSON values: whatever a caller gives, before it is checked. */
export type ConfigValues = Record<string, unknown>;

declare const secrecy: unique symbol;

/**
 * A config without its secrets, which may be stored, logged and answered. splitSecrets() and deserializeConfig() make
 * it.
 */
export type PublicConfig = ConfigValues & { readonly [secrecy]: 'public' };

/** A checked config with its secrets in place, for connectors alone. parseConfig() and placeSecrets() make it. */
export type FullConfig = ConfigValues & { readonly [secrecy]: 'full' };

/** A JSON object that may leave the gateway: anything but a full config. */
export type Answerable = ConfigValues & { readonly [secrecy]?: 'public' };

/** What is asked of a connector here. */
interface Configured {
  readonly config: z.ZodObject;
}

/** One field of a config: what its zod schema says once `.optional()` and `.default()` are taken off. */
export interface FieldShape {
  readonly key: string;
  readonly schema: z.core.$ZodType;
  readonly mark: FieldMark;
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** True when an input must give it. */
  readonly required: boolean;
  /** True when the parsed config always has it. */
  readonly alwaysSet: boolean;
  /** The default that an input shows; undefined for a block, whose own fields have theirs. */
  readonly defaultValue: unknown;
}

/** A connector's schemas do not change: each is walked once, and not with every datastore that is read. */
const shapes = new WeakMap<z.core.$ZodObject, readonly FieldShape[]>();
const leaves = new WeakMap<z.core.$ZodObject, readonly LeafField[]>();
const secretPaths = new WeakMap<z.core.$ZodObject, readonly string[]>();

/** Lists the fields of a config or a block, in their order. */
export function fieldsOf(object: z.core.$ZodObject): readonly FieldShape[] {
  return once(shapes, object, () =>
    Object.entries(object._zod.def.shape).map(([key, schema]) => fieldShape(key, schema)),
  );
}

/** What is made of a schema when it is first asked for. */
export function once<Made>(made: WeakMap<z.core.$ZodObject, Made>, object: z.core.$ZodObject, make: () => Made): Made {
  const known = made.get(object) ?? make();
  made.set(object, known);
  return known;
}

function fieldShape(key: string, outer: z.core.$ZodType): FieldShape {
  let schema = outer;
  let required = true;
  let alwaysSet = true;
  let defaultValue: unknown;
  const meta = { ...z.globalRegistry.get(outer) };
  const mark: { -readonly [K in keyof FieldMark]: FieldMark[K] } = { ...fieldMarks.get(outer) };
  while (
    schema instanceof z.core.$ZodOptional ||
    schema instanceof z.core.$ZodDefault ||
    schema instanceof z.core.$ZodPrefault
  ) {
    required = false;
    if (schema instanceof z.core.$ZodOptional) alwaysSet = false;
    if (schema instanceof z.core.$ZodDefault) defaultValue = schema._zod.def.defaultValue;
    schema = schema._zod.def.innerType;
    Object.assign(mark, { ...fieldMarks.get(schema), ...mark });
    Object.assign(meta, { ...z.globalRegistry.get(schema), ...meta });
  }
  alwaysSet ||= mark.neededToSave === true;
  return { key, schema, mark, title: meta.title, description: meta.description, required, alwaysSet, defaultValue };
}

/** A field with its dotted path from the config's root; blocks are walked into and are not leaves themselves. */
export interface LeafField extends FieldShape {
  readonly path: string;
}

/** Lists every leaf of a config, blocks walked into. */
export function leavesOf(object: z.core.$ZodObject): readonly LeafField[] {
  return once(leaves, object, () =>
    fieldsOf(object).flatMap((field) => {
      if (!(field.schema instanceof z.core.$ZodObject)) return [{ ...field, path: field.key }];
      return leavesOf(field.schema).map((leaf) => ({ ...leaf, path: `${field.key}.${leaf.path}` }));
    }),
  );
}

/** Lists the config paths of a connector's secrets. */
export function secretPathsOf({ config }: Configured): readonly string[] {
  return once(secretPaths, config, () => leavesOf(config).flatMap(({ mark, path }) => (mark.secret ? [path] : [])));
}

/** Removes explicit nulls, which mean the same as leaving the field out in an input. */
export function dropNulls(values: ConfigValues): ConfigValues {
  return mapValues(values, (value) => (value === null ? undefined : isBlock(value) ? dropNulls(value) : value));
}

/**
 * Merges a patch deep into a stored config: what is left out stays, null removes. A choice is merged within one
 * alternative, and replaced by another. Neither argument is changed.
 */
export function mergePatch(object: z.core.$ZodObject, stored: ConfigValues, patch: ConfigValues): ConfigValues {
  const merged = { ...stored };
  for (const { key, schema, mark } of fieldsOf(object)) {
    const value = patch[key];
    if (value === undefined) continue;
    if (value === null) delete merged[key];
    else if (schema instanceof z.core.$ZodObject && isBlock(value)) {
      merged[key] = mergePatch(schema, stored[key] === undefined ? {} : blockBefore(mark, stored[key], value), value);
    } else merged[key] = value;
  }
  return merged;
}

/** Returns the stored block that a patch is merged into: of a choice, only the alternative that the patch is about. */
function blockBefore(mark: FieldMark, stored: unknown, patch: ConfigValues): ConfigValues {
  if (!isBlock(stored)) return {};
  if (!mark.oneOf) return stored;
  return Object.fromEntries(Object.entries(stored).filter(([key]) => patch[key] != null));
}

/**
 * Puts stored secrets where a whole config leaves them out, for who reads a config back gets none of them. A block that
 * is left out takes its secrets with it, and so does an alternative of a choice. Neither argument is changed.
 */
export function withStoredSecrets(object: z.core.$ZodObject, stored: ConfigValues, whole: ConfigValues): ConfigValues {
  const filled = { ...whole };
  for (const { key, schema, mark } of fieldsOf(object)) {
    const [before, value] = [stored[key], whole[key]];
    if (schema instanceof z.core.$ZodObject && isBlock(value))
      filled[key] = withStoredSecrets(schema, blockBefore(mark, before, value), value);
    else if (mark.secret && value === undefined && before !== undefined) filled[key] = before;
  }
  return filled;
}

/**
 * Makes the rules for a patch: each given value is checked by its own field's rules, so that all wrong fields are named
 * at once. Rules over several fields are checked on the merged whole.
 */
export function patchSchemaOf(object: z.core.$ZodObject): z.ZodType {
  const shape = fieldsOf(object).map(({ key, schema }) => {
    const inner = schema instanceof z.core.$ZodObject ? patchSchemaOf(schema) : (schema as z.ZodType);
    return [key, inner.nullish()] as const;
  });
  return z.looseObject(Object.fromEntries(shape));
}

/** Checks a config by its connector's rules and fills in its defaults. */
export function parseConfig(connector: Configured, values: ConfigValues): z.ZodSafeParseResult<FullConfig> {
  return connector.config.safeParse(values) as z.ZodSafeParseResult<FullConfig>;
}

/** A config in its two parts. */
export interface SplitConfig {
  readonly config: PublicConfig;
  /** What is to be sealed, by config path. */
  readonly secrets: ReadonlyMap<string, string>;
}

/** Takes the secrets out of a config. */
export function splitSecrets(connector: Configured, values: ConfigValues): SplitConfig {
  const config = copyOf(values);
  const secrets = new Map<string, string>();
  for (const path of secretPathsOf(connector)) {
    const value = valueAt(config, path);
    if (typeof value === 'string') secrets.set(path, value);
    removeAt(config, path);
  }
  return { config: config as PublicConfig, secrets };
}

/** Puts the secrets that splitSecrets() took out back in their places. */
export function placeSecrets({ config, secrets }: SplitConfig): FullConfig {
  const full: ConfigValues = copyOf(config);
  for (const [path, value] of secrets) setAt(full, path, value);
  return full as FullConfig;
}

/** A copy of what JSON can hold, for which structuredClone() takes many times as long. */
function copyOf<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyOf) as Value;
  if (!isBlock(value)) return value;
  const copy: ConfigValues = {};
  for (const key of Object.keys(value)) copy[key] = copyOf(value[key]);
  return copy as Value;
}

/** Writes the text as which a config is stored. */
export function serializeConfig(config: PublicConfig): string {
  return JSON.stringify(config);
}

/** Reads a config from the text that serializeConfig() wrote. */
export function deserializeConfig(text: string): PublicConfig {
  return JSON.parse(text) as PublicConfig;
}

/** Lists the destination fields in which two parsed configs differ in a way that sends secrets somewhere else. */
export function changedDestinations(connector: Configured, before: ConfigValues, after: ConfigValues): string[] {
  return leavesOf(connector.config)
    .filter(({ mark, path }) => {
      const [was, is] = [valueAt(before, path), valueAt(after, path)];
      if (!mark.destination || was === is) return false;
      return mark.destination === true || mark.destination(was, is, { before, after });
    })
    .map((leaf) => leaf.path);
}

export function valueAt(values: ConfigValues, path: string): unknown {
  const cut = path.indexOf('.');
  if (cut < 0) return values[path];
  const block = values[path.slice(0, cut)];
  return isBlock(block) ? valueAt(block, path.slice(cut + 1)) : undefined;
}

export function setAt(values: ConfigValues, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let block = values;
  for (const key of keys) {
    if (!isBlock(block[key])) block[key] = {};
    block = block[key] as ConfigValues;
  }
  block[last] = value;
}

export function removeAt(values: ConfigValues, path: string): void {
  const cut = path.lastIndexOf('.');
  const block = cut < 0 ? values : valueAt(values, path.slice(0, cut));
  const key = path.slice(cut + 1);
  if (isBlock(block) && key in block) delete block[key];
}

function isBlock(value: unknown): value is ConfigValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapValues(values: ConfigValues, change: (value: unknown) => unknown): ConfigValues {
  const entries = Object.entries(values).map(([key, value]) => [key, change(value)] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
