/**
 * Mercurius or Apollo with the gateway's own schema, resolvers, services and way to the data, for a caller who was
 * signed in once: versions, history and journal are written as by the gateway, and what differs is the server around
 * them, which knows no tokens and no limits. run.ts starts it with the server's name, a token and the database's path,
 * and it prints its port. The package has the gateway's graphql, for a schema is known to the one that made it alone.
 */
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import fastify from 'fastify';
import mercurius from 'mercurius';
import { App } from '../../src/app.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { schema } from '../../src/schema.ts';

const [name = '', token = '', path = ''] = process.argv.slice(2);

const app = await App.open({
  host: '127.0.0.1',
  port: 0,
  databaseUrl: `sqlite:${path}`,
  keyFile: join(dirname(path), 'master.key'),
  bootstrap: false,
  egressAllow: [],
  graphiql: 'off',
  logger: createLogger({ level: 'error' }),
});
const access = await app.access.authenticate(token);
if (!access) throw new Error('The token is not one of this database');
const context = () => app.contextOf(access);

const starts: Readonly<Record<string, () => Promise<number>>> = {
  async mercurius() {
    const server = fastify();
    await server.register(mercurius, { schema, context: context as never, jit: 1 });
    await server.listen({ port: 0, host: '127.0.0.1' });
    return (server.server.address() as AddressInfo).port;
  },
  async apollo() {
    const listen = { port: 0, host: '127.0.0.1' };
    const { url } = await startStandaloneServer(new ApolloServer({ schema }), {
      context: async () => context(),
      listen,
    });
    return Number(new URL(url).port);
  },
};

const start = starts[name];
if (!start) throw new Error(`There is no server ${name}: ${Object.keys(starts).join(', ')}`);
process.stdout.write(`${await start()}\n`);
