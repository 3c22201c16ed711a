import { z } from 'zod';
import { type ConfigValues, dropNulls } from '../../connectors/kit/config/shape.ts';
import { tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { anyText } from '../../connectors/kit/config/text.ts';
import { configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { builder } from '../../graphql/builder.ts';
import { type Draft, type KeyedConfig, placeConfigSecret } from './draft.ts';
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
          t.field({ type: configTypesOf(connector)[kind], required: false, description: connector.description }),
        ]),
        // the keys are known only at run time, so the builder cannot infer the shape from them
      ) as never,
  });
  return ref;
}

export const DatastoreConfigInput = configChoice(
  'DatastoreConfigInput',
  'The config of a new datastore. Give exactly one field: it decides the type. A generic form writes `{ [Connector.configKey]: values }`.',
  'input',
);
export const DatastoreConfigPatch = configChoice(
  'DatastoreConfigPatch',
  'A change of a config. Give exactly one field, that of the stored type: a type never changes.',
  'patch',
);
/** Its fields may be left out, for what is stored may have them; the whole is checked once that is known. */
export const DatastoreConfigReplacement = configChoice(
  'DatastoreConfigReplacement',
  'A whole config that takes the place of the stored one, if there is one. Give exactly one field, that of the stored type: a type never changes. What it lacks is told by `issues`.',
  'patch',
);

const tenancyFields = tenancySchema.shape;
const tenancyInput = z.preprocess((values) => dropNulls(values as ConfigValues), tenancySchema);
export const TenancyInput = builder.inputType('TenancyInput', {
  description:
    'How your clients (tenants) are laid out inside the datastore. At level TABLE, fill in the five other fields.',
  validate: { schema: tenancyInput as never },
  fields: (t) => ({
    level: t.field({ type: TenancyLevelRef, required: true, description: tenancyFields.level.description }),
    clientColumnType: t.field({ type: ClientColumnTypeRef, description: tenancyFields.clientColumnType.description }),
    schemaName: t.string({ description: tenancyFields.schemaName.description }),
    tableName: t.string({ description: tenancyFields.tableName.description }),
    tableClientNameColumn: t.string({ description: tenancyFields.tableClientNameColumn.description }),
    tablePrimaryKeyColumn: t.string({ description: tenancyFields.tablePrimaryKeyColumn.description }),
  }),
});

/** The field by which a managed datastore is changed whatever its records look like. */
export const forceField = {
  description:
    'Of a managed datastore: true to give it another data structure also when stored records do not fit that. They stay as they are, and each is judged when it is put next. Left out, or false: you get a RecordsMisfitError.',
} as const;

/** The field for the tenancy of a new datastore. */
export const tenancyField = {
  type: TenancyInput,
  description: 'How clients (tenants) are laid out inside the datastore. Leave it out to say nothing of that.',
} as const;

/** What judges an input that has a whole config: the config counts with its configSecret in place. */
export const draftValidation = { schema: z.unknown().transform((draft) => placeConfigSecret(draft as Draft)) as never };

/** The field for the principal secret, beside a config or a patch. */
export const configSecretField = {
  description:
    'The type’s main secret, such as its password: see Connector.principalSecret. Leave it out when it stands in config already, when the type has none, or to keep the stored one. It is judged as if it stood in config.',
  validate: { schema: anyText(MAX_SECRET) },
} as const;
