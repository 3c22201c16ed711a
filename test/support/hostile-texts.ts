import { writeSync } from 'node:fs';
import {
  type ExecutionResult,
  execute,
  GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLObjectType,
  GraphQLScalarType,
  getNamedType,
  isEnumType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  parse,
  subscribe,
} from 'graphql';
import { z } from 'zod';
import { type ConfigValues, leavesOf, patchSchemaOf, setAt } from '../../src/connectors/kit/config/shape.ts';
import { type Connector, configKey } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';
import { readPageArguments } from '../../src/platform/paging.ts';
import { schema } from '../../src/schema.ts';

/*
 * Puts hostile texts into every text that a caller may give, in a process of its own, so that whoever started it can
 * end it when a text holds it up. It tells each case before it begins with it, and after that what came of it, as
 * lines of JSON: `{ "begins": … }`, then `{ "of": …, "outcome": [...] }`.
 */

const LENGTH = 512 * 1024;
const LARGEST_BODY = 1024 * 1024;
const filled = (unit: string, length: number) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);

/**
 * What is repeated, and what stands before it: each leads a careless scan to look at the same characters again and
 * again.
 */
const UNITS = [
  ...[
    '-----BEGIN A-----',
    '-----BEGIN CERTIFICATE-----',
    '-----END CERTIFICATE-----',
    '-----BEGIN RSA PRIVATE KEY-----\n',
  ],
  ...[
    '/',
    '?',
    '#',
    ' ',
    '\\',
    '\\n',
    'a',
    'a.',
    'a-',
    '.',
    '-',
    '0',
    ':',
    '[',
    '%41',
    '"',
    '\n',
    'A: b\n',
    '=',
    '@',
    '\u00e9',
    '\ud83d\ude00',
  ],
];
const BEGINNINGS = [
  ...['', 'https://db.example/', 'https://db.example/?', 'x://', 'db.example:', 's3://a', 'SHA256:', 'A:'],
  ...['-----BEGIN CERTIFICATE-----', '-----BEGIN ENCRYPTED PRIVATE KEY-----', '-----BEGIN EC PRIVATE KEY-----\nX: '],
  '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED',
];

const LONG_TEXTS = UNITS.map((unit) => filled(unit, LENGTH + 1));

const tell = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

async function tried(of: string, judge: () => unknown): Promise<void> {
  tell({ begins: of });
  tell({ of, outcome: await judge() });
}

/** `path code` of each issue; an empty list where the value is taken. */
function judged(type: z.core.$ZodType, value: unknown): string[] {
  const { error } = (type as z.ZodType).safeParse(value);
  return (error?.issues ?? []).map((found) => `${found.path.join('.')} ${fieldIssue(found, []).code}`);
}

/** Each text by itself, as long as its field takes it: shared blocks have the same fields in every type. */
async function tryFields(): Promise<void> {
  const known = new Set<z.core.$ZodType>();
  for (const connector of connectors) {
    for (const { path, schema: field } of leavesOf(connector.config)) {
      if (!(field instanceof z.core.$ZodString) || known.has(field)) continue;
      known.add(field);
      const longest = (field as z.ZodString).maxLength;
      if (longest === null) throw new Error(`${connector.type} ${path} takes a text of any length`);
      for (const beginning of BEGINNINGS) {
        await tried(`field ${connector.type} ${path} ${JSON.stringify(beginning)}`, () => {
          for (const unit of UNITS) judged(field, (beginning + filled(unit, longest)).slice(0, longest));
          return [];
        });
      }
    }
  }
}

/** Whole configs and patches with one text that is far too long. */
async function tryConfigs(): Promise<void> {
  for (const connector of connectors) {
    const patch = patchSchemaOf(connector.config);
    for (const { path, schema: field } of leavesOf(connector.config)) {
      if (!(field instanceof z.core.$ZodString)) continue;
      const outcomes = () =>
        LONG_TEXTS.flatMap((text) => {
          const config = structuredClone(connector.example) as ConfigValues;
          const change: ConfigValues = {};
          for (const values of [config, change]) setAt(values, path, text);
          return [judged(connector.config, config), judged(patch, change)];
        });
      await tried(`config ${connector.type} ${path}`, () => {
        const own = outcomes().map((issues) => issues.filter((issue) => issue.startsWith(`${path} `)).join());
        return [...new Set(own)];
      });
    }
  }
}

const someConnector = connectors[0] as Connector;
const UUID = '0a7d8f4e-1f6c-4c5e-9f0b-2f6a5d1c3b7e';
const A_URL = 'https://receiver.example.com/hook';
const A_TIME = '2026-01-01T00:00:00Z';
/** The texts that have to be given and are not any: a URL, and a key of 32 bytes. */
const FORMED: Readonly<Record<string, string>> = { url: A_URL, publicKey: `CQ${'A'.repeat(41)}` };

