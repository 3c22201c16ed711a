/**
 * PostGraphile over the gateway's own tables in Postgres, in its own form of an API: postgres.ts starts it with the
 * database's URL, and it prints its port. It knows no tokens, rights or limits.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { makeV4Preset } from 'postgraphile/presets/v4';

const server = createServer();
const api = postgraphile({
  extends: [PostGraphileAmberPreset, makeV4Preset({ dynamicJson: true })],
  pgServices: [makePgService({ connectionString: process.argv[2] ?? '', schemas: ['public'], pubsub: false })],
  grafast: { explain: false },
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
});
const serving = api.createServ(grafserv);
await serving.addTo(server);
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
