import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { configJsonSchema } from '../../../../src/connectors/kit/config/json-schema.ts';
import { destination, named, secret } from '../../../../src/connectors/kit/config/marks.ts';
import { oneOf } from '../../../../src/connectors/kit/config/one-of.ts';
import {
  changedDestinations,
  leavesOf,
  mergePatch,
  patchSchemaOf,
  placeSecrets,
  secretPathsOf,
  splitSecrets,
} from '../../../../src/connectors/kit/config/shape.ts';

/** A choice between two values and a block. */
const config = z.object({
  source: oneOf('Source', {
    url: destination(z.string().max(10)).meta({ title: 'URL' }),
    content: z.string(),
    login: named('Login', z.object({ user: z.string(), password: secret(z.string()).optional() })),
  }),
});
const connector = { config };
const url = { source: { url: 'u' } };
const login = { source: { login: { user: 'a', password: 'p' } } };

describe('a choice', () => {
  test.each([url, { source: { content: '' } }, login])('is exactly one: %j', (value) => {
    expect(config.parse(value)).toEqual(value);
  });

  test.each([{}, { url: 'u', content: 'c' }, { url: 'u', login: { user: 'a' } }])(
    'is no other number: %j',
    (source) => {
      const { error } = config.safeParse({ source });
      expect(error?.issues).toMatchObject([{ path: ['source'], params: { code: 'EXACTLY_ONE' } }]);
    },
  );

  test('has each of its values, and those of its blocks, as a leaf', () => {
    expect(leavesOf(config).map(({ path, title }) => [path, title])).toEqual([
      ['source.url', 'URL'],
      ['source.content', undefined],
      ['source.login.user', undefined],
      ['source.login.password', undefined],
    ]);
    expect(secretPathsOf(connector)).toEqual(['source.login.password']);
  });

  test.each([
    [url, { source: { url: 'v' } }, { source: { url: 'v' } }],
    [url, { source: { content: 'c' } }, { source: { content: 'c' } }],
    [url, { source: { content: '' } }, { source: { content: '' } }],
    [url, { source: { login: { user: 'b' } } }, { source: { login: { user: 'b' } } }],
    [login, { source: { url: 'v' } }, { source: { url: 'v' } }],
    [login, { source: { login: { user: 'b' } } }, { source: { login: { user: 'b', password: 'p' } } }],
    [login, {}, login],
  ])('%j changed by %j is %j', (stored, patch, merged) => {
    expect(mergePatch(config, stored, patch)).toEqual(merged);
    expect(config.parse(merged)).toEqual(merged);
  });

  test('checks each value of a patch by its own rules', () => {
    const patch = patchSchemaOf(config);
    expect(patch.safeParse({ source: { content: 'a longer text' } }).success).toBe(true);
    expect(patch.safeParse({ source: { url: 'a longer text' } }).error?.issues).toMatchObject([
      { path: ['source', 'url'], code: 'too_big' },
    ]);
  });

  test('keeps its secrets apart, and gets them back', () => {
    const split = splitSecrets(connector, login);
    expect(split.config).toEqual({ source: { login: { user: 'a' } } });
    expect(placeSecrets(split)).toEqual(login);
    expect(splitSecrets(connector, url)).toEqual({ config: url, secrets: new Map() });
  });

  test('leads elsewhere with another value, and with another alternative', () => {
    expect(changedDestinations(connector, url, { source: { url: 'v' } })).toEqual(['source.url']);
    expect(changedDestinations(connector, url, { source: { content: 'c' } })).toEqual(['source.url']);
    expect(changedDestinations(connector, login, { source: { login: { user: 'b' } } })).toEqual([]);
  });

  test('is a oneOf in JSON Schema', () => {
    const only = (key: string, schema: unknown) => ({
      type: 'object',
      properties: { [key]: schema },
      required: [key],
      additionalProperties: false,
    });
    expect(configJsonSchema(connector)).toMatchObject({
      properties: {
        source: {
          oneOf: [
            only('url', { type: 'string', maxLength: 10, title: 'URL' }),
            only('content', { type: 'string' }),
            only('login', { type: 'object', required: ['user'] }),
          ],
        },
      },
      required: ['source'],
    });
  });
});
