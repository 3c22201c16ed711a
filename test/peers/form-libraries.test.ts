import { ajvResolver } from '@hookform/resolvers/ajv';
import { createAjv, Generate } from '@jsonforms/core';
import { getDefaultFormState, type RJSFSchema } from '@rjsf/utils';
import rjsfValidator from '@rjsf/validator-ajv8';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import { type ConfigValues, dropNulls, leavesOf, valueAt } from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { jsonSchemaAt } from '../support/json-schema-at.ts';

/* Each library takes the schema as it comes, with its default validator. That they draw it is shown by the peers. */

const warned = vi.spyOn(console, 'warn');
const logged = vi.spyOn(console, 'error');
beforeAll(() => {
  warned.mockClear();
  logged.mockClear();
});
afterAll(() => {
  expect(warned).not.toHaveBeenCalled();
  expect(logged).not.toHaveBeenCalled();
  warned.mockRestore();
  logged.mockRestore();
});

/** What @rjsf/core starts with, and what it finds wrong in that. */
function rjsf(schema: RJSFSchema, given: ConfigValues) {
  const values = getDefaultFormState(rjsfValidator, schema, given, schema) as ConfigValues;
  const { errors } = rjsfValidator.validateFormData(values, schema);
  return { values, wrong: errors.map(({ property = '', name, params }) => [name, property, params.missingProperty]) };
}

async function reactHookForm(schema: ConfigValues, given: ConfigValues): Promise<object> {
  const resolve = ajvResolver(schema as never);
  return (await resolve(given, undefined, { fields: {}, shouldUseNativeValidation: false })).errors;
}

function jsonForms(schema: ConfigValues, given: ConfigValues): string[] {
  const validate = createAjv().compile(schema);
  validate(given);
  return (validate.errors ?? []).map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

describe.each(connectors.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  const schema = configJsonSchema(connector);
  const example = () => structuredClone(connector.example) as ConfigValues;

  test('@rjsf/core fills in the defaults and nothing else, and finds nothing wrong in what the gateway takes', () => {
    const { values, wrong } = rjsf(schema, example());
    expect(wrong).toEqual([]);
    expect(connector.config.parse(dropNulls(values))).toEqual(connector.config.parse(example()));
  });

  test('@rjsf/core asks an empty form for what a config needs, and for nothing of a block that is off', () => {
    const { values, wrong } = rjsf(schema, {});
    for (const [, property = '', missing] of wrong) expect(`${property}.${missing}`).not.toMatch(/sshTunnel/);
    expect(wrong).not.toEqual([]);
    if ('sshTunnel' in connector.config.shape) expect(values).toMatchObject({ sshTunnel: null });
  });

  test('react-hook-form’s ajvResolver takes what the gateway takes, and marks what it misses', async () => {
    expect(await reactHookForm(schema, example())).toEqual({});
    const [needed] = (schema.required as string[]) ?? [];
    const { [needed ?? '']: _taken, ...rest } = example();
    expect(await reactHookForm(schema, rest)).toMatchObject({ [needed ?? '']: { type: 'required' } });
  });

  test('JSON Forms takes what the gateway takes, and draws a control for each field', () => {
    expect(jsonForms(schema, example())).toEqual([]);
    expect(jsonForms(schema, {})).not.toEqual([]);
    const { elements } = Generate.uiSchema(schema) as unknown as { elements: { scope: string }[] };
    expect(elements.map(({ scope }) => scope)).toEqual(
      Object.keys(connector.config.shape).map((key) => `#/properties/${key}`),
    );
  });

  test('the newest dialect says the same', () => {
    const newest = configJsonSchema(connector, 'draft-2020-12');
    expect({ ...newest, $schema: schema.$schema }).toEqual(schema);
    const ajv = new Ajv2020();
    addFormats.default(ajv);
    expect(ajv.compile(newest)(example())).toBe(true);
  });

  test('every secret is typed unseen, every text of several lines says so, every enum has labels', () => {
    for (const { path, mark, schema: field } of leavesOf(connector.config)) {
      const own = jsonSchemaAt(schema, path);
      if (mark.secret) expect(own, path).toMatchObject({ writeOnly: true, format: 'password' });
      if (/PEM/.test(String(own?.description)))
        expect(own, path).toMatchObject({ contentMediaType: 'application/x-pem-file' });
      if (field._zod.def.type !== 'enum') continue;
      const values = Object.values((field as z.ZodEnum)._zod.def.entries);
      const choices = own?.nullable ? [null, ...values] : values;
      expect(own?.oneOf, path).toEqual(choices.map((value) => ({ const: value, title: expect.any(String) })));
    }
  });

  test('its examples are right, and no secret has one', () => {
    for (const { path, mark, schema: field } of leavesOf(connector.config)) {
      const { description, examples } = jsonSchemaAt(schema, path) ?? {};
      if (mark.secret) expect(examples, path).toBeUndefined();
      else if (/Examples?:/.test(String(description))) expect(examples, path).toBeDefined();
      for (const each of (examples as unknown[] | undefined) ?? [])
        expect((field as z.ZodType).safeParse(each).success, `${path}: ${each}`).toBe(true);
      const shown = valueAt(example(), path);
      if (shown !== undefined && !mark.secret) expect(examples, path).toEqual([shown]);
    }
  });
});

test('every alternative of every type has a title', () => {
  const untitled: string[] = [];
  const look = (at: unknown, path: string) => {
    if (typeof at !== 'object' || at === null) return;
    for (const [key, value] of Object.entries(at)) {
      if (key === 'oneOf')
        for (const each of value as object[]) if (!('title' in each)) untitled.push(`${path}: ${JSON.stringify(each)}`);
      look(value, `${path}.${key}`);
    }
  };
  for (const connector of connectors) look(configJsonSchema(connector), connector.type);
  expect(untitled).toEqual([]);
});
