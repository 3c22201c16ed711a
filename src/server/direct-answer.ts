import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  getOperationAST,
} from 'graphql';
import { type FetchAPI, type GraphQLParams, processRegularResult } from 'graphql-yoga';
import type { Caller } from './caller.ts';
import { observe } from './observers.ts';
import { parseBody } from './params.ts';
import type { Yoga, YogaOptions } from './yoga.ts';

/** An answer that is not written yet. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The media types of an answer in one piece, in Yoga's order. */
const mediaTypes = ['application/graphql-response+json', 'application/json'] as const;
type MediaType = (typeof mediaTypes)[number];
/** Those of an answer that Yoga gives. */
const allMediaTypes = [...mediaTypes, 'text/event-stream', 'multipart/mixed'];

/** How many documents are known, and the longest of them, in characters: others take Yoga's way each time. */
const MAX_DOCUMENTS = 1_000;
const MAX_DOCUMENT = 10_000;

/** Takes the place of a Response where its parts are all that is needed. */
class Parts implements Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;

  constructor(body: string, { status, headers }: Omit<Answer, 'body'>) {
    [this.status, this.headers, this.body] = [status, headers, body];
  }
}
const parts = { Response: Parts } as unknown as FetchAPI;

/** The headers of an answer that is data alone, as Yoga has them. */
const headersOfData: Readonly<Record<MediaType, Answer['headers']>> = {
  'application/graphql-response+json': { 'Content-Type': 'application/graphql-response+json; charset=utf-8' },
  'application/json': { 'Content-Type': 'application/json; charset=utf-8' },
};

export interface DirectAnswerOptions<Access, Context extends object>
  extends Pick<YogaOptions<Access, Context>, 'operations' | 'createContext' | 'mask' | 'onOperation' | 'tracer'> {
  readonly yoga: Pick<Yoga<Access>, 'getEnveloped'>;
}

/**
 * Answers queries and mutations that are posted as Yoga does, with the same bytes, without a Request and a Response
 * between Node and Yoga: they took a third of the time of a small query. A document comes through Yoga's plugins first;
 * once they have found it valid, what they do is done here without them, by the same functions, which saves an eighth
 * of such a query. It leaves to Yoga what is answered by a stream or not at all: it gives undefined then.
 */
export function createDirectAnswer<Access, Context extends object>(
  options: DirectAnswerOptions<Access, Context>,
): (body: string, accept: string, caller: Caller<Access>) => Promise<Answer | undefined> {
  const { yoga, mask, tracer } = options;
  const documents = new KnownDocuments();
  return async (body, accept, caller) => {
    const type = acceptedType(accept);
    if (type === undefined) return undefined;
    try {
      const params = parseBody(body);
      const { query = '' } = params;
      const known = documents.get(query);
      if (known) {
        const result = await executeKnown(options, known, params, caller);
        if (result) return answered(result, type);
        documents.leave(query);
      }
      const envelop = yoga.getEnveloped({ ...caller, params });
      const document = envelop.parse(query) as DocumentNode;
      if (getOperationAST(document, params.operationName)?.operation === 'subscription') return undefined;
      const errors = envelop.validate(envelop.schema, document) as readonly GraphQLError[];
      if (errors.length > 0) return answered({ errors }, type);
      // spans are made by Yoga's plugins
      if (!tracer) documents.add(query, document);
      const args: ExecutionArgs = {
        schema: envelop.schema,
        document,
        contextValue: await envelop.contextFactory(),
        variableValues: params.variables,
        operationName: params.operationName,
      };
      return answered(await envelop.execute(args), type);
    } catch (error) {
      return answered({ errors: [mask(error)] }, type);
    }
  };
}

function answered(result: ExecutionResult, type: MediaType): Answer {
  if (result.errors === undefined && result.extensions === undefined)
    return { status: 200, headers: headersOfData[type], body: JSON.stringify(result) };
  return processRegularResult(result, parts, type) as unknown as Answer;
}

/** The documents that Yoga's plugins have found valid, by their texts. */
class KnownDocuments {
  /** Null: it is Yoga's to execute. */
  readonly #documents = new Map<string, DocumentNode | null>();

  get(text: string): DocumentNode | null | undefined {
    return this.#documents.get(text);
  }

  add(text: string, document: DocumentNode): void {
    if (text.length > MAX_DOCUMENT || this.#documents.has(text)) return;
    const [oldest] = this.#documents.keys();
    if (this.#documents.size >= MAX_DOCUMENTS && oldest !== undefined) this.#documents.delete(oldest);
    this.#documents.set(text, document);
  }

  leave(text: string): void {
    this.#documents.set(text, null);
  }
}

/** Executes a valid document as Yoga's plugins do; undefined for what is theirs alone. */
async function executeKnown<Access, Context extends object>(
  { operations, createContext, mask, onOperation }: DirectAnswerOptions<Access, Context>,
  document: DocumentNode,
  params: GraphQLParams,
  caller: Caller<Access>,
): Promise<ExecutionResult | undefined> {
  const { operation } = operations.require(document, { ...caller, params });
  if (operation === 'subscription') return undefined;
  const made = createContext({ access: caller.access });
  const contextValue = { ...caller, params, ...(made instanceof Promise ? await made : made) };
  const args = { document, contextValue, variableValues: params.variables, operationName: params.operationName };
  const tell = onOperation && observe(onOperation, args);
  const result = operations.refused(args) ?? (await operations.execute(args));
  if (result === undefined) return undefined;
  tell?.({ result });
  return result.errors ? { ...result, errors: result.errors.map(mask) } : result;
}

/** Whether Yoga has an answer of a type that is accepted. Without one it executes all the same, and tells nothing. */
export function acceptsAnswer(accept: string): boolean {
  return rangesOf(accept).some((range) => allMediaTypes.some((type) => matches(range, type)));
}

/** The type that Yoga would choose of those that are answered in one piece: the one that is asked for first. */
function acceptedType(accept: string): MediaType | undefined {
  if (accept === mediaTypes[0] || accept === mediaTypes[1]) return accept;
  let accepted: MediaType | undefined;
  for (const range of rangesOf(accept).reverse())
    accepted = mediaTypes.filter((type) => matches(range, type)).at(-1) ?? accepted;
  return accepted;
}

/** The media ranges of an Accept header as Yoga reads them: those in UTF-8, which all are without a word about it. */
function rangesOf(accept: string): string[] {
  const ranges = accept.replace(/\s/g, '').toLowerCase().split(',');
  return ranges.flatMap((range) => {
    const [name = '', ...parameters] = range.split(';');
    const charset = parameters.find((parameter) => parameter.includes('charset='));
    return charset === undefined || charset === 'charset=utf-8' ? [name] : [];
  });
}

function matches(range: string, type: string): boolean {
  const [kind, subtype] = range.split('/');
  const [ownKind, ownSubtype] = type.split('/');
  return (kind === '*' || kind === ownKind) && (subtype === '*' || subtype === ownSubtype);
}
