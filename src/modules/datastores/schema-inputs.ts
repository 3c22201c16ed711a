import { z } from 'zod';
import { type ConfigValues, dropNulls } from '../../connectors/kit/config/shape.ts';
import { tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';
import type { KeyedConfig } from './draft.ts';
import { ClientColumnTypeRef, configTypesOf, TenancyLevelRef } from './schema.ts';

/** In characters. The key file of a service account and a chain of certificates have less. */
const MAX_SECRET = 65_536;

/** Makes an input with one field for each connector, of which exactly one must be given. */
function configChoice(name: string, description: string, kind: 'input' | 'patch') {
  const ref = builder.inputRef<KeyedConfig>(name);
  builder.inputType(ref, {
    isOneOf: true,
    description,
    fields: (t) =>
      Object.fromEntries(
        connectors.map((connector) => [
          configKey(connector),
          t.field({ type: configTypesOf(connector)[kind], required: false }),
        ]),
        // the keys are known only at run time, so the builder cannot infer the shape from them
      ) as never,
  });
  return ref;
}

export const DatastoreConfigInput = configChoice(
  'DatastoreConfigInput',
  'Exactly one. Which one decides the type. From a generic form: `{ [Connector.configKey]: values }`.',
  'input',
);
export const DatastoreConfigPatch = configChoice(
  'DatastoreConfigPatch',
  'Exactly one, that of the stored type: a type never changes.',
  'patch',
);

const tenancyInput = z.preprocess((values) => dropNulls(values as ConfigValues), tenancySchema);
export const TenancyInput = builder.inputType('TenancyInput', {
  description: 'How clients (tenants) are laid out inside the datastore. TABLE needs the five other fields.',
  validate: { schema: tenancyInput as never },
  fields: (t) => ({
    level: t.field({ type: TenancyLevelRef, required: true }),
    clientColumnType: t.field({ type: ClientColumnTypeRef }),
    schemaName: t.string({ description: 'Where the mapping table is.' }),
    tableName: t.string({ description: 'The mapping table: a row for each client.' }),
    tableClientNameColumn: t.string(),
    tablePrimaryKeyColumn: t.string(),
  }),
});

/** The field for the principal secret, beside a config or a patch. */
export const configSecretField = {
  description:
    'The connector’s principal secret (see Connector.principalSecret), when config leaves it out. Both, or a type without one: ValidationError.',
  validate: { schema: z.string().min(1).max(MAX_SECRET) },
} as const;
