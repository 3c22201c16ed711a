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
  /** The servers that the records list, with srv; the first is tried first. */
  servers?: readonly MongodbServer[];
  /** The server that the link leads to, with srv. */
  server?: MongodbServer;
  session?: MongoSession;
  /** The primary, when that is another server, and the session with it. */
  primaryServer?: MongodbServer;
  primary?: MongoSession;
}

export type MongodbContext = CheckContext<MongodbConfig, MongodbState>;

/**
 * The most servers that the records may list: no cluster has more, so a name server that lists more is up to mischief.
 */
const MOST_SERVERS = 50;

export function targetOf(config: MongodbConfig): Target {
  const target = hostTarget(config);
  return config.srv ? { ...target, portPath: 'host', service: serviceOf(config) } : target;
}

function serviceOf({ host }: MongodbConfig): string {
  return `_mongodb._tcp.${host}`;
}

/**
 * The kit's endpoint checks. With srv they resolve the servers that the records list, and connect to the first that
 * answers.
 */
export const serverChecks = endpointChecks<MongodbConfig, MongodbState>({
  target: targetOf,
  resolve: (context, usual) => (context.config.srv ? resolveServers(context, usual) : usual()),
  connect: (context, usual) => (context.config.srv ? connectToOne(context, usual) : usual()),
  handshake: ({ config, state }, usual) => usual({ ...targetOf(config), ...state.server }),
});

type ToServer = (server: Target) => Promise<CheckOutcome>;

async function resolveServers({ config, dialer, state }: MongodbContext, resolve: ToServer): Promise<CheckOutcome> {
  const servers = await dialer.resolveService(serviceOf(config));
  if (servers.length > MOST_SERVERS)
    throw new Failure('TOO_MUCH_DATA', {
      configPath: 'host',
      hint: `The SRV records list more than ${MOST_SERVERS} servers: give one server’s own name, without \`srv\`.`,
    });
  if (!servers.every(({ host }) => belongsTo(host, config.host))) {
    throw new Failure('ADDRESS_NOT_ALLOWED', {
      configPath: 'host',
      hint: 'The SRV records list a server of another domain, which the gateway does not follow: check `host`, or give one server’s own name, without `srv`.',
    });
  }
  for (const server of servers) await resolve({ ...targetOf(config), ...server });
  state.servers = servers;
  return { evidence: { servers: servers.map(({ host, port }) => `${host}:${port}`).join(', ') } };
}

/**
 * Tells whether a server is of the name's own domain. Every driver has the same rule: it ends in that domain, with one
 * label or more before.
 */
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
