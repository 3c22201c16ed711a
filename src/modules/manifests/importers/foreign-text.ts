import type * as Yaml from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import { documentsOf, MAX_MANIFEST, placeAt, TextFault } from '../manifest-text.ts';

/** How many aliases a file may have, which others write by hand. */
const MAX_ALIASES = 100;
const BYTE_ORDER_MARK = '\ufeff';

/** A file of another program that cannot be read; its message says where, and nothing of what it holds but keys. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile';
}

/**
 * Reads the documents of a file of another program, as JSON values. Anchors and a byte order mark may be in it, the
 * same key twice may not: what is meant by that, nobody can tell.
 * @throws UnreadableFile, beginning with line and column
 */
export async function readForeignText(given: string): Promise<readonly unknown[]> {
  const text = given.startsWith(BYTE_ORDER_MARK) ? given.slice(BYTE_ORDER_MARK.length) : given;
  try {
    if (text.length > MAX_MANIFEST) throw new TextFault(0, 'TOO_LONG', `At most ${MAX_MANIFEST} characters.`);
    const yaml = await import('yaml');
    return [...documentsOf(yaml, text)].map((document) => readDocument(yaml, document));
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    const { line, column } = placeAt(text, error.offset);
    const named = error.path.length > 0 ? `${error.path.join('.')}: ` : '';
    throw new UnreadableFile(`${line}:${column}: ${named}${error.message}`);
  }
}

function readDocument(yaml: typeof Yaml, document: Document.Parsed): unknown {
  let aliases = 0;
  yaml.visit(document, {
    Alias: (_, { range }) => {
      aliases += 1;
      if (aliases > MAX_ALIASES) throw fault(range, `A file has at most ${MAX_ALIASES} aliases.`);
    },
    Map: (_, { items }, ancestors) => refuseRepeated(yaml, items as Pair<Node>[], ancestors as readonly Node[]),
  });
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw fault(document.range, 'Its aliases make too much of it, or lead nowhere.');
  }
}

function refuseRepeated(yaml: typeof Yaml, items: readonly Pair<Node>[], ancestors: readonly Node[]): void {
  const seen = new Set<string>();
  for (const { key } of items) {
    const name = keyOf(yaml, key);
    if (!seen.has(name)) seen.add(name);
    else throw fault(key.range, 'This key stands here twice.', [...pathOf(yaml, ancestors), name]);
  }
}

/** The keys on the way to a mapping, which is below the last of its ancestors. */
function pathOf(yaml: typeof Yaml, ancestors: readonly Node[]): string[] {
  return ancestors.flatMap((ancestor) => (yaml.isPair(ancestor) ? keyOf(yaml, ancestor.key as Node) : []));
}

const keyOf = (yaml: typeof Yaml, key: Node): string => (yaml.isScalar(key) ? String(key.value) : String(key));

function fault(range: readonly [number, number, number] | null | undefined, message: string, path: string[] = []) {
  return new TextFault(range?.[0] ?? 0, 'INVALID_FORMAT', message, path);
}
