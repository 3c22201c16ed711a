import type { ConfigValues } from '../../src/connectors/kit/config/shape.ts';

/** The JSON Schema of a config's field, through blocks and alternatives; undefined when there is none. */
export function jsonSchemaAt(schema: ConfigValues, path: string): ConfigValues | undefined {
  const [key, ...rest] = path.split('.');
  const alternatives = (schema.oneOf ?? []) as ConfigValues[];
  const blocks = [schema, ...alternatives].map(
    ({ properties }) => properties as Record<string, ConfigValues> | undefined,
  );
  const next = blocks.map((properties) => properties?.[key ?? '']).find((each) => each !== undefined);
  return next === undefined || rest.length === 0 ? next : jsonSchemaAt(next, rest.join('.'));
}
