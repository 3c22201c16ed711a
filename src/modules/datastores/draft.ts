import {
  type ConfigValues,
  changedDestinations,
  dropNulls,
  type FullConfig,
  mergePatch,
  parseConfig,
  secretPathsOf,
  setAt,
  valueAt,
  withStoredSecrets,
} from '../../connectors/kit/config/shape.ts';
import { type Tenancy, tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { type Connector, configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { SecretsRequiredError, ValidationError } from '../../errors/api.ts';
import { type FieldIssue, fieldIssue, type Given, issueCodes, pathTo } from '../../errors/field-issues.ts';
import type { TestSubject } from '../connection-tests/plan.ts';

/** `{ s3: {…} }`: the values of a config under its connector's key. Exactly one key is given. */
export type KeyedConfig = Readonly<Record<string, ConfigValues | null | undefined>>;

/** A tenancy as a caller gives it: null means the same as left out, in each of its fields. */
export type GivenTenancy = { readonly [K in keyof Tenancy]?: Tenancy[K] | null };

/** A datastore that is not stored. */
export interface Draft extends Given {
  readonly config: KeyedConfig;
  /** The connector's principal secret, when the config leaves it out. */
  readonly configSecret?: string | null | undefined;
  readonly tenancy?: GivenTenancy | null | undefined;
}

/** A change over a stored datastore. What is left out stays as it is. */
export interface DraftChange extends Given {
  readonly config?: KeyedConfig | null | undefined;
  readonly configSecret?: string | null | undefined;
  /** It is replaced as a whole; null removes it. */
  readonly tenancy?: GivenTenancy | null | undefined;
}

/** What a draft comes to: what is to be tested, and stored when that has passed. */
export interface DraftSubject extends TestSubject {
  /** Where its config stands in the arguments. */
  readonly configPath: readonly string[];
  /** Where its tenancy stands there, given or not. */
  readonly tenancyPath: readonly string[];
}

/**
 * Reads a draft for an environment.
 * @throws ValidationError naming every wrong field of its config, or of its tenancy
 */
export function readDraft(draft: Draft, environmentId: string): DraftSubject {
  const { connector, values, path } = keyedConfig(draft.config, pathTo(draft, 'config'));
  const config = checkedConfig(connector, dropNulls(withConfigSecret(connector, values, draft)), path);
  const tenancy = tenancyOf(connector, draft);
  const paths = { configPath: path, tenancyPath: pathTo(draft, 'tenancy') };
  return {
    connector,
    config,
    tenancy,
    environmentId,
    datastoreId: null,
    storedVersion: null,
    firstVersion: null,
    ...paths,
  };
}

/** Reads a change over what is stored. @throws ValidationError, SecretsRequiredError */
export function readChange(stored: TestSubject, change: DraftChange): DraftSubject {
  const { connector } = stored;
  const { values, path } = patchFor(connector, change);
  const config =
    change.config || change.configSecret != null
      ? applyPatch(stored, withConfigSecret(connector, values, change), path)
      : stored.config;
  return { ...changeOver(stored, change), config, configPath: path };
}

/**
 * Reads a whole config over what is stored, whose secrets it has where it leaves them out.
 * @throws ValidationError, SecretsRequiredError
 */
export function readReplacement(stored: TestSubject, draft: Draft): DraftSubject {
  const { connector } = stored;
  const { values, path } = patchFor(connector, draft);
  const given = withConfigSecret(connector, values, draft);
  const config = checkedConfig(connector, dropNulls(withStoredSecrets(connector.config, stored.config, given)), path);
  requireSecretsAgain(connector, stored.config, config, given, path);
  return { ...changeOver(stored, draft), config, configPath: path };
}

/**
 * Reads an older version that is to be stored again: its config and tenancy with its own secrets in place, and what is
 * to differ from them. `missing` are the config paths of the secrets that it had and that are not kept.
 * @throws SecretsRequiredError for the missing ones, and for those that would go elsewhere; ValidationError where the
 * version does not fit the type any more
 */
export function readRevert(
  version: TestSubject,
  given: Pick<DraftChange, 'config' | 'path'>,
  missing: readonly string[],
): DraftSubject {
  const { connector } = version;
  const { values, path } = patchFor(connector, given);
  const message = 'The secret of this version is not kept any more: give it again.';
  const issues = missing
    .filter((secret) => valueAt(values, secret) === undefined)
    .map((secret) => configIssue(path, secret, 'SECRET_REQUIRED', message));
  if (issues.length > 0) throw new SecretsRequiredError(issues);
  const config = applyPatch(version, values, path);
  return { ...changeOver(version, { path: given.path, tenancy: version.tenancy }), config, configPath: path };
}

/** A change's tenancy over what is stored. */
function changeOver(stored: TestSubject, change: DraftChange): Omit<DraftSubject, 'configPath'> {
  const tenancy = change.tenancy === undefined ? stored.tenancy : tenancyOf(stored.connector, change);
  return { ...stored, tenancy, storedVersion: null, tenancyPath: pathTo(change, 'tenancy') };
}

/** A config as a caller gave it, and where it stands: `input.config.s3`. */
interface GivenConfig extends Given {
  readonly connector: Connector;
  readonly values: ConfigValues;
}

/** Finds the connector that a keyed config is for, and the values for it. */
function keyedConfig(keyed: KeyedConfig, path: readonly string[]): GivenConfig {
  for (const connector of connectors) {
    const key = configKey(connector);
    const values = keyed[key];
    if (values) return { connector, values, path: [...path, key] };
  }
  throw new Error('a config without a type passed the schema');
}

/** Reads the patch of a change. @throws ValidationError when it is not of the stored type */
function patchFor(connector: Connector, change: DraftChange): GivenConfig {
  const path = pathTo(change, 'config');
  if (!change.config) return { connector, values: {}, path: [...path, configKey(connector)] };
  const given = keyedConfig(change.config, path);
  if (given.connector === connector) return given;
  throw refusal(given.path, 'WRONG_TYPE', issueCodes.WRONG_TYPE);
}

/**
 * Puts configSecret in its place among the values.
 * @throws ValidationError when both are given, or the type has no such secret
 */
function withConfigSecret(connector: Connector, values: ConfigValues, draft: Draft | DraftChange): ConfigValues {
  if (draft.configSecret == null) return values;
  const path = pathTo(draft, 'configSecret');
  const principal = connector.principalSecret;
  if (principal === undefined)
    throw refusal(path, 'INVALID_COMBINATION', 'This type has no principal secret: put each secret into config.');
  if (valueAt(values, principal) != null) {
    const message = `Give the secret once: as configSecret or as ${principal} in config.`;
    throw refusal(path, 'INVALID_COMBINATION', message);
  }
  const filled = structuredClone(values);
  setAt(filled, principal, draft.configSecret);
  return filled;
}

/**
 * The draft with its configSecret in its place in the config, so that the config is judged with it. One that has no
 * place there is left for withConfigSecret() to refuse.
 */
export function placeConfigSecret<Input extends Draft>(draft: Input): Input {
  if (draft.configSecret == null) return draft;
  const { connector, values } = keyedConfig(draft.config, []);
  const principal = connector.principalSecret;
  if (principal === undefined || valueAt(values, principal) != null) return draft;
  const filled = structuredClone(values);
  setAt(filled, principal, draft.configSecret);
  return { ...draft, config: { [configKey(connector)]: filled }, configSecret: null };
}

/**
 * Checks a whole config by its connector's rules and fills in its defaults.
 * @throws ValidationError naming every wrong field
 */
function checkedConfig(connector: Connector, values: ConfigValues, path: readonly string[]): FullConfig {
  const result = parseConfig(connector, values);
  if (result.success) return result.data;
  throw new ValidationError(
    result.error.issues.map((found) => fieldIssue(found, [...path, ...found.path.map(String)])),
  );
}

/** Puts a patch over the stored config and checks the whole. @throws ValidationError, SecretsRequiredError */
function applyPatch({ connector, config }: TestSubject, patch: ConfigValues, path: readonly string[]): FullConfig {
  const merged = checkedConfig(connector, mergePatch(connector.config, config, patch), path);
  requireSecretsAgain(connector, config, merged, patch, path);
  return merged;
}

const TUNNEL = 'sshTunnel.';

/**
 * Keeps stored secrets from going where they were not given for. When a destination changes, the target's secrets must
 * be given again; when the tunnel changes, all of them. This is the one rule for an update and for the test of a
 * change.
 * @throws SecretsRequiredError naming the secrets
 */
function requireSecretsAgain(
  connector: Connector,
  before: FullConfig,
  after: FullConfig,
  patch: ConfigValues,
  path: readonly string[],
): void {
  const changed = changedDestinations(connector, before, after);
  if (changed.length === 0) return;
  const tunnelChanged = changed.some((one) => one.startsWith(TUNNEL));
  const message = `${issueCodes.SECRET_REQUIRED} Changed: ${changed.join(', ')}.`;
  const issues = secretPathsOf(connector)
    .filter((secret) => tunnelChanged || !secret.startsWith(TUNNEL))
    .filter((secret) => valueAt(after, secret) !== undefined && valueAt(patch, secret) === undefined)
    .map((secret) => configIssue(path, secret, 'SECRET_REQUIRED', message));
  if (issues.length > 0) throw new SecretsRequiredError(issues);
}

/** Reads a tenancy. @throws ValidationError when the type cannot have it */
function tenancyOf(connector: Connector, draft: Draft | DraftChange): Tenancy | null {
  if (draft.tenancy == null) return null;
  const path = pathTo(draft, 'tenancy');
  const parsed = tenancySchema.safeParse(dropNulls({ ...draft.tenancy }));
  if (!parsed.success)
    throw new ValidationError(
      parsed.error.issues.map((found) => fieldIssue(found, [...path, ...found.path.map(String)])),
    );
  if (connector.tenancyLevels?.includes(parsed.data.level)) return parsed.data;
  const levels = connector.tenancyLevels?.join(', ');
  const message = levels ? `The levels of this type are: ${levels}.` : 'This type has no tenancy.';
  throw refusal([...path, 'level'], 'INVALID_COMBINATION', message);
}

/** Refuses a type without a catalog. @throws ValidationError naming the field at `path` */
export function requireCatalog(connector: Connector, path: readonly string[]): void {
  if (!connector.catalogCheck) throw refusal(path, 'INVALID_COMBINATION', 'This type has no catalog.');
}

function refusal(path: readonly string[], code: FieldIssue['code'], message: string): ValidationError {
  return new ValidationError([{ path, configPath: null, code, message }]);
}

/** Makes an issue with a field of a config that stands at `path`. */
export function configIssue(
  path: readonly string[],
  configPath: string,
  code: FieldIssue['code'],
  message: string,
): FieldIssue {
  const within = configPath === '' ? [] : configPath.split('.');
  return { path: [...path, ...within], configPath: configPath || null, code, message };
}
