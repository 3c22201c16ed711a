import { CompiledQuery } from 'kysely';

/** The end of a chain. */
export interface ChainEnd {
  readonly sequence: number;
  readonly mac: string;
}

/** Has a chain end there, on SQLite, where nobody else writes meanwhile. */
export function endOfChain(chain: string, { sequence, mac }: ChainEnd): CompiledQuery {
  return CompiledQuery.raw(MOVE_END, [chain, sequence, mac]);
}

const MOVE_END = `insert into journal_heads (environment_id, sequence, mac) values (?, ?, ?)
  on conflict (environment_id) do update set sequence = excluded.sequence, mac = excluded.mac`;

/**
 * What a change adds to a chain as the last thing that it does, for that locks the chain's end. Postgres' driver takes
 * it instead of the statements, so that several changes may wait for the end together.
 */
export interface ChainLink {
  readonly chain: string;
  /** What the change is about: changes of the same are not stored together, others in the order of these texts. */
  readonly subject: string;
  /** Locks the end, and makes the chain longer by so many links. */
  lock(count: number): CompiledQuery;
  /** Takes the place behind an end: the last one that it is given counts. @returns the end that it makes */
  placeBehind(end: ChainEnd): ChainEnd;
  /** Stores it, once it has a place. */
  entry(): CompiledQuery;
  /** Has the chain end with it, where it has its place and the chain still has the MAC of another end. */
  moveEnd(from: ChainEnd, orElse: () => Error): CompiledQuery;
}

/** The end before so many new links, of what lock() has answered: the last one's sequence, and the MAC as it was. */
export function endBefore([locked]: readonly unknown[], count: number): ChainEnd {
  if (locked === undefined) throw new Error('A chain has no end');
  const { sequence, mac } = locked as ChainEnd;
  return { sequence: sequence - count, mac };
}
