import { z } from 'zod';
import type { IssueCode } from '../../../errors/field-issues.ts';

/** A config before and after a change, parsed, where a field cannot be judged by itself. */
export interface ChangedConfig {
  readonly before: Readonly<Record<string, unknown>>;
  readonly after: Readonly<Record<string, unknown>>;
}

/** What a field of a config is besides its type. Marks follow a schema through .optional(), .default() and .meta(). */
export interface FieldMark {
  /** True for a field that is sealed at rest and never read back. */
  readonly secret?: boolean;
  /**
   * True for a field that decides where secrets are sent, or a function that tells whether a change from one value to
   * another sends them anywhere less safe.
   */
  readonly destination?: true | ((before: unknown, after: unknown, configs: ChangedConfig) => boolean);
  /** The GraphQL name of an enum or a block: `TlsMode`, `Tls`. */
  readonly graphqlName?: string;
  /**
   * Marks a block as a choice, of which exactly one field is given. `outputName` names the object type that it is read
   * as.
   */
  readonly oneOf?: { readonly outputName: string };
  /** What a form shows for each value of an enum. */
  readonly labels?: Readonly<Record<string, string>>;
  /** True for a field that a draft may be tested without, but not stored. */
  readonly neededToSave?: boolean;
  /** True for a text that is the id of something, which the API types as ID. */
  readonly isId?: boolean;
  /** The part of the form that a field at the config's root stands in. Left out: form-layout.ts tells. */
  readonly group?: FormGroupName;
}

/** The parts of a form. */
export type FormGroupName = 'BASICS' | 'SIGN_IN' | 'TLS' | 'SSH_TUNNEL' | 'ADVANCED';

export const fieldMarks = z.registry<FieldMark>();

/** Marks a field in place as a secret: write-only in the API, sealed at rest, and not shown by forms as it is typed. */
export function secret<T extends z.ZodType>(schema: T): T {
  return mark(schema.meta({ ...schema.meta(), writeOnly: true, format: 'password' }) as T, { secret: true });
}

/**
 * Marks a field in place as one that decides where secrets are sent: when it changes, the stored secrets must be given
 * again. `changed` narrows that to changes that matter; a stronger TLS mode does not.
 */
export function destination<T extends z.ZodType>(
  schema: T,
  changed?: (before: z.output<T>, after: z.output<T>, configs: ChangedConfig) => boolean,
): T {
  return mark(schema, { destination: (changed as FieldMark['destination']) ?? true });
}

/** Gives an enum or a block its GraphQL name. */
export function named<T extends z.ZodType>(graphqlName: string, schema: T): T {
  return mark(schema, { graphqlName });
}

/** Says what a form shows for each value of an enum. */
export function labelled<T extends z.ZodEnum>(schema: T, labels: Readonly<Record<z.output<T>, string>>): T {
  return mark(schema, { labels });
}

/** Marks a field in place as one that a draft may be tested without, but not stored. */
export function neededToSave<T extends z.ZodType>(schema: T): T {
  return mark(schema, { neededToSave: true });
}

/** Marks a text in place as the id of something. */
export function identifier<T extends z.ZodType>(schema: T): T {
  return mark(schema, { isId: true });
}

/** Puts a field of the config's root, with all that is in it, into a part of the form. */
export function inGroup<T extends z.ZodType>(group: FormGroupName, schema: T): T {
  return mark(schema, { group });
}

function mark<T extends z.ZodType>(schema: T, added: FieldMark): T {
  const copy = schema.clone(schema.def, { parent: true }) as T;
  fieldMarks.add(copy, { ...fieldMarks.get(schema), ...added });
  return copy;
}

/** An issue with one of the stable issue codes, for `ctx.addIssue` and `.refine`. */
export function issue(code: IssueCode, message: string): { message: string; params: { code: IssueCode } } {
  return { message, params: { code } };
}
