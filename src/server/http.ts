import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphQLError, GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import { RequestFault } from '../errors/api.ts';
import { type LimitSettings, limitOf } from '../errors/limits.ts';
import { requestIdOf, withRequestId } from '../platform/telemetry/request-ids.ts';
import type { Tracer } from '../platform/telemetry/tracer.ts';
import { AllowedOrigins } from './allowed-origins.ts';
import { type Authenticator, authenticate, type Identity } from './authenticate.ts';
import { acceptsAnswer, createDirectAnswer } from './direct-answer.ts';
import { Door } from './door.ts';
import { createGraphiQL, type GraphiQL, type GraphiQLOptions, type PeopleSignIn } from './graphiql.ts';
import type { ExampleDatabase } from './graphiql-examples.ts';
import { requestLimits } from './limits.ts';
import { listenAt } from './listen.ts';
import { LiveSessions } from './live-sessions.ts';
import { createErrorMask } from './mask-error.ts';
import { knownPath, type OnOperation, type OnResponse } from './observers.ts';
import { createOperations } from './operations.ts';
import { parseJson } from './params.ts';
import { RecordEdge, type RecordTransfers } from './record-transfers.ts';
import { isRecordsPath } from './records-path.ts';
import { endWhenLate, readBody, refuseUpgrade, sendAnswer, sendError, sendFetchResponse, sendText } from './replies.ts';
import { requestError } from './request-error.ts';
import { RequestRate } from './request-rate.ts';
import { ServedHosts } from './same-origin.ts';
import type { SignIn } from './sign-in.ts';
import { traceRequest } from './traces.ts';
import { WebSocketEdge } from './websocket.ts';
import { createGraphQL } from './yoga.ts';

/**
 * How long things may take, in milliseconds, and how many of them a token may have. What is left out is as production
 * has it.
 */
export interface ServerLimits extends LimitSettings {
  /** How long a WebSocket may stay without its token. */
  readonly connectionInitMs: number;
  /** How often the tokens of open connections and subscriptions are looked at again. */
  readonly recheckMs: number;
  /** How long between two pings over an open WebSocket, which is closed when no pong has come until the next. */
  readonly pingMs: number;
  /** How long close() waits for what is running. */
  readonly drainMs: number;
  /** How long the headers of a request may take to arrive, and then a body that is no import. */
  readonly requestMs: number;
  /** For how long nothing may go over the connection of an import or an export. */
  readonly transferIdleMs: number;
  /** Unread bytes at which a WebSocket's client counts as too slow and is closed. */
  readonly unreadBytes: number;
}

const DEFAULT_LIMITS: ServerLimits = {
  connectionInitMs: 3_000,
  recheckMs: 1_000,
  pingMs: 12_000,
  drainMs: 15_000,
  requestMs: 30_000,
  transferIdleMs: 120_000,
  unreadBytes: 1024 * 1024,
};
/** How many requests a turn of the event loop begins: what the first set going is to begin before the last of many. */
const MOST_IN_A_TURN = 40;
/** How long /readyz waits for the database. */
const READY_MS = 3_000;
/** How long a drain waits between two looks at what still runs. */
const DRAIN_PAUSE_MS = 20;
/** How often in the time that a request may take Node looks for those that took longer; by itself, every 30 s. */
const REQUEST_LOOKS = 30;
/** How long an idle connection stays open: longer than the 60 s of most load balancers, which must close it first. */
const KEEP_ALIVE_MS = 65_000;

