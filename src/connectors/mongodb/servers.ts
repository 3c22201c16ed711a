import { endpointChecks } from '../kit/checks/endpoint.ts';
import { hostTarget } from '../kit/config/target.ts';
import { type CheckContext, type CheckOutcome, required, type Target } from '../kit/contract/connector.ts';
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

/** As the records of one cluster: more would be a name server's mischief. */
const MOST_SERVERS = 50;

export function targetOf(config: MongodbConfig): Target {
  return { ...hostTarget(config), portPath: config.srv ? 'host' : 'port' };
}

/** The kit's endpoint checks, which with srv go to the servers that the records list: to the first of them that answers. */
export const serverChecks = endpointChecks<MongodbConfig, MongodbState>({
  target: targetOf,
  resolve: (context, usual) => (context.config.srv ? resolveServers(context, usual) : usual()),
  connect: (context, usual) => (context.config.srv ? connectToOne(context, usual) : usual()),
  handshake: ({ config, state }, usual) => usual({ ...targetOf(config), ...state.server }),
});

type ToServer = (server: Target) => Promise<CheckOutcome>;

async function resolveServers({ config, dialer, state }: MongodbContext, resolve: ToServer): Promise<CheckOutcome> {
  const servers = await dialer.resolveService(`_mongodb._tcp.${config.host}`);
  if (servers.length > MOST_SERVERS) throw new Failure('TOO_MUCH_DATA', { configPath: 'host' });
  if (!servers.every(({ host }) => belongsTo(host, config.host))) {
    throw new Failure('ADDRESS_NOT_ALLOWED', {
      configPath: 'host',
      hint: 'The SRV records list a server of another domain, which the gateway does not follow.',
    });
  }
  for (const server of servers) await resolve({ ...targetOf(config), ...server });
  state.servers = servers;
  return { evidence: { servers: servers.map(({ host, port }) => `${host}:${port}`).join(', ') } };
}

/** The rule of every driver: the servers have all of the name's domain in common with it, and one label more. */
function belongsTo(server: string, name: string): boolean {
  const labels = name.split('.');
  const domain = labels.length < 3 ? name : labels.slice(1).join('.');
  return server.endsWith(`.${domain}`);
}

async function connectToOne({ config, state, signal }: MongodbContext, connect: ToServer): Promise<CheckOutcome> {
  const errors: unknown[] = [];
  for (const server of required(state.servers, 'endpoint/resolve')) {
    try {
      const { evidence } = await connect({ ...targetOf(config), ...server });
      state.server = server;
      return { evidence: { server: `${server.host}:${server.port}`, ...evidence }, warning: errors.length > 0 };
    } catch (error) {
      errors.push(error);
      signal.throwIfAborted();
    }
  }
  throw errors[0];
}
