import { z } from 'zod';
import type { FormGroupName } from './marks.ts';
import { type FieldShape, fieldsOf, leavesOf } from './shape.ts';

/** The groups of a form, in the order in which it shows them, with their titles. */
export const formGroups = {
  BASICS: 'Basics',
  SIGN_IN: 'Sign-in',
  TLS: 'TLS',
  SSH_TUNNEL: 'SSH tunnel',
  ADVANCED: 'Advanced',
} as const satisfies Record<FormGroupName, string>;

/** A part of a type's form. */
export interface FormGroup {
  readonly name: FormGroupName;
  readonly title: string;
  /** The config paths of its fields, in order. */
  readonly fields: readonly string[];
}

/**
 * Lays the form of a config out: each of its fields stands in one group, in the order of the config, and all fields of
 * a block stand in the same one. A group without fields is left out.
 */
export function formLayoutOf({ config }: { readonly config: z.ZodObject }): readonly FormGroup[] {
  const fields = fieldsOf(config).map((field) => ({ group: groupOf(field), paths: pathsOf(field) }));
  const groups = Object.entries(formGroups).map(([name, title]) => ({
    name: name as FormGroupName,
    title,
    fields: fields.filter(({ group }) => group === name).flatMap(({ paths }) => paths),
  }));
  return groups.filter((group) => group.fields.length > 0);
}

/** The group that a field is marked for. Left out: secrets, and blocks that have some, are for signing in. */
function groupOf({ mark, schema }: FieldShape): FormGroupName {
  if (mark.group) return mark.group;
  const isSecret =
    mark.secret ?? (schema instanceof z.core.$ZodObject && leavesOf(schema).some((leaf) => leaf.mark.secret));
  return isSecret ? 'SIGN_IN' : 'BASICS';
}

function pathsOf({ key, schema }: FieldShape): readonly string[] {
  return schema instanceof z.core.$ZodObject ? leavesOf(schema).map(({ path }) => `${key}.${path}`) : [key];
}
