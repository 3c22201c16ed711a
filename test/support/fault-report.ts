import { appendFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The file into which the tests of faults write what came of each fault, a line of JSON for each. */
    faultRecords: string;
  }
}

/** What came of one kind of fault. */
export interface FaultRecord {
  readonly fault: string;
  /** How often it was made. */
  readonly times: number;
  /** How many acknowledged writes or ends of tests were gone afterwards, and how many were there twice. */
  readonly lost: number;
  readonly doubled: number;
  /** From the end of the fault until everything went on, in milliseconds; null where nothing stood still. */
  readonly recoveryMs: number | null;
}

/** Adds a line to the table that is printed when all tests of faults are over. */
export function recordFault(record: FaultRecord): void {
  appendFileSync(inject('faultRecords'), `${JSON.stringify(record)}\n`);
}

/** How many of the things that were acknowledged are not there, and how many are there more than once. */
export function comparedWith(acknowledged: Iterable<string>, found: readonly string[]) {
  const times = new Map<string, number>();
  for (const one of found) times.set(one, (times.get(one) ?? 0) + 1);
  const lost = [...new Set(acknowledged)].filter((one) => !times.has(one)).length;
  return { lost, doubled: [...times.values()].filter((count) => count > 1).length };
}

/** The table, with one line for each kind of fault. */
export function faultTable(records: readonly FaultRecord[]): string {
  const rows = [...Map.groupBy(records, ({ fault }) => fault)].map(([fault, some]) => {
    const sum = (of: (record: FaultRecord) => number) => some.reduce((total, record) => total + of(record), 0);
    const recoveries = some.flatMap(({ recoveryMs }) => recoveryMs ?? []);
    const longest = recoveries.length === 0 ? '–' : `${(Math.max(...recoveries) / 1_000).toFixed(1)} s`;
    return [fault, sum(({ times }) => times), sum(({ lost }) => lost), sum(({ doubled }) => doubled), longest].map(
      String,
    );
  });
  const lines = [['fault', 'times', 'lost', 'doubled', 'longest recovery'], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const aligned = (line: string[]) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)));
  return lines.map((line) => `${aligned(line).join('  ')}\n`).join('');
}

/** Gives the tests of faults a place for their records, and prints the table when they are over. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-fault-records-'));
  const path = join(folder, 'records.jsonl');
  appendFileSync(path, '');
  project.provide('faultRecords', path);
  return async () => {
    const records = readFileSync(path, 'utf8').split('\n').filter(Boolean);
    await rm(folder, { recursive: true, force: true });
    if (records.length > 0)
      process.stdout.write(`\n${faultTable(records.map((line) => JSON.parse(line) as FaultRecord))}`);
  };
}
