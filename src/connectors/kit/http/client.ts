import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import { tlsOf } from '../checks/endpoint.ts';
import type { Ending, Target, TestContext } from '../contract/connector.ts';
import { explainNetworkError } from '../contract/explain.ts';
import { Failure } from '../contract/failure.ts';
import { type PeerSocket, SIGN_IN_LIMIT } from '../contract/peer-socket.ts';
import { hasMoreValues, MOST_VALUES } from './json-values.ts';

/** The longest headers and, unless a request says otherwise, the longest body that are read, in bytes. */
const MAX_HEADERS = 16 * 1024;
const DEFAULT_MAX_BYTES = 1024 * 1024;
/** How long an idle connection is kept, in milliseconds. No test lasts so long. */
const KEEP_ALIVE = 600_000;
/** The protocols that TLS offers to an HTTP server. */
export const ALPN = ['http/1.1'];

/** What a client is closed with that nobody waits for: undici would make an error of its own for each. */
const closed = new Failure('CONNECTION_LOST');

interface Undici {
  readonly Client: new (origin: string, options: Client.Options) => Client;
  readonly send: (this: Dispatcher, request: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>;
}

let undici: Promise<Undici> | undefined;

/**
 * Loads what is used of undici when it is first needed: its index loads fetch, WebSockets and caches besides, which
 * takes twice as long. The gateway's own process knows the connectors, but never sends their requests.
 */
function loadUndici(): Promise<Undici> {
  undici ??= Promise.all([import('undici/lib/dispatcher/client.js'), import('undici/lib/api/api-request.js')]).then(
    ([{ default: Client }, { default: send }]) => ({ Client, send }),
  );
  return undici;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** The path with its query, relative to the origin and percent-encoded. It is sent as it stands. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /**
   * The longest body that is read of a 2xx answer, in bytes; left out: 1 MiB. Of any other answer at most 64 KiB are
   * read.
   */
  readonly maxBytes?: number;
  /** What happens to a longer body of a 2xx answer: it fails with TOO_MUCH_DATA, or it is cut off. Left out: `fail`. */
  readonly tooLong?: 'fail' | 'cut';
  /** Another host than the target's, on the same port. `alsoAllow` must allow it. */
  readonly host?: string;
  /** True when something begins with it that its answer names: that is waited for although the test was aborted. */
  readonly begins?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** The headers by their names in lower case. The values of one that came several times are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** True when there was more of the body than was read. */
  readonly truncated: boolean;
  /** The config field that led to whoever answered; undefined where no field of the config does. */
  readonly configPath: string | undefined;
  /** Gives the body as UTF-8. */
  text(): string;
  /** Gives the body as JSON. Fails with PROTOCOL_MISMATCH when it is none, and with TOO_MUCH_DATA past MOST_VALUES. */
  json(): unknown;
}

export interface HttpClientOptions {
  /** Tells which hosts besides the target's a request may go to. Left out: none. */
  readonly alsoAllow?: (host: string) => boolean;
}

/** What a client needs of a test to reach the world. */
export type HttpContext = Pick<TestContext<unknown>, 'dialer' | 'link' | 'signal'>;

/**
 * The HTTP client of one test. It has one connection per host, the first of them the one that the endpoint checks
 * prepared. It has no times of its own: nothing ends but by the signal, an answer, or a failure.
 */
export class HttpClient {
  readonly #context: HttpContext;
  readonly #target: Target;
  readonly #options: HttpClientOptions;
  readonly #sockets = new Map<string, PeerSocket>();
  readonly #clients = new Map<string, Client>();
  /** How much the peer may send until the next request, in bytes: body, headers and the lengths of chunks. */
  #allowance = SIGN_IN_LIMIT;
  /** How many requests have no answer yet. */
  #waiting = 0;
  #isClosed = false;

  constructor(context: HttpContext, target: Target, options: HttpClientOptions = {}) {
    this.#context = context;
    this.#target = target;
    this.#options = options;
  }

