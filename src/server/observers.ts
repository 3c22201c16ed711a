import { type DocumentNode, getOperationAST, Kind, type SelectionSetNode } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { codeOf } from './mask-error.ts';
import { isRecordsPath } from './records-path.ts';

/** One operation that has ended; of a subscription, one that has begun or was refused. */
export interface ObservedOperation {
  /** A transfer brings records in or out beside GraphQL. */
  readonly kind: 'query' | 'mutation' | 'subscription' | 'transfer' | 'none';
  /**
   * The field that it asks for; `several` for more than one, `none` where it cannot be read. A transfer is
   * `exportRecords` or `importRecords`.
   */
  readonly operation: string;
  /** `OK`, or the code of its first error. A refusal that is part of the answer is OK. */
  readonly result: string;
  readonly ms: number;
}

export type OnOperation = (operation: ObservedOperation) => void;

/** The paths that the server knows. */
const paths = ['/graphql', '/livez', '/readyz', '/graphiql/session', '/graphiql/provider', '/'] as const;
/** What paths of records are called: their ids are not told. */
const RECORDS_PATH = '/datastores/{id}/records';
/** Told of each answer over HTTP; of other paths only that they were others. */
export type OnResponse = (path: (typeof paths)[number] | typeof RECORDS_PATH | 'other', status: number) => void;

export function knownPath(path: string | undefined): Parameters<OnResponse>[0] {
  return paths.find((known) => known === path) ?? (isRecordsPath(path) ? RECORDS_PATH : 'other');
}

/** Begins to time an operation, of whose result the function that it gives then tells. */
export function observe(onOperation: OnOperation, args: OperationArgs): (done: { readonly result: unknown }) => void {
  const started = performance.now();
  return ({ result }) =>
    onOperation({ ...operationOf(args), result: resultOf(result), ms: performance.now() - started });
}

/** Tells of each operation how it ended. It goes first among the plugins: what another one refuses is told, too. */
export function useObserver(onOperation: OnOperation): Plugin {
  const tell = (args: OperationArgs) => observe(onOperation, args);
  const unread = (error: unknown, started: number) =>
    onOperation({ kind: 'none', operation: 'none', result: codeOf(error), ms: performance.now() - started });
  return {
    onParse() {
      const started = performance.now();
      return ({ result }) => {
        if (result instanceof Error) unread(result, started);
      };
    },
    onValidate() {
      const started = performance.now();
      return ({ valid, result: [error] }) => {
        if (!valid) unread(error, started);
      };
    },
    onExecute: ({ args }) => ({ onExecuteDone: tell(args) }),
    onSubscribe: ({ args }) => ({ onSubscribeResult: tell(args) }),
  };
}

type OperationArgs = { readonly document: DocumentNode; readonly operationName?: string | null | undefined };

/** What an operation is called where it is counted and traced, whatever its caller calls it. */
export function operationOf({ document, operationName }: OperationArgs): Pick<ObservedOperation, 'kind' | 'operation'> {
  const operation = getOperationAST(document, operationName);
  if (!operation) return { kind: 'none', operation: 'none' };
  return { kind: operation.operation, operation: fieldName(document, operation.selectionSet) };
}

/** `OK`, or the code of the first error; of a subscription that has begun, OK. */
export function resultOf(result: unknown): string {
  const [error] = isAsyncIterable(result) ? [] : ((result as { errors?: readonly unknown[] }).errors ?? []);
  return error === undefined ? 'OK' : codeOf(error);
}

/** The field that a valid document asks for: it is one of the schema's, so that there are few. */
function fieldName(document: DocumentNode, selectionSet: SelectionSetNode): string {
  const names = new Set(rootFields(document, selectionSet));
  const [name = 'none'] = names;
  return names.size > 1 ? 'several' : name;
}

function rootFields(document: DocumentNode, { selections }: SelectionSetNode): string[] {
  return selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection.name.value];
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootFields(document, selection.selectionSet);
    const fragment = document.definitions.find(
      (definition) => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
    );
    return fragment?.kind === Kind.FRAGMENT_DEFINITION ? rootFields(document, fragment.selectionSet) : [];
  });
}
