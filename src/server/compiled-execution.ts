import {
  type DocumentNode,
  defaultFieldResolver,
  defaultTypeResolver,
  type ExecutionArgs,
  type ExecutionResult,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLBoolean,
  GraphQLError,
  type GraphQLField,
  GraphQLID,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  GraphQLString,
  getArgumentValues,
  getOperationAST,
  getVariableValues,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  Kind,
  locatedError,
  type OperationDefinitionNode,
  OperationTypeNode,
  SchemaMetaFieldDef,
  type SelectionNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  typeFromAST,
  valueFromAST,
  visit,
} from 'graphql';
import { type RecordMaker, recordMaker } from '../platform/record-maker.ts';
import { textVariables } from './text-variables.ts';

/** How many errors in variables are told, as Yoga's executor has it. */
const MAX_VARIABLE_ERRORS = 50;
const NO_ARGUMENTS = Object.freeze({});

/** Where a value stands in the answer, from its end back. */
type Path = GraphQLResolveInfo['path'];

/** One execution. */
interface Run {
  readonly compiled: CompiledOperation;
  readonly contextValue: unknown;
  readonly rootValue: unknown;
  readonly variableValues: GraphQLResolveInfo['variableValues'];
  readonly errors: GraphQLError[];
}

/** Completes what a resolver gave: a value of the answer or a promise of one; throws what fails. */
type Complete = (run: Run, value: unknown, info: Info, path: Path | undefined) => unknown;

/**
 * Makes what executes valid documents as Yoga's executor does, with the same answers and errors, but looks at each
 * document once: which fields an object of a type has, and how each is completed, is kept with the document for as long
 * as Yoga's cache keeps that. It leaves to Yoga, by undefined, operations of other kinds, those with directives, and
 * wrong variables. A subscription's execution is that of one of its events, which is the root value.
 */
export function createCompiledExecute(
  schema: GraphQLSchema,
  kinds: readonly `${OperationTypeNode}`[] = ['query', 'mutation'],
): (args: Omit<ExecutionArgs, 'schema'>) => Promise<ExecutionResult> | ExecutionResult | undefined {
  const known = new WeakMap<OperationDefinitionNode, CompiledOperation | null>();
  return (args) => {
    const operation = getOperationAST(args.document, args.operationName);
    if (!operation) return undefined;
    let compiled = known.get(operation);
    if (compiled === undefined) {
      compiled =
        kinds.includes(operation.operation) && isCompilable(args.document)
          ? new CompiledOperation(schema, args.document, operation)
          : null;
      known.set(operation, compiled);
    }
    return compiled?.execute(args);
  };
}

/** What differs from one execution to the next by more than arguments and data is left to Yoga. */
function isCompilable(document: DocumentNode): boolean {
  let compilable = true;
  const no = () => {
    compilable = false;
  };
  // an answer of this name would be an object's prototype
  visit(document, { Directive: no, Name: ({ value }) => (value === '__proto__' ? no() : undefined) });
  return compilable;
}

class CompiledOperation {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly #root: GraphQLObjectType | null | undefined;
  readonly #fields: Selection;

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode, operation: OperationDefinitionNode) {
    this.schema = schema;
    this.operation = operation;
    this.fragments = Object.fromEntries(
      definitions
        .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
        .map((definition) => [definition.name.value, definition]),
    );
    this.#root = schema.getRootType(operation.operation);
    this.#fields = new Selection(this, [operation]);
  }

  execute({
    contextValue,
    rootValue,
    variableValues: given,
  }: Omit<ExecutionArgs, 'schema'>): Promise<ExecutionResult> | ExecutionResult | undefined {
    const coerced = this.#coerced(given ?? {});
    if (!coerced || !this.#root) return undefined;
    const run: Run = { compiled: this, contextValue, rootValue, variableValues: coerced, errors: [] };
    const failed = (error: unknown) => {
      run.errors.push(error as GraphQLError);
      return answer(null, run);
    };
    try {
      const fields = this.#fields.on(this.#root);
      const isSerial = this.operation.operation === OperationTypeNode.MUTATION;
      const data = isSerial
        ? executeSerially(run, fields, rootValue)
        : executeFields(run, fields, rootValue, undefined);
      return isPromise(data) ? data.then((value) => answer(value, run), failed) : answer(data, run);
    } catch (error) {
      return failed(error);
    }
  }

  /** The variables as their types have them; undefined where one is wrong. */
  #coerced(given: Readonly<Record<string, unknown>>): Run['variableValues'] | undefined {
    const { schema, operation } = this;
    const texts = textVariables(schema, operation, given);
    if (texts) return texts;
    const options = { maxErrors: MAX_VARIABLE_ERRORS };
    return getVariableValues(schema, operation.variableDefinitions ?? [], given, options).coerced;
  }
}

