import { glob, readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../src/', import.meta.url));

/** Every source file of the program, parsed, by its path below src/. */
export async function readSources(): Promise<readonly ts.SourceFile[]> {
  const sources: ts.SourceFile[] = [];
  for await (const path of glob(`${ROOT}**/*.ts`))
    sources.push(parseSource(relative(ROOT, path), await readFile(path, 'utf8')));
  return sources;
}

export function parseSource(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

/** Those nodes below (and with) a node that have something to say. */
export function collect<Found>(node: ts.Node, look: (node: ts.Node) => Found | undefined): Found[] {
  const found = look(node);
  const inner: Found[] = [];
  node.forEachChild((child) => void inner.push(...collect(child, look)));
  return found === undefined ? inner : [found, ...inner];
}

/** Names the function or method that a node stands in: `findDatastores`, `DatabaseSealer.seal`; '' outside of any. */
export function functionAround(node: ts.Node): string {
  for (let at: ts.Node = node; !ts.isSourceFile(at); at = at.parent) {
    if (ts.isFunctionDeclaration(at) && at.name) return at.name.text;
    if (ts.isMethodDeclaration(at) && ts.isClassLike(at.parent))
      return `${at.parent.name?.text ?? ''}.${at.name.getText()}`;
  }
  return '';
}

/** The text of a literal without placeholders. */
export function textOf(node: ts.Node | undefined): string | undefined {
  return node && ts.isStringLiteralLike(node) ? node.text : undefined;
}
