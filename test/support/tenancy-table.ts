import { describe, expect, test } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import type { FailureCode } from '../../src/errors/check-failures.ts';
import type { Changes, StandPeer } from './stands/stand.ts';
import type { UsedStand } from './use-stand.ts';

/** Nothing has this name, which has a quote of every dialect in it. */
const NOWHERE = `no'p"e\``;

/**
 * What is odd about a mapping, what it changes in the stand's, what that comes to, the field of the mapping that is
 * named, and how peer and config differ.
 */
export type OddTenancy<Options> = readonly [
  name: string,
  changes: Partial<Tenancy>,
  code: FailureCode | undefined,
  field?: keyof Tenancy,
  options?: Options,
  config?: Changes,
];

/**
 * What every type says of a mapping of level TABLE; `more` are the type's own cases. `hasSchemas`: false where tables
 * stand in no schema, and its name is not looked at.
 */
export function describeTenancy<Options extends object, Peer extends StandPeer>(
  { stand, tryIt, tryWith }: UsedStand<Options, Peer>,
  more: readonly OddTenancy<Options>[] = [],
  { hasSchemas = true } = {},
): void {
  const { tenancy } = stand;
  if (!tenancy) throw new Error(`${stand.connector.type} has no tenancy in its stand.`);
  const text = tenancy.tableClientNameColumn;
  const inSchema = hasSchemas ? (['TENANCY_TABLE_NOT_FOUND', 'tableName'] as const) : ([undefined] as const);
  const rows: readonly OddTenancy<Options>[] = [
    ['that is there', {}, undefined],
    ['whose table is not there', { tableName: NOWHERE }, 'TENANCY_TABLE_NOT_FOUND', 'tableName'],
    ['whose schema is not there', { schemaName: NOWHERE }, ...inSchema],
    [
      'whose column of names is not there',
      { tableClientNameColumn: 'nope' },
      'TENANCY_COLUMN_NOT_FOUND',
      'tableClientNameColumn',
    ],
    ['whose key is not there', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND', 'tablePrimaryKeyColumn'],
    [
      'whose key is a text instead of a number',
      { tablePrimaryKeyColumn: text },
      'TENANCY_COLUMN_TYPE',
      'clientColumnType',
    ],
    [
      'whose key is a number instead of a text',
      { clientColumnType: 'STRING' },
      'TENANCY_COLUMN_TYPE',
      'clientColumnType',
    ],
    ['whose key is a text', { clientColumnType: 'STRING', tablePrimaryKeyColumn: text }, undefined],
    ...more,
  ];

  describe('a tenancy mapping', () => {
    test.each(rows.map((row) => [row[0], row] as const))(
      '%s',
      async (_name, [, changes, code, field, options, config]) => {
        const how = { tenancy: { ...tenancy, ...changes } };
        const result = await (options ? tryWith(options, config, how) : tryIt(config, how));
        expect(result.failure?.code).toBe(code);
        expect(result.steps.at(-1)).toBe(`tenancy/mapping: ${code ? 'FAILED' : 'PASSED'}`);
        if (code) expect(result.failure?.hint).toBeTruthy();
        // what is wrong is in the mapping, not in the config
        if (field) expect(result.failure?.configPath).toBe(`tenancy.${field}`);
      },
    );
  });
}
