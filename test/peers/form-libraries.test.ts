import { ajvResolver } from '@hookform/resolvers/ajv';
import { createAjv, Generate } from '@jsonforms/core';
import { getDefaultFormState, type RJSFSchema } from '@rjsf/utils';
import rjsfValidator from '@rjsf/validator-ajv8';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { type UseFormReturn, useForm } from 'react-hook-form';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { z } from 'zod';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import {
  type ConfigValues,
  dropNulls,
  leavesOf,
  placeSecrets,
  secretPathsOf,
  setAt,
  splitSecrets,
  valueAt,
} from '../../src/connectors/kit/config/shape.ts';
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

/** A form of react-hook-form's with a field for each path, which is typed into and sent as a browser would. */
class HookForm {
  readonly #paths: readonly string[];
  readonly #schema: ConfigValues;
  readonly #defaults: ConfigValues;
  #form: UseFormReturn<ConfigValues> | undefined;

  constructor(schema: ConfigValues, paths: readonly string[], defaults: ConfigValues = {}) {
    this.#defaults = defaults;
    this.#paths = paths;
    this.#schema = schema;
    renderToStaticMarkup(createElement(() => this.#render()));
  }

  #render() {
    this.#form = useForm<ConfigValues>({ resolver: ajvResolver(this.#schema as never), defaultValues: this.#defaults });
    const { register } = this.#form;
    const fields = this.#paths.map((path) => createElement('input', { key: path, ...register(path) }));
    return createElement('form', null, fields);
  }

  get #drawn(): UseFormReturn<ConfigValues> {
    if (!this.#form) throw new Error('The form has not been drawn.');
    return this.#form;
  }

  async type(path: string, value: unknown): Promise<void> {
    await this.#drawn.register(path).onChange({ target: { name: path, value }, type: 'change' });
  }

  async submit(): Promise<{ readonly values?: ConfigValues; readonly errors?: object }> {
    const outcome: { values?: ConfigValues; errors?: object } = {};
    await this.#drawn.handleSubmit(
      (values) => void Object.assign(outcome, { values }),
      (errors) => void Object.assign(outcome, { errors }),
    )();
    return outcome;
  }
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

  test('react-hook-form marks what is missing or wrong at its field, and sends what the gateway takes', async () => {
    const paths = leavesOf(connector.config).map(({ path }) => path);
    const given = paths.filter((path) => valueAt(example(), path) !== undefined);
    const form = new HookForm(schema, given);
    const needed = (schema.required as string[]).flatMap((key) => given.filter((path) => path.split('.')[0] === key));
    expect((await form.submit()).errors).toMatchObject({ [needed[0]?.split('.')[0] ?? '']: expect.anything() });

    for (const path of given) await form.type(path, valueAt(example(), path));
    const { values = {} } = await form.submit();
    expect(connector.config.parse(values)).toEqual(connector.config.parse(example()));

    const [wrong = ''] = needed;
    await form.type(wrong, { not: 'a text' });
    const { errors = {} } = await form.submit();
    // of a choice none is right, so the error is the choice's
    expect(errors, wrong).toHaveProperty(wrong.split('.')[0] ?? '');
    await form.type(wrong, valueAt(example(), wrong));
    expect(await form.submit()).toEqual({ values });
  });

  describe('for a change', () => {
    const change = configJsonSchema(connector, { purpose: 'update' });
    const secrets = secretPathsOf(connector);
    const stored = () => splitSecrets(connector, connector.config.parse(example()) as ConfigValues);

    test('what is stored is right as it comes, in each library, and stays what it is', async () => {
      const { config } = stored();
      const { values, wrong } = rjsf(change, config);
      expect(wrong).toEqual([]);
      const { secrets: kept } = stored();
      const sent = splitSecrets(connector, dropNulls(values)).config;
      expect(connector.config.parse(placeSecrets({ config: sent, secrets: kept }))).toEqual(
        connector.config.parse(example()),
      );
      expect(jsonForms(change, config)).toEqual([]);
      const given = leavesOf(connector.config).filter(({ path }) => valueAt(example(), path) !== undefined);
      const form = new HookForm(
        change,
        given.map(({ path }) => path),
        config,
      );
      expect(await form.submit()).toEqual({ values: config });
    });

    test('each secret may be given alone', () => {
      for (const path of secrets.filter((each) => valueAt(example(), each) !== undefined)) {
        const { config } = stored();
        setAt(config, path, valueAt(example(), path));
        expect(rjsf(change, config).wrong, path).toEqual([]);
      }
    });

    test('a form says of each secret that leaving it empty keeps it, and says nothing else of leaving it empty', () => {
      for (const path of secrets) {
        const description = String(jsonSchemaAt(change, path)?.description);
        expect(description.match(/[^.]*(?:empty|left out)[^.]*/gi), path).toEqual([
          ' Leave empty to keep the one that is stored',
        ]);
      }
    });

    test('all the rest is asked for as in a new form', () => {
      const open = (schema.required as string[]).filter((key) => !secrets.includes(key));
      expect(change.required).toEqual(open);
      const asked = (form: ConfigValues) => rjsf(form, {}).wrong.map(([, path = '']) => path.replace(/^\./, ''));
      expect(asked(schema)).toEqual(expect.arrayContaining(asked(change)));
      expect(asked(change).filter((path) => secrets.includes(path))).toEqual([]);
    });

    test('a tunnel and a client certificate are right without what is secret of them', () => {
      const { config } = stored();
      const more = {
        tls: { mode: 'VERIFY_FULL', clientCertificate: '-----BEGIN CERTIFICATE-----' },
        sshTunnel: { enabled: true, host: 'bastion.example.com', port: 22, username: 'jump' },
      };
      const blocks = Object.entries(more).filter(([key]) => key in connector.config.shape);
      const values = { ...config, ...Object.fromEntries(blocks) };
      expect(rjsf(change, values).wrong).toEqual([]);
      // the same form for a new datastore asks for them
      if (blocks.length > 0) expect(rjsf(schema, values).wrong).not.toEqual([]);
    });
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
    const newest = configJsonSchema(connector, { dialect: 'draft-2020-12' });
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

test('a change asks for no other way to sign in than the one that is stored', () => {
  const elasticsearch = connectors.find(({ type }) => type === 'ELASTICSEARCH');
  const change = configJsonSchema(elasticsearch ?? expect.fail('no Elasticsearch'), { purpose: 'update' });
  const signedInByKey = { serverType: 'SELF_MANAGED', url: 'https://search.example.com:9200', disableAuth: false };
  expect(rjsf(change, signedInByKey).wrong).toEqual([]);
  expect(rjsf(change, { ...signedInByKey, apiKey: 'key', password: 'both' }).wrong).not.toEqual([]);
});
