import { readFile } from 'node:fs/promises';
import { buildSchema, findBreakingChanges } from 'graphql';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../schema/print.ts';
import { schema } from '../src/schema.ts';

const committed = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8');

describe('what is written from the code', () => {
  it.each(['schema/schema.graphql', 'schema/connectors.json', 'docs/errors.md', 'docs/rights.md', 'README.md'])(
    '%s is up to date',
    async (path) => {
      const files = await generatedFiles();
      expect(await committed(path), 'run npm run schema').toBe(files.get(path));
    },
  );
});

describe('the API', () => {
  it('breaks nothing of what was released', async () => {
    const released = buildSchema(await committed('schema/released.graphql'));
    expect(findBreakingChanges(released, schema).map(({ description }) => description)).toEqual([]);
  });

  it('would notice a break', async () => {
    const narrower = buildSchema('type Query { viewer: Int! }');
    expect(findBreakingChanges(schema, narrower)).not.toEqual([]);
  });

  it('describes every query, mutation and subscription', () => {
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const fields = roots.flatMap((root) => Object.values(root?.getFields() ?? {}));
    expect(fields.filter((field) => !field.description).map(({ name }) => name)).toEqual([]);
  });
});
