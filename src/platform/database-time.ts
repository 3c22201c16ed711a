import { sql } from 'kysely';
import type { Change, Database } from './database.ts';

/**
 * The time on the database's clock, as timestamps are stored: replicas whose clocks differ agree on what is over.
 * SQLite has the clock of this machine.
 */
export async function databaseTime({ kind, query }: Database | Change): Promise<string> {
  if (kind === 'sqlite') return new Date().toISOString();
  const { rows } = await sql<{ now: string }>`
    select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as now`.execute(query);
  return rows[0]?.now ?? '';
}

/** A timestamp so many milliseconds before another one. */
export function before(at: string, ms: number): string {
  return new Date(Date.parse(at) - ms).toISOString();
}
