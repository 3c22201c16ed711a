import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import {
  buildSchema,
  findBreakingChanges,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  validateSchema,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../src/schema.ts';

const committed = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8');

/**
 * As `npm run schema` makes them, in a process of its own: fields are printed in the order in which modules are loaded,
 * and another test of this process may have loaded some of them.
 */
const PRINT = `
  const { generatedFiles } = await import(${JSON.stringify(new URL('../schema/print.ts', import.meta.url).href)});
  process.stdout.write(JSON.stringify([...(await generatedFiles())]));`;
const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PRINT], {
  maxBuffer: 64 * 1024 * 1024,
});
const generated = new Map(JSON.parse(stdout) as [path: string, content: string][]);

describe('what is written from the code', () => {
  it.each([...generated.keys()])('%s is up to date', async (path) => {
    expect(await committed(path), 'run npm run schema').toBe(generated.get(path));
  });

  it('has a page for each type, and none for another', async () => {
    const pages = (await readdir(new URL('../docs/connectors/', import.meta.url))).map(
      (name) => `docs/connectors/${name}`,
    );
    expect(pages.sort()).toEqual([...generated.keys()].filter((path) => path.startsWith('docs/connectors/')).sort());
    expect(pages.length).toBeGreaterThan(20);
  });
});

describe('the API', () => {
  it('is valid, which a gateway takes for granted', () => {
    expect(validateSchema(new GraphQLSchema({ ...schema.toConfig(), assumeValid: false }))).toEqual([]);
  });

  it('breaks nothing of what was released', async () => {
    const released = buildSchema(await committed('schema/released.graphql'));
    expect(findBreakingChanges(released, schema).map(({ description }) => description)).toEqual([]);
  });

  it('would notice a break', async () => {
    const narrower = buildSchema('type Query { viewer: Int! }');
    expect(findBreakingChanges(schema, narrower)).not.toEqual([]);
  });

  it('describes every type, field, argument, input field and value of an enum', async () => {
    expect(undescribed(buildSchema(await committed('schema/schema.graphql')))).toEqual([]);
  });

  it('would notice whatever has no description', () => {
    const bare = 'type Query { a(b: I): E } input I { c: Int } enum E { D }';
    expect(undescribed(buildSchema(bare))).toEqual(['Query', 'Query.a', 'Query.a.b', 'I', 'I.c', 'E', 'E.D']);
  });

  it('names ids and options by the rules of docs/concepts.md, and nothing else that is deprecated', async () => {
    const printed = buildSchema(await committed('schema/schema.graphql'));
    const named = inputsOf(printed);
    const ids = named.filter(({ type, isDeprecated }) => type === 'ID' && !isDeprecated);
    expect(ids.length).toBeGreaterThan(30);
    expect(
      ids.filter(
        ({ name }) =>
          !/^(?:ids?|(?:environment|datastore|dataStructure|webhook|worker|test|subject|parent|source|target|except)Ids?)$/.test(
            name,
          ),
      ),
    ).toEqual([]);
    // an operation on a datastore has its `id`; what refers to one is about something else
    const about = (path: string) =>
      /^(?:Query|Mutation|Subscription)\.datastores?\b|^(?:Update|Revert|Create|Upsert)Datastore/.test(path);
    expect(ids.filter(({ path, name }) => about(path) && name === 'datastoreId')).toEqual([]);
    const options = named.filter(({ type }) => type === 'ConnectionTestOptions').map(({ path }) => path);
    expect(options.toSorted()).toEqual([
      'CreateDatastoreInput.test',
      'StartConnectionTestInput.options',
      'UpdateDatastoreInput.test',
      'UpsertDatastoreInput.test',
    ]);
    const deprecated = named.filter(({ isDeprecated }) => isDeprecated).map(({ path }) => path);
    expect(deprecated).toEqual(['Query.apiTokens.sessionsOf']);
    expect(await committed('docs/concepts.md')).toContain('`apiTokens(sessionsOf:)`');
  });

  it('is printed with what can be asked first, and ids before names', async () => {
    const printed = await committed('schema/schema.graphql');
    const types = [...printed.matchAll(/^(?:type|interface|input|enum|union|scalar) (\w+)/gm)].map(([, name]) => name);
    expect(types.slice(0, 4)).toEqual(['Query', 'Mutation', 'Subscription', 'Viewer']);
    const { Datastore } = buildSchema(printed).getTypeMap();
    const fields = isInterfaceType(Datastore) ? Object.keys(Datastore.getFields()) : [];
    expect(fields.slice(0, 4)).toEqual(['id', 'type', 'connector', 'name']);
  });
});

type Described = readonly [path: string, description: string | null | undefined];

/** What has no description, by its path: `Datastore.connectionTests.first`. */
function undescribed(api: GraphQLSchema): string[] {
  const own = Object.values(api.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
  const described = own.flatMap((type): Described[] => {
    const path = (name: string) => `${type.name}.${name}`;
    const self: Described = [type.name, type.description];
    if (isEnumType(type))
      return [self, ...type.getValues().map((value) => [path(value.name), value.description] as const)];
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return [self];
    const fields = Object.values(type.getFields()).flatMap((field): Described[] => [
      [path(field.name), field.description],
      ...argumentsOf(field).map(({ name, description }): Described => [path(`${field.name}.${name}`), description]),
    ]);
    return [self, ...fields];
  });
  return described.filter(([, description]) => !description).map(([path]) => path);
}

/** Every argument and input field, by its path. */
function inputsOf(api: GraphQLSchema) {
  return Object.values(api.getTypeMap()).flatMap((type) => {
    if (isIntrospectionType(type)) return [];
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) return [];
    const fields: (GraphQLField<unknown, unknown> | GraphQLInputField)[] = Object.values(type.getFields());
    return fields.flatMap((field) => {
      const path = `${type.name}.${field.name}`;
      const inputs = isInputObjectType(type)
        ? [{ path, input: field }]
        : argumentsOf(field).map((input) => ({ path: `${path}.${input.name}`, input }));
      return inputs.map(({ path, input }) => ({
        path,
        name: input.name,
        type: getNamedType(input.type).name,
        isDeprecated: input.deprecationReason != null,
      }));
    });
  });
}

function argumentsOf(field: GraphQLField<unknown, unknown> | GraphQLInputField): readonly GraphQLArgument[] {
  return 'args' in field ? field.args : [];
}
