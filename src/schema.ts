import type { GraphQLSchema } from 'graphql';
import { builder } from './graphql/builder.ts';
import './graphql/scalars.ts';
import { rights } from './modules/access/rights.ts';
import './modules/access/schema.ts';
import './modules/environments/schema.ts';
import './modules/session-tokens/schema.ts';
import './modules/api-tokens/schema.ts';
import './modules/audit/schema.ts';
import './modules/connectors/schema.ts';
import './modules/connectors/schema-parse-connection.ts';
import './modules/connection-tests/schema.ts';
import './modules/datastores/schema.ts';
import './modules/health/schema.ts';
import './modules/usages/schema.ts';
import './modules/data-structures/schema.ts';
import './modules/revisions/schema.ts';
import './modules/managed-data/schema.ts';
import './modules/managed-data/schema-events.ts';
import './modules/managed-data/schema-mutations.ts';
import './modules/datastores/schema-mutations.ts';
import './modules/datastores/schema-deletion.ts';
import './modules/datastores/schema-batches.ts';
import './modules/requested-tests/schema.ts';
import './modules/catalogs/schema.ts';
import './modules/manifests/schema.ts';
import './modules/webhooks/schema.ts';
import './modules/webhooks/schema-mutations.ts';
import './modules/processes/schema.ts';
import './modules/workers/schema.ts';
import './modules/nodes/schema.ts';

/** The whole API, which is built once from every module's schema.ts. */
export const schema: GraphQLSchema = builder.toSchema({ sortSchema: false, rights });
// it is the same at each start, and a test looks whether it is valid, as graphql-js does before the first operation
schema.__validationErrors = [];