function answer(data: unknown, { errors }: Run): ExecutionResult {
  const found = data as ExecutionResult['data'];
  return errors.length === 0 ? { data: found } : { errors, data: found };
}

/** What is asked for of the objects of one type. */
interface Fields {
  readonly all: readonly Field[];
  readonly recordOf: RecordMaker;
}

/** The fields that some nodes ask for, by the type of the object that they are asked of. */
class Selection {
  readonly #operation: CompiledOperation;
  readonly #nodes: readonly (FieldNode | OperationDefinitionNode)[];
  readonly #known = new Map<GraphQLObjectType, Fields>();

  constructor(operation: CompiledOperation, nodes: readonly (FieldNode | OperationDefinitionNode)[]) {
    this.#operation = operation;
    this.#nodes = nodes;
  }

  on(type: GraphQLObjectType): Fields {
    const known = this.#known.get(type);
    if (known) return known;
    const found = new Map<string, FieldNode[]>();
    const visited = new Set<string>();
    for (const { selectionSet } of this.#nodes) this.#collect(selectionSet?.selections ?? [], type, found, visited);
    const all = [...found].flatMap(([key, nodes]) => {
      const definition = fieldOf(this.#operation.schema, type, nodes[0]?.name.value ?? '');
      return definition ? [new Field(this.#operation, type, key, nodes, definition)] : [];
    });
    const fields = { all, recordOf: recordMaker(all.map(({ key }) => key)) };
    this.#known.set(type, fields);
    return fields;
  }

  #collect(
    selections: readonly SelectionNode[],
    type: GraphQLObjectType,
    found: Map<string, FieldNode[]>,
    visited: Set<string>,
  ): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value;
        const nodes = found.get(key);
        if (nodes) nodes.push(selection);
        else found.set(key, [selection]);
        continue;
      }
      const name = selection.kind === Kind.FRAGMENT_SPREAD ? selection.name.value : undefined;
      if (name !== undefined && visited.has(name)) continue;
      const fragment =
        selection.kind === Kind.FRAGMENT_SPREAD ? this.#operation.fragments[selection.name.value] : selection;
      if (!fragment || !this.#applies(fragment.typeCondition, type)) continue;
      if (name !== undefined) visited.add(name);
      this.#collect(fragment.selectionSet.selections, type, found, visited);
    }
  }

  #applies(condition: FragmentDefinitionNode['typeCondition'] | undefined, type: GraphQLObjectType): boolean {
    if (!condition) return true;
    const { schema } = this.#operation;
    const wanted = typeFromAST(schema, condition);
    return wanted === type || (isAbstractType(wanted) && schema.isSubType(wanted, type));
  }
}

