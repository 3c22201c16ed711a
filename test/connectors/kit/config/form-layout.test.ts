import { expect, test } from 'vitest';
import { z } from 'zod';
import { formLayoutOf } from '../../../../src/connectors/kit/config/form-layout.ts';
import { inGroup, secret } from '../../../../src/connectors/kit/config/marks.ts';
import { tls } from '../../../../src/connectors/kit/config/tls.ts';
import { postgres } from '../../../../src/connectors/postgres/index.ts';
import { snowflake } from '../../../../src/connectors/snowflake/index.ts';

const shape = (connector: Parameters<typeof formLayoutOf>[0]) =>
  formLayoutOf(connector).map(({ title, fields }) => [title, fields.join(' ')]);

test('a form begins with what the datastore is found by, and ends with what most leave as it is', () => {
  expect(shape(postgres)).toEqual([
    ['Basics', 'host port database schema'],
    ['Sign-in', 'username password'],
    ['TLS', expect.stringMatching(/^tls\.mode (tls\.\w+ ?)+$/)],
    ['SSH tunnel', expect.stringMatching(/^sshTunnel\.enabled sshTunnel\.host (sshTunnel\.\w+ ?)+$/)],
    [
      'Advanced',
      expect.stringMatching(/^(?=.*\ballowCleartextPassword\b)(?:awsIam\.\S+ ?|allowCleartextPassword ?)+$/),
    ],
  ]);
  expect(shape(snowflake)).toContainEqual([
    'Sign-in',
    expect.stringMatching(/^username (authentication\.\S+ ){4}role$/),
  ]);
});

test('a config that says nothing of groups has them all the same', () => {
  const config = z.object({
    place: z.string(),
    key: z.object({ id: z.string(), value: secret(z.string()).optional() }).optional(),
    retries: inGroup('ADVANCED', z.int()).default(3),
    tls: tls(),
    token: secret(z.string()),
  });
  expect(shape({ config })).toEqual([
    ['Basics', 'place'],
    ['Sign-in', 'key.id key.value token'],
    ['TLS', expect.stringMatching(/^tls\./)],
    ['Advanced', 'retries'],
  ]);
});
