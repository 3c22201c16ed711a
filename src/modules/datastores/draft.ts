import {
  type ConfigValues,
  changedDestinations,
  dropNulls,
  type FullConfig,
  leavesOf,
  mergePatch,
  parseConfig,
  secretPathsOf,
  setAt,
  valueAt,
} from '../../connectors/kit/config/shape.ts';
import { type Tenancy, tenancySchema } from '../../connectors/kit/config/tenancy.ts';
import { type Connector, configKey } from '../../connectors/kit/contract/connector.ts';
import { connectors } from '../../connectors/registry.ts';
import { SecretsRequiredError, ValidationError } from '../../errors/api.ts';
import { type FieldIssue, fieldIssue, issueCodes } from '../../errors/field-issues.ts';

/** `{ s3: {…} }`, as GraphQL hands it over: exactly one key. */
export type KeyedConfig = Readonly<Record<string, ConfigValues | null | undefined>>;

/** A config as a caller gave it, and where in the input it stands. */
export interface GivenConfig {
  readonly connector: Connector;
  readonly values: ConfigValues;
  /** `input.config.s3` */
  readonly path: readonly string[];
}

/** Which connector a keyed config is for. GraphQL has seen to it that exactly one key is given. */
export function givenConfig(keyed: KeyedConfig, path: readonly string[]): GivenConfig {
  for (const connector of connectors) {
    const key = configKey(connector);
    const values = keyed[key];
    if (values) return { connector, values, path: [...path, key] };
  }
  throw new Error('a config without a type passed the schema');
}

/** Puts configSecret in its place in the config. @throws ValidationError when both are given, or the type has no such secret */
export function withConfigSecret(given: GivenConfig, secret: string | null | undefined): ConfigValues {
  if (secret == null) return given.values;
  const { connector, values, path } = given;
  const secretPath = [...path.slice(0, -2), 'configSecret'];
  const refuse = (message: string) => {
    throw new ValidationError([{ path: secretPath, configPath: null, code: 'INVALID_COMBINATION', message }]);
  };
  const principal = connector.principalSecret;
  if (principal === undefined) return refuse('This type has no principal secret: put each secret into config.');
  if (valueAt(values, principal) != null)
    return refuse(`Give the secret once: as configSecret or as ${principal} in config.`);
  const filled = structuredClone(values);
  setAt(filled, principal, secret);
  return filled;
}

/** Checks a whole config by its connector's rules and fills in its defaults. @throws ValidationError naming every wrong field */
export function checkedConfig(connector: Connector, values: ConfigValues, path: readonly string[]): FullConfig {
  const result = parseConfig(connector, values);
  if (result.success) return result.data;
  throw new ValidationError(
    result.error.issues.map((found) => fieldIssue(found, [...path, ...found.path.map(String)])),
  );
}

/** The stored config with a patch over it, checked as a whole. @throws ValidationError, SecretsRequiredError */
export function applyPatch(
  given: GivenConfig,
  stored: FullConfig,
  configSecret: string | null | undefined,
): FullConfig {
  const { connector, path } = given;
  const patch = withConfigSecret(given, configSecret);
  const merged = checkedConfig(connector, mergePatch(connector.config, stored, patch), path);
  requireSecretsAgain(connector, stored, merged, patch, path);
  return merged;
}

const TUNNEL = 'sshTunnel.';

/**
 * A stored secret is never sent where it was not given for: when a destination changes, the target's secrets must be given again; when
 * the tunnel changes, all of them. The one rule for an update, the test of a change, and a revert.
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
  const issues = secretPathsOf(connector)
    .filter((secret) => tunnelChanged || !secret.startsWith(TUNNEL))
    .filter((secret) => valueAt(after, secret) !== undefined && valueAt(patch, secret) === undefined)
    .map(
      (secret): FieldIssue => ({
        path: [...path, ...secret.split('.')],
        configPath: secret,
        code: 'SECRET_REQUIRED',
        message: `${issueCodes.SECRET_REQUIRED} Changed: ${changed.join(', ')}.`,
      }),
    );
  if (issues.length > 0) throw new SecretsRequiredError(issues);
}

/** A tenancy as GraphQL hands it over. */
export type GivenTenancy = { readonly [K in keyof Tenancy]?: Tenancy[K] | null } | null | undefined;

/** A tenancy that the type can have. @throws ValidationError */
export function tenancyOf(connector: Connector, given: GivenTenancy, path: readonly string[]): Tenancy | null {
  if (given == null) return null;
  const parsed = tenancySchema.safeParse(dropNulls({ ...given }));
  if (!parsed.success)
    throw new ValidationError(
      parsed.error.issues.map((found) => fieldIssue(found, [...path, ...found.path.map(String)])),
    );
  if (connector.tenancyLevels?.includes(parsed.data.level)) return parsed.data;
  const levels = connector.tenancyLevels?.join(', ');
  const message = levels ? `The levels of this type are: ${levels}.` : 'This type has no tenancy.';
  throw new ValidationError([{ path: [...path, 'level'], configPath: null, code: 'INVALID_COMBINATION', message }]);
}

/** @throws ValidationError when the catalog of a type is wanted that has none */
export function requireCatalog(
  connector: Connector,
  wanted: boolean | null | undefined,
  path = ['input', 'refreshCatalog'],
): void {
  if (!wanted || connector.catalogCheck) return;
  throw new ValidationError([
    { path, configPath: null, code: 'INVALID_COMBINATION', message: 'This type has no catalog.' },
  ]);
}

/** The patch of an update, which must be of the stored type. @throws ValidationError */
export function patchOf(
  connector: Connector,
  keyed: KeyedConfig | null | undefined,
  path: readonly string[],
): GivenConfig {
  if (!keyed) return { connector, values: {}, path: [...path, configKey(connector)] };
  const given = givenConfig(keyed, path);
  if (given.connector === connector) return given;
  throw new ValidationError([
    { path: given.path, configPath: null, code: 'WRONG_TYPE', message: issueCodes.WRONG_TYPE },
  ]);
}

/** A draft may be tested without some fields, but not stored: a tunnel's fingerprint. @throws ValidationError */
export function requireNeededToSave(
  subject: { readonly connector: Connector; readonly config: FullConfig },
  given: GivenConfig,
): void {
  const missing = leavesOf(subject.connector.config).filter(({ mark, path }) => {
    const cut = path.lastIndexOf('.');
    const isThere = cut < 0 || valueAt(subject.config, path.slice(0, cut)) !== undefined;
    return mark.neededToSave && isThere && valueAt(subject.config, path) === undefined;
  });
  const message = 'Needed to save: a test without it shows the one to confirm.';
  if (missing.length > 0)
    throw new ValidationError(missing.map(({ path }) => configIssue(given.path, path, 'REQUIRED', message)));
}

/** An issue with a field of a config that stands at `path`. */
export function configIssue(
  path: readonly string[],
  configPath: string,
  code: FieldIssue['code'],
  message: string,
): FieldIssue {
  const within = configPath === '' ? [] : configPath.split('.');
  return { path: [...path, ...within], configPath: configPath || null, code, message };
}
