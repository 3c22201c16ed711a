import { endpointChecks } from '../kit/checks/endpoint.ts';
import type { Check, CheckContext, CheckOutcome, Target } from '../kit/contract/connector.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { MongodbConfig } from './config.ts';
import type { MongoSession } from './session.ts';

/** A server that a config leads to. */
export interface MongodbServer {
  readonly host: string;
  readonly port: number;
}

/** What the checks of one test share. */
export interface MongodbState {
  /** With srv those that the records list, the first to be tried first. */
  servers?: readonly MongodbServer[];
  /** The one that the link leads to. */
  server?: MongodbServer;
  session?: MongoSession;
  /** The session with the primary, where that is another server. */
  primary?: MongoSession;
}

export type MongodbContext = CheckContext<MongodbConfig, MongodbState>;
type MongodbCheck = Check<MongodbConfig, MongodbState>;

/** As the records of one cluster: more would be a name server's mischief. */
const MOST_SERVERS = 50;

export function targetOf({ host, port, srv, tls, sshTunnel }: MongodbConfig): Target {
  const portPath = srv ? 'host' : 'port';
  return { host, port, tls: tls.mode === 'DISABLE' ? null : tls, sshTunnel, hostPath: 'host', portPath };
}

/** The kit's endpoint checks, which with srv go to the servers that the records list: to the first of them that answers. */
export function serverChecks(): MongodbCheck[] {
  return endpointChecks<MongodbConfig, MongodbState>({ target: targetOf }).map((check) => {
    const toServer = (context: MongodbContext, server: MongodbServer) =>
      check.run({ ...context, config: { ...context.config, ...server } });
    const run = (context: MongodbContext): Promise<CheckOutcome> => {
      if (!context.config.srv) return check.run(context);
      if (check.name === 'endpoint/resolve') return resolveServers(context, toServer);
      if (check.name === 'endpoint/connect') return connectToOne(context, toServer);
      return toServer(context, serverOf(context));
    };
    return { ...check, run };
  });
}

/** Where the link leads. */
export function serverOf({ config, state }: MongodbContext): MongodbServer {
  const [first] = state.servers ?? [];
  return state.server ?? first ?? config;
}

type ToServer = (context: MongodbContext, server: MongodbServer) => Promise<CheckOutcome>;

async function resolveServers(context: MongodbContext, toServer: ToServer): Promise<CheckOutcome> {
  const { config, dialer, state } = context;
  const servers = await dialer.resolveService(`_mongodb._tcp.${config.host}`);
  if (servers.length > MOST_SERVERS) throw new Failure('TOO_MUCH_DATA', { configPath: 'host' });
  if (!servers.every(({ host }) => belongsTo(host, config.host))) {
    throw new Failure('ADDRESS_NOT_ALLOWED', {
      configPath: 'host',
      hint: 'The SRV records list a server of another domain, which the gateway does not follow.',
    });
  }
  for (const server of servers) await toServer(context, server);
  state.servers = servers;
  return { evidence: { servers: servers.map(({ host, port }) => `${host}:${port}`).join(', ') } };
}

/** The rule of every driver: the servers have all of the name's domain in common with it, and one label more. */
function belongsTo(server: string, name: string): boolean {
  const labels = name.split('.');
  const domain = labels.length < 3 ? name : labels.slice(1).join('.');
  return server.endsWith(`.${domain}`);
}

async function connectToOne(context: MongodbContext, toServer: ToServer): Promise<CheckOutcome> {
  const { servers = [] } = context.state;
  const errors: unknown[] = [];
  for (const server of servers) {
    try {
      const { evidence } = await toServer(context, server);
      context.state.server = server;
      return { evidence: { server: `${server.host}:${server.port}`, ...evidence }, warning: errors.length > 0 };
    } catch (error) {
      errors.push(error);
      context.signal.throwIfAborted();
    }
  }
  throw errors[0] ?? new Error('endpoint/resolve has to run first.');
}
