import { z } from 'zod';
import { type Rule, rules, type Said } from './rules.ts';
import { type FieldShape, fieldsOf } from './shape.ts';

/* The form of a change does not ask for a secret again that is stored: leaving it empty keeps it. */

/** What is said of a block: what it needs, and its rules as rules() writes them. */
export interface WrittenBlock {
  readonly required?: readonly string[];
  readonly then?: { readonly allOf: readonly { readonly if: Said; readonly then: Said }[] };
}

/** A sentence that says when a new config does without the secret. It may hold a dot: `pg_hba.conf`. */
const LEAVE_EMPTY = /Leave empty .*?\.(?= [A-Z]|$) ?/gs;

/** What a form says of a secret that is stored. */
export function keptSecret(description = ''): string {
  return `${description.replace(LEAVE_EMPTY, '').trim()} Leave empty to keep the one that is stored.`;
}

/**
 * What a block needs and what its rules are in the form of a change, given how they are written for a new one: no
 * secret is needed, and no rule counts that asks whether a secret is missing, for the form does not know.
 */
export function neededForChange(object: z.core.$ZodObject, written: WrittenBlock): Record<string, unknown> {
  const kept = (written.then?.allOf ?? [])
    .filter((rule) => !asksForMissing(object, rule.if))
    .map((rule): Rule => [rule.if, withoutSecrets(object, rule.then)])
    .filter(([, needed]) => Object.keys(needed).length > 0);
  return {
    ...(written.required ? { required: publicKeys(object, written.required) } : {}),
    ...(written.then ? rules(...kept) : {}),
  };
}

function withoutSecrets(object: z.core.$ZodObject, { required, properties, ...rest }: Said): Said {
  const needed = publicKeys(object, required ?? []);
  const inside = Object.entries(properties ?? {}).map(([key, said]) => {
    const block = blockOf(object, key);
    return [key, block ? withoutSecrets(block, said as Said) : said] as const;
  });
  return {
    ...rest,
    ...(needed.length > 0 ? { required: needed } : {}),
    ...(inside.length > 0 ? { properties: Object.fromEntries(inside) } : {}),
  };
}

function asksForMissing(object: z.core.$ZodObject, { not, properties = {} }: Said): boolean {
  const missing = not?.required ?? [];
  if (publicKeys(object, missing).length < missing.length) return true;
  return Object.entries(properties).some(([key, said]) => {
    const block = blockOf(object, key);
    return block !== undefined && asksForMissing(block, said as Said);
  });
}

function publicKeys(object: z.core.$ZodObject, keys: readonly string[]): string[] {
  return keys.filter((key) => !fieldOf(object, key)?.mark.secret);
}

function blockOf(object: z.core.$ZodObject, key: string): z.core.$ZodObject | undefined {
  const schema = fieldOf(object, key)?.schema;
  return schema instanceof z.core.$ZodObject ? schema : undefined;
}

function fieldOf(object: z.core.$ZodObject, key: string): FieldShape | undefined {
  return fieldsOf(object).find((field) => field.key === key);
}
