import pg from 'pg';
import type { PostgresServer } from './postgres.ts';

/** A lock that keeps new schemas waiting, and nothing else. */
export interface HeldSchemas {
  /** How many of the role's connections run something, or stand in a transaction. */
  statements(): Promise<number>;
  end(): Promise<void>;
}

/** Takes the lock in a database, as the superuser. */
export async function holdSchemas(
  { host, port, superuser: user, password }: PostgresServer,
  { database, role = user, ssl }: { readonly database: string; readonly role?: string; readonly ssl?: object },
): Promise<HeldSchemas> {
  const client = new pg.Client({ host, port, user, password, database, ssl });
  await client.connect();
  await client.query('begin; lock table pg_catalog.pg_namespace in share mode');
  return {
    async statements() {
      // within a transaction the activity is what it was when it was first asked for
      await client.query('select pg_stat_clear_snapshot()');
      const { rows } = await client.query(
        `select 1 from pg_stat_activity
          where usename = $1 and state in ('active', 'idle in transaction') and pid <> pg_backend_pid()`,
        [role],
      );
      return rows.length;
    },
    end: () => client.end(),
  };
}