function fieldOf(
  schema: GraphQLSchema,
  type: GraphQLObjectType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  if (type === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return type.getFields()[name];
}

/** One field of the objects of one type, as a document asks for it. */
class Field {
  readonly operation: CompiledOperation;
  readonly parentType: GraphQLObjectType;
  readonly key: string;
  readonly nodes: readonly FieldNode[];
  readonly definition: GraphQLField<unknown, unknown>;
  readonly #resolve: NonNullable<GraphQLField<unknown, unknown>['resolve']>;
  /** What of its object it is, which needs no resolver unless that is a method; undefined where it is none. */
  readonly #property: string | undefined;
  readonly #isNonNull: boolean;
  readonly #argumentsOf: ArgumentsReader;
  readonly #isLeaf: boolean;
  /** What `typeof` says of a result that is answered as it is; undefined where none is. */
  readonly #asItIs: string | undefined;
  readonly #complete: Complete;

  constructor(
    operation: CompiledOperation,
    parentType: GraphQLObjectType,
    key: string,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
  ) {
    this.operation = operation;
    this.parentType = parentType;
    this.key = key;
    this.nodes = nodes;
    this.definition = definition;
    this.#resolve = definition.resolve ?? defaultFieldResolver;
    this.#isNonNull = isNonNullType(definition.type);
    this.#argumentsOf = argumentsReader(definition, nodes[0] as FieldNode);
    this.#property = definition.args.length > 0 ? undefined : propertyOf(definition);
    const type = isNonNullType(definition.type) ? definition.type.ofType : definition.type;
    this.#isLeaf = isLeafType(type);
    this.#asItIs = asTheyAre.get(type);
    this.#complete = completer(this, definition.type);
  }

  pathBelow(parent: Path | undefined): Path {
    return { prev: parent, key: this.key, typename: this.parentType.name };
  }

  /** Its value in the answer, or a promise of it. Throws, or rejects, what its object is null for. */
  execute(run: Run, source: unknown, parent: Path | undefined): unknown {
    try {
      if (this.#property !== undefined && typeof source === 'object' && source !== null) {
        const value = (source as Record<string, unknown>)[this.#property];
        if (typeof value === this.#asItIs) return value;
        if (typeof value !== 'function') return this.#completed(run, value, new Info(run, this, parent), parent);
      }
      const info = new Info(run, this, parent);
      const result: unknown = this.#resolve(source, this.#argumentsOf(run.variableValues), run.contextValue, info);
      return typeof result === this.#asItIs ? result : this.#completed(run, result, info, parent);
    } catch (error) {
      return this.#failed(run, error, parent);
    }
  }

  #completed(run: Run, result: unknown, info: Info, parent: Path | undefined): unknown {
    // the path of what has nothing below is made when it fails
    const path = this.#isLeaf ? undefined : this.pathBelow(parent);
    if (isPromise(result)) return this.#settled(run, this.#later(run, result, info, path), parent);
    const completed = this.#complete(run, result, info, path);
    return isPromise(completed) ? this.#settled(run, completed, parent) : completed;
  }

  // closures stand apart: a function that may make one keeps what it would hold on the heap, each time it is called

  #later(run: Run, result: Promise<unknown>, info: Info, path: Path | undefined): Promise<unknown> {
    return result.then((value) => this.#complete(run, value, info, path));
  }

  #settled(run: Run, completed: Promise<unknown>, parent: Path | undefined): Promise<unknown> {
    return completed.then(undefined, (error) => this.#failed(run, error, parent));
  }

  #failed(run: Run, error: unknown, parent: Path | undefined): null {
    const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
    for (const cause of causes) failedAt(run, cause, this.nodes, this.pathBelow(parent), this.#isNonNull);
    return null;
  }
}

type ArgumentsReader = (variables: Run['variableValues']) => Record<string, unknown>;

/**
 * Makes what reads a field's arguments as getArgumentValues() does, to which it leaves those that fail. What the
 * document has of single values is read once.
 */
function argumentsReader(definition: GraphQLField<unknown, unknown>, node: FieldNode): ArgumentsReader {
  if (definition.args.length === 0) return () => NO_ARGUMENTS;
  const readAll: ArgumentsReader = (variables) => getArgumentValues(definition, node, variables);
  const readers: ((variables: Run['variableValues'], into: Record<string, unknown>) => boolean)[] = [];
  for (const { name, type, defaultValue } of definition.args) {
    const given = node.arguments?.find((one) => one.name.value === name)?.value;
    if (given?.kind === Kind.VARIABLE) {
      const variable = given.name.value;
      readers.push((variables, into) => {
        const value = Object.hasOwn(variables, variable) ? variables[variable] : undefined;
        into[name] = value;
        return value != null;
      });
    } else {
      const value = given === undefined ? defaultValue : valueFromAST(given, type);
      if (value === undefined && given === undefined && !isNonNullType(type)) continue;
      // an object may be changed by who gets it
      if (value === undefined || (given !== undefined && typeof value === 'object')) return readAll;
      readers.push((_variables, into) => {
        into[name] = value;
        return true;
      });
    }
  }
  return (variables) => {
    const found = {};
    return readers.every((read) => read(variables, found)) ? found : readAll(variables);
  };
}

/** The property that a field's resolver would read; Pothos says of which fields that is all that it does. */
function propertyOf({ name, resolve, extensions }: GraphQLField<unknown, unknown>): string | undefined {
  if (resolve === undefined) return name;
  const { pothosExposedField: exposed, pothosResolveWrapped: isWrapped } = extensions;
  return typeof exposed === 'string' && isWrapped === false ? exposed : undefined;
}

/** Takes an error down at its place. @throws it where there may be no null */
function failedAt(run: Run, cause: unknown, nodes: readonly FieldNode[], path: Path, isNonNull: boolean): null {
  const located = locatedError(asError(cause), nodes, keysOf(path));
  if (isNonNull) throw located;
  run.errors.push(located);
  return null;
}

function asError(cause: unknown): Error {
  if (cause instanceof Error) return cause;
  const { message } = Object(cause) as { message?: unknown };
  return typeof message === 'string' ? new Error(message, { cause }) : new Error(String(cause));
}

function keysOf(path: Path): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: Path | undefined = path; at; at = at.prev) keys.push(at.key);
  return keys.reverse();
}

