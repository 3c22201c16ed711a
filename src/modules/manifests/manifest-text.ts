import type * as Yaml from 'yaml';
import type { Document, ParsedNode, YAMLError } from 'yaml';
import { ValidationError } from '../../errors/api.ts';
import type { IssueCode } from '../../errors/field-issues.ts';

/** In characters: what a request of 1 MiB carries for sure, and some thousand lines more than anybody reviews. */
export const MAX_MANIFEST = 512 * 1024;
/** What YAML's lexer takes apart: some 700 datastores with everything that they can say. It bounds the time, too. */
const MAX_TOKENS = 100_000;
/** Mappings and lists in one another. A manifest needs 20: a structure's fields nest most. */
const MAX_DEPTH = 32;
/** What the parser keeps for each level of nesting. */
const STACK_OF_A_LEVEL = 3;
/** In characters. */
const MAX_KEY = 255;
const BYTE_ORDER_MARK = '\ufeff';
/** What a file holds that is no text, or was written for a terminal. */
const CONTROL = /[^\P{Cc}\t\n\r]/u;

/** A path within a manifest: `['datastores', 'orders', 'config']`. */
export type ManifestPath = readonly string[];

/** A place in the text, both from 1 on. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** What a manifest's text holds, as plain JSON values, and where each of them stands. */
export interface ReadText {
  readonly value: unknown;
  /** The place of what stands at a path; where nothing does, of what it would stand in. */
  placeOf(path: ManifestPath): TextPlace;
}

/** What to do about YAML's own errors, whose messages would quote the text, in which secrets may stand. */
const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'YAML is indented by spaces, not by tabs.',
  BAD_INDENT: 'The indentation fits nothing above it, or a bracket is not closed.',
  BLOCK_AS_IMPLICIT_KEY: 'A value begins here that does not fit behind what stands before it.',
  MISSING_CHAR: 'A sign is missing here: a colon, a comma, a quote or a bracket.',
  MULTILINE_IMPLICIT_KEY: 'A key has to stand on one line.',
  BAD_DQ_ESCAPE: 'There is no such escape between double quotes: use single quotes, or write \\\\.',
};
const NO_YAML = 'This is no YAML.';
const BEGINS = 'A manifest is a mapping that begins with "manifest: 1".';

/** What stands in the way of reading on: told alone, since all that follows may follow from it. */
export class TextFault extends Error {
  readonly offset: number;
  readonly code: IssueCode;
  readonly path: ManifestPath;

  constructor(offset: number, code: IssueCode, message: string, path: ManifestPath = []) {
    super(message);
    this.offset = offset;
    this.code = code;
    this.path = path;
  }
}

/**
 * Reads the text of a manifest that stands at `prefix` in the arguments: one YAML document of plain values. Anchors,
 * aliases, merge keys, tags and the same key twice are refused, so that a manifest says what a reader sees.
 * @throws ValidationError with line and column, and nothing of the text but keys
 */
export async function readManifestText(text: string, prefix: ManifestPath): Promise<ReadText> {
  try {
    refuseUnreadable(text);
    const yaml = await import('yaml');
    const document = onlyDocument(yaml, text);
    const reader = new ValueReader(yaml);
    const value = document.contents === null ? null : reader.read(document.contents, []);
    if (value === null) throw new TextFault(0, 'REQUIRED', `It is empty. ${BEGINS}`);
    if (typeof value !== 'object' || Array.isArray(value)) throw new TextFault(0, 'INVALID_TYPE', BEGINS);
    return { value, placeOf: (path) => placeAt(text, reader.offsetOf(path)) };
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    const { code, message, path } = error;
    const place = placeAt(text, error.offset);
    throw new ValidationError([{ path: [...prefix, ...path], configPath: null, code, message, ...place }]);
  }
}

/** Refuses what is no text before it is taken apart. */
function refuseUnreadable(text: string): void {
  if (text.length > MAX_MANIFEST) throw new TextFault(0, 'TOO_LONG', `At most ${MAX_MANIFEST} characters.`);
  const mark = 'It begins with a byte order mark: save it as UTF-8 without one.';
  if (text.startsWith(BYTE_ORDER_MARK)) throw new TextFault(0, 'INVALID_FORMAT', mark);
  const control = text.search(CONTROL);
  if (control >= 0) throw new TextFault(control, 'INVALID_FORMAT', 'A control character stands here: take it out.');
  if (!text.isWellFormed()) throw new TextFault(0, 'INVALID_FORMAT', 'It is not well-formed Unicode.');
}

function onlyDocument(yaml: typeof Yaml, text: string): Document.Parsed {
  let only: Document.Parsed | undefined;
  for (const document of documentsOf(yaml, text)) {
    const second = 'A second document begins here: a manifest is one.';
    if (only) throw new TextFault(document.range[0], 'INVALID_FORMAT', second);
    only = document;
  }
  if (!only) throw new TextFault(0, 'INVALID_FORMAT', NO_YAML);
  return only;
}

