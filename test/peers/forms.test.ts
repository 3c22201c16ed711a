import Form from '@rjsf/core';
import validator from '@rjsf/validator-ajv8';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { expect, test } from 'vitest';
import { configJsonSchema } from '../../src/connectors/kit/config/json-schema.ts';
import { leavesOf } from '../../src/connectors/kit/config/shape.ts';
import { connectors } from '../../src/connectors/registry.ts';

test.each(connectors.map((connector) => [connector.type, connector] as const))(
  '@rjsf/core draws the form of %s from its JSON Schema as it comes',
  (_type, connector) => {
    const html = renderToStaticMarkup(createElement(Form, { schema: configJsonSchema(connector), validator }));
    expect(html).not.toMatch(/unsupported-field|Option 1/);
    // of a choice the first alternative is drawn, and a block that is off is not
    const names = leavesOf(connector.config).filter(({ path }) => !path.includes('.'));
    for (const { key, mark } of names)
      expect(html, key).toMatch(new RegExp(mark.secret ? `id="root_${key}"[^>]* type="password"` : `id="root_${key}"`));
  },
);
