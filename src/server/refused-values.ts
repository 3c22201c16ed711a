import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLBoolean,
  type GraphQLEnumType,
  GraphQLFloat,
  GraphQLID,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  type GraphQLLeafType,
  type GraphQLSchema,
  GraphQLString,
  isEnumType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  isRequiredInputField,
  Kind,
  type OperationDefinitionNode,
  typeFromAST,
  type ValidationContext,
  type ValueNode,
  visit,
} from 'graphql';
import { configPathOf, type FieldIssue, type IssueCode, issueCodes, messageOf } from '../errors/field-issues.ts';
import { requestError } from './request-error.ts';
import { textVariables } from './text-variables.ts';

/** How many issues one answer names. */
const MAX_ISSUES = 100;
/** How many names a message lists. */
const MAX_LISTED = 40;
const NO_ISSUES: readonly FieldIssue[] = [];

type IsShown = (name: string) => boolean;
type Path = readonly string[];

/**
 * A value as it was given, in variables or in the document, so that both are judged by the same rules. graphql-js
 * judges them too, but its messages echo the values.
 */
type Given = { readonly kind: 'null' } | { readonly kind: 'variable' } | GivenValue;
type GivenValue = { readonly parse: (type: GraphQLLeafType) => unknown } & (
  | { readonly kind: 'list'; readonly items: () => Given[] }
  | { readonly kind: 'object'; readonly fields: () => ReadonlyMap<string, Given> }
  // enumName is what it would be as the value of an enum
  | {
      readonly kind: 'leaf';
      readonly enumName: string | undefined;
      readonly isInteger: boolean;
      readonly isWellFormed: boolean;
    }
);

/**
 * Finds what GraphQL refuses in the variables of an operation: the path from the arguments' root, as of every other
 * issue, whatever the variables are called; a code and what to do, never a value.
 */
export function refusedVariables(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
  isShown: IsShown,
): readonly FieldIssue[] {
  if (textVariables(schema, operation, variables)) return NO_ISSUES;
  const judge = new Judge(isShown);
  const places = placesOf(document, operation, isShown);
  for (const definition of operation.variableDefinitions ?? []) {
    const type = typeFromAST(schema, definition.type);
    if (!isInputType(type)) continue;
    const name = definition.variable.name.value;
    const path = places.get(name) ?? [shownOr(name, isShown)];
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (value !== undefined) judge.value(givenJson(value), type, path);
    else if (isNonNullType(type) && !definition.defaultValue) judge.refuse('REQUIRED', path);
  }
  return judge.issues;
}

/**
 * A rule that takes the place of graphql-js's ValuesOfCorrectTypeRule, for the values that stand in the document
 * itself.
 */
export function valuesRule(isShown: IsShown): (context: ValidationContext) => ASTVisitor {
  return (context) => ({
    Argument(node) {
      const argument = context.getArgument();
      if (argument) report(context, node.value, argument.type, [argument.name], isShown);
      return false;
    },
    OperationDefinition(operation) {
      const places = placesOf(context.getDocument(), operation, isShown);
      for (const { type: typeNode, variable, defaultValue } of operation.variableDefinitions ?? []) {
        const type = typeFromAST(context.getSchema(), typeNode);
        const name = variable.name.value;
        if (defaultValue && isInputType(type))
          report(context, defaultValue, type, places.get(name) ?? [shownOr(name, isShown)], isShown);
      }
    },
  });
}

type Places = ReadonlyMap<string, Path>;

/** Documents are kept by Yoga's cache, and so is what was found in them. */
const knownPlaces = new WeakMap<OperationDefinitionNode, Places>();

/**
 * Where an operation's variables stand in the arguments, by their names: `input`, or `input.config` for a variable that
 * is the value of a field. A variable that is used more than once stands where it comes first.
 */
function placesOf(document: DocumentNode, operation: OperationDefinitionNode, isShown: IsShown): Places {
  const known = knownPlaces.get(operation);
  if (known) return known;
  const places = findPlaces(document, operation, isShown);
  knownPlaces.set(operation, places);
  return places;
}

