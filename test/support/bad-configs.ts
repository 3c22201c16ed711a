import { describe, expect, test } from 'vitest';
import { dropNulls } from '../../src/connectors/kit/config/shape.ts';
import { fieldIssue, type IssueCode } from '../../src/errors/field-issues.ts';
import { type Changes, changed, type Stand } from './stands/stand.ts';

/**
 * What is bad, what it changes in a config that is right, the field that is named (dotted from the config's root), and
 * how.
 */
export type BadConfig = readonly [name: string, changes: Changes, path: string, code: IssueCode];

/** Each is refused with exactly that one issue, which says something. */
export function describeBadConfigs(
  { connector, config }: Pick<Stand, 'connector' | 'config'>,
  rows: readonly BadConfig[],
): void {
  describe('the config is refused with', () => {
    test.each(rows)('%s', (_name, changes, path, code) => {
      const { error } = connector.config.safeParse(dropNulls(changed(config, changes)));
      const issues = (error?.issues ?? []).map((each) => fieldIssue(each, each.path.map(String)));
      expect(issues.map((each) => [each.path.join('.'), each.code])).toEqual([[path, code]]);
      expect(issues[0]?.message).toBeTruthy();
    });
  });
}
