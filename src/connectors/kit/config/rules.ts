/**
 * What JSON Schema says of some fields of a block. The words are those of draft-07 and of 2020-12 alike, and none that
 * a form library would draw as alternatives.
 */
export interface Said {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly not?: Said;
}

/** A rule over several fields: where the first holds, the second has to. */
export type Rule = readonly [when: Said, needed: Said];

/** Each of these fields is given. Where it has to be, a missing one is named by its own path. */
export function given(...fields: readonly string[]): Said {
  return { required: fields };
}

/** This field is not given. */
export function missing(field: string): Said {
  return { not: given(field) };
}

/** Each of these fields is left out. Where it has to be, a given one is named by its own path. */
export function leftOut(...fields: readonly string[]): Said {
  return { properties: Object.fromEntries(fields.map((field) => [field, { not: {} }])) };
}

/** The field is given with a value of which this is said: `{ const: true }`, `{ pattern: '/$' }`. */
export function has(field: string, said: object): Said {
  return { required: [field], properties: { [field]: typed(said) } };
}

/** The field, where it is given, has a value of which this is said. */
export function mayHave(field: string, said: object): Said {
  return { properties: { [field]: typed(said) } };
}

/** Strict validators warn of a word that has no type beside it. */
function typed(said: object): object {
  if ('pattern' in said) return { type: 'string', ...said };
  if ('minimum' in said) return { type: 'integer', ...said };
  return 'required' in said || 'properties' in said ? { type: 'object', ...said } : said;
}

/**
 * Rules over several fields of a block, for its `.meta()`: what its refinement refuses, a form refuses before it is
 * sent. They stand behind a condition that always holds, since form generators take an `allOf` at the top for a choice.
 */
export function rules(...rows: readonly Rule[]): Record<string, unknown> {
  const allOf = rows.map(([when, needed]) => whenThen(when, needed));
  // JSON Schema takes no empty list
  return whenThen(true, allOf.length > 0 ? { allOf } : {});
}

/** As entries: an object that is written with a `then` looks like a promise. */
function whenThen(when: Said | true, needed: Said | { readonly allOf: readonly unknown[] }): Record<string, unknown> {
  return Object.fromEntries([
    ['if', when],
    ['then', needed],
  ]);
}
