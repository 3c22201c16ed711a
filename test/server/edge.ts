import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { GraphQLScalarType } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { createSchema } from 'graphql-yoga';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { RequestFault, ValidationError } from '../../src/errors/api.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { GatewayServer, type GatewayServerOptions } from '../../src/server/http.ts';

/** A value that must never come back. */
export const canary = 'cAn4ry-7f3e9b/Zz+hunter2';
/** The same where GraphQL's grammar wants a name. */
export const canaryName = 'cAn4ry7f3e9bZzHunter2';

export const goodToken = 'good-token-0123456789';

const typeDefs = /* GraphQL */ `
  "RFC 3339 text."
  scalar DateTime
  scalar JSON
  enum Color {
    RED
    GREEN
  }
  type Node {
    name: String
    next: Node
    all(first: Int, last: Int): Nodes
  }
  type Nodes {
    nodes: [Node!]!
  }
  type Query {
    me: String!
    node: Node
    wait: String
    crash: String
    badColor: Color
    fault: String
    invalid: String
    echo(text: String, number: Int, float: Float, yes: Boolean, id: ID, color: Color, at: DateTime, json: JSON, ids: [ID!]): String
    required(text: String!, input: Inner): String
  }
  input Inner {
    text: String!
    secret: String
  }
  enum TlsMode {
    DISABLE
    REQUIRE
  }
  input Tls {
    mode: TlsMode
    caCertificate: String
  }
  input S3ConfigInput {
    bucket: String!
    secretAccessKey: String
    port: Int
    tls: Tls
  }
  input PostgresConfigInput {
    host: String!
    password: String
  }
  input DatastoreConfigInput @oneOf {
    s3: S3ConfigInput
    postgres: PostgresConfigInput
  }
  input CreateDatastoreInput {
    label: String
    config: DatastoreConfigInput!
    tags: [String!]
    more: [DatastoreConfigInput!]
  }
  type Mutation {
    createDatastore(input: CreateDatastoreInput!): String
    count: Int
  }
  type Subscription {
    ticks(count: Int! = 3): Int
    stuck: Int
    crashes: Int
    flood: String
  }
`;

export interface TestContext {
  readonly access: { readonly name: string };
}

/** What happened inside of the resolvers. */
export interface Witness {
  mutations: number;
  /** Subscriptions whose source has not been told to return. */
  open: number;
  flooded: number;
  waiting: number;
  /** Ends the waiting. */
  readonly release: () => void;
  readonly released: Promise<void>;
}

