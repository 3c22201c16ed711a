import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { runChecks } from '../../src/connectors/kit/checks/run-checks.ts';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import { type ConfigValues, leavesOf, setAt, splitSecrets, valueAt } from '../../src/connectors/kit/config/shape.ts';
import { type Connector, checkName, type Dialer } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { type FieldIssue, fieldIssue } from '../../src/errors/field-issues.ts';
import { PRIVATE_KEY } from '../support/inputs.ts';

/** The types whose example names a user or a key that nothing lets in without its secret. */
const CLOSED_TYPES: readonly string[] = [
  'GOOGLE_CLOUD_STORAGE',
  'S3',
  'MONGODB',
  'MSSQL',
  'ELASTICSEARCH',
  'OPENSEARCH',
  'SNOWFLAKE',
  'BIGQUERY',
  'DATABRICKS',
  'ATHENA',
  'FIREBOLT',
];

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const WITHOUT_KEY = { accessKeyId: undefined, secretAccessKey: undefined };

/** Secrets without which a config with these values is not right, in alternatives that no example shows. */
const OTHER_WAYS: readonly (readonly [type: string, change: ConfigValues, missing: string])[] = [
  ['SNOWFLAKE', { authentication: { keyPair: {} } }, 'authentication.keyPair.privateKey'],
  ['SNOWFLAKE', { authentication: { accessToken: {} } }, 'authentication.accessToken.token'],
  ['DATABRICKS', { authentication: { oauth: { clientId: 'app' } } }, 'authentication.oauth.clientSecret'],
  ['MONGODB', { authMechanism: 'SCRAM_SHA_256' }, 'password'],
  ['S3', { ...WITHOUT_KEY, webIdentity: { roleArn: ROLE } }, 'webIdentity.token'],
  ['ATHENA', { ...WITHOUT_KEY, webIdentity: { roleArn: ROLE } }, 'webIdentity.token'],
  ['S3', { assumeRole: { roleArn: ROLE } }, 'secretAccessKey'],
  [
    'OPENSEARCH',
    { username: undefined, awsSigV4: { region: 'eu-central-1', accessKeyId: 'AKID' } },
    'awsSigV4.secretAccessKey',
  ],
  ['POSTGRES', { awsIam: { region: 'eu-central-1', accessKeyId: 'AKID' } }, 'awsIam.secretAccessKey'],
  ['MYSQL', { awsIam: { region: 'eu-central-1', webIdentity: { roleArn: ROLE } } }, 'awsIam.webIdentity.token'],
  ['POSTGRES', { sshTunnel: { host: 'bastion.example', username: 'hop' } }, 'sshTunnel.password'],
];

/** Configs without any secret that are right all the same. */
const WITHOUT: readonly (readonly [type: string, change: ConfigValues])[] = [
  ['MONGODB', { username: undefined }],
  ['ELASTICSEARCH', { disableAuth: true, username: undefined, ...selfManaged() }],
];

function selfManaged(): ConfigValues {
  return { serverType: 'SELF_MANAGED', url: 'https://search.example.com:9200', cloudId: undefined };
}

const ajv = new Ajv({ allErrors: true, formats: { password: true } });

const compiled = new Map(connectors.map((connector) => [connector, ajv.compile(configJsonSchema(connector))]));

/** The JSON Schema's judgement, compiled once for each type. */
function bySchema(connector: Connector): ValidateFunction {
  const validate = compiled.get(connector);
  if (!validate) throw new Error(`${connector.type} is not in the registry`);
  return validate;
}

function issuesOf(connector: Connector, values: ConfigValues): FieldIssue[] {
  const { error } = connector.config.safeParse(values);
  return (error?.issues ?? []).map((found) => fieldIssue(found, found.path.map(String)));
}

const placesOf = (issues: readonly FieldIssue[]) => issues.map(({ path, code }) => `${path.join('.')} ${code}`).sort();

/** The paths that JSON Schema finds missing, in the alternatives that are given. */
function missingBySchema(connector: Connector, values: ConfigValues): string[] {
  const validate = bySchema(connector);
  validate(values);
  const errors = validate.errors ?? [];
  const branch = ({ schemaPath }: ErrorObject) => /^.*\/oneOf\/\d+/.exec(schemaPath)?.[0];
  const notGiven = errors.filter(({ keyword }) => keyword === 'additionalProperties').map(branch);
  const missing = errors.filter((error) => error.keyword === 'required' && !notGiven.includes(branch(error) ?? ''));
  return missing.map(({ instancePath, params }) =>
    [...instancePath.split('/').slice(1), String(params.missingProperty)].join('.'),
  );
}

