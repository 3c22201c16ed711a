import type { IgnoredPart } from '../../../connectors/kit/connection-text/config-draft.ts';

/** A connection as another program keeps it, in the words by which a connection text is read. */
export interface ForeignConnection {
  /** What the other program calls it. */
  readonly name: string;
  readonly description?: string | null;
  /** The DatastoreType; undefined where its text tells. */
  readonly type: string | undefined;
  /** Settings by names that a connection text may have: `host`, `username`. */
  readonly settings: Values;
}

/** What was found in a file of another program. */
export interface Found {
  readonly connections: readonly ForeignConnection[];
  /** What is no connection that the gateway can keep, by name. */
  readonly ignored: readonly IgnoredPart[];
}

/** Reads the documents of a file of another program. */
export type Importer = (documents: readonly unknown[]) => Found;

/** A JSON object. */
export type Values = Readonly<Record<string, unknown>>;

/** What becomes of each field of another program: the setting that it is; null where a gateway has no use for it. */
export type FieldTable = Readonly<Record<string, string | null>>;

export const NO_FIELD = 'The gateway has no field for it.';
export const NO_TYPE = 'The gateway has no such type.';

export function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The type that a word of another program stands for. */
export function typeOf(types: Readonly<Record<string, string>>, word: string | undefined): string | undefined {
  return word !== undefined && Object.hasOwn(types, word) ? types[word] : undefined;
}

/** The object at a key; none where something else stands there. */
export function within(values: Values, key: string): Values {
  const value = Object.hasOwn(values, key) ? values[key] : undefined;
  return isValues(value) ? value : {};
}

export function textAt(values: Values, key: string): string | undefined {
  const value = Object.hasOwn(values, key) ? values[key] : undefined;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** Gives fields the names of settings. What the table does not know is put into `ignored`, below `place`. */
export function renamed(values: Values, table: FieldTable, place: string, ignored: IgnoredPart[]): Values {
  const settings = new Map<string, unknown>();
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === '') continue;
    const to = Object.hasOwn(table, key) ? table[key] : undefined;
    if (to === undefined) ignored.push({ name: `${place}.${key}`, reason: NO_FIELD });
    else if (to !== null) settings.set(to, value);
  }
  return Object.fromEntries(settings);
}

/** Parts `db.example:5432`, where a setting has both. */
export function hostAndPort(place: string): Values {
  const [, host = place, port] = /^(?:\w+:\/\/)?(.*?)(?::(\d{1,5}))?\/?$/.exec(place) ?? [];
  return { host, ...(port === undefined ? {} : { port }) };
}
