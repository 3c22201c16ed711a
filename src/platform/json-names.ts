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
  for (let at = 0; at < json.length; at += 1) {
    const sign = json[at];
    const within = open.at(-1);
    if (sign === '"') {
      const end = endOfText(json, at);
      text = json.slice(at, end + 1);
      at = end;
    } else if (sign === '{' || sign === '[') open.push({ names: sign === '{' ? new Set() : null, at: '0', count: 0 });
    else if (sign === '}' || sign === ']') open.pop();
    else if (sign === ',' && within && within.names === null) {
      within.count += 1;
      within.at = String(within.count);
    } else if (sign === ':' && within?.names) {
      within.at = text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
      if (within.names.has(within.at)) return open.map(({ at: name }) => name);
      within.names.add(within.at);
    }
  }
  return null;
}

/** Where the text ends that begins at `start`: by a quotation mark behind an even number of backslashes. */
function endOfText(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let first = end;
    while (json[first - 1] === '\\') first -= 1;
    if ((end - first) % 2 === 0) return end;
  }
  return json.length;
}
