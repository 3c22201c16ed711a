import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type Answerable,
  type ConfigValues,
  deserializeConfig,
  type FullConfig,
  type PublicConfig,
  parseConfig,
  placeSecrets,
  serializeConfig,
  splitSecrets,
} from '../../../../src/connectors/kit/config/shape.ts';
import { connectorOf } from '../../../../src/connectors/registry.ts';
import type { ConfigTypes } from '../../../../src/graphql/derive-config.ts';
import type { NewTestRow } from '../../../../src/modules/connection-tests/store.ts';
import type { Datastore } from '../../../../src/modules/datastores/datastore.ts';

const connector = connectorOf('POSTGRES');
const parsed = parseConfig(connector, { host: 'db.example.com', database: 'd', username: 'u', password: 'canary' });
const full = parsed.success ? parsed.data : expect.fail(parsed.error.message);

describe('a full config', () => {
  test('is stored by nothing', () => {
    // @ts-expect-error a config with its secrets has no text
    serializeConfig(full);
    expectTypeOf<FullConfig>().not.toExtend<Datastore['config']>();
    expectTypeOf<FullConfig>().not.toExtend<NewTestRow['draft_config']>();
    expectTypeOf<ConfigValues>().not.toExtend<PublicConfig>();
  });

  test('is answered by nothing', () => {
    expectTypeOf<FullConfig>().not.toExtend<Answerable>();
    expectTypeOf<FullConfig>().not.toExtend<ConfigTypes['output']['$inferType']>();
    expectTypeOf<PublicConfig>().toExtend<ConfigTypes['output']['$inferType']>();
  });

  test('is not to be mistaken for what nobody has checked, or what has lost its secrets', () => {
    expectTypeOf<ConfigValues>().not.toExtend<FullConfig>();
    expectTypeOf<PublicConfig>().not.toExtend<FullConfig>();
  });

  test('is stored once its secrets are taken out, and whole again once they are back', () => {
    const { config, secrets } = splitSecrets(connector, full);
    const text = serializeConfig(config);
    expect(text).not.toContain('canary');
    expect(placeSecrets({ config: deserializeConfig(text), secrets })).toEqual(full);
  });
});