/** What a resolver is told of its field: most look at nothing of it. */
class Info implements GraphQLResolveInfo {
  readonly #run: Run;
  readonly #field: Field;
  readonly #parent: Path | undefined;

  constructor(run: Run, field: Field, parent: Path | undefined) {
    this.#run = run;
    this.#field = field;
    this.#parent = parent;
  }

  get fieldName() {
    return this.#field.definition.name;
  }
  get fieldNodes() {
    return this.#field.nodes;
  }
  get returnType() {
    return this.#field.definition.type;
  }
  get parentType() {
    return this.#field.parentType;
  }
  get path() {
    return this.#field.pathBelow(this.#parent);
  }
  get schema() {
    return this.#run.compiled.schema;
  }
  get fragments() {
    return this.#run.compiled.fragments;
  }
  get rootValue() {
    return this.#run.rootValue;
  }
  get operation() {
    return this.#run.compiled.operation;
  }
  get variableValues() {
    return this.#run.variableValues;
  }
}

/** Fields beside one another run at once; where one may not be null and fails, all of them have ended by then. */
function executeFields(run: Run, { all, recordOf }: Fields, source: unknown, path: Path | undefined): unknown {
  const values = new Array<unknown>(all.length);
  let waits = false;
  try {
    for (let at = 0; at < all.length; at += 1) {
      const value = (all[at] as Field).execute(run, source, path);
      waits ||= isPromise(value);
      values[at] = value;
    }
  } catch (error) {
    if (!waits) throw error;
    return failAfter(values.filter(isPromise), error);
  }
  const record = recordOf(values);
  return waits ? whenThere(record, all, values) : record;
}

function failAfter(waiting: readonly Promise<unknown>[], error: unknown): Promise<never> {
  const fail = () => {
    throw error;
  };
  return Promise.all(waiting).then(fail, fail);
}

/** The record, once it has what there are promises of among its values. */
function whenThere(
  record: Record<string, unknown>,
  fields: readonly Field[],
  values: readonly unknown[],
): Promise<unknown> {
  const waiting: Promise<void>[] = [];
  for (const [at, { key }] of fields.entries()) {
    const value = values[at];
    if (isPromise(value)) waiting.push(putLater(record, key, value));
  }
  const [first, ...others] = waiting;
  return (others.length === 0 ? (first as Promise<void>) : Promise.all(waiting)).then(() => record);
}

function putLater(record: Record<string, unknown>, key: string, value: Promise<unknown>): Promise<void> {
  return value.then((settled) => {
    record[key] = settled;
  });
}

async function executeSerially(run: Run, { all }: Fields, source: unknown): Promise<unknown> {
  const values: Record<string, unknown> = {};
  for (const field of all) values[field.key] = await field.execute(run, source, undefined);
  return values;
}

function completer(field: Field, type: GraphQLOutputType): Complete {
  const complete = isNonNullType(type) ? completer(field, type.ofType) : nullableCompleter(field, type);
  if (!isNonNullType(type)) return complete;
  const { parentType, definition } = field;
  const message = `Cannot return null for non-nullable field ${parentType.name}.${definition.name}.`;
  return (run, value, info, path) => {
    const completed = complete(run, value, info, path);
    if (completed === null) throw new Error(message);
    return completed;
  };
}

function nullableCompleter(field: Field, type: GraphQLOutputType): Complete {
  const complete = isLeafType(type)
    ? leafCompleter(type)
    : isListType(type)
      ? listCompleter(field, type.ofType)
      : objectCompleter(field, type as Exclude<GraphQLOutputType, GraphQLLeafType>);
  return (run, value, info, path) => {
    if (value == null) return null;
    if (value instanceof Error) throw value;
    return complete(run, value, info, path);
  };
}

