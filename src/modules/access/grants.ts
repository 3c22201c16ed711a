import { type FieldIssue, issueCodes } from '../../errors/field-issues.ts';
import type { Access, Scope } from './access.ts';

/** Tells which of the scopes a caller cannot pass on, because its own token lacks them. */
export function scopeIssues(access: Access, wanted: readonly Scope[], path: readonly string[]): FieldIssue[] {
  return wanted.flatMap((scope, at) =>
    access.scopes.has(scope) ? [] : [issueAt([...path, String(at)], 'NOT_GRANTED')],
  );
}

/** Makes an issue with an input outside of any config. */
export function issueAt(
  path: readonly string[],
  code: FieldIssue['code'],
  message: string = issueCodes[code],
): FieldIssue {
  return { path, configPath: null, code, message };
}
