import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { named, secret } from '../../src/connectors/kit/config/marks.ts';
import { oneOf } from '../../src/connectors/kit/config/one-of.ts';
import { deriveConfigTypes } from '../../src/graphql/derive-config.ts';

const base = { host: z.string().meta({ description: 'Where it is.' }), port: z.int().default(1) };

/** Blocks that differ from the first in one thing that GraphQL shows. */
const others: Readonly<Record<string, z.ZodType>> = {
  'another key': named('Block', z.object({ ...base, more: z.string().optional() })),
  'a key less': named('Block', z.object({ host: base.host })),
  'another type': named('Block', z.object({ ...base, port: z.string().default('1') })),
  'another number': named('Block', z.object({ ...base, port: z.number().default(1) })),
  'another default': named('Block', z.object({ ...base, port: z.int().default(2) })),
  'no default': named('Block', z.object({ ...base, port: z.int() })),
  'an optional field': named('Block', z.object({ ...base, host: base.host.optional() })),
  'another description': named('Block', z.object({ ...base, host: z.string().meta({ description: 'Elsewhere.' }) })),
  'a secret': named('Block', z.object({ ...base, host: secret(base.host) })),
  'a choice': oneOf('Block', base),
  'a named enum': named('Block', z.object({ ...base, host: named('Host', z.enum(['a'])) })),
  'an enum of that name': named('Block', z.enum(['host', 'port'])),
};

let count = 0;

function derive(block: z.ZodType) {
  count += 1;
  return deriveConfigTypes({ type: `TRIAL_${count}`, title: 'Trial', config: z.object({ block }) });
}

describe('two connectors with a block of the same name', () => {
  derive(named('Block', z.object(base)));

  test('share its types when the blocks are the same', () => {
    expect(() => derive(named('Block', z.object(base)).optional())).not.toThrow();
  });

  test.each(Object.entries(others))('cannot be built when one has %s', (_, block) => {
    expect(() => derive(block)).toThrow('Two different config blocks are named Block');
  });
});

test('two enums of the same name must have the same values', () => {
  derive(named('Choice', z.enum(['a', 'b'])));
  expect(() => derive(named('Choice', z.enum(['a', 'b'])))).not.toThrow();
  expect(() => derive(named('Choice', z.enum(['a', 'c'])))).toThrow('Two different config blocks are named Choice');
});

test('a kind of zod that has no GraphQL type is refused', () => {
  const list = z.object({ list: z.array(z.string()) });
  expect(() => derive(named('List', list))).toThrow('Config field list: a zod array has no GraphQL type');
});
