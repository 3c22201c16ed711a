import type { JsonObject } from '../data-structures/judge.ts';

/** What a field of a record has to be. */
export interface FieldCondition {
  /** Names from the record's root on; in an array, a number from 0 on. */
  readonly path: readonly string[];
  /** Null: null, or not there. */
  readonly equals: string | number | boolean | null;
}

/** Tells whether a record meets a condition. */
export function holds({ path, equals }: FieldCondition, data: JsonObject): boolean {
  return (path.reduce<unknown>(valueIn, data) ?? null) === equals;
}

function valueIn(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return /^\d+$/.test(name) ? (value[Number(name)] as unknown) : undefined;
  const isObject = typeof value === 'object' && value !== null;
  return isObject && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
