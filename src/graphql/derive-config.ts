import type { InputRef, OutputRef } from '@pothos/core';
import { z } from 'zod';
import { fieldMarks } from '../connectors/kit/config/marks.ts';
import {
  type Answerable,
  type ConfigValues,
  dropNulls,
  type FieldShape,
  fieldsOf,
  patchSchemaOf,
} from '../connectors/kit/config/shape.ts';
import { type Connector, pascalName } from '../connectors/kit/contract/connector.ts';
import { builder } from './builder.ts';

type BlockRef = ReturnType<typeof builder.inputRef<ConfigValues>>;
type ObjectRef = ReturnType<typeof builder.objectRef<Answerable>>;
type LeafRef = InputRef<unknown> & OutputRef<unknown>;

/** The three GraphQL types of one connector's config, all derived from its one zod object. */
export interface ConfigTypes {
  readonly input: BlockRef;
  readonly patch: BlockRef;
  readonly output: ObjectRef;
}

/**
 * Derives `XConfigInput`, `XConfigPatch` and `XConfig` from a connector's zod object. Secrets stand in the inputs
 * alone. Defaults stand in the input alone, for in a patch they would overwrite what is stored. A kind of zod that has
 * no GraphQL type is refused when the schema is built.
 */
export function deriveConfigTypes(connector: Pick<Connector, 'type' | 'title' | 'config'>): ConfigTypes {
  const name = `${pascalName(connector)}Config`;
  return {
    input: inputType(`${name}Input`, connector.config, 'Input', z.preprocess(dropAllNulls, connector.config)),
    patch: inputType(`${name}Patch`, connector.config, 'Patch', patchSchemaOf(connector.config)),
    output: outputType(name, connector.title, connector.config, 'all-nullable'),
  };
}

type InputKind = 'Input' | 'Patch';

function inputType(name: string, object: z.core.$ZodObject, kind: InputKind, validation?: z.ZodType): BlockRef {
  const fields = fieldsOf(object).map((field) => ({ ...field, type: inputFieldType(field, kind) }));
  const ref = builder.inputRef<ConfigValues>(name);
  const isOneOf = fieldMarks.get(object)?.oneOf !== undefined;
  builder.inputType(ref, {
    isOneOf,
    ...(validation ? { validate: { schema: validation as never } } : {}),
    description: isOneOf
      ? 'Give exactly one of these fields.'
      : kind === 'Input'
        ? 'A field that may be left out may also be null, which means the same.'
        : 'A field that is left out stays as it is, null clears it (or brings back its default), a value replaces it. The merged whole is then validated.',
    fields: (t) =>
      Object.fromEntries(
        fields.map((field) => [
          field.key,
          t.field({
            type: field.type,
            // a secret may come as configSecret, beside the config
            required: kind === 'Input' && !isOneOf && field.required && !field.mark.secret,
            description: describe(field, kind === 'Input' && field.required),
            ...(kind === 'Input' && field.defaultValue !== undefined ? { defaultValue: field.defaultValue } : {}),
          }),
        ]),
        // the keys are known only at run time, so the builder cannot infer the shape from them
      ) as never,
  });
  return ref;
}

function outputType(
  name: string,
  title: string,
  object: z.core.$ZodObject,
  nullability: 'all-nullable' | 'as-set',
): ObjectRef {
  const readable = fieldsOf(object).filter((field) => !field.mark.secret);
  const fields = readable.map((field) => ({ ...field, type: outputFieldType(field) }));
  const ref = builder.objectRef<Answerable>(name);
  ref.implement({
    description:
      nullability === 'all-nullable'
        ? `The config of a datastore of the type “${title}” as it is stored, without its secrets. Every field is nullable, so that one document may select it from several types.`
        : `The part “${title}” of a config as it is stored, without its secrets.`,
    fields: (t) =>
      Object.fromEntries(
        fields.map((field) => [
          field.key,
          t.expose(field.key, {
            type: field.type,
            // at the root a name is nullable in every type, so that one document may select it from all of them
            // and Pothos cannot tell by the type of a value that is known only at run time
            nullable: (nullability === 'all-nullable' || !field.alwaysSet) as true,
            description: describe(field),
          }),
        ]),
      ),
  });
  return ref;
}

function inputFieldType(field: FieldShape, kind: InputKind): BlockRef | LeafRef | Scalar {
  const { schema } = field;
  if (!(schema instanceof z.core.$ZodObject)) return leafType(field);
  return block(`${graphqlName(field)}${kind}`, schema, (name) => inputType(name, schema, kind));
}

