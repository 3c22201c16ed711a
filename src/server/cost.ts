import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionNode,
  type SelectionSetNode,
  TypeMetaFieldDef,
  typeFromAST,
  valueFromASTUntyped,
  visit,
} from 'graphql';
import { costOf, pageSizes } from '../graphql/cost.ts';
import { requestLimits } from './limits.ts';
import { requestError } from './request-error.ts';

/** How many items a list without page arguments is taken to have. */
const LIST_SIZE = 5;
/** What reading a page costs besides its fields: a statement of the database. */
const PAGE_COST = 100;
/** What a field or item of an introspection counts: it is read from memory, without a resolver of ours. */
const INTROSPECTION_FIELD = 0.5;
/** What changing a thing costs besides its fields: a transaction, and perhaps a test. */
const CHANGE_COST = 250;

type Variables = Readonly<Record<string, unknown>>;

/** How many fields and items an operation asks for at most, and the fields that lead to most of them. */
interface Cost {
  readonly total: number;
  readonly path: readonly string[];
}

/** What an operation was found to cost, which holds as long as the variables that count are what they were. */
interface Weighed {
  readonly cost: Cost;
  readonly read: ReadonlyMap<string, unknown>;
}

const FREE: Cost = { total: 0, path: [] };
const ONE_FIELD: Cost = { total: 1, path: [] };

/** Makes what refuses operations that would hold the event loop for long, when document and variables are valid. */
export function createCostLimit(
  schema: GraphQLSchema,
  limit: number = requestLimits.cost,
): (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables) => GraphQLError | undefined {
  const sizes = introspectionSizes(schema);
  const weighed = new WeakMap<OperationDefinitionNode, Weighed>();
  const weigh = (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): Weighed => {
    const last = weighed.get(operation);
    // most operations cost the same whatever their variables are
    if (last?.read.size === 0) return last;
    const values = valuesOf(operation, variables);
    if (last && [...last.read].every(([name, value]) => Object.is(values[name], value))) return last;
    const type = schema.getRootType(operation.operation);
    const scale = new Scale(schema, sizes, document, values);
    const cost = type ? scale.weigh(operation.selectionSet, type, undefined) : FREE;
    const found = { cost, read: scale.read };
    // a text or an input may be a secret, which is not to be kept here
    if ([...scale.read.values()].every(isPlain)) weighed.set(operation, found);
    return found;
  };
  return (document, operation, variables) => {
    const { total, path } = weigh(document, operation, variables).cost;
    return total > limit ? tooCostly(Math.ceil(total), limit, path) : undefined;
  };
}

function isPlain(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean';
}

function tooCostly(cost: number, limit: number, path: readonly string[]): GraphQLError {
  const message =
    `The operation may ask for ${cost} fields; the limit is ${limit}. Most of them are at ` +
    `${path.join('.')}: ask for smaller pages there (first), for fewer fields, or in several requests.`;
  return requestError('QUERY_TOO_COMPLEX', {
    message,
    status: 400,
    aboutDocument: true,
    extensions: { cost, limit, path },
  });
}

/** The variables with their defaults in place. */
function valuesOf(operation: OperationDefinitionNode, given: Variables): Variables {
  const definitions = operation.variableDefinitions ?? [];
  return Object.fromEntries(
    definitions.map(({ variable: { name }, defaultValue }) => {
      const value = Object.hasOwn(given, name.value) ? given[name.value] : undefined;
      return [name.value, value === undefined && defaultValue ? valueFromASTUntyped(defaultValue) : value];
    }),
  );
}

/** Counts selections with their fragments in place, each once for each type and page that it stands in. */
class Scale {
  readonly #schema: GraphQLSchema;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #variables: Variables;
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  /** The variables that were looked at, and what they were. */
  readonly read = new Map<string, unknown>();
  readonly #weighed = new Map<SelectionSetNode, Map<string, Cost>>();

