import * as fc from 'fast-check';
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedOutputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/** Part of each random text: it must never come back in an error. No host can be called so. */
export const MARK = 'ma rk-5e1f';

/** An operation as a careless or a hostile client might send it. */
export interface RandomRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Below these a document asks for no more fields, so that most documents are within the limits. */
const MAX_DEPTH = 5;
/** What would connect to somewhere. */
const CONNECTS = ['startConnectionTest', 'refreshCatalog', 'test'];

const texts = fc.oneof(
  { weight: 5, arbitrary: fc.string({ maxLength: 12 }).map((text) => `${MARK}${text}`) },
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\0',
      '\u202e',
      '\ud83d\ude00',
      '__proto__',
      'constructor',
      '../../etc/passwd',
      '%',
      "' or 1=1 --",
      '{{x}}',
    ].map((text) => `${MARK}${text}`),
  ),
  fc.integer({ min: 1, max: 5_000 }).map((length) => MARK.repeat(length)),
);
/** Of another kind than what is asked for. */
const strange = fc.oneof(
  texts,
  fc.double(),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constantFrom(null, [], {}, [[[[]]]], { __proto__: null }, 1e308, -0, 2 ** 53),
  fc.json({ maxDepth: 3 }).map((json) => JSON.parse(json) as unknown),
);

/** Requests over all fields of a schema: most are nearly right, some are no GraphQL at all. */
export function randomRequests(schema: GraphQLSchema, ids: readonly string[]): fc.Arbitrary<RandomRequest> {
  const source = new Source(schema, ids);
  return fc.oneof(
    { weight: 8, arbitrary: source.operation() },
    { weight: 1, arbitrary: source.operation().chain(damaged) },
    { weight: 1, arbitrary: fc.record({ query: fc.string({ maxLength: 200 }), variables: fc.constant({}) }) },
  );
}

/** The same with some of its characters lost, doubled or replaced. */
function damaged({ query, variables }: RandomRequest): fc.Arbitrary<RandomRequest> {
  const place = fc.nat({ max: Math.max(0, query.length - 1) });
  const damage = fc.constantFrom('', '{', '}', '"', '@', '...', '\0', '🜚', '#', '!');
  return fc
    .array(fc.tuple(place, fc.nat({ max: 3 }), damage), { minLength: 1, maxLength: 3 })
    .map((all) => all.reduce((text, [at, cut, by]) => text.slice(0, at) + by + text.slice(at + cut), query))
    .map((text) => ({ query: text, variables }));
}

class Source {
  readonly #schema: GraphQLSchema;
  readonly #ids: readonly string[];

  constructor(schema: GraphQLSchema, ids: readonly string[]) {
    this.#schema = schema;
    this.#ids = ids;
  }

  operation(): fc.Arbitrary<RandomRequest> {
    const roots = [
      ['query', this.#schema.getQueryType()],
      ['mutation', this.#schema.getMutationType()],
    ] as const;
    const fields = roots.flatMap(([kind, root]) =>
      Object.values(root?.getFields() ?? {})
        .filter(({ name }) => !CONNECTS.includes(name))
        .map((field) => [kind, field] as const),
    );
    return fc.constantFrom(...fields).chain(([kind, field]) => this.#rooted(kind, field));
  }

  #rooted(kind: string, field: GraphQLField<unknown, unknown>): fc.Arbitrary<RandomRequest> {
    const values = Object.fromEntries(field.args.map((argument) => [argument.name, this.#given(argument)]));
    const selection = this.#selection(getNamedType(field.type), 1);
    return fc
      .tuple(fc.record(values, { requiredKeys: [] }), fc.boolean(), selection)
      .map(([given, isComplete, inner]) => {
        const used = field.args.filter(({ name }) => name in given || (isComplete && values[name] !== undefined));
        const head = used.map((argument) => `$${argument.name}: ${argument.type}`).join(', ');
        const passed = used.map(({ name }) => `${name}: $${name}`).join(', ');
        const call = `${field.name}${used.length > 0 ? `(${passed})` : ''}`;
        return { query: `${kind} Random${head ? `(${head})` : ''} { ${call} ${inner} }`, variables: given };
      });
  }

  #given(argument: GraphQLArgument | GraphQLInputField): fc.Arbitrary<unknown> {
    return fc.oneof({ weight: 9, arbitrary: this.#value(argument.type, 0) }, { weight: 1, arbitrary: strange });
  }

  #value(type: GraphQLInputType, depth: number): fc.Arbitrary<unknown> {
    if (isNonNullType(type)) return this.#value(type.ofType, depth);
    if (isListType(type)) return fc.array(this.#value(type.ofType, depth + 1), { maxLength: 3 });
    if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name));
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(({ name }) => !CONNECTS.includes(name));
      if (depth > MAX_DEPTH) return fc.constant({});
      const values = Object.fromEntries(
        fields.map((field) => [field.name, fc.memo(() => this.#value(field.type, depth + 1))()]),
      );
      if (type.isOneOf)
        return fc
          .constantFrom(...fields)
          .chain(({ name }) => fc.record({ [name]: values[name] as fc.Arbitrary<unknown> }));
      const required = fields.filter((field) => isRequiredArgument(field as GraphQLArgument)).map(({ name }) => name);
      return fc.record(values, { requiredKeys: required });
    }
    switch (type.name) {
      case 'ID':
        return fc.oneof(fc.constantFrom(...this.#ids), fc.uuid(), texts);
      case 'Int':
        return fc.oneof(fc.integer({ min: -2, max: 200 }), fc.integer());
      case 'Float':
        return fc.double();
      case 'Boolean':
        return fc.boolean();
      case 'DateTime':
        return fc.oneof(
          fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
          texts,
        );
      case 'String':
        return texts;
      default:
        return strange;
    }
  }

  #selection(type: GraphQLNamedOutputType, depth: number): fc.Arbitrary<string> {
    if (!isCompositeType(type)) return fc.constant('');
    if (depth > MAX_DEPTH) return fc.constant('{ __typename }');
    const members = isAbstractType(type) ? [...this.#schema.getPossibleTypes(type)] : isObjectType(type) ? [type] : [];
    const spreads = fc
      .subarray(members, { minLength: 1, maxLength: Math.min(2, members.length) })
      .chain((some) =>
        fc.tuple(...some.map((member) => this.#fields(member, depth).map((inner) => `... on ${member.name} ${inner}`))),
      );
    return spreads.map((all) => `{ __typename ${all.join(' ')} }`);
  }

  #fields(type: GraphQLObjectType, depth: number): fc.Arbitrary<string> {
    const fields = Object.values(type.getFields()).filter((field) => !field.args.some(isRequiredArgument));
    if (fields.length === 0) return fc.constant('{ __typename }');
    return fc
      .subarray(fields, { minLength: 1, maxLength: Math.min(4, fields.length) })
      .chain((some) =>
        fc.tuple(
          ...some.map((field) =>
            this.#selection(getNamedType(field.type), depth + 1).map((inner) => `${field.name} ${inner}`),
          ),
        ),
      )
      .map((all) => `{ ${all.join(' ')} }`);
  }
}
