import { z } from 'zod';
import { authenticateCheck } from '../kit/checks/authenticate.ts';
import { tenancyCheck } from '../kit/checks/tenancy.ts';
import type { Check } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../kit/contract/peer-socket.ts';
import { jsonAnswer, listOf } from '../kit/http/answers.ts';
import { informationSchemaColumns } from '../kit/http/information-schema.ts';
import {
  accepted,
  askDatabricks,
  type DatabricksContext,
  type DatabricksState,
  DENIED,
  errorCodeOf,
  queryDatabricks,
  signIn,
} from './client.ts';
import { type DatabricksConfig, warehouseId } from './config.ts';

type DatabricksCheck = Check<DatabricksConfig, DatabricksState>;

/** The most tables that tables/list counts: the API gives no more at once. */
const PAGE = 50;

const ME = z
  .object({ userName: z.string().max(320).optional(), id: z.string().optional() })
  .refine(({ userName, id }) => userName !== undefined || id !== undefined);
const WAREHOUSE = z.object({
  state: z.string().regex(/^[A-Z_]{1,40}$/),
  name: z.string().optional(),
  cluster_size: z.string().optional(),
});
const TABLES = z.object({
  tables: listOf(z.object({ full_name: z.string() })).optional(),
  next_page_token: z.string().optional(),
});
/** The states of a warehouse that is going away. */
const ENDING = ['DELETING', 'DELETED'];

const authenticate: DatabricksCheck = authenticateCheck(
  'The workspace takes the token, or gives the service principal one.',
  async (context) => {
    const { config, state } = context;
    state.token = await signIn(context);
    const path = '/api/2.0/preview/scim/v2/Me?attributes=userName';
    const response = await askDatabricks(context, { method: 'GET', path, maxBytes: SIGN_IN_LIMIT });
    // a token that the workspace takes may still lack the right to ask for its own user
    const mayNotAsk = errorCodeOf(response) === DENIED;
    const user = mayNotAsk ? undefined : jsonAnswer(accepted(response, config), ME).userName;
    return { evidence: { server: 'Databricks', user } };
  },
);

const getWarehouse: DatabricksCheck = {
  name: 'warehouse/get',
  title: 'Look at the warehouse',
  description: 'The SQL warehouse exists and may be used. Nothing is started. The user needs CAN USE on the warehouse.',
  async run(context) {
    const { config } = context;
    const path = `/api/2.0/sql/warehouses/${warehouseId(config)}`;
    const response = await askDatabricks(context, { method: 'GET', path });
    const { state, name, cluster_size: size } = jsonAnswer(accepted(response, config), WAREHOUSE);
    return { evidence: { warehouse: name, state, size }, warning: ENDING.includes(state) };
  },
};

const executeQuery: DatabricksCheck = {
  name: 'query/execute',
  title: 'Run a query',
  description:
    'Catalog and schema can be used, and a query runs. A warehouse that sleeps is started by it, which can take minutes for one that is not serverless.',
  async run(context) {
    const { rows } = await queryDatabricks(
      context,
      () => 'select current_catalog(), current_schema(), current_version().dbsql_version',
    );
    const [row] = rows;
    if (!row) throw new Failure('UNEXPECTED_ANSWER');
    const [catalog, schema, version] = row;
    return {
      evidence: { catalog: catalog ?? undefined, schema: schema ?? undefined, version: version ?? undefined },
    };
  },
};

const listTables: DatabricksCheck = {
  name: 'tables/list',
  title: 'List the tables',
  description:
    'The tables of the schema, or of the catalog, can be listed in Unity Catalog; at most 50 are counted. The user needs USE CATALOG and USE SCHEMA.',
  async run(context) {
    const { schema } = context.config;
    const query = new URLSearchParams({ catalog_name: await catalogOf(context), max_results: String(PAGE) });
    if (schema !== undefined) query.set('schema_name', schema);
    if (schema !== undefined) query.set('omit_columns', 'true');
    const resource = schema === undefined ? 'table-summaries' : 'tables';
    const path = `/api/2.1/unity-catalog/${resource}?${query}`;
    const response = await askDatabricks(context, { method: 'GET', path });
    const { tables = [], next_page_token: next } = jsonAnswer(accepted(response, context.config, 'data'), TABLES);
    return { evidence: { tables: tables.length, more: Boolean(next) } };
  },
};

/** The config's catalog, or the one that the workspace uses when none is named. */
async function catalogOf(context: DatabricksContext): Promise<string> {
  if (context.config.catalog !== undefined) return context.config.catalog;
  const { rows } = await queryDatabricks(context, () => 'select current_catalog()');
  const catalog = rows[0]?.[0];
  if (catalog == null) throw new Failure('UNEXPECTED_ANSWER');
  return catalog;
}

export const databricksChecks: readonly DatabricksCheck[] = [
  authenticate,
  getWarehouse,
  executeQuery,
  listTables,
  tenancyCheck<DatabricksConfig, DatabricksState>((context, table) =>
    informationSchemaColumns((statement) => queryDatabricks(context, statement), table),
  ),
];
