/** What a field of a record may hold. */
export const fieldTypes = ['TEXT', 'NUMBER', 'BOOLEAN', 'DATE', 'ARRAY', 'COLLECTION'] as const;
export type FieldType = (typeof fieldTypes)[number];

/** What a field may be chosen from: of a text, a number or a date. */
export type Choice = string | number;
/** The types whose values may be chosen from some. */
export const choosableTypes: readonly FieldType[] = ['TEXT', 'NUMBER', 'DATE'];

/** A field of a record, or of a collection in it. */
export interface StructureField {
  readonly name: string;
  readonly type: FieldType;
  readonly label: string | null;
  readonly required: boolean;
  /** JSON, which fits the field; null for none. */
  readonly default: unknown;
  /** The values that it takes, or each element of an array; null for any. */
  readonly choices: readonly Choice[] | null;
  /** What an array holds; null where it may hold anything. */
  readonly itemType: FieldType | null;
  /** Of a collection, or of those in an array; null where they may have any. */
  readonly fields: readonly StructureField[] | null;
}

/** What records look like. */
export interface Structure {
  /** Whether a record may have no other fields, at any depth. */
  readonly strict: boolean;
  readonly fields: readonly StructureField[];
}

/** A field as a caller gives it. */
export interface GivenField {
  readonly name: string;
  readonly type: FieldType;
  readonly label?: string | null | undefined;
  readonly required?: boolean | null | undefined;
  readonly default?: NonNullable<unknown> | null | undefined;
  readonly choices?: readonly NonNullable<unknown>[] | null | undefined;
  readonly itemType?: FieldType | null | undefined;
  readonly fields?: readonly GivenField[] | null | undefined;
}