/** Takes YAML apart, and no more of it than a manifest may have. @throws TextFault */
export function* documentsOf({ Composer, Lexer, Parser }: typeof Yaml, text: string): Generator<Document.Parsed> {
  const parser = new Parser();
  // the keys are compared below: the library compares each with each
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, schema: 'core' });
  const found = function* () {
    let tokens = 0;
    for (const source of new Lexer().lex(text)) {
      tokens += 1;
      if (tokens > MAX_TOKENS) throw new TextFault(parser.offset, 'TOO_LONG', 'It holds too much for one file.');
      yield* parser.next(source);
      if (parser.stack.length > MAX_DEPTH * STACK_OF_A_LEVEL) throw tooDeep(parser.offset);
    }
    yield* parser.end();
  };
  for (const document of composer.compose(found(), true, text.length)) {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault) throw syntaxFault(fault);
    yield document;
  }
}

function syntaxFault({ code, pos }: YAMLError): TextFault {
  return new TextFault(pos[0], 'INVALID_FORMAT', SYNTAX[code] ?? NO_YAML);
}

function tooDeep(offset: number, path?: ManifestPath): TextFault {
  return new TextFault(offset, 'TOO_LONG', `It nests more than ${MAX_DEPTH} deep.`, path);
}

/** Between the parts of a path, none of which holds it. */
const SEPARATOR = '\0';

/** Makes plain values of YAML's nodes, and remembers where each stands. */
class ValueReader {
  readonly #yaml: typeof Yaml;
  readonly #offsets = new Map<string, number>();

  constructor(yaml: typeof Yaml) {
    this.#yaml = yaml;
  }

  /** Where what stands at a path begins or, where nothing does, what it would stand in. */
  offsetOf(path: ManifestPath): number {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = this.#offsets.get(path.slice(0, length).join(SEPARATOR));
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  read(node: ParsedNode, path: ManifestPath): unknown {
    const { isAlias, isMap, isSeq } = this.#yaml;
    const [at] = node.range;
    const refuse = (message: string) => new TextFault(at, 'INVALID_FORMAT', message, path);
    if (isAlias(node)) throw refuse('An alias stands here: write out what it stands for.');
    if (node.anchor !== undefined) throw refuse('An anchor stands here: take it out.');
    if (node.tag !== undefined) throw refuse('A tag stands here: take it out.');
    if (path.length > MAX_DEPTH) throw tooDeep(at, path);
    if (isMap(node)) return this.#mapping(node.items as MappingItems, path);
    if (isSeq(node)) return (node.items as ParsedNode[]).map((item, index) => this.#item(item, path, String(index)));
    return scalarValue(node.value, at, path);
  }

  #item(node: ParsedNode, path: ManifestPath, key: string): unknown {
    const inner = [...path, key];
    this.#offsets.set(inner.join(SEPARATOR), node.range[0]);
    return this.read(node, inner);
  }

  #mapping(items: MappingItems, path: ManifestPath): Record<string, unknown> {
    const values = new Map<string, unknown>();
    for (const { key: node, value } of items) {
      const at = node.range[0];
      const key = this.#key(node, path);
      const inner = [...path, key];
      if (values.has(key)) throw new TextFault(at, 'INVALID_COMBINATION', 'This key stands here twice.', inner);
      this.#offsets.set(inner.join(SEPARATOR), at);
      values.set(key, value === null ? null : this.read(value, inner));
    }
    return Object.fromEntries(values);
  }

  /** A key as it is written, so that `2024:` and `yes:` are names like others. */
  #key(node: ParsedNode, path: ManifestPath): string {
    const [at] = node.range;
    const refuse = (message: string) => new TextFault(at, 'INVALID_FORMAT', message, path);
    if (!this.#yaml.isScalar(node)) throw refuse('A key has to be a text.');
    if (node.anchor !== undefined) throw refuse('An anchor stands here: take it out.');
    if (node.tag !== undefined) throw refuse('A tag stands here: take it out.');
    const key = typeof node.value === 'string' ? node.value : (node.source ?? '');
    if (key === '<<') throw refuse('A merge key stands here: write out what it stands for.');
    if (key === '__proto__') throw refuse('Nothing may be called __proto__.');
    if (key.length > MAX_KEY) throw new TextFault(at, 'TOO_LONG', `A key has at most ${MAX_KEY} characters.`, path);
    return refusedIn(key, at, path);
  }
}

type MappingItems = readonly { readonly key: ParsedNode; readonly value: ParsedNode | null }[];

/** Refuses what an escape between double quotes may have made of a text. */
function refusedIn(text: string, at: number, path: ManifestPath): string {
  const isText = text.isWellFormed() && !text.includes(SEPARATOR);
  if (!isText) throw new TextFault(at, 'INVALID_FORMAT', 'It holds a zero byte, or half a character.', path);
  return text;
}

function scalarValue(value: unknown, at: number, path: ManifestPath): unknown {
  if (typeof value === 'string') return refusedIn(value, at, path);
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  if (Number.isFinite(value) && !Number.isInteger(value)) return value;
  const message = `Beyond ±${Number.MAX_SAFE_INTEGER.toLocaleString('en')} a number would lose digits: put it in quotes.`;
  throw new TextFault(at, 'OUT_OF_RANGE', message, path);
}

export function placeAt(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - start + 1 };
}
