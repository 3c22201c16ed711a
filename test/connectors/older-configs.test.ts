import { expect, test } from 'vitest';
import {
  type ConfigValues,
  deserializeConfig,
  parseConfig,
  placeSecrets,
  serializeConfig,
  splitSecrets,
} from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';

/** What a type's config has had no word for in older versions: ways to sign in, and who pays. */
const ADDED: Readonly<Record<string, readonly string[]>> = {
  S3: ['assumeRole', 'webIdentity', 'stsUrl', 'requesterPays'],
  ATHENA: ['assumeRole', 'webIdentity', 'stsUrl'],
  POSTGRES: ['awsIam'],
  MYSQL: ['awsIam'],
  TRINO: ['accessToken'],
  OPENSEARCH: ['awsSigV4'],
  MONGO_DATA_API: ['username', 'password', 'accessToken'],
  GOOGLE_CLOUD_STORAGE: ['userProject'],
  BIGQUERY: ['dataProjectId'],
};

test.each(Object.entries(ADDED))(
  'a config of %s that an older version has stored is right, and stays as it is',
  (type, added) => {
    const connector = connectors.find((each) => each.type === type);
    if (!connector) throw new Error(`there is no ${type}`);
    for (const field of added) expect(connector.config.shape).toHaveProperty(field);
    const whole = connector.config.parse(connector.example) as ConfigValues;
    expect(Object.keys(whole).filter((key) => added.includes(key))).toEqual([]);
    const { config, secrets } = splitSecrets(connector, whole);
    const stored = deserializeConfig(serializeConfig(config));
    const read = parseConfig(connector, placeSecrets({ config: stored, secrets }));
    expect(read).toMatchObject({ success: true });
    expect(read.data).toEqual(whole);
  },
);
