import { z } from 'zod';
import { configJsonSchema, tenancyJsonSchema } from '../../connectors/kit/config/json-schema.ts';
import { secretPathsOf, setAt } from '../../connectors/kit/config/shape.ts';
import { tenancyLevels } from '../../connectors/kit/config/tenancy.ts';
import { configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { manifestSchema } from './manifest.ts';
import { REFERENCE_PATTERN, structurePathsOf } from './references.ts';

type Json = Record<string, unknown>;

const REFERENCE = {
  type: 'string',
  pattern: REFERENCE_PATTERN,
  title: 'Named, not held',
  description: 'An environment variable or a file of the machine on which the command runs.',
};

const STRUCTURE = {
  type: ['string', 'null'],
  title: 'Data structure',
  description: 'The name of a data structure of the manifest or of the environment, or its id.',
};

/** Writes what a manifest may be as JSON Schema, draft-07, which editors check YAML by. */
export function manifestJsonSchema(): Json {
  const written = z.toJSONSchema(manifestSchema, { io: 'input', target: 'draft-07' }) as Json;
  const { datastores } = written.properties as Record<string, Json>;
  const datastore = recordIn(datastores).additionalProperties as Json;
  const properties = datastore.properties as Record<string, Json>;
  const configs = connectors.map((connector) => {
    const { examples: _, $schema: __, ...config } = configJsonSchema(connector, { purpose: 'update' });
    for (const path of secretPathsOf(connector)) nameInstead(config, path.split('.'));
    for (const path of structurePathsOf(connector)) setAt(config, `properties.${path}`, STRUCTURE);
    return [configKey(connector), { title: connector.title, description: connector.description, ...config }];
  });
  properties.config = {
    description: 'The config, under the one key that says its type.',
    type: 'object',
    properties: Object.fromEntries(configs),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
  };
  const { $schema: _, ...tenancy } = tenancyJsonSchema(tenancyLevels);
  properties.tenancy = { anyOf: [tenancy, { type: 'null' }] };
  return {
    ...written,
    title: 'Manifest',
    description: 'What an environment of a datastore gateway is to hold: docs/manifests.md.',
  };
}

/** The record within what may be null. */
function recordIn(written: Json | undefined): Json {
  const choices = (written?.anyOf ?? []) as Json[];
  return choices.find((choice) => choice.type === 'object') ?? written ?? {};
}

/** Lets a reference stand in the place of a secret, in whichever alternatives of a block the secret is. */
function nameInstead(written: Json, [key = '', ...rest]: readonly string[]): void {
  for (const choice of (written.oneOf ?? []) as Json[]) nameInstead(choice, [key, ...rest]);
  const properties = written.properties as Record<string, Json> | undefined;
  const own = properties?.[key];
  if (!properties || !own) return;
  if (rest.length > 0) nameInstead(own, rest);
  else properties[key] = { anyOf: [REFERENCE, own, { type: 'null' }] };
}
