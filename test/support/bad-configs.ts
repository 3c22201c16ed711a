import { describe, expect, test } from 'vitest';
import { dropNulls } from '../../src/connectors/kit/config/shape.ts';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';

/** A config that a type refuses: the field that is named, dotted from the config's root, and how. */
export interface BadConfig {
  readonly name: string;
  readonly config: unknown;
  readonly path: string;
  readonly code: IssueCode;
}

/** Each is refused with exactly that one issue, which echoes no value. */
export function describeBadConfigs(connector: Connector, configs: readonly BadConfig[]): void {
  describe('the config is refused', () => {
    test.each(configs.map((each) => [each.name, each] as const))('%s', (_name, { config, path, code }) => {
      const { error } = connector.config.safeParse(dropNulls(config as Record<string, unknown>));
      const issues = (error?.issues ?? []).map((each) => ({ ...fieldIssue(each, each.path.map(String)) }));
      expect(issues.map((each) => [each.path.join('.'), each.code])).toEqual([[path, code]]);
      expect(issues[0]?.message).toBeTruthy();
    });
  });
}