export interface GatewayServerOptions<Access, Context extends object> {
  readonly schema: GraphQLSchema;
  readonly access: Authenticator<Access>;
  readonly createContext: (input: { readonly access: Access }) => Context | Promise<Context>;
  readonly logger: Logger;
  /** Left out: no two subscriptions share what is executed. */
  readonly rightsOf?: ((access: Access) => string) | undefined;
  /** With `on` a browser gets GraphiQL at /graphql. */
  readonly graphiql: 'on' | 'off';
  /** The Postgres that GraphiQL's example of a registration is about. Left out: one at its usual port. */
  readonly example?: ExampleDatabase | undefined;
  /** Without it GraphiQL takes a token in its Headers tab alone, and there are no sign-in links. */
  readonly signIn?: SignIn;
  /** Where people sign in who have no link and no token. Left out: nowhere. */
  readonly people?: PeopleSignIn;
  /** Told of a sign-in code that was refused. Left out: nobody is. */
  readonly onRefusedCode?: GraphiQLOptions['onRefused'];
  /** Left out: records are neither imported nor exported. */
  readonly records?: RecordTransfers<Access>;
  readonly health: { ready(): Promise<boolean> };
  /**
   * The Host headers that are served besides this machine's own names on loopback, each as `name` or `name:port`,
   * behind `http://` or `https://` where pages of that scheme alone are served.
   */
  readonly allowedHosts?: readonly string[];
  /** The origins whose pages may ask besides the gateway's own, as parseAllowedOrigins() gives them. */
  readonly allowedOrigins?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /** Told of what was answered. Left out: nobody is. */
  readonly onResponse?: OnResponse | undefined;
  readonly onOperation?: OnOperation | undefined;
  /** Left out: nobody collects traces. */
  readonly tracer?: Tracer | undefined;
}

/** The gateway's edge: HTTP, SSE and WebSocket. Nothing listens before listen(). */
export class GatewayServer<Access, Context extends object> {
  readonly server: Server;
  readonly #options: GatewayServerOptions<Access, Context>;
  readonly #limits: ServerLimits;
  readonly #sessions: LiveSessions;
  readonly #mask: ReturnType<typeof createErrorMask>;
  readonly #graphql: ReturnType<typeof createGraphQL<Access, Context>>;
  readonly #answerDirectly: ReturnType<typeof createDirectAnswer<Access, Context>>;
  readonly #graphiql: GraphiQL | undefined;
  readonly #records: RecordEdge<Access> | undefined;
  readonly #webSocket: WebSocketEdge<Access>;
  readonly #origins: AllowedOrigins;
  readonly #door: Door;
  readonly #rate: RequestRate | undefined;
  #running = 0;
  #closing: Promise<void> | undefined;
  /** Lets the requests go on that wait for the end of their turn. */
  readonly #arriving: (() => void)[] = [];

  constructor(options: GatewayServerOptions<Access, Context>) {
    const { schema, access, createContext, logger, graphiql, signIn } = options;
    this.#options = options;
    this.#origins = new AllowedOrigins(options.allowedOrigins ?? []);
    this.#door = new Door(this.#origins, logger);
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    const perMinute = limitOf(this.#limits, 'MAX_REQUESTS_PER_MINUTE');
    this.#rate = perMinute === undefined ? undefined : new RequestRate(perMinute);
    this.#mask = createErrorMask(logger);
    this.#sessions = new LiveSessions({
      authenticate: (token) => access.authenticate(token),
      logger,
      recheckMs: this.#limits.recheckMs,
      limits: this.#limits,
    });
    const { people, example, onRefusedCode: onRefused, onOperation, rightsOf, tracer } = options;
    const engine = { operations: createOperations(schema), createContext, mask: this.#mask, onOperation, tracer };
    this.#graphql = createGraphQL({ ...engine, schema, sessions: this.#sessions, logger, rightsOf });
    this.#answerDirectly = createDirectAnswer({ ...engine, yoga: this.#graphql });
    const edge = { sessions: this.#sessions, mask: this.#mask, limits: this.#limits, onOperation };
    this.#records = options.records && new RecordEdge({ ...edge, records: options.records });
    this.#graphiql = graphiql === 'on' ? createGraphiQL({ signIn, people, example, onRefused }) : undefined;
    const { requestMs } = this.#limits;
    const timeouts = {
      headersTimeout: requestMs,
      requestTimeout: 0,
      connectionsCheckingInterval: requestMs / REQUEST_LOOKS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    this.server = createServer({ ...timeouts, shouldUpgradeCallback: isForWebSocket }, (request, response) => {
      const id = requestIdOf(request.headers['x-request-id']);
      response.setHeader('x-request-id', id);
      withRequestId(id, () => this.#begin(request, response));
    });
    this.#webSocket = new WebSocketEdge({
      yoga: this.#graphql,
      access,
      sessions: this.#sessions,
      mask: this.#mask,
      logger,
      countRequest: (token) => this.#rate?.take(token),
      isClosing: () => this.#closing !== undefined,
      limits: this.#limits,
    });
    this.server.on('upgrade', (request, socket, head) => {
      // from here on nobody else listens to the socket, and an error without a listener ends the process
      socket.on('error', (error) => logger.debug({ err: error }, 'a connection broke'));
      withRequestId(requestIdOf(request.headers['x-request-id']), () => {
        const refusal = this.#refusedUpgrade(request);
        if (refusal) refuseUpgrade(socket, refusal);
        else this.#webSocket.upgrade(request, socket, head);
      });
    });
  }

  /** How many WebSockets and subscriptions are open. */
  open(): ReturnType<LiveSessions['count']> {
    return this.#sessions.count();
  }

  /** Starts to listen and says where, which is news for port 0 and for a name. Rejects when the address is taken. */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const bound = await listenAt(this.server, host, port);
    this.#door.open(new ServedHosts(host, bound.port, this.#options.allowedHosts ?? []));
    return bound;
  }

