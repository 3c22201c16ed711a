import { ValidationError } from '../errors/api.ts';
import type { FieldIssue } from '../errors/field-issues.ts';

/** One page of a list. */
export interface Page<Node> {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  /** Where the list goes on, where that is not at the first or the last node. */
  readonly startCursor?: string;
  readonly endCursor?: string;
}

/** The arguments of a Relay connection, as a caller gave them. */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  readonly offset?: number | null | undefined;
}

/** What page arguments mean: how many rows, in which direction, from where. */
export interface PageRequest {
  readonly size: number;
  readonly backward: boolean;
  /** The ordering columns' values of the row to go on from. */
  readonly after: readonly string[] | null;
  readonly before: readonly string[] | null;
  readonly offset: number;
}

export const defaultPageSize = 20;
export const maxPageSize = 100;
/** How many rows an offset may skip: more would make the database count them each time. */
export const maxOffset = 10_000;

/**
 * Reads page arguments. first or last is 1 to 100; the page has 20 rows when neither is given. `order` names the list's
 * order, and a cursor of another order is refused. @throws ValidationError
 */
export function readPageArguments(given: PageArguments, order: string): PageRequest {
  const issues: FieldIssue[] = [];
  const refuse = (name: string, code: FieldIssue['code'], message: string) =>
    issues.push({ path: [name], configPath: null, code, message });
  for (const name of ['first', 'last'] as const) {
    const size = given[name];
    if (size != null && (size < 1 || size > maxPageSize)) refuse(name, 'OUT_OF_RANGE', `1 to ${maxPageSize}.`);
  }
  if (given.first != null && given.last != null) refuse('last', 'INVALID_COMBINATION', 'Give first or last, not both.');
  if (given.offset != null) {
    if (given.offset < 0 || given.offset > maxOffset) refuse('offset', 'OUT_OF_RANGE', `0 to ${maxOffset}.`);
    if (given.after != null || given.before != null)
      refuse('offset', 'INVALID_COMBINATION', 'Give offset or a cursor, not both.');
  }
  const cursor = (name: 'after' | 'before') => {
    const text = given[name];
    if (text == null) return null;
    const values = decodeCursor(text, order);
    if (!values) refuse(name, 'INVALID_VALUE', 'This is no cursor of a list in this order.');
    return values;
  };
  const [after, before] = [cursor('after'), cursor('before')];
  if (issues.length > 0) throw new ValidationError(issues);
  const backward = given.last != null;
  return { size: given.last ?? given.first ?? defaultPageSize, backward, after, before, offset: given.offset ?? 0 };
}

/** What is said of a cursor from which a stream cannot go on. */
export function refusedCursor(message: string): ValidationError {
  return new ValidationError([{ path: ['after'], configPath: null, code: 'INVALID_VALUE', message }]);
}

export function encodeCursor(order: string, values: readonly string[]): string {
  return Buffer.from(JSON.stringify([order, ...values])).toString('base64url');
}

function decodeCursor(text: string, order: string): readonly string[] | null {
  try {
    const [ofOrder, ...values] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[];
    // Postgres takes no zero byte in a text
    const known = values.every((value) => typeof value === 'string' && !value.includes('\0'));
    return ofOrder === order && known ? (values as string[]) : null;
  } catch {
    return null;
  }
}

/**
 * A node with its cursor, which most do not read. Where a getter in an object literal made the cursor, V8 kept each
 * edge as a hash table, and its scavenges moved them to the old space with all that they hold.
 */
class Edge<Row, Node> {
  readonly node: Node;
  readonly #row: Row;
  readonly #cursorOf: (row: Row) => string;

  constructor(node: Node, row: Row, cursorOf: (row: Row) => string) {
    this.node = node;
    this.#row = row;
    this.#cursorOf = cursorOf;
  }

  get cursor(): string {
    return this.#cursorOf(this.#row);
  }
}

/** Makes a page of rows that were read in the direction asked for, with one more than asked for. */
export function toPage<Row>(rows: readonly Row[], request: PageRequest, cursorOf: (row: Row) => string): Page<Row>;
/** The same of what `nodeOf` makes of each row. */
export function toPage<Row, Node>(
  rows: readonly Row[],
  request: PageRequest,
  cursorOf: (row: Row) => string,
  nodeOf: (row: Row) => Node,
): Page<Node>;
export function toPage<Row>(
  rows: readonly Row[],
  request: PageRequest,
  cursorOf: (row: Row) => string,
  nodeOf: (row: Row) => unknown = (row) => row,
): Page<unknown> {
  const more = rows.length > request.size;
  const kept = rows.slice(0, request.size);
  if (request.backward) kept.reverse();
  return {
    edges: kept.map((row) => new Edge(nodeOf(row), row, cursorOf)),
    hasNextPage: request.backward ? request.before !== null || request.offset > 0 : more,
    hasPreviousPage: request.backward ? more : request.after !== null || request.offset > 0,
  };
}
