import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { requestError } from './request-error.ts';

/** What one request may ask for, over HTTP, SSE and WebSocket alike. */
export const requestLimits = {
  /** The size of a body, and of a WebSocket message. */
  bytes: 1024 * 1024,
  tokens: 1_000,
  /** How deep fields may nest, counted through fragments. */
  depth: 10,
  /** How deep they may nest below __schema and __type; GraphiQL's own query needs as much. */
  introspectionDepth: 20,
  directives: 8,
  /** How many fields and items of lists an operation may ask for, as cost.ts counts them. */
  cost: 50_000,
} as const;

/** The error of a document with more tokens than one may have. */
export function tooManyTokens() {
  return tooComplex(`The document has more than ${requestLimits.tokens} tokens.`);
}

/** The error of a document that graphql-js gives up on, because it would compare fields of one name too often. */
export function tooManyComparisons() {
  return tooComplex('The document selects the same fields too often.');
}

/**
 * A validation rule that refuses documents which nest deeper, or use more directives, than requestLimits says.
 * Fragments count where they are spread. Aliases are not counted: what each of them asks for has a cost.
 */
export function limitsRule(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      for (const message of overLimits(document)) context.reportError(tooComplex(message));
    },
  };
}

function tooComplex(message: string) {
  return requestError('QUERY_TOO_COMPLEX', { message, status: 400, aboutDocument: true });
}

interface Weight {
  depth: number;
  introspectionDepth: number;
  directives: number;
}

function overLimits(document: DocumentNode): string[] {
  const scale = new Scale(document);
  const messages = new Set<string>();
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const weight = scale.weigh(definition.selectionSet);
    const directives = weight.directives + countDirectives(definition, ...(definition.variableDefinitions ?? []));
    const { depth, introspectionDepth } = requestLimits;
    if (weight.depth > depth) messages.add(`The document nests fields ${weight.depth} deep; the limit is ${depth}.`);
    if (weight.introspectionDepth > introspectionDepth) {
      messages.add(
        `The document nests introspection ${weight.introspectionDepth} deep; the limit is ${introspectionDepth}.`,
      );
    }
    if (directives > requestLimits.directives) {
      messages.add(`The document has ${directives} directives; the limit is ${requestLimits.directives}.`);
    }
  }
  return [...messages];
}

/** Weighs selections with their fragments in place, weighing each fragment once. */
class Scale {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #weighed = new Map<string, Weight>();

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
    }
  }

  weigh(selectionSet: SelectionSetNode): Weight {
    const sum: Weight = { depth: 0, introspectionDepth: 0, directives: 0 };
    for (const selection of selectionSet.selections) {
      const weight = this.#weighSelection(selection);
      sum.depth = Math.max(sum.depth, weight.depth);
      sum.introspectionDepth = Math.max(sum.introspectionDepth, weight.introspectionDepth);
      sum.directives += weight.directives + countDirectives(selection);
    }
    return sum;
  }

  #weighSelection(selection: SelectionSetNode['selections'][number]): Weight {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#weighFragment(selection.name.value);
    const inner = selection.selectionSet ? this.weigh(selection.selectionSet) : EMPTY;
    if (selection.kind === Kind.INLINE_FRAGMENT) return inner;
    const introspects = selection.name.value === '__schema' || selection.name.value === '__type';
    return introspects
      ? { ...inner, depth: 1, introspectionDepth: inner.depth + 1 }
      : { ...inner, depth: inner.depth + 1 };
  }

  #weighFragment(name: string): Weight {
    const weighed = this.#weighed.get(name);
    const fragment = this.#fragments.get(name);
    if (weighed || !fragment) return weighed ?? EMPTY;
    // a fragment within itself weighs nothing here, for another rule refuses it
    this.#weighed.set(name, EMPTY);
    const weight = this.weigh(fragment.selectionSet);
    const whole = { ...weight, directives: weight.directives + countDirectives(fragment) };
    this.#weighed.set(name, whole);
    return whole;
  }
}

const EMPTY: Weight = { depth: 0, introspectionDepth: 0, directives: 0 };

function countDirectives(...nodes: readonly { readonly directives?: readonly unknown[] }[]): number {
  return nodes.reduce((count, node) => count + (node.directives?.length ?? 0), 0);
}
