import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import { dropNulls } from '../../src/connectors/kit/config/shape.ts';
import { fieldIssue, type IssueCode } from '../../src/errors/field-issues.ts';
import { type Changes, changed, type Stand } from './stands/stand.ts';

/**
 * What is bad, what it changes in a config that is right, the field that is named (dotted from the config's root), and
 * how.
 */
export type BadConfig = readonly [name: string, changes: Changes, path: string, code: IssueCode];

/* What forms take by default, with the one format that they all know. */
const ajv = new Ajv({ formats: { password: true } });

/** What JSON Schema has no words for, by the names of the rows: the gateway alone refuses it. */
const BEYOND_JSON_SCHEMA: ReadonlySet<string> = new Set([
  // it counts characters, not bytes
  'content of 512 KiB and some in UTF-8',
  'a database of too many bytes',
  // it does not compare a number with what a text says
  'a port that differs from the one in the URL',
  'the scheme’s own port in the URL and another beside it',
  // it does not look into a code or a key
  'no base64',
  'an encrypted key without its passphrase',
]);

/** Each is refused with exactly that one issue, which says something, and by the JSON Schema before it is sent. */
export function describeBadConfigs(
  { connector, config }: Pick<Stand, 'connector' | 'config'>,
  rows: readonly BadConfig[],
): void {
  const validate = ajv.compile(configJsonSchema(connector));
  describe('the config is refused with', () => {
    test.each(rows)('%s', (name, changes, path, code) => {
      const { error } = connector.config.safeParse(dropNulls(changed(config, changes)));
      const issues = (error?.issues ?? []).map((each) => fieldIssue(each, each.path.map(String)));
      expect(issues.map((each) => [each.path.join('.'), each.code])).toEqual([[path, code]]);
      expect(issues[0]?.message).toBeTruthy();
      expect(validate(dropNulls(changed(config, changes)))).toBe(BEYOND_JSON_SCHEMA.has(name));
    });
  });
}
