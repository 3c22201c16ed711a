import { numbered } from './datastore.ts';

/** How many names are asked for at once. */
const ASKED_AT_ONCE = 100;
/** Nobody has so many datastores of one name. */
const MOST = 2 ** 40;

/** Says which of some names are taken. */
export type TakenNames = (names: readonly string[]) => Promise<ReadonlySet<string>>;

/**
 * Finds a free name: the name itself or, when it is taken, the first free one with a number of up to 100 behind it.
 * Beyond that, one whose number comes right after a taken one: so that it asks for a few hundred names at most, however
 * many there are.
 */
export async function findFreeName(name: string, takenNames: TakenNames): Promise<string> {
  let [taken, free] = [0, MOST];
  for (let numbers = range(1, ASKED_AT_ONCE, 1); ; numbers = between(taken, free)) {
    const names = await takenNames(numbers.map((number) => numbered(name, number)));
    const first = numbers.findIndex((number) => !names.has(numbered(name, number)));
    free = numbers[first] ?? free;
    taken = first === -1 ? (numbers.at(-1) ?? taken) : (numbers[first - 1] ?? taken);
    if (free === taken + 1) return numbered(name, free);
  }
}

/** Numbers between two, that grow by a factor while they are far apart, and all of them where they are few. */
function between(taken: number, free: number): number[] {
  if (free > taken * 2) return doubled(taken, free);
  return range(taken + 1, free - 1, Math.ceil((free - taken) / ASKED_AT_ONCE));
}

function doubled(taken: number, free: number): number[] {
  const numbers = [];
  for (let number = taken * 2; number < free; number *= 2) numbers.push(number);
  return numbers;
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
}