  /**
   * Sends one request. Any status is an answer: redirects are not followed, bodies are not decompressed.
   * Fails with the failures of the network, never with the peer's words.
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const host = request.host ?? this.#target.host;
    if (host !== this.#target.host && !this.#options.alsoAllow?.(host)) {
      throw new Failure('ADDRESS_NOT_ALLOWED', {
        hint: 'The server leads to another host than the configured one, which the gateway does not follow: give that one.',
      });
    }
    const { signal, dialer } = this.#context;
    signal.throwIfAborted();
    const letGo = request.begins ? dialer.hold() : undefined;
    this.#waiting += 1;
    try {
      return await this.#send(request, host);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw explainNetworkError(error, this.#target) ?? error;
    } finally {
      this.#waiting -= 1;
      letGo?.();
    }
  }

  /** A client for the same hosts whose connections are new ones; they end with the ending's signal. */
  afterwards(ending: Ending): HttpClient {
    const { take } = this.#context.link;
    return new HttpClient({ ...ending, link: { socket: undefined, take } }, this.#target, this.#options);
  }

  /** Closes its connections at once. */
  close(): void {
    // only who waits for an answer has to learn that none comes
    const reason = this.#waiting > 0 ? new Failure('CONNECTION_LOST') : undefined;
    for (const socket of this.#sockets.values()) socket.destroy(reason);
    for (const client of this.#clients.values()) client.destroy(reason ?? closed).catch(() => undefined);
    this.#isClosed = true;
  }

  async #send(request: HttpRequest, host: string): Promise<HttpResponse> {
    const { Client, send } = await loadUndici();
    if (this.#isClosed) throw new Failure('CONNECTION_LOST');
    const client = this.#clientFor(host, Client);
    const maxBytes = request.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#allowance = 2 * maxBytes + SIGN_IN_LIMIT;
    this.#sockets.get(host)?.raiseCap(this.#allowance);
    // the request goes without the signal: undici would still parse the end of an answer that it has given up, and then
    // throw where nobody catches it; the dialer destroys the connection as soon as the signal aborts, which ends the
    // request as well
    const answer = await send.call(client, {
      method: request.method,
      path: request.path,
      headers: { 'accept-encoding': 'identity', ...request.headers },
      body: request.body ?? null,
    });
    const accepted = answer.statusCode >= 200 && answer.statusCode < 300;
    const limit = accepted ? maxBytes : Math.min(maxBytes, SIGN_IN_LIMIT);
    const cutOff = () => this.#sockets.get(host)?.destroy(new Failure('TOO_MUCH_DATA'));
    const { body, truncated } = await readBody(answer.body, limit, cutOff);
    if (truncated && accepted && request.tooLong !== 'cut') throw new Failure('TOO_MUCH_DATA');
    return this.#response(answer, body, truncated);
  }

  #response(answer: Dispatcher.ResponseData, body: Buffer, truncated: boolean): HttpResponse {
    const { hostPath, portPath = hostPath, strangerPath: configPath = portPath } = this.#target;
    const text = () => body.toString('utf8');
    const headers = Object.entries(answer.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), String(Array.isArray(value) ? value.join(', ') : value)]],
    );
    const json = (): unknown => {
      if (hasMoreValues(body, MOST_VALUES)) throw new Failure('TOO_MUCH_DATA');
      try {
        return JSON.parse(text());
      } catch {
        // the parser's own message quotes the peer
        throw new Failure('PROTOCOL_MISMATCH', { configPath });
      }
    };
    return { status: answer.statusCode, headers: Object.fromEntries(headers), body, truncated, configPath, text, json };
  }

  #clientFor(host: string, Client: Undici['Client']): Client {
    const known = this.#clients.get(host);
    if (known) return known;
    const client = new Client(this.#originOf(host), {
      connect: (_wanted, callback) => {
        this.#socketFor(host).then(
          // its type asks for a socket of Node's own, but it uses no more than a stream
          (socket) => callback(null, socket as unknown as Socket),
          (error: unknown) => callback(error instanceof Error ? error : new Failure('CANCELLED'), null),
        );
      },
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: MAX_HEADERS,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE,
    });
    this.#clients.set(host, client);
    return client;
  }

  async #socketFor(host: string): Promise<PeerSocket> {
    const socket = await this.#connect(host);
    socket.raiseCap(this.#allowance);
    this.#sockets.set(host, socket);
    return socket;
  }

  async #connect(host: string): Promise<PeerSocket> {
    const { dialer, link } = this.#context;
    const prepared = host === this.#target.host && link.socket ? link.take() : undefined;
    if (prepared && !prepared.destroyed) return prepared;
    const socket = await dialer.dial(host, this.#target.port);
    const tls = tlsOf(this.#target);
    return tls ? (await dialer.secure(socket, host, tls, { alpnProtocols: ALPN })).socket : socket;
  }

  #originOf(host: string): string {
    const scheme = tlsOf(this.#target) ? 'https' : 'http';
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.#target.port}`;
  }
}

/**
 * Reads the body up to the limit, in bytes. `cutOff` is called when there is more of it, and has to end the connection.
 */
function readBody(
  stream: Dispatcher.ResponseData['body'],
  limit: number,
  cutOff: () => void,
): Promise<{ body: Buffer; truncated: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ body: Buffer; truncated: boolean }>();
  const bytes = new GrowingBuffer();
  let settled = false;
  const settle = () => {
    settled = true;
    resolve({ body: bytes.first(limit), truncated: bytes.length > limit });
  };
  stream.on('data', (chunk: Buffer) => {
    if (bytes.length > limit) return;
    bytes.add(chunk);
    if (bytes.length <= limit) return;
    settle();
    cutOff();
  });
  stream.on('end', settle);
  stream.on('error', reject);
  stream.on('close', () => {
    if (!settled) reject(new Failure('CONNECTION_LOST'));
  });
  return promise;
}

/** Gathers bytes. Whoever sends millions of chunks of one byte each costs no more than their bytes. */
class GrowingBuffer {
  #bytes = Buffer.alloc(0);
  length = 0;

  add(chunk: Buffer): void {
    const needed = this.length + chunk.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.length);
    this.length = needed;
  }

  first(most: number): Buffer {
    return this.#bytes.subarray(0, Math.min(most, this.length));
  }
}
