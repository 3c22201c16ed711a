import type { CodegenConfig } from '@graphql-codegen/cli';

/** Types for the operations that the tests write with graphql(`…`), read off the committed schema. */
const config: CodegenConfig = {
  schema: 'schema/schema.graphql',
  documents: ['test/**/*.ts', '!test/support/gql/**', '!**/node_modules/**'],
  generates: {
    'test/support/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        emitLegacyCommonJSImports: false,
        importExtension: '.ts',
        useTypeImports: true,
        enumsAsTypes: true,
        documentMode: 'documentNode',
        scalars: { DateTime: 'string', JSON: 'unknown', ID: 'string', SafeInt: 'number' },
      },
    },
  },
  ignoreNoDocuments: true,
};
export default config;
