/** A text, or a sign of what JSON consists of. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;

interface Open {
  /** The names so far; null in a list. */
  readonly names: Set<string> | null;
  /** Which member or element it is in. */
  at: string;
  count: number;
}

/** Finds the first name that stands twice in one object of a JSON text, which JSON.parse passes over. */
export function findRepeatedName(json: string): string[] | null {
  const open: Open[] = [];
  let text = '';
  for (const [token] of json.matchAll(TOKENS)) {
    const within = open.at(-1);
    if (token === '{' || token === '[') open.push({ names: token === '{' ? new Set() : null, at: '0', count: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && within && within.names === null) {
      within.count += 1;
      within.at = String(within.count);
    } else if (token === ':' && within?.names) {
      within.at = JSON.parse(text) as string;
      if (within.names.has(within.at)) return open.map(({ at }) => at);
      within.names.add(within.at);
    } else text = token;
  }
  return null;
}
