import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../../src/schema.ts';
import { createDocumentValidator } from '../../src/server/documents.ts';
import { graphiqlExamples } from '../../src/server/graphiql-examples.ts';
import { refusedVariables } from '../../src/server/refused-values.ts';

test.each(
  graphiqlExamples().map(
    (example) => [/(?:query|mutation|subscription) (\w+)/.exec(example.query)?.[1], example] as const,
  ),
)('%s fits the schema and the limits, with its variables', (_name, { query, variables = '{}' }) => {
  const document = parse(query);
  expect(createDocumentValidator(schema)(document)).toEqual([]);
  const [operation] = document.definitions;
  if (operation?.kind !== 'OperationDefinition') throw new Error('an example is one operation');
  expect(refusedVariables(schema, document, operation, JSON.parse(variables), () => true)).toEqual([]);
});
