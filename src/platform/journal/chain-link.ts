import type { CompiledQuery } from 'kysely';

/** The end of a chain. */
export interface ChainEnd {
  readonly sequence: number;
  readonly mac: string;
}

/**
 * What a change adds to a chain as the last thing that it does, for that locks the chain's end. The drivers take it
 * instead of the statements, so that several changes may wait for the end together.
 */
export interface ChainLink {
  readonly chain: string;
  /** What the change is about: of changes of the same only one at a time is stored together with others. */
  readonly subject: string;
  /** Reads the end, on SQLite, which has one change at a time. */
  findEnd(): CompiledQuery;
  /** Locks the end, on Postgres, and makes the chain longer by so many links. */
  lock(count: number): CompiledQuery;
  /** Takes the place behind an end: the last one that it is given counts. @returns the end that it makes */
  placeBehind(end: ChainEnd): ChainEnd;
  /** Stores it, once it has a place. */
  entry(): CompiledQuery;
  /** Has the chain end with it, where it has its place; it fails with endsElsewhere() where another end is found. */
  moveEnd(from: ChainEnd): CompiledQuery;
}

/** Makes what a change fails with when its chain ends elsewhere than was expected: it is made again. */
export const endsElsewhere = () => new Error('The chain ends elsewhere');

/** The end that findEnd() has found: a chain that nobody has begun has no row. */
export function endFound([found]: readonly unknown[]): ChainEnd {
  return (found as ChainEnd | undefined) ?? { sequence: 0, mac: '' };
}

/** The end before so many new links, of what lock() has answered: the last one's sequence, and the MAC as it was. */
export function endBefore([locked]: readonly unknown[], count: number): ChainEnd {
  if (locked === undefined) throw new Error('A chain has no end');
  const { sequence, mac } = locked as ChainEnd;
  return { sequence: sequence - count, mac };
}

/** Places links behind an end of their chain. @returns what stores them, in their order, and the end that they make */
export function linksPlaced(
  links: readonly ChainLink[],
  found: ChainEnd,
): { readonly moves: CompiledQuery[]; readonly entries: CompiledQuery[]; readonly end: ChainEnd } {
  let end = found;
  for (const link of links) end = link.placeBehind(end);
  return { moves: links.slice(-1).map((last) => last.moveEnd(found)), entries: links.map((link) => link.entry()), end };
}