  constructor(schema: GraphQLSchema, sizes: ReadonlyMap<string, number>, document: DocumentNode, variables: Variables) {
    this.#schema = schema;
    this.#sizes = sizes;
    this.#variables = variables;
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition);
    }
  }

  /** What a selection costs on the most costly of the types that it may stand on; `page` is the size of its page. */
  weigh(selections: SelectionSetNode, type: GraphQLCompositeType, page: number | undefined): Cost {
    const types = isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [type];
    return types.map((one) => this.#weighOn(selections, one, page)).reduce(larger, FREE);
  }

  #weighOn(selections: SelectionSetNode, type: GraphQLObjectType, page: number | undefined): Cost {
    const known = this.#weighed.get(selections) ?? new Map<string, Cost>();
    this.#weighed.set(selections, known);
    const key = `${type.name} ${page}`;
    const weighed = known.get(key) ?? this.#sum(selections, type, page);
    known.set(key, weighed);
    return weighed;
  }

  #sum(selections: SelectionSetNode, type: GraphQLObjectType, page: number | undefined): Cost {
    let total = 0;
    let most = FREE;
    for (const selection of selections.selections) {
      const cost = this.#isLeftOut(selection) ? FREE : this.#weighSelection(selection, type, page);
      total += cost.total;
      most = larger(most, cost);
    }
    return { total, path: most.path };
  }

  #weighSelection(selection: SelectionNode, type: GraphQLObjectType, page: number | undefined): Cost {
    if (selection.kind === Kind.FIELD) return this.#weighField(selection, type, page);
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
    if (!fragment) return FREE;
    const condition = fragment.typeCondition ? typeFromAST(this.#schema, fragment.typeCondition) : type;
    const applies = condition === type || (isAbstractType(condition) && this.#schema.isSubType(condition, type));
    return applies ? this.#weighOn(fragment.selectionSet, type, page) : FREE;
  }

  #weighField(node: FieldNode, parent: GraphQLObjectType, page: number | undefined): Cost {
    const name = node.name.value;
    const field = this.#fieldOf(parent, name);
    const type = field && getNamedType(field.type);
    if (!field) return { ...ONE_FIELD, path: [name] };
    const hasPage = field.args.some((argument) => argument.name === 'first');
    const batch = this.#batchOf(node);
    const ownPage = hasPage ? this.#pageOf(node) : batch;
    const inner = node.selectionSet && isCompositeType(type) ? this.weigh(node.selectionSet, type, ownPage) : FREE;
    const one = parent.name.startsWith('__') ? INTROSPECTION_FIELD : 1;
    const changes = parent === this.#schema.getMutationType() ? (batch ?? 1) : 0;
    const own =
      one +
      (hasPage ? PAGE_COST : 0) +
      changes * (field.extensions.changeCost ?? CHANGE_COST) +
      costOf(field, this.#givenTo(node));
    const isList = isListType(getNullableType(field.type));
    const items = parent.name.startsWith('__')
      ? this.#sizes.get(name)
      : isList
        ? (this.#namedBy(node) ?? page ?? LIST_SIZE)
        : undefined;
    return {
      total: own + (items === undefined ? inner.total : items * (one + inner.total)),
      path: [name, ...inner.path],
    };
  }

  #fieldOf(parent: GraphQLObjectType, name: string): GraphQLField<unknown, unknown> | undefined {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
    return parent.getFields()[name];
  }

  /** The size of the page that a field asks for; a wrong one is refused when it is executed. */
  #pageOf(node: FieldNode): number {
    const given = this.#givenTo(node);
    const size = given('last') ?? given('first') ?? pageSizes.default;
    return typeof size === 'number' ? Math.min(Math.max(size, 1), pageSizes.most) : pageSizes.most;
  }

  /** How many things a field is to change: each of them has a result. */
  #batchOf(node: FieldNode): number | undefined {
    const input = node.arguments?.find(({ name }) => name.value === 'input')?.value;
    // of an input in the document no more is looked at, for what was found holds as long as what was looked at
    if (input?.kind === Kind.OBJECT && !input.fields.some(({ name }) => name.value === 'items')) return undefined;
    const value = this.#givenTo(node)('input');
    const items = typeof value === 'object' && value !== null && 'items' in value ? value.items : undefined;
    return Array.isArray(items) ? items.length : undefined;
  }

  /** How many things a list has that are asked for by their ids. */
  #namedBy(node: FieldNode): number | undefined {
    const ids = this.#givenTo(node)('ids');
    return Array.isArray(ids) ? ids.length : undefined;
  }

  #givenTo(node: FieldNode): (argument: string) => unknown {
    return (name) => {
      const argument = node.arguments?.find((one) => one.name.value === name);
      return argument && this.#valueOf(argument.value);
    };
  }

  #isLeftOut({ directives = [] }: SelectionNode): boolean {
    return directives.some(({ name, arguments: [condition] = [] }) => {
      const isTrue = condition && this.#valueOf(condition.value);
      return (name.value === 'skip' && isTrue === true) || (name.value === 'include' && isTrue === false);
    });
  }

  #valueOf(node: Parameters<typeof valueFromASTUntyped>[0]): unknown {
    visit(node, { Variable: ({ name }) => void this.read.set(name.value, this.#variables[name.value]) });
    return valueFromASTUntyped(node, this.#variables);
  }
}

function larger(one: Cost, other: Cost): Cost {
  return other.total > one.total ? other : one;
}

/** How many things the fields of an introspection lead to, so that one of all types is counted as it is. */
function introspectionSizes(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(schema.getTypeMap());
  const perType = (listOf: (type: GraphQLNamedType) => readonly unknown[]) =>
    types.flatMap(listOf).length / types.length;
  const fieldsOf = (type: GraphQLNamedType) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];
  const fields = types.flatMap(fieldsOf);
  return new Map([
    ['types', types.length],
    ['directives', schema.getDirectives().length],
    ['fields', perType(fieldsOf)],
    ['args', fields.flatMap((field) => field.args).length / fields.length],
    ['inputFields', perType((type) => (isInputObjectType(type) ? Object.keys(type.getFields()) : []))],
    ['enumValues', perType((type) => (isEnumType(type) ? type.getValues() : []))],
    ['interfaces', perType((type) => (isObjectType(type) || isInterfaceType(type) ? type.getInterfaces() : []))],
    ['possibleTypes', perType((type) => (isAbstractType(type) ? schema.getPossibleTypes(type) : []))],
    // most types are wrapped once, as in ID!, and few more often
    ['ofType', 0.5],
  ]);
}