/** The public part of the example with some values changed; undefined takes one away. */
function withoutSecrets(connector: Connector, change: ConfigValues = {}): ConfigValues {
  const values: ConfigValues = { ...splitSecrets(connector, { ...connector.example }).config, ...change };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const byType = (type: string) => {
  const connector = connectors.find((each) => each.type === type);
  if (!connector) throw new Error(`there is no ${type}`);
  return connector;
};

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (type, connector) => {
  const needs = connector.example as ConfigValues;

  test('its example is right by its rules and by its JSON Schema', () => {
    expect(issuesOf(connector, needs)).toEqual([]);
    expect(bySchema(connector)(needs), JSON.stringify(ajv.errors)).toBe(true);
  });

  test('its example without secrets is judged by its JSON Schema as by its rules, and refused where nothing is let in so', () => {
    const bare = withoutSecrets(connector);
    const issues = issuesOf(connector, bare);
    if (CLOSED_TYPES.includes(type)) expect(issues).not.toEqual([]);
    expect(bySchema(connector)(bare)).toBe(issues.length === 0);
    const needed = missingBySchema(connector, bare);
    const paths = issues.map(({ path }) => path.join('.'));
    expect(issues.map(({ code }) => code)).toEqual(paths.map(() => 'REQUIRED'));
    expect(needed.sort()).toEqual(paths.sort());
  });

  test('says of each secret that may be left out when that is', () => {
    for (const { path, description, required, mark } of leavesOf(connector.config)) {
      if (mark.secret) expect(/Leave empty/.test(description ?? ''), path).toBe(!required);
    }
  });

  test('an empty text is one issue, where it stands', () => {
    const texts = leavesOf(connector.config).filter(({ schema }) => schema instanceof z.core.$ZodString);
    for (const { path } of texts) {
      const values = structuredClone(needs);
      const block = path.slice(0, path.lastIndexOf('.'));
      const isNew = path.includes('.') && valueAt(needs, block) === undefined;
      setAt(values, path, '');
      // what a block needs besides is missing when no example has the block
      const issues = issuesOf(connector, values).filter(
        (found) => !(isNew && found.code === 'REQUIRED' && found.configPath !== path && found.path.join('.') !== path),
      );
      expect(placesOf(issues)).toEqual([`${path} TOO_SHORT`]);
    }
  });

  test('a config that was stored without its secrets stops at the sign-in, and nothing is sent', async () => {
    const bare = withoutSecrets(connector);
    const [missing] = issuesOf(connector, bare);
    if (!missing) return expect(CLOSED_TYPES).not.toContain(type);
    const nothing = () => Promise.reject(new Error('something was sent'));
    const dialer: Dialer = {
      resolve: nothing,
      resolveService: nothing,
      dial: nothing,
      secure: nothing,
      openTunnel: nothing,
      hold: () => () => undefined,
      afterwards: () => dialer,
    };
    const signIn = connector.checks.filter(({ name }) => name === 'session/authenticate');
    const outcome = await runChecks({
      connector,
      config: bare,
      checks: signIn.map((check) => checkName(connector, check)),
      dialer,
      signal: new AbortController().signal,
      secrets: [],
      onEvent: () => undefined,
    });
    expect(outcome.failure).toMatchObject({ code: 'CREDENTIALS_REQUIRED', configPath: missing.path.join('.') });
  });
});

test.each(OTHER_WAYS)('%s with %j needs %s', (type, change, missing) => {
  const connector = byType(type);
  const bare = withoutSecrets(connector, change);
  expect(placesOf(issuesOf(connector, bare))).toEqual([`${missing} REQUIRED`]);
  expect(missingBySchema(connector, bare)).toContain(missing);
  const value = /privateKey$/.test(missing) ? PRIVATE_KEY : 'not-a-real-secret';
  const whole = structuredClone(bare);
  setAt(whole, missing, value);
  expect(issuesOf(connector, whole)).toEqual([]);
  expect(bySchema(connector)(whole)).toBe(true);
});

test.each(WITHOUT)('%s with %j needs no secret', (type, change) => {
  const connector = byType(type);
  const bare = withoutSecrets(connector, change);
  expect(issuesOf(connector, bare)).toEqual([]);
  expect(bySchema(connector)(bare)).toBe(true);
});