/** The least that an input type takes. */
function least(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return least(type.ofType);
  if (isListType(type)) return [least(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (type instanceof GraphQLScalarType)
    return type.name === 'ID' ? UUID : ({ Int: 1, Float: 1, Boolean: true, DateTime: A_TIME }[type.name] ?? 'x');
  if (type.name === 'DatastoreConfigInput') return { [configKey(someConnector)]: someConnector.example };
  const fields = Object.values((type as GraphQLInputObjectType).getFields());
  const given = (type as GraphQLInputObjectType).isOneOf ? fields.slice(0, 1) : fields.filter(isRequiredInputField);
  return Object.fromEntries(given.map(({ name, type: its }) => [name, FORMED[name] ?? least(its)]));
}

interface Place {
  readonly path: readonly string[];
  readonly isList: boolean;
  readonly value: (hostile: unknown) => unknown;
}

/** Every text and id below a type, but those of configs, which are tried by themselves. */
function places(type: GraphQLInputType, path: readonly string[], around: readonly string[] = []): Place[] {
  if (isNonNullType(type)) return places(type.ofType, path, around);
  if (isListType(type)) {
    const inner = places(type.ofType, path, around);
    return inner.map((place) => ({ ...place, isList: true, value: (hostile) => [hostile].flat().map(place.value) }));
  }
  if (type instanceof GraphQLInputObjectType) {
    // a type within itself has the same texts again
    if (/Config(Input|Patch)$/.test(type.name) || around.includes(type.name)) return [];
    return Object.values(type.getFields()).flatMap((field) =>
      places(field.type, [...path, field.name], [...around, type.name]).map((place) => ({
        ...place,
        value: (hostile) => ({ ...(type.isOneOf ? {} : (least(type) as object)), [field.name]: place.value(hostile) }),
      })),
    );
  }
  const isText = type instanceof GraphQLScalarType && ['String', 'ID'].includes(type.name);
  return isText ? [{ path, isList: false, value: (hostile) => hostile }] : [];
}

/** Services that are never to be reached. */
const reached = (): never => {
  throw new Error('REACHED');
};
const services = new Proxy({}, { get: () => new Proxy({}, { get: () => reached }) });
const loaders = new Proxy({}, { get: () => ({ load: reached }) });

const roots = {
  query: schema.getQueryType() as GraphQLObjectType,
  mutation: schema.getMutationType() as GraphQLObjectType,
  subscription: schema.getSubscriptionType() as GraphQLObjectType,
};
type Kind = keyof typeof roots;

async function asked(kind: Kind, field: string, name: string, type: GraphQLInputType, value: unknown): Promise<string> {
  const output = roots[kind].getFields()[field];
  const others = (output?.args ?? []).filter((argument) => argument.name !== name && isRequiredArgument(argument));
  const variables = [{ name, type, value }, ...others.map((each) => ({ ...each, value: least(each.type) }))];
  const inner = 'getFields' in getNamedType(output?.type ?? type) || 'getTypes' in getNamedType(output?.type ?? type);
  const errors = '... on ValidationError { issues { path code } }';
  const isUnion = output && 'getTypes' in getNamedType(output.type);
  const selection = isUnion ? `{ __typename ${errors} }` : inner ? '{ __typename }' : '';
  const source = `${kind} (${variables.map((each) => `$${each.name}: ${each.type}`)}) {
    field: ${field}(${variables.map((each) => `${each.name}: $${each.name}`)}) ${selection}
  }`;
  const result = (await (kind === 'subscription' ? subscribe : execute)({
    schema,
    document: parse(source),
    variableValues: Object.fromEntries(variables.map((each) => [each.name, each.value])),
    contextValue: { services, loaders, requireScope: () => undefined, refused: () => undefined, access: {} },
  })) as ExecutionResult;
  const data = result.data?.field as { issues?: { path: string[]; code: string }[] } | null | undefined;
  if (data?.issues) return data.issues.map(({ path, code }) => `${path.join('.')} ${code}`).join();
  const original = result.errors?.[0]?.originalError as { issues?: { path: string[]; code: string }[] } | undefined;
  return (
    original?.issues?.map(({ path, code }) => `${path.join('.')} ${code}`).join() ??
    result.errors?.[0]?.message ??
    'taken'
  );
}

async function tryOperations(): Promise<void> {
  for (const kind of Object.keys(roots) as Kind[]) {
    for (const field of Object.values(roots[kind].getFields())) {
      for (const argument of field.args) {
        for (const { path, isList, value } of places(argument.type, [argument.name])) {
          const ask = (hostile: unknown) => asked(kind, field.name, argument.name, argument.type, value(hostile));
          await tried(`operation ${field.name} ${path.join('.')}`, async () => {
            const answers = [];
            for (const text of LONG_TEXTS) answers.push(await ask(text));
            return [...new Set(answers)];
          });
          if (!isList) continue;
          // as many as a request can hold, and no more: an item may be a whole datastore
          const each = JSON.stringify(value(['a'])).length;
          const most = Array(Math.floor(LARGEST_BODY / each)).fill('a');
          await tried(`list ${field.name} ${path.join('.')}`, async () => [await ask(most)]);
        }
      }
    }
  }
}

async function tryCursors(): Promise<void> {
  await tried('cursors', () => {
    for (const text of LONG_TEXTS) {
      try {
        readPageArguments({ after: text }, 'LABEL');
      } catch (error) {
        if (!(error instanceof Error && error.name === 'ValidationError')) throw error;
      }
    }
    return [];
  });
}

await tryConfigs();
await tryOperations();
await tryCursors();
await tryFields();
