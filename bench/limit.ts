/**
 * L, the limit: plain node:http and prepared better-sqlite3 statements that write the same bytes as the gateway,
 * without GraphQL, tokens or checks. run.ts starts it with the database's path, and it prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Database from 'better-sqlite3';
import { type ConfigValues, fieldsOf } from '../src/connectors/kit/config/shape.ts';
import { connectorOf } from '../src/connectors/registry.ts';
import { PAGE_SIZE } from './load.ts';

const database = new Database(process.argv[2] ?? '');
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
const joined = `select d.id, d.name, d.label, d.config, e.id as environment_id, e.name as environment, t.id as test_id, t.status
  from datastores d join environments e on e.id = d.environment_id left join connection_tests t on t.id = d.last_test_id`;
const one = database.prepare(`${joined} where d.id = ?`);
const page = database.prepare(`${joined} where d.environment_id = ? order by d.label_folded, d.id limit ${PAGE_SIZE}`);
const rename = database.prepare(
  'update datastores set label = ?, label_folded = ?, version = version + 1 where id = ?',
);
const keys = fieldsOf(connectorOf('POSTGRES').config)
  .filter(({ key }) => ['host', 'port', 'username', 'database', 'schema'].includes(key))
  .map(({ key }) => key);

interface Row {
  readonly id: string;
  readonly name: string;
  readonly label: string;
  readonly config: string;
  readonly environment_id: string;
  readonly environment: string;
  readonly test_id: string | null;
  readonly status: string | null;
}

function shown(row: Row) {
  const config = JSON.parse(row.config) as ConfigValues;
  return {
    id: row.id,
    name: row.name,
    label: row.label,
    config: Object.fromEntries(keys.map((key) => [key, config[key] ?? null])),
    environment: { id: row.environment_id, name: row.environment },
    lastTest: row.test_id === null ? null : { id: row.test_id, status: row.status },
  };
}

const answers: Readonly<Record<string, (variables: Record<string, string>) => unknown>> = {
  Q1: ({ id }) => ({ datastore: shown(one.get(id) as Row) }),
  Q2: ({ environmentId }) => ({ datastores: { nodes: (page.all(environmentId) as Row[]).map(shown) } }),
  M1: ({ id, label = '' }) => {
    rename.run(label, label.toLowerCase(), id);
    return { updateDatastore: { datastore: { id, label } } };
  },
};

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { operationName, variables } = JSON.parse(Buffer.concat(chunks).toString());
  response.setHeader('content-type', 'application/graphql-response+json; charset=utf-8');
  response.end(JSON.stringify({ data: answers[operationName]?.(variables) }));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