function findPlaces(document: DocumentNode, operation: OperationDefinitionNode, isShown: IsShown): Places {
  const places = new Map<string, Path>();
  const look = (value: ValueNode, path: Path) => {
    if (value.kind === Kind.VARIABLE) {
      if (!places.has(value.name.value)) places.set(value.name.value, path);
    } else if (value.kind === Kind.LIST) {
      for (const [index, item] of value.values.entries()) look(item, [...path, String(index)]);
    } else if (value.kind === Kind.OBJECT) {
      for (const { name, value: given } of value.fields) look(given, [...path, shownOr(name.value, isShown)]);
    }
  };
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  for (const definition of [operation, ...fragments])
    visit(definition, {
      Argument({ name, value }) {
        look(value, [shownOr(name.value, isShown)]);
        return false;
      },
    });
  return places;
}

/** A name that the schema has; others may be secrets that stand in the wrong place. */
function shownOr(name: string, isShown: IsShown): string {
  return isShown(name) ? name : '…';
}

/** Makes one error of all issues; the values stay out of it. */
export function refusedValuesError(issues: readonly FieldIssue[], nodes?: readonly ValueNode[]) {
  return requestError('BAD_USER_INPUT', {
    message: messageOf(issues),
    issues,
    nodes,
    status: 400,
    aboutDocument: true,
  });
}

function report(
  context: ValidationContext,
  node: ValueNode,
  type: GraphQLInputType,
  path: Path,
  isShown: IsShown,
): void {
  const judge = new Judge(isShown);
  judge.value(givenLiteral(node), type, path);
  if (judge.issues.length > 0) context.reportError(refusedValuesError(judge.issues, [node]));
}

class Judge {
  readonly issues: FieldIssue[] = [];
  readonly #isShown: IsShown;

  constructor(isShown: IsShown) {
    this.#isShown = isShown;
  }

  refuse(code: IssueCode, path: Path, message: string = issueCodes[code]): void {
    if (this.issues.length < MAX_ISSUES) this.issues.push({ path, configPath: configPathOf(path), code, message });
  }

  value(given: Given, type: GraphQLInputType, path: Path): void {
    if (given.kind === 'variable') return;
    if (isNonNullType(type)) {
      if (given.kind === 'null') this.refuse('REQUIRED', path);
      else this.value(given, type.ofType, path);
    } else if (given.kind === 'null') {
      return;
    } else if (isListType(type)) {
      // a single value stands for a list of one, as GraphQL has it
      if (given.kind !== 'list') this.value(given, type.ofType, path);
      else for (const [index, item] of given.items().entries()) this.value(item, type.ofType, [...path, String(index)]);
    } else if (isInputObjectType(type)) {
      if (given.kind === 'object') this.#object(given.fields(), type, path);
      else this.refuse('INVALID_TYPE', path, 'Expected an object with fields.');
    } else {
      this.#leaf(given, type, path);
    }
  }

  #object(fields: ReadonlyMap<string, Given>, type: GraphQLInputObjectType, path: Path): void {
    const known = type.getFields();
    const unknown = [...fields.keys()].filter((name) => !Object.hasOwn(known, name));
    for (const name of unknown) this.#unknownField(name, type, path);
    for (const field of Object.values(known)) {
      const given = fields.get(field.name);
      if (given) this.value(given, field.type, [...path, field.name]);
      else if (isRequiredInputField(field)) this.refuse('REQUIRED', [...path, field.name]);
    }
    if (!type.isOneOf || unknown.length > 0) return;
    const [name, ...more] = fields.keys();
    if (name === undefined || more.length > 0) {
      this.refuse('EXACTLY_ONE', path, `Exactly one of ${listed(Object.keys(known))} must be given.`);
    } else if (fields.get(name)?.kind === 'null') {
      this.refuse('REQUIRED', [...path, name]);
    }
  }

  #unknownField(name: string, type: GraphQLInputObjectType, path: Path): void {
    const takes = `${type.name} takes ${listed(Object.keys(type.getFields()))}.`;
    if (this.#isShown(name)) this.refuse('UNKNOWN_FIELD', [...path, name], `There is no such field: ${takes}`);
    else this.refuse('UNKNOWN_FIELD', path, `It has a field that there is not: ${takes}`);
  }

  #leaf(given: GivenValue, type: GraphQLLeafType, path: Path): void {
    // databases keep text as UTF-8, which has no place for half of a character
    if (given.kind === 'leaf' && !given.isWellFormed) {
      this.refuse('INVALID_FORMAT', path, ILL_FORMED);
      return;
    }
    const code = isEnumType(type) ? judgeEnum(given, type) : judgeScalar(given, type);
    if (code) this.refuse(code, path, leafMessage(code, type));
  }
}