function outputFieldType(field: FieldShape) {
  const { schema } = field;
  if (!(schema instanceof z.core.$ZodObject)) return leafType(field);
  const { oneOf } = field.mark;
  if (oneOf?.outputName === 'Authentication') return authenticationRef;
  const title = field.title ?? field.key;
  return block(oneOf?.outputName ?? graphqlName(field), schema, (name) => outputType(name, title, schema, 'as-set'));
}

/** A way to sign in holds little but secrets, so all connectors that have several are read as this one type. */
const authenticationRef: ObjectRef = builder.objectRef<Answerable>('Authentication');
authenticationRef.implement({
  description: 'How the gateway signs in, where a type has several ways. Its secrets are never readable.',
  fields: (t) => ({
    method: t.string({
      description: 'Which way it is: the field of the input that was given, such as `keyPair`.',
      resolve: (choice) => methodOf(choice),
    }),
    clientId: t.string({
      nullable: true,
      description: 'The id of the OAuth client; null where the method has none.',
      resolve: (choice) => (choice[methodOf(choice)] as ConfigValues).clientId as string | undefined,
    }),
  }),
});

function methodOf(choice: ConfigValues): string {
  const method = Object.keys(choice).find((key) => choice[key] != null);
  if (method === undefined) throw new Error('a config without its way to sign in was stored');
  return method;
}

type Scalar = 'ID' | 'String' | 'Int' | 'Float' | 'Boolean';

function leafType(field: FieldShape): LeafRef | Scalar {
  const { key, schema } = field;
  if (field.mark.isId) return 'ID';
  const scalar = scalarOf(schema);
  if (scalar) return scalar;
  if (!(schema instanceof z.core.$ZodEnum))
    throw new Error(`Config field ${key}: a zod ${schema._zod.def.type} has no GraphQL type`);
  const values = Object.values(schema._zod.def.entries).map((value) => [
    value,
    { description: field.mark.labels?.[value] },
  ]);
  return block(graphqlName(field), schema, (name) =>
    builder.enumType(name, { description: describe(field), values: Object.fromEntries(values) }),
  ) as unknown as LeafRef;
}

function scalarOf(schema: z.core.$ZodType): Scalar | undefined {
  if (schema instanceof z.core.$ZodString) return 'String';
  if (schema instanceof z.core.$ZodNumberFormat) return 'Int';
  if (schema instanceof z.core.$ZodNumber) return 'Float';
  if (schema instanceof z.core.$ZodBoolean) return 'Boolean';
  return undefined;
}

const blocks = new Map<string, { readonly ref: unknown; readonly shape: string }>();

/** Shared blocks and enums are built once; two that differ in anything that GraphQL shows may not share a name. */
function block<Ref>(name: string, schema: z.core.$ZodObject | z.core.$ZodEnum, build: (name: string) => Ref): Ref {
  const shape = JSON.stringify(shapeOf(schema));
  const known = blocks.get(name);
  if (known && known.shape !== shape) throw new Error(`Two different config blocks are named ${name}`);
  if (known) return known.ref as Ref;
  const ref = build(name);
  blocks.set(name, { ref, shape });
  return ref;
}

/** Everything of a field's type that the GraphQL types made from it show. */
function shapeOf(schema: z.core.$ZodType): unknown {
  if (schema instanceof z.core.$ZodEnum) return [schema._zod.def.entries, fieldMarks.get(schema)?.labels];
  if (!(schema instanceof z.core.$ZodObject)) return scalarOf(schema);
  const fields = fieldsOf(schema).map((field) => [
    field.key,
    shapeOf(field.schema),
    field.mark.graphqlName,
    field.mark.secret,
    field.mark.oneOf?.outputName,
    field.required,
    field.alwaysSet,
    field.defaultValue,
    describe(field),
  ]);
  return [fieldMarks.get(schema)?.oneOf !== undefined, fields];
}

function graphqlName(field: FieldShape): string {
  if (!field.mark.graphqlName) throw new Error(`Config field ${field.key}: a block or an enum needs named()`);
  return field.mark.graphqlName;
}

/** `isNeeded` is about secrets alone: GraphQL itself says of any other field whether an input must give it. */
function describe(field: FieldShape, isNeeded = false): string | undefined {
  const text = field.description ?? field.title;
  return field.mark.secret ? `${isNeeded ? 'Secret, required.' : 'Secret.'} ${text ?? ''}`.trim() : text;
}

function dropAllNulls(values: unknown): unknown {
  return dropNulls(values as ConfigValues);
}
