import graphqlEslint from '@graphql-eslint/eslint-plugin';

export default [
  {
    files: ['*.graphql'],
    languageOptions: {
      parser: graphqlEslint.parser,
      parserOptions: { graphQLConfig: { schema: './schema.graphql' } },
    },
    plugins: { '@graphql-eslint': graphqlEslint },
    rules: {
      ...graphqlEslint.configs['flat/schema-recommended'].rules,
      // What has an identity is a Node and has an `id`. All else are values, which a client keeps within what they
      // belong to: pages and their edges, payloads, checks, configs. They are no entities, and get no ids.
      '@graphql-eslint/strict-id-in-types': 'off',
    },
  },
];
