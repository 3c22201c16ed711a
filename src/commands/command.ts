import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Access, scopes } from '../modules/access/access.ts';
import { maxPageSize, type Page, type PageArguments } from '../platform/paging.ts';

/** A command line that cannot be understood. */
export class UsageError extends Error {}

/** What an id looks like. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Who acts on the command line, and may do everything. */
export const operator: Access = {
  tokenId: 'command line',
  actor: { name: 'command line', onBehalfOf: null },
  isSession: false,
  scopes: new Set(scopes),
  environmentIds: 'all',
  expiresAt: null,
};

type OptionTypes = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

/** Reads a command's options. @throws UsageError for one that it does not have */
export function options<const Options extends OptionTypes>(args: readonly string[], types: Options) {
  return parse(args, types, false).values;
}

/** The same, for a command that is about one file: the only argument that is no option. @throws UsageError */
export function optionsAndFile<const Options extends OptionTypes>(args: readonly string[], types: Options) {
  const { values, positionals } = parse(args, types, true);
  const [file, more] = positionals;
  if (file === undefined || more !== undefined) throw new UsageError('Give the path of one file.');
  return { values, file };
}

function parse<const Options extends OptionTypes>(args: readonly string[], types: Options, allowPositionals: boolean) {
  try {
    return parseArgs({ args: [...args], options: types, strict: true, allowPositionals });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'The options cannot be read.');
  }
}

/** Reads a list page by page. */
export async function* everyNode<Node>(read: (page: PageArguments) => Promise<Page<Node>>): AsyncGenerator<Node> {
  for (let after: string | null = null; ; ) {
    const page: Page<Node> = await read({ first: maxPageSize, after });
    yield* page.edges.map(({ node }) => node);
    if (!page.hasNextPage) return;
    after = page.edges.at(-1)?.cursor ?? null;
  }
}

/** Reads a file that was named. @throws Error that names it as well, and what is wrong with it */
export function readNamed(path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(path, error);
  });
}

/** What is told of a file that was named and cannot be read. */
export function unreadable(path: string, { code = '' }: NodeJS.ErrnoException): Error {
  return new Error(`${path}: ${UNREADABLE[code] ?? 'It cannot be read'} (${code}).`);
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file',
  EISDIR: 'A folder is there, no file',
  EACCES: 'You have no right to read it',
};

export function print(text: string): void {
  process.stdout.write(text);
}
