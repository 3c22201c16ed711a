/** How the peers that run.ts starts listen: on loopback, on the port that each prints. */
import type { AddressInfo, Server } from 'node:net';
import { ApolloServer, type ApolloServerOptions } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import fastify from 'fastify';
import mercurius, { type MercuriusOptions } from 'mercurius';

const anyPort = { port: 0, host: '127.0.0.1' };

/** The port that a server of Node listens on, from now on. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(anyPort, resolve));
  return (server.address() as AddressInfo).port;
}

/** Mercurius, which compiles an operation when it has come once. */
export async function listenAsMercurius(options: MercuriusOptions): Promise<number> {
  const app = fastify();
  await app.register(mercurius, { ...options, jit: 1 });
  await app.listen(anyPort);
  return (app.server.address() as AddressInfo).port;
}

export async function listenAsApollo(options: ApolloServerOptions<object>, context: () => object): Promise<number> {
  const { url } = await startStandaloneServer(new ApolloServer(options), {
    context: async () => context(),
    listen: anyPort,
  });
  return Number(new URL(url).port);
}

/** Starts the server of this name, and prints its port. */
export async function printPort(starts: Readonly<Record<string, () => Promise<number>>>, name: string): Promise<void> {
  const start = starts[name];
  if (!start) throw new Error(`There is no server ${name}: ${Object.keys(starts).join(', ')}`);
  process.stdout.write(`${await start()}\n`);
}