  /**
   * Says at once that it is not ready, ends subscriptions, waits at most 20 s for what runs, then closes everything.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  async #drain(): Promise<void> {
    this.#webSocket.leave();
    this.#sessions.close(requestError('UNAVAILABLE', { message: 'The gateway is stopping: connect again.' }));
    const deadline = performance.now() + this.#limits.drainMs;
    // what has come already is counted by then
    await this.#arrival();
    // asked again and again rather than told: it happens once in a server's life
    while (this.#running + this.#webSocket.running() > 0 && performance.now() < deadline) {
      this.#webSocket.closeIdle();
      await sleep(DRAIN_PAUSE_MS);
    }
    await this.#webSocket.close();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const { tracer } = this.#options;
    const answer = () => void this.#answer(request, response);
    const [path] = (request.url ?? '').split('?', 1);
    if (tracer && this.#isApi(path)) traceRequest(tracer, request, response, answer);
    else answer();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const [path] = (request.url ?? '').split('?', 1);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('cache-control', 'no-store');
    const { logger, onResponse } = this.#options;
    const log = () => {
      const ms = Math.round(performance.now() - started);
      logger.debug({ method: request.method, path, status: response.statusCode, ms }, 'request');
    };
    // whoever closes it works for no request
    const closed = logger.isLevelEnabled('debug') ? AsyncLocalStorage.bind(log) : undefined;
    response.once('close', () => {
      closed?.();
      onResponse?.(knownPath(path), response.statusCode);
    });
    await this.#arrival();
    if (!this.#isTransfer(path)) endWhenLate(request, response, this.#limits.requestMs);
    try {
      if (path === '/livez') sendText(response, 200, 'alive');
      else if (path === '/readyz') await this.#answerReady(response);
      else await this.#answerGuarded(path, request, response);
    } catch (error) {
      if (request.socket.destroyed) return this.#options.logger.debug({ err: error }, 'the caller went away');
      const shown = this.#mask(error);
      if (response.headersSent) response.destroy();
      else sendError(request, response, shown);
    }
  }

  /**
   * Resolves when what has come in this turn of the event loop is read. Then a body that came along with its headers is
   * there as a whole, without a timer and listeners; Node runs ticks and microtasks before it reads on. Of many
   * requests some wait for the turns after it.
   */
  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#arriving.push(resolve) === 1) setImmediate(() => this.#goOn());
    });
  }

  #goOn(): void {
    for (const resolve of this.#arriving.splice(0, MOST_IN_A_TURN)) resolve();
    if (this.#arriving.length > 0) setImmediate(() => this.#goOn());
  }

  async #answerReady(response: ServerResponse): Promise<void> {
    const ready = this.#closing === undefined && (await this.#isReady());
    sendText(response, ready ? 200 : 503, ready ? 'ready' : 'not ready');
  }

  async #isReady(): Promise<boolean> {
    try {
      return await Promise.race([this.#options.health.ready(), sleep(READY_MS, false, { ref: false })]);
    } catch (error) {
      if (!(error instanceof RequestFault)) this.#options.logger.warn({ err: error }, 'not ready');
      return false;
    }
  }

  async #answerGuarded(path: string | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isApi = this.#isApi(path);
    if (isApi) this.#origins.setHeaders(request, response);
    this.#door.admit(request, isApi);
    if (path === '/graphiql/session' && this.#graphiql && request.method === 'POST') {
      return await this.#graphiql.signIn(parseJson(await readJsonBody(request), 'The body'), response);
    }
    if (path === '/graphiql/provider' && this.#graphiql && request.method === 'GET')
      return await this.#graphiql.sendProvider(response);
    if (path === '/' && this.#graphiql?.isFor(request))
      return void response.writeHead(302, { location: '/graphql' }).end();
    if (!isApi) return sendText(response, 404, 'There is nothing here. The API is at /graphql.');
    if (this.#origins.isPreflight(request)) return this.#origins.sendPreflight(response);
    if (path === '/graphql' && this.#graphiql?.isFor(request)) return await this.#graphiql.sendPage(request, response);
    this.#running += 1;
    response.once('close', () => {
      this.#running -= 1;
    });
    if (path === '/graphql') return await this.#answerGraphQL(request, response);
    await this.#records?.answer(request, response, await this.#identify(request));
  }

  /** Finds out who asks, and counts the request. @throws a request error while the gateway stops */
  async #identify({ headers }: IncomingMessage): Promise<Identity<Access>> {
    if (this.#closing)
      throw requestError('UNAVAILABLE', { status: 503, headers: { 'retry-after': '1', connection: 'close' } });
    const identity = await authenticate(this.#options.access, headers.authorization, this.#options.logger);
    this.#rate?.take(identity.token);
    return identity;
  }

  #isApi(path: string | undefined): boolean {
    return path === '/graphql' || this.#isTransfer(path);
  }

  #isTransfer(path: string | undefined): boolean {
    return this.#records !== undefined && isRecordsPath(path);
  }

  async #answerGraphQL(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers, url = '' } = request;
    if (method !== 'GET' && method !== 'POST') {
      const message = 'GraphQL takes GET and POST.';
      throw requestError('METHOD_NOT_ALLOWED', { message, status: 405, headers: { allow: 'GET, POST' } });
    }
    const identity = await this.#identify(request);
    const body = method === 'POST' ? await readJsonBody(request) : undefined;
    const accept = headers.accept || '*/*';
    const mark = { holdsSecrets: false };
    const caller = { ...identity, answer: mark };
    const direct = body === undefined ? undefined : await this.#answerDirectly(body, accept, caller);
    if (direct) return await sendAnswer(response, direct, !mark.holdsSecrets);
    if (!acceptsAnswer(accept)) throw notAcceptable();
    const init = {
      method,
      body,
      headers: { accept, ...(body !== undefined && { 'content-type': 'application/json' }) },
    };
    // the base is our own, for what the caller says in Host is none of Yoga's business
    const answer = await this.#graphql.fetch(`http://gateway${url}`, init, caller);
    // to who accepts an answer in parts, and asks for a subscription, Yoga says nothing at all
    if (answer.status === 406 && answer.body === null) throw notAcceptable();
    await sendFetchResponse(response, answer, !mark.holdsSecrets);
  }

  #refusedUpgrade(request: IncomingMessage): GraphQLError | undefined {
    const path = request.url?.split('?', 1)[0];
    if (path !== '/graphql') return requestError('NOT_FOUND', { message: 'WebSockets are at /graphql.', status: 404 });
    if (this.#closing) return requestError('UNAVAILABLE', { status: 503, headers: { 'retry-after': '1' } });
    try {
      this.#door.admitWebSocket(request);
      return undefined;
    } catch (error) {
      return this.#mask(error);
    }
  }
}

/**
 * Whether a request asks for a WebSocket. One for another protocol is answered over HTTP/1.1 as if it had not asked:
 * Java's client and `curl --http2` offer HTTP/2 with each request. Node before 24.9 does not ask.
 */
function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

function notAcceptable(): GraphQLError {
  const message =
    'Accept application/json or application/graphql-response+json, and for a subscription text/event-stream.';
  return requestError('BAD_REQUEST', { message, status: 406 });
}

async function readJsonBody(request: IncomingMessage): Promise<string> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters
    .map((each) => /^\s*charset\s*=\s*"?([^"\s]*)/.exec(each)?.[1])
    .find((each) => each !== undefined);
  const isPlain = (request.headers['content-encoding'] ?? 'identity') === 'identity';
  if (type.trim() !== 'application/json' || (charset ?? 'utf-8').replace('utf8', 'utf-8') !== 'utf-8' || !isPlain) {
    throw requestError('UNSUPPORTED_MEDIA_TYPE', {
      message: 'Only JSON bodies are taken: application/json in UTF-8.',
      status: 415,
    });
  }
  return await readBody(request, requestLimits.bytes);
}