function witnessed<T>(witness: Witness, next: () => Promise<T>): AsyncIterableIterator<T> {
  witness.open += 1;
  let over = false;
  return {
    async next() {
      return over ? { done: true, value: undefined } : { done: false, value: await next() };
    },
    async return() {
      if (!over) witness.open -= 1;
      over = true;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

export function createTestSchema(witness: Witness) {
  const never = () => new Promise<never>(() => undefined);
  return createSchema<TestContext>({
    typeDefs,
    resolvers: {
      DateTime: new GraphQLScalarType({
        name: 'DateTime',
        parseValue: (value) => {
          throw new Error(`no time: ${String(value)}`);
        },
      }),
      Query: {
        me: (_root, _args, context) => context.access.name,
        node: () => ({}),
        wait: async () => {
          witness.waiting += 1;
          await witness.released;
          return 'waited';
        },
        crash: () => {
          throw new Error(`the database said: ${canary}`);
        },
        badColor: () => canary,
        fault: () => {
          throw new RequestFault('FORBIDDEN', 'The token lacks the scope DATASTORES_READ.');
        },
        invalid: () => {
          throw new ValidationError([
            { path: ['first'], configPath: null, code: 'OUT_OF_RANGE', message: '1 to 100.' },
          ]);
        },
        echo: () => 'ok',
        required: () => 'ok',
      },
      Node: { next: () => ({}), name: () => 'node', all: () => ({ nodes: [] }) },
      Mutation: {
        createDatastore: () => {
          witness.mutations += 1;
          return 'created';
        },
        count: () => {
          witness.mutations += 1;
          return witness.mutations;
        },
      },
      Subscription: {
        ticks: {
          subscribe: async function* (_root: unknown, { count }: { count: number }) {
            for (let tick = 1; tick <= count; tick += 1) yield { ticks: tick };
          },
        },
        stuck: { subscribe: () => witnessed(witness, never) },
        crashes: {
          subscribe: async function* () {
            yield { crashes: 1 };
            throw new Error(`the stream said: ${canary}`);
          },
        },
        flood: {
          subscribe: () =>
            witnessed(witness, async () => {
              witness.flooded += 1;
              return { flood: 'x'.repeat(100_000) };
            }),
        },
      },
    },
  });
}

type Options = GatewayServerOptions<{ readonly name: string }, TestContext>;

/** A server over a small schema, closed when the test ends. */
export async function startEdge(overrides: Partial<Options> = {}) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const witness: Witness = { mutations: 0, open: 0, flooded: 0, waiting: 0, release, released };
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const tokens = new Map([[goodToken, { name: 'Ann' }]]);
  const gateway = new GatewayServer<{ readonly name: string }, TestContext>({
    schema: createTestSchema(witness),
    access: { authenticate: async (token) => tokens.get(token) ?? null },
    createContext: ({ access }) => ({ access }),
    logger: createLogger({ level: 'debug', destination }),
    graphiql: 'on',
    health: { ready: async () => true },
    ...overrides,
  });
  const { port } = await gateway.listen('127.0.0.1', 0);
  onTestFinished(() => gateway.close());
  const url = `http://127.0.0.1:${port}/graphql`;
  return {
    gateway,
    witness,
    tokens,
    port,
    url,
    log: () => lines.join(''),
    /** Over HTTP, by POST. */
    post: (body: unknown, headers: Record<string, string> = {}) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const all = { authorization: `Bearer ${goodToken}`, 'content-type': 'application/json', ...headers };
      return fetch(url, { method: 'POST', headers: all, body: text });
    },
    get: (search: Record<string, string>, headers: Record<string, string> = {}) =>
      fetch(`${url}?${new URLSearchParams(search)}`, { headers: { authorization: `Bearer ${goodToken}`, ...headers } }),
    /** Over WebSocket. */
    client: (
      options: { token?: string; onClosed?: (event: { code: number; reason: string }) => void } = {},
    ): Client => {
      const client = createClient({
        url: url.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: `Bearer ${options.token ?? goodToken}` },
        on: { closed: (event) => options.onClosed?.(event as { code: number; reason: string }) },
      });
      onTestFinished(() => void client.dispose());
      return client;
    },
  };
}
export type TestEdge = Awaited<ReturnType<typeof startEdge>>;

/** Every message that one operation gets over WebSocket, until it completes, as JSON text. */
export function overWebSocket(client: Client, payload: Parameters<Client['subscribe']>[0]): Promise<string> {
  const messages: unknown[] = [];
  return new Promise((resolve) => {
    client.subscribe(payload, {
      next: (value) => messages.push(value),
      error: (error) => resolve(JSON.stringify([...messages, { error: describe(error) }])),
      complete: () => resolve(JSON.stringify(messages)),
    });
  });
}

function describe(error: unknown): unknown {
  return error instanceof Error || !(error instanceof Object && 'code' in error) ? error : { code: error.code };
}

/** Sends bytes as they are and gives back what came until the server closed, or until `until` was seen in it. */
export function raw(port: number, chunks: AsyncIterable<string> | Iterable<string>, until?: RegExp): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (data: string) => {
      answer += data;
      if (until?.test(answer)) socket.destroy();
    });
    socket.on('error', () => undefined).on('close', () => resolve(answer));
    const write = async () => {
      for await (const chunk of chunks) {
        if (socket.destroyed) return;
        if (!socket.write(chunk))
          await Promise.race([
            new Promise((done) => socket.once('drain', done)),
            new Promise((done) => socket.once('close', done)),
          ]);
      }
    };
    void write();
  });
}
