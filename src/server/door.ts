import type { IncomingMessage } from 'node:http';
import type { GraphQLError } from 'graphql';
import { handleProtocols } from 'graphql-ws';
import type { Logger } from 'pino';
import type { RequestErrorCode } from '../errors/api.ts';
import { Allowance } from '../platform/allowance.ts';
import type { AllowedOrigins } from './allowed-origins.ts';
import { requestError } from './request-error.ts';
import type { ServedHosts } from './same-origin.ts';

/** How many refusals are logged in a minute, for anybody may bring them about. */
const LOGGED = { count: 20, size: Number.POSITIVE_INFINITY, periodMs: 60_000 };
/** What a caller's header must look like to be repeated to him and in the log. */
const HOST = /^[\w.:[\]-]{1,260}$/;
const ORIGIN = /^https?:\/\/[\w.:[\]-]{1,260}$/i;
/** What ALLOWED_ORIGINS cannot list. */
const OTHER_SCHEME = /^(?!https?:)[a-z][\w+.-]*:/i;

/**
 * Judges by Host and Origin who may ask, over HTTP and WebSocket alike, and of a WebSocket whether it speaks our
 * protocol. Who is refused is told what the operator has to set, and so is the operator, in the log.
 */
export class Door {
  readonly #origins: AllowedOrigins;
  readonly #logger: Logger;
  readonly #logged = new Allowance(LOGGED);
  #hosts: ServedHosts | undefined;

  constructor(origins: AllowedOrigins, logger: Logger) {
    this.#origins = origins;
    this.#logger = logger;
  }

  /** Opens it: whatever comes before is refused. */
  open(hosts: ServedHosts): void {
    this.#hosts = hosts;
  }

  /** Lets in who may ask, of pages of another origin for the API alone. @throws a request error FORBIDDEN */
  admit({ headers: { host, origin } }: IncomingMessage, isApi: boolean): void {
    if (!this.#hosts?.serves(host)) throw this.#refused(hostMessage(host));
    if (this.#hosts.isSameOrigin(origin, host)) return;
    if (!this.#origins.has(origin)) throw this.#refused(originMessage(origin));
    if (!isApi) throw this.#refused('Pages of another origin are served the API alone, at /graphql and for records.');
  }

  /**
   * Lets in a WebSocket that may ask for the API and speaks its protocol. One that names no protocol is told by the
   * close of its connection. @throws a request error FORBIDDEN or BAD_REQUEST
   */
  admitWebSocket(request: IncomingMessage): void {
    this.admit(request, true);
    const offered = request.headers['sec-websocket-protocol'];
    if (offered && !handleProtocols(offered)) throw this.#refused(PROTOCOL_MESSAGE, 'BAD_REQUEST', 400);
  }

  #refused(message: string, code: RequestErrorCode = 'FORBIDDEN', status = 403): GraphQLError {
    const taken = this.#logged.take(1);
    if (taken === 'within') this.#logger.warn(`a request was refused: ${message}`);
    if (taken === 'spent') this.#logger.warn('more requests are refused at the door than are logged');
    return requestError(code, { message, status });
  }
}

const PROTOCOL_MESSAGE =
  'WebSockets speak graphql-transport-ws, as the library graphql-ws does; subscriptions-transport-ws, which calls its own protocol graphql-ws, is another one.';

function hostMessage(host: string | undefined): string {
  const start = 'The Host header names none of this gateway’s hosts';
  return host !== undefined && HOST.test(host)
    ? `${start}: if it is one, ask its operator to add ${host} to ALLOWED_HOSTS.`
    : `${start}: ask its operator to add it to ALLOWED_HOSTS.`;
}

function originMessage(origin: string | undefined): string {
  if (origin === 'null') return 'Pages without an origin of their own, as files and sandboxed frames, are not served.';
  if (origin !== undefined && OTHER_SCHEME.test(origin))
    return 'Pages of another scheme than https:// and http://, as those of browser extensions, are not served.';
  const start = 'Pages of another origin are not served';
  return origin !== undefined && ORIGIN.test(origin)
    ? `${start}: ask the gateway’s operator to add ${origin.toLowerCase()} to ALLOWED_ORIGINS.`
    : `${start}: ask the gateway’s operator to add theirs to ALLOWED_ORIGINS.`;
}
