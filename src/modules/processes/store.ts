import type { Database } from '../../platform/database/database.ts';
import type { ProcessesTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { type Process, type ProcessCounts, type ProcessKind, type RemoteProcess, SILENT_MS } from './process.ts';

/** What a beat was: the first one, one more, or that of another token's process, whose row stays as it is. */
export type BeatResult = 'first' | 'another' | 'refused';

/** Writes that a process lives, in its one row. */
export async function putBeat({ query }: Database, row: ProcessesTable): Promise<BeatResult> {
  const { running, last_seen_at, token_id } = row;
  const written = await query
    .insertInto('processes')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet({ running, last_seen_at })
        .where('processes.token_id', token_id === null ? 'is' : '=', token_id),
    )
    .returning('started_at')
    .executeTakeFirst();
  if (!written) return 'refused';
  return written.started_at === row.started_at ? 'first' : 'another';
}

/** Reads a page of the processes, the oldest first. */
export async function listProcesses({ query }: Database, request: PageRequest): Promise<Page<Process>> {
  const { after, before, backward } = request;
  const rows = await query
    .selectFrom('processes')
    .leftJoin('api_tokens', 'api_tokens.id', 'processes.token_id')
    .selectAll('processes')
    .select('api_tokens.name as token_name')
    .$if(after !== null, (some) =>
      some.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('started_at', 'processes.id'), '>', tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (some) =>
      some.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('started_at', 'processes.id'), '<', tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy('started_at', backward ? 'desc' : 'asc')
    .orderBy('processes.id', backward ? 'desc' : 'asc')
    .limit(request.size + 1)
    .execute();
  const cursorOf = ({ startedAt, id }: Process) => encodeCursor('STARTED_AT', [startedAt, id]);
  return toPage(
    rows.map(({ token_name, ...row }) => processOf(row, token_name)),
    request,
    cursorOf,
  );
}

function processOf(row: ProcessesTable, tokenName: string | null): Process {
  const { id, host, version, network, capacity, running, started_at: startedAt, last_seen_at: lastSeenAt } = row;
  return {
    id,
    kind: row.kind as ProcessKind,
    host,
    version,
    network,
    capacity,
    running,
    startedAt,
    lastSeenAt,
    tokenName,
  };
}

/** Reads a worker that asks a gateway with the caller's token. */
export async function findRemote(
  { query }: Database,
  { tokenId }: Access,
  id: string,
): Promise<RemoteProcess | undefined> {
  const row = await query
    .selectFrom('processes')
    .select(['network', 'public_key'])
    .where('id', '=', id)
    .where('token_id', '=', tokenId)
    .executeTakeFirst();
  return row?.public_key == null ? undefined : { id, network: row.network, publicKey: row.public_key };
}

/** Counts the processes that live. */
export async function countLiving({ query, clock }: Database): Promise<ProcessCounts> {
  const rows = await query
    .selectFrom('processes')
    .select(({ fn }) => ['kind', fn.countAll<number | string>().as('count')])
    .where('last_seen_at', '>', clock.timestamp(-SILENT_MS))
    .groupBy('kind')
    .execute();
  const counted = Object.fromEntries(rows.map(({ kind, count }) => [kind, Number(count)]));
  return { GATEWAY: 0, WORKER: 0, REMOTE_WORKER: 0, ...counted };
}

/** Counts the workers that ask with a token, with the dead ones that are still shown. */
export async function countOfToken({ query }: Database, tokenId: string): Promise<number> {
  const { count } = await query
    .selectFrom('processes')
    .select(({ fn }) => fn.countAll<number | string>().as('count'))
    .where('token_id', '=', tokenId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function removeProcess({ query }: Database, id: string): Promise<void> {
  await query.deleteFrom('processes').where('id', '=', id).execute();
}

/** Removes what was seen last before a moment. */
export async function removeSilent({ query }: Database, before: string): Promise<void> {
  await query.deleteFrom('processes').where('last_seen_at', '<', before).execute();
}
