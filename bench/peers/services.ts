/**
 * Mercurius or Apollo with the gateway's own schema, resolvers, services and way to the data, for a caller who was
 * signed in once: versions, history and journal are written as by the gateway, and what differs is the server around
 * them, which knows no tokens and no limits. run.ts starts it with the server's name, a token and the database's path,
 * and it prints its port. The package has the gateway's graphql, for a schema is known to the one that made it alone.
 */
import { dirname, join } from 'node:path';
import { App } from '../../src/app.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { schema } from '../../src/schema.ts';
import { listenAsApollo, listenAsMercurius, printPort } from './listening.ts';

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

const starts = {
  mercurius: () => listenAsMercurius({ schema, context: context as never }),
  apollo: () => listenAsApollo({ schema }, context),
};

await printPort(starts, name);
