import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { limitVariables } from '../../src/errors/limits.ts';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const [env, usage, readme, traces] = await Promise.all(
  ['src/env.ts', 'src/main.ts', 'README.md', 'docs/traces.md'].map(read),
);
const [, declared = ''] = /^const variables = z\.object\(\{\n(.*?)^\}\);/ms.exec(env ?? '') ?? [];
const variables = [...[...declared.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name), ...limitVariables];

/** A page has those of OpenTelemetry that are no endpoint. */
const ownPage = (name: string) => name.startsWith('OTEL_') && name !== 'OTEL_EXPORTER_OTLP_ENDPOINT';

describe('a setting is told of in the README and by --help', () => {
  test('they are found', () => {
    expect(variables).toContain('DATABASE_URL');
    expect(variables.length).toBeGreaterThan(40);
  });

  test.each(variables)('%s', (name) => {
    const told = new RegExp(`\\b${name}\\b`);
    if (ownPage(name)) return expect(traces).toMatch(told);
    expect(readme).toMatch(told);
    expect(usage).toMatch(told);
  });
});
