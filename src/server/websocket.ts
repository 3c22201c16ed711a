import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLError,
  getOperationAST,
  OperationTypeNode,
} from 'graphql';
import {
  CloseCode,
  type Context,
  handleProtocols,
  makeServer,
  type OperationResult,
  type SubscribePayload,
} from 'graphql-ws';
import type { Logger } from 'pino';
import { type WebSocket, WebSocketServer } from 'ws';
import { LimitFault, type LimitSettings } from '../errors/limits.ts';
import type { Polled } from '../platform/streams/polled-stream.ts';
import { requestIdOf, withRequestId } from '../platform/telemetry/request-ids.ts';
import { type Authenticator, authenticate, type Identity } from './authenticate.ts';
import type { Caller } from './caller.ts';
import { requestLimits } from './limits.ts';
import { type LiveSessions, requireRoom } from './live-sessions.ts';
import { writeNext } from './next-message.ts';
import { checkParams, refuseRepeatedNames } from './params.ts';
import { publicForm, requestError } from './request-error.ts';
import type { Yoga } from './yoga.ts';

/** Close codes of RFC 6455 and of the IANA registry. */
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;
/** Why a connection closes with 4403, in at most 123 bytes. */
const NO_TOKEN = 'Forbidden: connection_init has no {"authorization": "Bearer …"} with a valid token';
const TOKEN_ENDED = 'Forbidden: the token was revoked or has expired';
/** How long clients may take to answer a close, and how long it takes between two looks at whether they have. */
const FAREWELL_MS = 1_000;
const FAREWELL_PAUSE_MS = 10;
/**
 * A turn of the event loop takes one message of each connection, and more of them for so many milliseconds: whoever
 * sends many at once waits for few turns, and holds nobody else for long.
 */
const TURN_MS = 5;

export interface WebSocketOptions<Access> {
  readonly yoga: Pick<Yoga<Access>, 'getEnveloped'>;
  readonly access: Authenticator<Access>;
  readonly sessions: LiveSessions;
  readonly mask: (error: unknown) => GraphQLError;
  readonly logger: Logger;
  readonly isClosing: () => boolean;
  readonly limits: {
    readonly connectionInitMs: number;
    readonly pingMs: number;
    readonly unreadBytes: number;
  } & LimitSettings;
  /** Counts a request of a token. @throws LimitFault */
  readonly countRequest: (token: string) => void;
}

/** What graphql-ws keeps of a connection for us. */
interface Connection<Access> {
  readonly socket: WebSocket;
  /** What `socket` writes its frames to. */
  readonly stream: Duplex;
  /** Resolves when the connection has closed. */
  readonly gone: Promise<void>;
  /** Messages that are not taken yet, the oldest first. Nothing more is read while there are any. */
  readonly waiting: string[];
  /** The text of the message that was taken last. */
  message: string;
  /** How many subscriptions get results. */
  subscriptions: number;
  /** Whether what is written waits for the event loop's next turn, so that it goes out together. */
  gathers: boolean;
  /** How many queries and mutations run, and operations are not known yet to be any. */
  running: number;
  identity?: Identity<Access>;
  leave?: () => void;
}

interface Prepared<Access> {
  readonly run: (args: ExecutionArgs) => OperationResult;
  readonly connection: Connection<Access>;
}