function judgeEnum(given: GivenValue, type: GraphQLEnumType): IssueCode | undefined {
  if (given.kind !== 'leaf' || given.enumName === undefined) return 'INVALID_TYPE';
  return type.getValue(given.enumName) ? undefined : 'INVALID_VALUE';
}

/** graphql-js refuses a value by throwing or by undefined. What it says echoes the value, so only the fact is taken. */
function judgeScalar(given: GivenValue, type: GraphQLLeafType): IssueCode | undefined {
  try {
    if (given.parse(type) !== undefined) return undefined;
  } catch {
    // the refusal is judged below, by the type
  }
  if (type.name === GraphQLInt.name && given.kind === 'leaf' && given.isInteger) return 'OUT_OF_RANGE';
  return BUILT_IN.has(type.name) ? 'INVALID_TYPE' : 'INVALID_FORMAT';
}

function givenJson(value: unknown): Given {
  if (value === null || value === undefined) return { kind: 'null' };
  const parse = (type: GraphQLLeafType) => type.parseValue(value);
  if (Array.isArray(value)) return { kind: 'list', parse, items: () => value.map(givenJson) };
  if (typeof value === 'object') {
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    return { kind: 'object', parse, fields: () => new Map(given.map(([name, each]) => [name, givenJson(each)])) };
  }
  return {
    kind: 'leaf',
    parse,
    enumName: typeof value === 'string' ? value : undefined,
    isInteger: Number.isInteger(value),
    isWellFormed: typeof value !== 'string' || value.isWellFormed(),
  };
}

function givenLiteral(node: ValueNode): Given {
  if (node.kind === Kind.VARIABLE) return { kind: 'variable' };
  if (node.kind === Kind.NULL) return { kind: 'null' };
  const parse = (type: GraphQLLeafType) => type.parseLiteral(node, undefined);
  if (node.kind === Kind.LIST) return { kind: 'list', parse, items: () => node.values.map(givenLiteral) };
  if (node.kind === Kind.OBJECT) {
    return {
      kind: 'object',
      parse,
      fields: () => new Map(node.fields.map((field) => [field.name.value, givenLiteral(field.value)])),
    };
  }
  return {
    kind: 'leaf',
    parse,
    enumName: node.kind === Kind.ENUM ? node.value : undefined,
    isInteger: node.kind === Kind.INT,
    isWellFormed: node.kind !== Kind.STRING || node.value.isWellFormed(),
  };
}

const ILL_FORMED =
  'The text is not well-formed: it has half of a character (a lone UTF-16 surrogate). Send it whole, or leave it out.';

const BUILT_IN = new Map<string, string>([
  [GraphQLInt.name, 'Expected a whole number.'],
  [GraphQLFloat.name, 'Expected a number.'],
  [GraphQLString.name, 'Expected text in double quotes.'],
  [GraphQLBoolean.name, 'Expected true or false.'],
  [GraphQLID.name, 'Expected an id: text in double quotes.'],
]);

function leafMessage(code: IssueCode, type: GraphQLLeafType): string {
  if (code === 'OUT_OF_RANGE') return 'Expected a whole number between −2147483648 and 2147483647.';
  if (isEnumType(type)) return `Expected one of ${listed(type.getValues().map((value) => value.name))}.`;
  return BUILT_IN.get(type.name) ?? `Expected a ${type.name}.${type.description ? ` ${type.description}` : ''}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).join(', ');
  return names.length > MAX_LISTED ? `${shown}, …` : shown;
}
