import { type FailureCode, failureCodes } from '../../src/errors/check-failures.ts';
import { type Cause, parts } from './fault-matrix.ts';

/** What one cell shows. */
export type Cell =
  | {
      /** The check that failed, by its name within the type. */
      readonly at: string;
      readonly code: FailureCode;
      readonly configPath: string | null;
      readonly hint?: string | null;
      /** The server's own code of it, as the evidence has it; undefined where no server has refused anything. */
      readonly serverError?: string | undefined;
    }
  | { readonly never: string };

/** What the types' pages tell of each failure: src/modules/connectors/documentation.ts reads it. */
export function printFailures(rows: ReadonlyMap<string, ReadonlyMap<Cause, Cell>>): string {
  const failuresOf = (cells: ReadonlyMap<Cause, Cell>) =>
    Object.values(parts).flatMap((causes) =>
      causes.flatMap((wrong) => {
        const cell = cells.get(wrong);
        if (!cell || 'never' in cell) return [];
        const { at, code, configPath, hint = null } = cell;
        return [{ wrong, at, code, configPath, hint }];
      }),
    );
  const failures = [...rows].map(([type, cells]) => [type, failuresOf(cells)]);
  return `${JSON.stringify(Object.fromEntries(failures), null, 2)}\n`;
}

const INTRODUCTION = `# What a failed test says

Written by \`test/tables/fault-matrix.test.ts\`, which compares it at each run; with \`-u\` it writes it anew.

Every type against every cause of failure that can come about for it, each of which the test brings about. A cell holds the failure's
stable \`code\` ([errors.md](errors.md) has them all), its cause where that has another name, and the \`configPath\` that it points at,
where there is a field to mend. Every failure has a hint, and comes by the deadline of the test + 2 s. What a server refuses has its own code in the
evidence (\`serverError\`), or the status where it has none (\`httpStatus\`): in the last table they stand behind "says".

A dash says that the cause cannot come about; the number leads to the reason.
`;

/** The whole matrix in Markdown; rows in the order of the map. */
export function printMatrix(rows: ReadonlyMap<string, ReadonlyMap<Cause, Cell>>): string {
  const reasons: string[] = [];
  const show = (cell: Cell | undefined): string => {
    if (!cell) throw new Error('A cell is missing.');
    if ('code' in cell) {
      const { cause } = failureCodes[cell.code];
      const path = cell.configPath === null ? [] : [`\`${cell.configPath}\``];
      const says = cell.serverError === undefined ? [] : [`says ${cell.serverError}`];
      return [`\`${cell.code}\``, ...(cause === cell.code ? [] : [cause]), ...path, ...says].join('<br>');
    }
    if (!reasons.includes(cell.never)) reasons.push(cell.never);
    return `– (${reasons.indexOf(cell.never) + 1})`;
  };
  const tables = Object.entries(parts).map(([title, causes]) => {
    const body = [...rows].map(
      ([type, cells]) => `| ${type} | ${causes.map((cause) => show(cells.get(cause))).join(' | ')} |`,
    );
    return [
      `## ${title}`,
      '',
      `| type | ${causes.join(' | ')} |`,
      `| --- |${' --- |'.repeat(causes.length)}`,
      ...body,
      '',
    ];
  });
  return [
    INTRODUCTION,
    ...tables.flat(),
    '## Where nothing can come about',
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
  ].join('\n');
}
