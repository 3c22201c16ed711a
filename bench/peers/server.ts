/**
 * One of the servers that the gateway is compared with, over a copy of its database, with Kysely and a dataloader for
 * each relation, as most who write one would. None knows tokens, rights or limits, versions or a journal. run.ts starts
 * it with the server's name and the database's path, and it prints its port.
 */
import { createServer } from 'node:http';
import Sqlite from 'better-sqlite3';
import DataLoader from 'dataloader';
import { createHandler } from 'graphql-http/lib/use/http';
import { createSchema, createYoga } from 'graphql-yoga';
import { Kysely, SqliteDialect } from 'kysely';
import { listen, listenAsApollo, listenAsMercurius, printPort } from './listening.ts';

interface Tables {
  datastores: {
    id: string;
    environment_id: string;
    name: string;
    label: string;
    label_folded: string;
    config: string;
    version: number;
    last_test_id: string | null;
  };
  environments: { id: string; name: string };
  connection_tests: { id: string; status: string };
}

const [name = '', path = ''] = process.argv.slice(2);
const file = new Sqlite(path);
file.pragma('journal_mode = WAL');
file.pragma('synchronous = FULL');
const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: file }) });

const typeDefs = /* GraphQL */ `
  type Query {
    datastore(id: ID!): Datastore
    datastores(environmentId: ID, first: Int): DatastoreConnection!
  }
  type DatastoreConnection {
    nodes: [Datastore!]!
  }
  interface Datastore {
    id: ID!
    name: String!
    label: String!
    environment: Environment!
    lastTest: ConnectionTest
  }
  type PostgresDatastore implements Datastore {
    id: ID!
    name: String!
    label: String!
    environment: Environment!
    lastTest: ConnectionTest
    config: PostgresConfig!
  }
  type PostgresConfig {
    host: String
    port: Int
    username: String
    database: String
    schema: String
  }
  type Environment {
    id: ID!
    name: String!
  }
  type ConnectionTest {
    id: ID!
    status: String!
  }
  input UpdateDatastoreInput {
    id: ID!
    label: String
  }
  type UpdateDatastoreSuccess {
    datastore: Datastore!
  }
  type NotFoundError {
    message: String!
  }
  union UpdateDatastoreResult = UpdateDatastoreSuccess | NotFoundError
  type Mutation {
    updateDatastore(input: UpdateDatastoreInput!): UpdateDatastoreResult!
  }
`;

type Row = Tables['datastores'];
type Loaders = ReturnType<typeof createLoaders>;

function createLoaders() {
  const byId = <Found extends { id: string }>(find: (ids: readonly string[]) => Promise<Found[]>) =>
    new DataLoader<string, Found | null>(async (ids) => {
      const found = new Map((await find(ids)).map((one) => [one.id, one]));
      return ids.map((id) => found.get(id) ?? null);
    });
  return {
    environment: byId((ids) => db.selectFrom('environments').selectAll().where('id', 'in', ids).execute()),
    test: byId((ids) => db.selectFrom('connection_tests').selectAll().where('id', 'in', ids).execute()),
  };
}

const resolvers = {
  Query: {
    datastore: (_root: unknown, { id }: { id: string }) =>
      db.selectFrom('datastores').selectAll().where('id', '=', id).executeTakeFirst(),
    datastores: async (_root: unknown, { environmentId, first }: { environmentId: string; first: number }) => ({
      nodes: await db
        .selectFrom('datastores')
        .selectAll()
        .where('environment_id', '=', environmentId)
        .orderBy('label_folded')
        .orderBy('id')
        .limit(first)
        .execute(),
    }),
  },
  Mutation: {
    updateDatastore: async (_root: unknown, { input: { id, label } }: { input: { id: string; label: string } }) => {
      const datastore = await db.transaction().execute(async (change) => {
        await change
          .updateTable('datastores')
          .set(({ eb }) => ({ label, label_folded: label.toLowerCase(), version: eb('version', '+', 1) }))
          .where('id', '=', id)
          .execute();
        return change.selectFrom('datastores').selectAll().where('id', '=', id).executeTakeFirst();
      });
      return datastore ? { datastore } : { message: 'There is no such datastore.' };
    },
  },
  UpdateDatastoreResult: {
    __resolveType: (result: object) => ('datastore' in result ? 'UpdateDatastoreSuccess' : 'NotFoundError'),
  },
  Datastore: { __resolveType: () => 'PostgresDatastore' },
  PostgresDatastore: {
    config: ({ config }: Row) => JSON.parse(config) as unknown,
    environment: ({ environment_id }: Row, _arguments: unknown, { loaders }: { loaders: Loaders }) =>
      loaders.environment.load(environment_id),
    lastTest: ({ last_test_id }: Row, _arguments: unknown, { loaders }: { loaders: Loaders }) =>
      last_test_id === null ? null : loaders.test.load(last_test_id),
  },
};

const context = () => ({ loaders: createLoaders() });

const starts = {
  yoga: () =>
    listen(createServer(createYoga({ schema: createSchema({ typeDefs, resolvers }), context, logging: false }))),
  'graphql-http': () => listen(createServer(createHandler({ schema: createSchema({ typeDefs, resolvers }), context }))),
  mercurius() {
    const { Datastore, UpdateDatastoreResult, ...objects } = resolvers;
    const own = {
      ...objects,
      Datastore: { resolveType: Datastore.__resolveType },
      UpdateDatastoreResult: { resolveType: UpdateDatastoreResult.__resolveType },
    };
    return listenAsMercurius({ schema: typeDefs, resolvers: own as never, context });
  },
  apollo: () => listenAsApollo({ typeDefs, resolvers: resolvers as never }, context),
};

await printPort(starts, name);