/** The scalars that give a value of this type of JavaScript as it is. */
const asTheyAre = new Map<GraphQLOutputType, string>([
  [GraphQLString, 'string'],
  [GraphQLID, 'string'],
  [GraphQLBoolean, 'boolean'],
]);

function leafCompleter(type: GraphQLLeafType): Complete {
  const asItIs = asTheyAre.get(type);
  return (_run, value) => (typeof value === asItIs ? value : serialized(type, value));
}

function serialized(type: GraphQLLeafType, value: unknown): unknown {
  let text: unknown;
  try {
    text = type.serialize(value);
  } catch (error) {
    // so that it gets the place of its field
    throw error instanceof GraphQLError ? new Error(error.message) : error;
  }
  if (text == null) throw new Error(`Expected ${type} to serialize to something, returned: ${text}`);
  return text;
}

function listCompleter(field: Field, itemType: GraphQLOutputType): Complete {
  const complete = completer(field, itemType);
  const isNonNull = isNonNullType(itemType);
  const completeLater = (run: Run, item: Promise<unknown>, info: Info, path: Path) =>
    item.then((value) => complete(run, value, info, path));
  const settled = (run: Run, value: Promise<unknown>, path: Path) =>
    value.then(undefined, (error) => failedAt(run, error, field.nodes, path, isNonNull));
  return (run, list, info, listPath) => {
    if (typeof list !== 'object' || list === null || !(Symbol.iterator in list))
      throw new GraphQLError(
        `Expected Iterable, but did not find one for field "${field.parentType.name}.${field.definition.name}".`,
      );
    const completed: unknown[] = [];
    let waits = false;
    // V8 walks along an array by its indexes without an object for each step
    const items = Array.isArray(list) ? list : [...(list as Iterable<unknown>)];
    for (let at = 0; at < items.length; at += 1) {
      const item: unknown = items[at];
      const path: Path = { prev: listPath, key: completed.length, typename: undefined };
      let value: unknown;
      try {
        value = isPromise(item) ? completeLater(run, item, info, path) : complete(run, item, info, path);
      } catch (error) {
        value = failedAt(run, error, field.nodes, path, isNonNull);
      }
      const isLate = isPromise(value);
      waits ||= isLate;
      completed.push(isLate ? settled(run, value as Promise<unknown>, path) : value);
    }
    return waits ? Promise.all(completed) : completed;
  };
}

function objectCompleter(field: Field, type: Exclude<GraphQLOutputType, GraphQLLeafType>): Complete {
  const selection = new Selection(field.operation, field.nodes);
  const { schema } = field.operation;
  const execute = (run: Run, value: unknown, info: Info, path: Path | undefined, object: GraphQLObjectType) =>
    object.isTypeOf
      ? executeChecked(run, value, path, object, object.isTypeOf(value, run.contextValue, info))
      : executeFields(run, selection.on(object), value, path);
  const executeChecked = (
    run: Run,
    value: unknown,
    path: Path | undefined,
    object: GraphQLObjectType,
    is: boolean | Promise<boolean>,
  ): unknown => {
    const go = (isOf: boolean) => {
      if (!isOf) throw new GraphQLError(`Expected value of type "${object.name}".`, { nodes: field.nodes });
      return executeFields(run, selection.on(object), value, path);
    };
    return isPromise(is) ? is.then((isOf) => go(isOf as boolean)) : go(is);
  };
  if (!isAbstractType(type))
    return (run, value, info, path) => execute(run, value, info, path, type as GraphQLObjectType);
  const resolveType = type.resolveType ?? defaultTypeResolver;
  const possible = new Map(schema.getPossibleTypes(type).map((one) => [one.name, one]));
  const objectOf = (name: unknown): GraphQLObjectType => {
    const object = possible.get(name as string);
    if (object) return object;
    const place = `${field.parentType.name}.${field.definition.name}`;
    throw new GraphQLError(`Abstract type "${type.name}" must resolve to one of its types for field "${place}".`, {
      nodes: field.nodes,
    });
  };
  const executeLater = (run: Run, value: unknown, info: Info, path: Path | undefined, name: Promise<unknown>) =>
    name.then((settled) => execute(run, value, info, path, objectOf(settled)));
  return (run, value, info, path) => {
    const name = resolveType(value, run.contextValue, info, type);
    return isPromise(name)
      ? executeLater(run, value, info, path, name)
      : execute(run, value, info, path, objectOf(name));
  };
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
