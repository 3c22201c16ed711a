import { z } from 'zod';
import { labelSought } from '../../connectors/kit/config/label.ts';
import { issue } from '../../connectors/kit/config/marks.ts';
import { type ConfigValues, fieldsOf, leavesOf, valueAt } from '../../connectors/kit/config/shape.ts';
import { tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { type Connector, configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { ValidationError } from '../../errors/api.ts';
import { type FieldIssue, fieldIssue, type IssueCode, issueCodes } from '../../errors/field-issues.ts';
import { storedFields } from '../data-structures/schema-fields.ts';
import { fieldTypes, type GivenField, type Structure, type StructureField } from '../data-structures/structure.ts';
import { datastoreName } from '../datastores/datastore.ts';
import { checkEveryMinutes, description, MAX_TAGS, type Tag, tagKey } from '../datastores/details.ts';
import type { GivenTenancy } from '../datastores/draft.ts';
import { environmentName } from '../environments/name.ts';
import { type ManifestPath, readManifestText } from './manifest-text.ts';

export type { ManifestPath } from './manifest-text.ts';

import { hasReference, looksLikeReference, NO_SECRET, REFERENCE_RULE, referenceIn } from './references.ts';

/** How many datastores a manifest may have: what one transaction may take at once. */
export const MAX_DATASTORES = 500;
export const MAX_STRUCTURES = 200;
/** How many issues are told at once: whoever has made more begins with these. */
const MAX_ISSUES = 100;

/** A datastore as a manifest says that it is to be. What the manifest leaves out, it does not have. */
export interface ManifestDatastore {
  readonly connector: Connector;
  /** Its secrets are left out, given, or named by references. */
  readonly config: ConfigValues;
  readonly label: string | null;
  readonly description: string | null;
  readonly ownerName: string | null;
  readonly tags: readonly Tag[];
  readonly checkEveryMinutes: number | null;
  readonly tenancy: GivenTenancy | null;
  /** What its config has instead of secrets, by config path: `env:ORDERS_PASSWORD`. */
  readonly references: ReadonlyMap<string, string>;
}

/** What is wrong with a manifest, and where. */
export interface ManifestFault extends Omit<FieldIssue, 'line' | 'column'> {
  /** Where it stands in the text, when that is not its path. */
  readonly at?: ManifestPath;
}

/** What an environment is to hold, by names. */
export interface Manifest {
  /** The name of the environment that it is for; null for any. */
  readonly environment: string | null;
  readonly dataStructures: ReadonlyMap<string, Structure>;
  readonly datastores: ReadonlyMap<string, ManifestDatastore>;
  /** Says of what is wrong where it stands in the arguments and in the text. */
  readonly toIssue: (fault: ManifestFault) => FieldIssue;
}

const structureField: z.ZodType<GivenField> = z
  .strictObject({
    name: z.string(),
    type: z.enum(fieldTypes),
    label: z.string().nullish(),
    required: z.boolean().nullish(),
    default: (z.unknown() as z.ZodType<NonNullable<unknown> | null>).optional(),
    choices: z.array(z.unknown() as z.ZodType<NonNullable<unknown>>).nullish(),
    itemType: z.enum(fieldTypes).nullish(),
    get fields() {
      return z.array(structureField).nullish();
    },
  })
  .meta({ id: 'DataStructureField' });

const structure = z.strictObject({
  strict: z
    .boolean()
    .nullish()
    .transform((strict) => strict ?? false)
    .meta({ description: 'Whether a record with a field that the structure does not know is refused.' }),
  fields: z
    .array(structureField)
    .pipe(storedFields as z.ZodType<readonly StructureField[], GivenField[]>)
    .meta({ description: 'The fields of a record, in their order.' }),
});

const block = z.record(z.string(), z.unknown());

const datastore = z.strictObject({
  // what is stored may have names of older versions: steps.ts judges those that are new
  label: labelSought.nullish().meta({ description: 'A name for people. Left out: the name.' }),
  description: description.nullish().meta({ description: 'What the datastore is for.' }),
  ownerName: labelSought.nullish().meta({ description: 'Whom to ask about the datastore.' }),
  tags: z
    .record(tagKey, labelSought)
    .refine((tags) => Object.keys(tags).length <= MAX_TAGS, issue('TOO_LONG', `At most ${MAX_TAGS} tags.`))
    .nullish()
    .meta({ description: 'Words by which the datastore can be found.' }),
  checkEveryMinutes: checkEveryMinutes
    .nullish()
    .meta({ description: 'How often its default checks run by themselves. Left out: never.' }),
  tenancy: block.nullish(),
  config: block,
});

/** The structure of a manifest; what is in a config and in a tenancy, its connector judges. */
export const manifestSchema = z.strictObject({
  manifest: z.literal(1).meta({ description: 'The version of this format.' }),
  environment: environmentName
    .nullish()
    .meta({ description: 'The environment that it is for. Given, it is refused for every other one.' }),
  dataStructures: z
    .record(labelSought, structure)
    .refine(
      (all) => Object.keys(all).length <= MAX_STRUCTURES,
      issue('TOO_LONG', `At most ${MAX_STRUCTURES} data structures.`),
    )
    .nullish()
    .meta({ description: 'What records look like, by their names.' }),
  datastores: z
    .record(datastoreName, datastore)
    .refine(
      (all) => Object.keys(all).length <= MAX_DATASTORES,
      issue('TOO_LONG', `At most ${MAX_DATASTORES} datastores.`),
    )
    .nullish()
    .meta({ description: 'The datastores, by their names.' }),
});

/**
 * Reads a manifest that stands at `prefix` in the arguments.
 * @throws ValidationError that names every fault with line, column and path
 */
export async function readManifest(text: string, prefix: ManifestPath): Promise<Manifest> {
  const { value, placeOf } = await readManifestText(text, prefix);
  const toIssue = ({ at, path, ...found }: ManifestFault): FieldIssue => ({
    ...found,
    path: [...prefix, ...path],
    ...placeOf(at ?? path),
  });
  const { data, error } = manifestSchema.safeParse(value);
  if (error) throw refusal(error.issues.flatMap(faultsOf), toIssue);
  const faults: ManifestFault[] = [];
  const datastores = new Map<string, ManifestDatastore>();
  for (const [name, given] of Object.entries(data.datastores ?? {})) {
    const path = ['datastores', name];
    if (given.tenancy) findUnknown(tenancySchema, given.tenancy, [...path, 'tenancy'], faults);
    const found = readConfig(given.config, [...path, 'config'], faults);
    if (found) datastores.set(name, { ...datastoreOf(given), ...found });
  }
  if (faults.length > 0) throw refusal(faults, toIssue);
  const { environment = null, dataStructures } = data;
  return { environment, dataStructures: new Map(Object.entries(dataStructures ?? {})), datastores, toIssue };
}

function refusal(faults: readonly ManifestFault[], toIssue: Manifest['toIssue']): ValidationError {
  return new ValidationError(faults.slice(0, MAX_ISSUES).map(toIssue));
}

function datastoreOf(
  given: z.output<typeof datastore>,
): Omit<ManifestDatastore, 'connector' | 'config' | 'references'> {
  const tags = Object.entries(given.tags ?? {}).map(([key, value]) => ({ key, value }));
  const { label = null, description = null, ownerName = null, checkEveryMinutes = null, tenancy = null } = given;
  return { label, description, ownerName, checkEveryMinutes, tags, tenancy: tenancy as GivenTenancy | null };
}

/** Reads a config, as far as it can be read without what is stored. What is wrong with it is put into `faults`. */
function readConfig(
  given: ConfigValues,
  path: ManifestPath,
  faults: ManifestFault[],
): Pick<ManifestDatastore, 'connector' | 'config' | 'references'> | undefined {
  const [type, ...more] = Object.keys(given);
  const connector = connectors.find((each) => configKey(each) === type);
  if (type === undefined || more.length > 0 || !connector) {
    const known = connectors.map(configKey).join(', ');
    faults.push({ path, configPath: null, code: 'EXACTLY_ONE', message: `Give one type with its config: ${known}.` });
    return undefined;
  }
  const config = given[type];
  const inner = [...path, type];
  if (!isBlock(config)) {
    faults.push({ path: inner, configPath: null, code: 'INVALID_TYPE', message: issueCodes.INVALID_TYPE });
    return undefined;
  }
  findUnknown(connector.config, config, inner, faults);
  const references = new Map<string, string>();
  for (const { path: configPath, mark } of leavesOf(connector.config)) {
    const value = valueAt(config, configPath);
    if (typeof value !== 'string') continue;
    const refuse = (message: string) =>
      faults.push({ path: [...inner, ...configPath.split('.')], configPath, code: 'INVALID_FORMAT', message });
    const reference = mark.secret ? referenceIn(value) : undefined;
    if (reference !== undefined) references.set(configPath, reference);
    else if (mark.secret && looksLikeReference(value)) refuse(REFERENCE_RULE);
    else if (!mark.secret && hasReference(value)) refuse(NO_SECRET);
  }
  return { connector, config, references };
}

/** Names what a block does not have: zod would take it off without a word. */
function findUnknown(
  object: z.core.$ZodObject,
  values: ConfigValues,
  path: ManifestPath,
  faults: ManifestFault[],
): void {
  const fields = new Map(fieldsOf(object).map((field) => [field.key, field.schema]));
  for (const [key, value] of Object.entries(values)) {
    const schema = fields.get(key);
    if (!schema) faults.push(unknownField(path, key, [...fields.keys()]));
    else if (schema instanceof z.core.$ZodObject && isBlock(value)) findUnknown(schema, value, [...path, key], faults);
  }
}

/** What stands there may be a secret that slipped, so the message names what there is instead. */
function unknownField(path: ManifestPath, key: string, known: readonly string[]): ManifestFault {
  const message = `There is no such field here. There are: ${known.join(', ')}.`;
  return { path, at: [...path, key], configPath: null, code: 'UNKNOWN_FIELD', message };
}

function faultsOf(found: z.core.$ZodIssue): ManifestFault[] {
  const path = found.path.map(String);
  if (found.code === 'unrecognized_keys')
    return found.keys.map((key) => ({ path, at: [...path, key], configPath: null, ...toFault('UNKNOWN_FIELD') }));
  const [inner] = found.code === 'invalid_key' ? found.issues : [found];
  const { code, message } = fieldIssue(inner ?? found, path);
  return [{ path, configPath: null, code, message }];
}

function toFault(code: IssueCode) {
  return { code, message: issueCodes[code] };
}

function isBlock(value: unknown): value is ConfigValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
