import { z } from 'zod';
import { keptSecret, neededForChange, type WrittenBlock } from './change-form.ts';
import { fieldMarks } from './marks.ts';
import { type ConfigValues, type FieldShape, fieldsOf, splitSecrets } from './shape.ts';
import { type TenancyLevel, tenancySchema } from './tenancy.ts';

/** The dialects of JSON Schema in which a config is told: what form libraries take by default, and the newest one. */
export const jsonSchemaDialects = ['draft-07', 'draft-2020-12'] as const;
export type JsonSchemaDialect = (typeof jsonSchemaDialects)[number];

/** What a form is for: a new config, or a change of one whose secrets are stored. */
export type FormPurpose = 'create' | 'update';

/** How a schema is written. */
export interface SchemaOptions {
  /** Left out: draft-07. */
  readonly dialect?: JsonSchemaDialect;
  /** Left out: create. */
  readonly purpose?: FormPurpose;
}

/** What is asked of a connector here. */
interface Configured {
  readonly config: z.ZodObject;
  readonly example?: object;
}

type Json = z.core.JSONSchema.BaseSchema;

const EXAMPLES = /Examples?: (.+)$/s;

/**
 * Writes a connector's config input as JSON Schema, for forms to be drawn from. Secrets carry `writeOnly: true` and
 * `format: "password"`, and are left out of the example. A block that may be left out is null unless it is chosen, so
 * that no default inside of it fills it. Alternatives and the values of enums have titles. For an update no secret is
 * asked for, since the one that is stored stays, and a config without its secrets is right as it is.
 */
export function configJsonSchema(connector: Configured, options: SchemaOptions = {}): ConfigValues {
  const example = splitSecrets(connector, { ...connector.example }).config;
  return { ...objectSchema(connector.config, options, example), examples: [example] };
}

/** Writes the input of a tenancy as JSON Schema, with the levels that a type knows. */
export function tenancyJsonSchema(
  levels: readonly TenancyLevel[],
  dialect: JsonSchemaDialect = 'draft-07',
): ConfigValues {
  const written = objectSchema(tenancySchema, { dialect }, {});
  const { level } = written.properties as { level: Json };
  const known = (level.oneOf ?? []).filter((choice) => levels.some((each) => each === (choice as Json).const));
  return { ...written, properties: { ...(written.properties as object), level: { ...level, oneOf: known } } };
}

function objectSchema(object: z.ZodObject, options: SchemaOptions, example: ConfigValues): ConfigValues {
  const written = z.toJSONSchema(object, { io: 'input', target: options.dialect ?? 'draft-07' }) as Json;
  writeFields(object, written, example, options.purpose === 'update');
  return written as ConfigValues;
}

/** Says of a block what zod does not: its unknown fields are refused, and its fields have all that a form shows. */
function writeFields(object: z.core.$ZodObject, written: Json, example: unknown, isChange: boolean): void {
  // zod knows the alternatives of a choice as optional, and the one that is given is always on
  const isChoice = fieldMarks.get(object)?.oneOf !== undefined;
  const properties = (written.properties ?? {}) as Record<string, Json>;
  for (const field of fieldsOf(object)) {
    const own = properties[field.key];
    if (own === undefined) throw new Error(`Config field ${field.key} is not in the JSON Schema`);
    const value = (example as ConfigValues | undefined)?.[field.key];
    properties[field.key] =
      field.schema instanceof z.core.$ZodObject
        ? block(field, own, value, { isAlternative: isChoice, isChange })
        : leaf(field, own, value, isChange);
  }
  written.additionalProperties = false;
  if (isChange) Object.assign(written, neededForChange(object, written as WrittenBlock));
}

function leaf(field: FieldShape, own: Json, value: unknown, isChange: boolean): Json {
  const { mark, description } = field;
  const examples = value === undefined ? EXAMPLES.exec(description ?? '')?.[1]?.split(', ') : [value];
  return {
    ...(mark.labels ? labelledEnum(own, mark.labels, !field.required && field.defaultValue === undefined) : own),
    ...(examples && !own.examples && !mark.secret ? { examples } : {}),
    ...(mark.secret && isChange ? { description: keptSecret(description) } : {}),
  };
}

/**
 * A form library would choose the first value of an enum that may be left out, unless null is a choice as well. ajv
 * knows it by `nullable`, and would warn of two types.
 */
function labelledEnum(own: Json, labels: Readonly<Record<string, string>>, mayBeLeftOut: boolean): Json {
  const { enum: _values, ...rest } = own;
  const oneOf = Object.entries(labels).map(([value, title]) => ({ const: value, title }));
  if (!mayBeLeftOut) return { ...rest, oneOf };
  return { ...rest, nullable: true, default: null, oneOf: [{ const: null, title: 'Not set' }, ...oneOf] };
}

function block(
  field: FieldShape,
  own: Json,
  value: unknown,
  { isAlternative, isChange }: { readonly isAlternative: boolean; readonly isChange: boolean },
): Json {
  writeFields(field.schema as z.core.$ZodObject, own, value, isChange);
  if (field.mark.oneOf) return choice(own);
  return isAlternative || field.required || field.alwaysSet ? own : offOrOn(own);
}

function choice({ properties = {}, additionalProperties: _none, ...rest }: Json): Json {
  const oneOf = Object.entries(properties as Record<string, Json>).map(([key, alternative]) => ({
    ...(alternative.title === undefined ? {} : { title: alternative.title }),
    type: 'object' as const,
    properties: { [key]: alternative },
    required: [key],
    additionalProperties: false,
  }));
  return { ...rest, oneOf };
}

/**
 * Form libraries fill in the defaults of a block, and would then ask for all that it needs, unless it is null at first.
 */
function offOrOn({ title, description, ...on }: Json): Json {
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    default: null,
    oneOf: [
      { type: 'null', title: 'Off' },
      { ...(title === undefined ? {} : { title }), ...on },
    ],
  };
}
