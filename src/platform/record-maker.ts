/** How many makers are kept: the oldest goes. */
const MAX_KEPT = 1_000;

/** Makes an object of the values of its keys, in their order. */
export type RecordMaker = (values: readonly unknown[]) => Record<string, unknown>;

const kept = new Map<string, RecordMaker>();

/**
 * Makes what makes objects with these keys, which are names of GraphQL or of columns, but not `__proto__`. It is
 * compiled, as better-sqlite3 does for its rows: V8 then knows how such an object is laid out, which it would have to
 * look up again for each key that an object gets by its name.
 */
export function recordMaker(keys: readonly string[]): RecordMaker {
  const name = keys.join(' ');
  const known = kept.get(name);
  if (known) return known;
  const properties = keys.map((key, at) => `${JSON.stringify(key)}: values[${at}]`);
  const made = Function('values', `return { ${properties.join(', ')} }`) as RecordMaker;
  const [oldest] = kept.keys();
  if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  kept.set(name, made);
  return made;
}
