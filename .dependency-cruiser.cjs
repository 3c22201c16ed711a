/** Who may import whom. docs/architecture.md has the same as a table, with the reasons. */
const from = (path, pathNot) => (pathNot ? { path, pathNot } : { path });
const only = (name, comment, source, allowed, sourceNot) => ({
  name,
  comment,
  severity: 'error',
  from: from(source, sourceNot),
  to: { path: '^(src|migrations)/', pathNot: allowed },
});

module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '(^src/(main|executor/child)|\\.d)\\.ts$' },
      to: {},
    },
    { name: 'not-to-tests', severity: 'error', from: { path: '^(src|migrations)/' }, to: { path: '^(test|bench)/' } },
    {
      name: 'not-to-dev-packages',
      severity: 'error',
      from: { path: '^(src|migrations)/' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    { name: 'known-packages', severity: 'error', from: {}, to: { couldNotResolve: true } },
    only('errors', 'errors/ stands on nothing', '^src/errors/', '^src/errors/'),
    only(
      'platform',
      'platform/ knows no module and no connector',
      '^src/platform/',
      '^(src/platform/|src/errors/|migrations/index\\.ts$)',
    ),
    only('migrations', 'migrations stand alone', '^migrations/', '^migrations/'),
    only('kit', 'the kit knows no connector', '^src/connectors/kit/', '^(src/connectors/kit/|src/errors/)'),
    {
      name: 'network',
      comment:
        'kit/network opens sockets: the executor runs it, env.ts, saving.ts and serving.ts set its rules, nobody else knows it',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(connectors/kit/network/|executor/|(env|saving|serving)\\.ts$)' },
      to: { path: '^src/connectors/kit/network/' },
    },
    {
      name: 'family',
      comment: 'a family knows the kit, and no connector and no other family',
      severity: 'error',
      from: { path: '^src/connectors/families/([^/]+)/' },
      to: { path: '^src/', pathNot: '^src/(connectors/(kit/|families/$1/)|errors/)' },
    },
    {
      name: 'connector',
      comment: 'a connector knows the kit and its families, and no other connector',
      severity: 'error',
      from: { path: '^src/connectors/(?!kit/|families/)([^/]+)/' },
      to: { path: '^src/', pathNot: '^src/(connectors/(kit/|families/|$1/)|errors/)' },
    },
    only(
      'list',
      'the list of connectors knows them, and the registry knows the list',
      '^src/connectors/(list|registry)\\.ts$',
      '^src/connectors/',
    ),
    {
      name: 'connectors-by-registry',
      comment: 'whoever is not a connector knows them by the registry and the kit alone, the executor by the list',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(connectors|executor)/' },
      to: { path: '^src/connectors/', pathNot: '^src/connectors/(registry\\.ts$|kit/)' },
    },
    only(
      'executor',
      'the executor has no database and no keys',
      '^src/executor/',
      '^src/(executor/|connectors/(list\\.ts$|kit/)|errors/|platform/allowance\\.ts$)',
    ),
    only(
      'graphql',
      'graphql/ knows no module',
      '^src/graphql/',
      '^src/(graphql/|connectors/kit/|platform/(paging|streams/polled-stream)\\.ts$|errors/)',
    ),
    only(
      'store',
      'a store talks to the database, for an Access',
      '^src/modules/([^/]+)/store\\.ts$',
      '^src/(platform/|modules/access/(access|visibility)\\.ts$|modules/$1/|connectors/kit/(contract/(catalog-entry|failure)|config/shape)\\.ts$|errors/)',
    ),
    {
      name: 'services-without-graphql',
      comment: 'a service could serve another edge than GraphQL',
      severity: 'error',
      from: { path: '^src/modules/', pathNot: 'schema[a-z-]*\\.ts$' },
      to: { path: '^src/(graphql|server)/' },
    },
    {
      name: 'stores-stay-home',
      comment: 'a module asks another one’s service, not its store',
      severity: 'error',
      from: { path: '^src/modules/([^/]+)/' },
      to: { path: '^src/modules/([^/]+)/store\\.ts$', pathNot: '^src/modules/$1/' },
    },
    {
      name: 'schemas',
      comment: 'a schema maps its own service, and reaches no database',
      severity: 'error',
      from: { path: '^src/modules/[^/]+/schema[a-z-]*\\.ts$' },
      to: { path: '^src/(server|executor|platform)/', pathNot: '^src/platform/paging\\.ts$' },
    },
    only(
      'server',
      'the edge knows tokens and the schema, nothing else',
      '^src/server/',
      '^src/(server/|schema\\.ts$|graphql/|errors/|modules/access/(service|access|token)\\.ts$|platform/(allowance|briefly|json-names|record-maker|streams/polled-stream|telemetry/(logger|request-ids|trace-context|tracer))\\.ts$)',
    ),
    {
      name: 'composition-root',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main\\.ts$|commands/)' },
      to: { path: '^src/(app|main)\\.ts$' },
    },
    {
      name: 'drivers-in-checks',
      comment: 'a driver is loaded in the executor, when a check first needs it: by import() alone',
      severity: 'error',
      from: { path: '^src/connectors/' },
      to: { path: 'node_modules/(pg|mysql2|bson|tedious|ssh2)/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'observers-by-import',
      comment: 'metrics and traces are loaded where somebody collects them: by import() alone',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(tracing\\.ts$|platform/telemetry/(tracer|otlp-exporter)\\.ts$)' },
      to: {
        path: '^src/(metrics|tracing|platform/telemetry/(tracer|otlp-exporter))\\.ts$',
        dependencyTypesNot: ['dynamic-import', 'type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
