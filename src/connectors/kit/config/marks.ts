import { z } from 'zod';
import type { IssueCode } from '../../../errors/field-issues.ts';

/** What a field of a config is besides its type. Marks follow a schema through .optional(), .default() and .meta(). */
export interface FieldMark {
  /** Sealed at rest, never read back. */
  readonly secret?: boolean;
  /** Decides where secrets are sent: true, or whether a change from one value to another sends them anywhere less safe. */
  readonly destination?: true | ((before: unknown, after: unknown) => boolean);
  /** The GraphQL name of an enum or a block: TlsMode, Tls. */
  readonly graphqlName?: string;
  /** The block is a choice: exactly one of its fields is given. `outputName` is the object type that it is read as. */
  readonly oneOf?: { readonly outputName: string };
  /** A draft may be tested without it, but not stored. */
  readonly neededToSave?: boolean;
}

export const fieldMarks = z.registry<FieldMark>();

/** Marks a field in place as a secret: write-only in the API, sealed at rest. */
export function secret<T extends z.ZodType>(schema: T): T {
  return mark(schema.meta({ ...schema.meta(), writeOnly: true }) as T, { secret: true });
}

/**
 * Marks a field in place as one that decides where secrets are sent. When it changes, the stored secrets must be given again.
 * `changed` narrows that to changes that matter (a stronger TLS mode does not).
 */
export function destination<T extends z.ZodType>(
  schema: T,
  changed?: (before: z.output<T>, after: z.output<T>) => boolean,
): T {
  return mark(schema, { destination: (changed as FieldMark['destination']) ?? true });
}

/** Gives an enum or a block its GraphQL name. */
export function named<T extends z.ZodType>(graphqlName: string, schema: T): T {
  return mark(schema, { graphqlName });
}

/** Marks a field in place as one that a draft may be tested without, but not stored. */
export function neededToSave<T extends z.ZodType>(schema: T): T {
  return mark(schema, { neededToSave: true });
}

function mark<T extends z.ZodType>(schema: T, added: FieldMark): T {
  const copy = schema.clone(schema.def, { parent: true }) as T;
  fieldMarks.add(copy, { ...fieldMarks.get(schema), ...added });
  return copy;
}

/** A refinement's issue with one of the stable issue codes, for `ctx.addIssue` and `.refine`. */
export function issue(code: IssueCode, message: string): { message: string; params: { code: IssueCode } } {
  return { message, params: { code } };
}