/** GraphQL over WebSocket: graphql-transport-ws, with the token in connection_init. */
export class WebSocketEdge<Access> {
  readonly #options: WebSocketOptions<Access>;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: requestLimits.bytes,
    handleProtocols,
    // frames are written past it, which it would compress
    perMessageDeflate: false,
  });
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown>, Connection<Access>>>;
  readonly #prepared = new WeakMap<ExecutionArgs, Prepared<Access>>();
  readonly #connections = new Set<Connection<Access>>();
  #isLeaving = false;
  /** When the messages of this turn of the event loop have had their time, by performance.now(); 0 before the first. */
  #turnEnds = 0;

  constructor(options: WebSocketOptions<Access>) {
    this.#options = options;
    this.#protocol = makeServer<Record<string, unknown>, Connection<Access>>({
      connectionInitWaitTimeout: options.limits.connectionInitMs,
      onConnect: (context) => this.#connect(context),
      onSubscribe: ({ extra, subscriptions }, _id, payload) =>
        counted(extra, () => this.#prepare(extra, Object.keys(subscriptions).length, payload)),
      execute: (args) => this.#execute(args),
      subscribe: (args) => this.#run(args),
      onOperation: ({ extra }, id, _payload, { contextValue }) => {
        const { stream } = (contextValue as Caller<Access>).opened ?? {};
        return stream && delivered(stream, extra, (result) => this.#deliver(extra, id, result));
      },
      onNext: (_context, _id, _payload, _args, result: ExecutionResult) => this.#shown(result),
      onError: (_context, _id, _payload, errors) => this.#shownErrors(errors),
      onClose: ({ extra }) => extra.leave?.(),
    });
  }

  /** Takes over a connection that asks for an upgrade; http.ts has judged its path, Host and Origin. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, (client) => this.#open(client, socket));
  }

  /** How many queries and mutations run at the moment. */
  running(): number {
    return [...this.#connections].reduce((sum, connection) => sum + connection.running, 0);
  }

  /**
   * From now on subscriptions are told nothing more: their connections are about to close, upon which clients connect
   * again, and go on with those that have not ended.
   */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Closes the connections over which no query and no mutation runs. */
  closeIdle(): void {
    for (const { socket, running, waiting } of this.#connections)
      if (running === 0 && waiting.length === 0) socket.close(GOING_AWAY, 'Going away');
  }

  /** Closes every connection. */
  async close(): Promise<void> {
    for (const client of this.#sockets.clients) client.close(GOING_AWAY, 'Going away');
    const deadline = performance.now() + FAREWELL_MS;
    while (this.#sockets.clients.size > 0 && performance.now() < deadline) await sleep(FAREWELL_PAUSE_MS);
    for (const client of this.#sockets.clients) client.terminate();
    this.#sockets.close();
  }

  #open(client: WebSocket, stream: Duplex): void {
    const { logger } = this.#options;
    const stopPinging = this.#keepAlive(client);
    const gone = new Promise<void>((resolve) => client.once('close', resolve));
    client.on('error', (error) => logger.debug({ err: error }, 'WebSocket error'));
    const connection: Connection<Access> = {
      socket: client,
      stream,
      gone,
      waiting: [],
      message: '',
      subscriptions: 0,
      gathers: false,
      running: 0,
    };
    this.#connections.add(connection);
    const closed = this.#protocol.opened(
      {
        protocol: client.protocol,
        send: (data) => this.#send(connection, data),
        close: (code, reason) => client.close(code, reason),
        onMessage: (receive) => client.on('message', (data) => this.#come(connection, receive, String(data))),
      },
      connection,
    );
    client.once('close', (code, reason) => {
      stopPinging();
      this.#connections.delete(connection);
      connection.waiting.length = 0;
      closed(code, String(reason)).catch((error: unknown) =>
        logger.error({ err: error }, 'a WebSocket did not close well'),
      );
    });
  }

  #come(connection: Connection<Access>, receive: (data: string) => Promise<void>, data: string): void {
    if (connection.waiting.push(data) > 1) return;
    connection.socket.pause();
    this.#takeNext(connection, receive);
  }

  #takeNext(connection: Connection<Access>, receive: (data: string) => Promise<void>): void {
    const { waiting, socket, leave } = connection;
    const [data] = waiting;
    if (data === undefined) return;
    void this.#receive(connection, receive, data);
    const goOn = () => {
      waiting.shift();
      if (waiting.length === 0) socket.resume();
      else this.#takeNext(connection, receive);
    };
    // what comes with the token waits until that is known; a tick of a microtask comes after all that this one sets off
    if (leave && this.#hasTime()) queueMicrotask(() => process.nextTick(goOn));
    else setImmediate(goOn);
  }

  #hasTime(): boolean {
    const now = performance.now();
    if (this.#turnEnds === 0) {
      this.#turnEnds = now + TURN_MS;
      setImmediate(() => {
        this.#turnEnds = 0;
      });
    }
    return now < this.#turnEnds;
  }

  async #receive(
    connection: Connection<Access>,
    receive: (data: string) => Promise<void>,
    data: string,
  ): Promise<void> {
    connection.message = data;
    try {
      await withRequestId(requestIdOf(undefined), () => receive(data));
    } catch (error) {
      this.#options.mask(error);
      connection.socket.close(CloseCode.InternalServerError, 'Internal server error');
    }
  }

  /** Resolves once the bytes are on their way, so that a subscription reads no more events than its client does. */
  #send(connection: Connection<Access>, data: string): Promise<void> {
    const { socket, gone } = connection;
    if (!this.#canSend(connection)) return gone;
    return new Promise((resolve) => {
      socket.send(data, (error) => {
        if (error) this.#options.logger.debug({ err: error }, 'a WebSocket went away');
        resolve();
      });
    });
  }

  /**
   * Writes a result of a subscription, past ws, which would make a frame of it for each of those who get it. It waits
   * where bytes of an earlier one are still to be written: a subscription is one event ahead of its client at most.
   */
  #deliver(connection: Connection<Access>, id: string, result: ExecutionResult): Promise<void> | undefined {
    const { stream, gone, subscriptions } = connection;
    if (this.#isLeaving || !this.#canSend(connection)) return gone;
    const payload = () => this.#shown(result);
    if (subscriptions > 1) gather(connection);
    else if (stream.writableLength === 0) return void writeNext(stream, id, result, payload);
    return new Promise((resolve) => writeNext(stream, id, result, payload, () => resolve()));
  }

  /**
   * Ends a connection whose client does not read. @returns false where nothing can be sent: resolving at once then
   * would let a source that is always ready spin, and its subscription would never hear of the close
   */
  #canSend({ socket, stream }: Connection<Access>): boolean {
    if (stream.writableLength > this.#options.limits.unreadBytes) socket.terminate();
    return socket.readyState === socket.OPEN;
  }

  #shown({ errors, ...result }: ExecutionResult): FormattedExecutionResult {
    return errors ? { ...result, errors: this.#shownErrors(errors) } : result;
  }

  #shownErrors(errors: readonly GraphQLError[]): ReturnType<typeof publicForm>[] {
    return errors.map((error) => publicForm(this.#options.mask(error)));
  }

  #keepAlive(client: WebSocket): () => void {
    let isAlive = true;
    client.on('pong', () => {
      isAlive = true;
    });
    const timer = setInterval(() => {
      if (!isAlive) return client.terminate();
      isAlive = false;
      client.ping();
    }, this.#options.limits.pingMs);
    return () => clearInterval(timer);
  }

  async #connect({ connectionParams, extra }: Context<Record<string, unknown>, Connection<Access>>): Promise<boolean> {
    const { access, sessions, logger } = this.#options;
    const { authorization, Authorization = authorization } = connectionParams ?? {};
    try {
      extra.identity = await authenticate(access, Authorization, logger);
    } catch (error) {
      if (this.#options.mask(error).extensions.code === 'UNAVAILABLE')
        extra.socket.close(TRY_AGAIN_LATER, 'Try again later');
      else extra.socket.close(CloseCode.Forbidden, NO_TOKEN);
      return false;
    }
    const end = (reason: GraphQLError) => {
      if (reason.extensions.code === 'UNAUTHENTICATED') extra.socket.close(CloseCode.Forbidden, TOKEN_ENDED);
    };
    try {
      extra.leave = sessions.open({ kind: 'connection', token: extra.identity.token, end });
    } catch (error) {
      if (!(error instanceof LimitFault)) throw error;
      const reason = `Too many connections: ${error.variable} is ${error.limit}`;
      extra.socket.close(CloseCode.TooManyInitialisationRequests, reason);
      return false;
    }
    // the client may have gone while its token was looked up
    if (extra.socket.readyState !== extra.socket.OPEN) extra.leave();
    return true;
  }

  /** Does with an operation what Yoga does with a request over HTTP, short of running it. */
  async #prepare(connection: Connection<Access>, open: number, payload: SubscribePayload) {
    try {
      const { identity } = connection;
      this.#refuseNow(open);
      const params = checkParams(payload);
      // the protocol gets here in the same turn in which the message came
      refuseRepeatedNames(params, connection.message);
      // as over HTTP, each operation asks again, for the token may have been revoked
      const caller = await authenticate(this.#options.access, `Bearer ${identity?.token}`, this.#options.logger);
      this.#options.countRequest(caller.token);
      const envelop = this.#options.yoga.getEnveloped({ ...caller, params, opened: {} });
      const document = envelop.parse(params.query ?? '');
      const errors = envelop.validate(envelop.schema, document);
      if (errors.length > 0) return errors;
      const args: ExecutionArgs = {
        schema: envelop.schema,
        document,
        operationName: params.operationName,
        variableValues: params.variables,
        contextValue: await envelop.contextFactory(),
      };
      const operation = getOperationAST(document, params.operationName)?.operation;
      const run = operation === OperationTypeNode.SUBSCRIPTION ? envelop.subscribe : envelop.execute;
      this.#prepared.set(args, { run, connection });
      return args;
    } catch (error) {
      const shown = this.#options.mask(error);
      if (shown.extensions.code === 'UNAUTHENTICATED') connection.socket.close(CloseCode.Forbidden, TOKEN_ENDED);
      return [shown];
    }
  }

  #refuseNow(open: number): void {
    if (this.#options.isClosing())
      throw requestError('UNAVAILABLE', { message: 'The gateway is stopping: connect again.' });
    // the one that asks is among them
    requireRoom(this.#options.limits, 'subscription', open - 1);
  }

  #run(args: ExecutionArgs): OperationResult {
    return this.#prepared.get(args)?.run(args) ?? {};
  }

  #execute(args: ExecutionArgs): OperationResult {
    const { connection } = this.#prepared.get(args) ?? {};
    return connection ? counted(connection, () => this.#run(args)) : {};
  }
}

/** Does something that a connection is not closed in the middle of. */
async function counted<T>(connection: { running: number }, work: () => T): Promise<Awaited<T>> {
  connection.running += 1;
  try {
    return await work();
  } finally {
    connection.running -= 1;
  }
}

/** Has what several subscriptions of a connection write until the event loop's next turn go out together. */
function gather(connection: Pick<Connection<unknown>, 'stream' | 'gathers'>): void {
  if (connection.gathers) return;
  connection.gathers = true;
  connection.stream.cork();
  setImmediate(() => {
    connection.gathers = false;
    connection.stream.uncork();
  });
}

/**
 * A subscription of which graphql-ws sees nothing but the end: it would make a message of each result for each of those
 * who get it. Nor is there a promise for each of them, unless its client is slow.
 */
function delivered(
  results: Polled<ExecutionResult>,
  connection: { subscriptions: number },
  deliver: (result: ExecutionResult) => Promise<void> | undefined,
): AsyncIterableIterator<never, undefined> {
  const deliverAll = (end: () => void, fail: (error: unknown) => void) => {
    let isWaiting = false;
    const goOn = () => {
      isWaiting = false;
      run();
    };
    const run = () => {
      if (isWaiting) return;
      try {
        for (let step = results.poll(run); step; step = results.poll(run)) {
          if (step.done) return end();
          const waiting = deliver(step.value);
          if (!waiting) continue;
          isWaiting = true;
          waiting.then(goOn, fail);
          return;
        }
      } catch (error) {
        fail(error);
      }
    };
    run();
  };
  return {
    async next() {
      connection.subscriptions += 1;
      try {
        await new Promise<void>(deliverAll);
        return { done: true, value: undefined };
      } catch (error) {
        await results.return();
        throw error;
      } finally {
        connection.subscriptions -= 1;
      }
    },
    async return() {
      await results.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
