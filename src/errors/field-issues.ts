import type { z } from 'zod';

/* What is wrong with one input. Codes are stable: they may be added, never renamed. */

/** `code` of a FieldIssue: what is wrong with one input. */
export const issueCodes = {
  REQUIRED: 'A value is missing.',
  INVALID_TYPE: 'The value has the wrong type.',
  INVALID_FORMAT: 'The value is not in the format that the field asks for.',
  INVALID_VALUE: 'The value is none of those that the field takes.',
  TOO_SHORT: 'The value is shorter than the field allows.',
  TOO_LONG: 'The value is longer than the field allows.',
  OUT_OF_RANGE: 'The number is outside of the range that the field allows.',
  UNKNOWN_FIELD: 'There is no such field.',
  EXACTLY_ONE: 'Exactly one of the fields must be given.',
  INVALID_ID: 'The value is not a UUID.',
  URL_IN_HOST: 'Give a host name or an address here, not a URL.',
  ADDRESS_NOT_ALLOWED:
    'The gateway does not connect to this address: use a public one, or ask the operator to allow it in EGRESS_ALLOW, which opens all but the gateway’s own listener and database.',
  ADDRESS_NOT_CHECKED: 'The gateway could not find out in time where this leads: try again.',
  INVALID_COMBINATION: 'The values of several fields do not go together.',
  UNKNOWN_VALIDATION_METHOD: 'The datastore type has no such validation method.',
  WRONG_TYPE: 'The config is of another type than the datastore; a type never changes.',
  ENVIRONMENT_REQUIRED: 'There is not exactly one environment that your token may use: say which one is meant.',
  NOT_GRANTED: 'Your own token does not allow this, so it cannot pass it on.',
  NOT_FOUND: 'It does not exist, or you may not see it.',
  SECRET_IN_OPEN_FIELD: 'A secret stands in a field that is read back.',
  SECRET_REQUIRED: 'The destination changed: give this secret again.',
  NAME_TAKEN: 'Another one has this name already: choose another name.',
  CHECK_FAILED: 'A check of the connection test failed because of this field.',
} as const;
export type IssueCode = keyof typeof issueCodes;

/** One input to mend: where it stands in the arguments, and within the config. */
export interface FieldIssue {
  readonly path: readonly string[];
  /** Dotted, from the config's root; null when it is not about the config. */
  readonly configPath: string | null;
  readonly code: IssueCode;
  readonly message: string;
  /** Where it stands in a text of several lines that was given, both from 1 on. */
  readonly line?: number;
  readonly column?: number;
}

/** Something that a caller gave, with the path at which it stands in the arguments: issues with it begin there. */
export interface Given {
  readonly path: readonly string[];
}

/** Where a field of what a caller gave stands. */
export function pathTo<Input extends Given>(given: Input, field: Exclude<keyof Input & string, 'path'>): string[] {
  return [...given.path, field];
}

/** What is wrong, for who shows no more than a message: the one issue with its path, or how many there are. */
export function messageOf(issues: readonly FieldIssue[]): string {
  const [first] = issues;
  if (issues.length !== 1 || !first)
    return `${issues.length} values are not valid: extensions.issues names each of them.`;
  return first.path.length === 0 ? first.message : `${first.path.join('.')}: ${first.message}`;
}

type ZodIssue = z.core.$ZodIssue;

/** One finding of zod as a FieldIssue; `path` is from the arguments' root. */
export function fieldIssue(found: ZodIssue, path: readonly string[]): FieldIssue {
  const code = issueCode(found);
  return { path, configPath: configPathOf(path), code, message: issueMessage(found, code) };
}

/** `input.config.s3.tls.mode` → `tls.mode`: what stands after the config and its key. */
export function configPathOf(path: readonly string[]): string | null {
  const config = path.indexOf('config');
  const rest = config < 0 ? [] : path.slice(config + 2);
  return rest.length > 0 ? rest.join('.') : null;
}

function issueCode(found: ZodIssue): IssueCode {
  switch (found.code) {
    case 'custom':
      return (found.params?.code as IssueCode | undefined) ?? 'INVALID_VALUE';
    case 'invalid_type':
      // zod keeps the input out of its issues, as we want it to, so its message alone tells a missing value from a
      // wrong one
      return found.message.endsWith('received undefined') ? 'REQUIRED' : 'INVALID_TYPE';
    case 'too_big':
      return found.origin === 'string' || found.origin === 'array' ? 'TOO_LONG' : 'OUT_OF_RANGE';
    case 'too_small':
      return found.origin === 'string' || found.origin === 'array' ? 'TOO_SHORT' : 'OUT_OF_RANGE';
    case 'invalid_format':
      return 'INVALID_FORMAT';
    case 'unrecognized_keys':
      return 'UNKNOWN_FIELD';
    default:
      return 'INVALID_VALUE';
  }
}

function issueMessage(found: ZodIssue, code: IssueCode): string {
  switch (found.code) {
    case 'custom':
      return found.message;
    case 'too_big':
      return found.origin === 'string' ? `At most ${found.maximum} characters.` : `At most ${found.maximum}.`;
    case 'too_small':
      if (found.origin === 'string')
        return found.minimum === 1 ? 'It must not be empty.' : `At least ${found.minimum} characters.`;
      return `At least ${found.minimum}.`;
    case 'invalid_value':
      return `${found.values.length === 1 ? 'It must be' : 'One of'} ${found.values.join(', ')}.`;
    default:
      return issueCodes[code];
  }
}
