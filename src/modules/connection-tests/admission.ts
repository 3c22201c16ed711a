import { sql } from 'kysely';
import type { FullConfig } from '../../connectors/kit/config/shape.ts';
import type { Connector } from '../../connectors/kit/contract/connector.ts';
import { LimitFault, type LimitSettings, limitOf } from '../../errors/limits.ts';
import { type Change, isOneOf } from '../../platform/database/database.ts';
import type { ConnectionTestsTable } from '../../platform/database/tables.ts';
import { running } from './test.ts';

/** When whoever is over a limit of tests may try again: most tests end sooner. In seconds. */
const RETRY_SECONDS = 5;
/** The advisory lock under which replicas count, one after the other; any number that nothing else uses. */
const COUNTING = 7_302_114;

/** What each limit counts tests by. */
const counted = {
  MAX_TESTS_PER_TOKEN: 'token_id',
  MAX_TESTS_PER_ENVIRONMENT: 'environment_id',
  MAX_TESTS_PER_TARGET: 'target',
} as const;

type Limited = Pick<ConnectionTestsTable, (typeof counted)[keyof typeof counted]>;

/** The server that a test is about, as tests of it are counted: `host:port`, several in order, behind its tunnel. */
export function targetOf(connector: Connector, config: FullConfig): string | null {
  const places = connector.targets(config).map(({ host, port }) => `${host.toLowerCase()}:${port}`);
  return places.length > 0 ? places.toSorted().join(' ') : null;
}

/**
 * Makes sure that one more test may be queued, in the change that stores it. Tests of all replicas count.
 * @throws LimitFault
 */
export async function requireRoom(change: Change, limits: LimitSettings, test: Limited): Promise<void> {
  const set = (Object.keys(counted) as (keyof typeof counted)[]).flatMap((variable) => {
    const [limit, value] = [limitOf(limits, variable), test[counted[variable]]];
    return limit === undefined || value === null ? [] : [{ variable, limit, value }];
  });
  if (set.length === 0) return;
  if (change.kind === 'postgres') await sql`select pg_advisory_xact_lock(${COUNTING}::bigint)`.execute(change.query);
  for (const { variable, limit, value } of set) {
    // no more rows are read than the limit asks for
    const others = await change.query
      .selectFrom('connection_tests')
      .select('id')
      .where(isOneOf('connection_tests.status', running))
      .where(counted[variable], '=', value)
      .limit(limit)
      .execute();
    if (others.length >= limit) throw new LimitFault(variable, limit, RETRY_SECONDS);
  }
}
